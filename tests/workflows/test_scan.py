"""``scan.yml`` step by step on the embedded Hub, as GitHub's runner works it off."""

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from safetensors.numpy import load_file, save_file

from hubbot.localhub.server import LocalHub
from hubbot.records.record import Record
from hubbot.records.store import parse_record, read_record, write_record
from tests.workflows.machine import StepResult
from tests.workflows.runner import JobResult, Runner

pytestmark = pytest.mark.slow

SCAN = Path(__file__).parents[2] / ".github" / "workflows" / "scan.yml"


@pytest.fixture
def scanner(runner: Runner, hub: LocalHub) -> Runner:
    """The repository, known to GitHub as well; the run's token may do what the job asks for."""
    hub.github.add_repository(runner.repository, {"README.md": "scores\n"})
    hub.github.add_token(runner.token, "me", {"contents": "write", "pull_requests": "write"})
    runner.machine_environment = {
        **runner.machine_environment,
        "HUBBOT_GITHUB__BASE_URL": f"{hub.url}/github",
        # Fine-tuning within a pass has tests of its own, and takes minutes.
        "HUBBOT_BOT__SENSITIVITIES_PER_PASS": "0",
        "HUBBOT_BOT__EVALUATIONS_PER_PASS": "0",
    }
    runner.inputs = {"shards": "2", "send": True}
    return runner


def writes(hub: LocalHub) -> list[str]:
    return [f"{one.method} {one.target}" for one in hub.log if one.is_write]


def assert_went_well(job: JobResult) -> None:
    said = [f"{step.name}: {step.stdout}{step.stderr}" for step in job.steps]
    assert job.result == "success", "\n".join(said)


def holds_secret(step: StepResult, runner: Runner) -> bool:
    secrets = (runner.secrets["HUBBOT_WRITE_TOKEN"], runner.token)
    return any(secret in value for value in step.environment.values() for secret in secrets)


def planned(scanner: Runner) -> list[str]:
    """Return the models on the lists of the last run."""
    folder = scanner.folder / f"run-{scanner.run_number}" / "artifacts" / "plan"
    lists = [json.loads(path.read_text()) for path in sorted(folder.glob("shard-*.json"))]
    return [one["model"] for each in lists for one in each["models"]]


def standing(collect: JobResult) -> dict[str, tuple[str, str]]:
    """Return where each checkpoint stands in the ledger that a job left."""
    assert collect.workspace is not None
    connection = sqlite3.connect(collect.workspace / "ledger" / "ledger.sqlite")
    rows = connection.execute("SELECT model, state, code FROM checkpoints").fetchall()
    connection.close()
    return {model: (state, code) for model, state, code in rows if state != "skipped"}


def other_files(sound: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the files of a checkpoint with other weights, which score nearly the same."""
    tensors = dict(load_file(sound["model.safetensors"]))
    name = next(name for name in tensors if "LayerNorm.weight" in name)
    tensors[name] = (tensors[name] * 1.01).astype(tensors[name].dtype)
    path = folder / "other.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    return {**sound, "model.safetensors": path}


def test_a_pass_measures_without_secrets_proposes_with_them_and_is_not_repeated(
    scanner: Runner, hub: LocalHub
) -> None:
    first = scanner.run(SCAN)
    jobs = [job for results in first.values() for job in results]
    for job in jobs:
        assert_went_well(job)
    holding = [step.name for job in jobs for step in job.steps if holds_secret(step, scanner)]
    assert holding == ["Collect"]
    assert [job.matrix["shard"] for job in first["measure"]] == [0]
    (opened,) = hub.pull_requests("me/child")
    assert (opened.status, opened.author) == ("open", "me")
    (scores,) = hub.github.pull_requests(scanner.repository)
    filed = hub.github.files(scanner.repository, scores.head)
    assert "cards/scores/all-MiniLM-L6-v2/me--child.yaml" in filed
    summary = first["collect"][0].step("Collect").summary
    assert summary
    assert all(line.startswith("    ") for line in summary.splitlines()), "a block of code"

    # The ledger came through the cache: nothing is left to measure, or to write.
    before_quiet = len(writes(hub))
    again = scanner.run(SCAN)
    assert again["plan"][0].outputs["shards"] == "0"
    assert again["measure"][0].result == "skipped"
    assert_went_well(again["collect"][0])
    assert len(writes(hub)) == before_quiet

    # A lost ledger means work done twice, not a second pull request.
    (scanner.folder / "cache").rename(scanner.folder / "lost")
    before = hub.pull_requests("me/child")
    scanner.run(SCAN)
    assert hub.pull_requests("me/child") == before
    assert len(hub.github.pull_requests(scanner.repository)) == 1


def test_over_three_nights_nothing_is_measured_twice_and_what_waited_is_sent(
    scanner: Runner, hub: LocalHub, sound: Mapping[str, Any], tmp_path: Path
) -> None:
    with (scanner.source / "hubbot.toml").open("a") as settings:
        settings.write("max_pull_requests_per_day = 1\n")
    hub.add_model("me/second", other_files(sound, tmp_path))

    # A dry run by hand: nothing is written, and the records are in no pull request.
    scanner.inputs = {"shards": "1"}
    (first,) = scanner.run(SCAN)["collect"]
    assert_went_well(first)
    assert sorted(planned(scanner)) == ["me/child", "me/second"]
    assert set(standing(first).values()) == {("recorded", "")}
    assert writes(hub) == []

    # The same with `send`: nothing new is there, and what was measured is proposed up to the cap.
    scanner.inputs = {"shards": "1", "send": True}
    done = scanner.run(SCAN)
    assert (planned(scanner), done["measure"][0].result) == ([], "skipped")
    assert_went_well(done["collect"][0])
    after = standing(done["collect"][0])
    assert sorted(after.values()) == [("published", ""), ("recorded", "cap-day")]
    (sent,) = [name for name, (state, _) in after.items() if state == "published"]
    assert len(hub.pull_requests(sent)) == 1
    (scores,) = hub.github.pull_requests(scanner.repository)

    # The owner closes it. Next night something is new, whose runner is lost.
    hub.close_pull_request(sent, 1, "me")
    hub.add_model("me/third", other_files(sound, tmp_path))
    scanner.replaced = {**scanner.replaced, "Measure": 'mkdir -p "results/shard-$SHARD"; exit 1'}
    (third,) = scanner.run(SCAN)["collect"]
    assert planned(scanner) == ["me/third"]
    after = standing(third)
    assert after.pop(sent) == ("unpublished", "closed")
    assert sorted(after.values()) == [("recorded", "cap-day"), ("seen", "")]
    assert [one.number for one in hub.github.pull_requests(scanner.repository)] == [scores.number]


def test_fine_tunings_are_planned_trained_on_a_runner_and_filed(
    scanner: Runner, hub: LocalHub
) -> None:
    scanner.machine_environment = {
        **scanner.machine_environment,
        "HUBBOT_BOT__EVALUATIONS_PER_PASS": "1",
        "HUBBOT_BOT__EVALUATE_TARGETS": "mnli",
        "HUBBOT_BOT__GAIN_SEEDS": "1",
        "HUBBOT_BOT__GAIN_TRAIN": "60",
        "HUBBOT_BOT__GAIN_EPOCHS": "1",
    }
    scanner.run(SCAN)  # A checkpoint is measured before its gains are.
    second = scanner.run(SCAN)
    folder = scanner.folder / "run-2" / "artifacts" / "plan"
    (work_list,) = [json.loads(path.read_text()) for path in folder.glob("shard-*.json")]
    assert [one["model"] for one in work_list["evaluations"]] == ["me/child"]
    assert work_list["models"] == []
    (measure,), (collect,) = second["measure"], second["collect"]
    assert_went_well(measure)
    assert_went_well(collect)
    assert "seed 0: train" in measure.step("Measure").stderr
    assert "seed 0: train" not in collect.step("Collect").stderr
    assert collect.workspace is not None
    name = "all-MiniLM-L6-v2/me--child.yaml"
    kept = read_record(collect.workspace / "ledger" / "scores" / name)
    assert set(kept.measured) == {"mnli"}
    (scores,) = hub.github.pull_requests(scanner.repository)
    filed = hub.github.files(scanner.repository, scores.head)[f"cards/scores/{name}"]
    assert parse_record(filed if isinstance(filed, str) else filed.decode(), Path(name)) == kept
    third = scanner.run(SCAN)
    assert third["plan"][0].outputs["shards"] == "0", "it is not evaluated twice"


def test_a_merged_record_of_another_machine_is_taken_over_and_filed_with_an_app(
    scanner: Runner, hub: LocalHub
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    granted = {"contents": "write", "pull_requests": "write", "metadata": "read"}
    hub.github.add_app(
        7, public.decode(), slug="scores", repositories=[scanner.repository], permissions=granted
    )
    record = Record.model_validate(
        {
            **{"model": "ann/child", "revision": "0" * 40, "weights_digest": "sha256:1"},
            **{"architecture": "bert-base-uncased", "base_model": "bert-base-uncased"},
            **{"protocol": "lp-mnli", "dataset_revision": "", "hubbot_version": "0.1.0"},
            **{"lp_accuracy": {"linear": 50.0}, "date": "2026-01-02"},
        }
    )
    filed = write_record(record, scanner.source / "cards" / "scores")
    scanner.variables = {"HUBBOT_GITHUB_APP_ID": "7"}
    scanner.secrets = {**scanner.secrets, "HUBBOT_GITHUB_APP_KEY": private.decode()}
    scanner.replaced = {**scanner.replaced, "Measure": 'mkdir -p "results/shard-$SHARD"; exit 1'}
    (collect,) = scanner.run(SCAN)["collect"]
    assert collect.workspace is not None
    kept = collect.workspace / "ledger" / "scores" / "bert-base-uncased" / filed.name
    assert kept.read_bytes() == filed.read_bytes()
    (scores,) = hub.github.pull_requests(scanner.repository)
    assert scores.author == "scores[bot]"
    environment = collect.step("Collect").environment
    assert environment["HUBBOT_GITHUB__TOKEN"] == ""
    assert not list(collect.workspace.parent.rglob("*.pem")), "the key stays no longer than needed"


def test_a_shard_that_runs_out_of_time_hands_over_what_it_has(
    scanner: Runner, hub: LocalHub
) -> None:
    scanner.job_limits_s = {"measure": 10}
    scanner.replaced = {
        **scanner.replaced,
        "Measure": 'mkdir -p "results/shard-$SHARD"; touch "$_/x"; sleep 100',
    }
    done = scanner.run(SCAN)
    (measure,), (collect,) = done["measure"], done["collect"]
    environment = measure.step("Measure").environment
    limits = ("HUBBOT_PROBE__TIMEOUT_S", "HUBBOT_FINETUNE__TIMEOUT_S")
    assert [environment[name] for name in limits] == ["2700", "2700"], "345 minutes less 300"
    assert (measure.result, measure.step("Keep the results").result) == ("cancelled", "success")
    # Alone, as with one shard, and in a folder of its name all the same.
    assert collect.workspace is not None
    assert (collect.workspace / "results" / "shard-0" / "x").is_file()
    assert "me/child" in collect.step("Collect").stdout
    assert collect.step("Keep the ledger for the next pass").result == "success"


def test_a_budget_that_leaves_no_time_for_what_is_begun_last_is_refused_at_once(
    scanner: Runner,
) -> None:
    scanner.variables = {"HUBBOT_BUDGET_MINUTES": "350"}
    (plan,) = scanner.run(SCAN)["plan"]
    assert plan.result == "failure"
    said = plan.step("Work out how long one probe may take").stderr
    assert "HUBBOT_BUDGET_MINUTES is 350, expected at most 335" in said
    assert plan.step("Discover").result == "skipped"


def test_a_scheduled_pass_waits_until_it_is_turned_on(scanner: Runner, hub: LocalHub) -> None:
    scanner.event, scanner.inputs = "schedule", {}
    done = scanner.run(SCAN)
    assert {job.result for jobs in done.values() for job in jobs} == {"skipped"}


def test_a_ledger_that_collect_did_not_sign_is_refused_where_there_is_a_key(
    scanner: Runner, hub: LocalHub
) -> None:
    scanner.secrets = {**scanner.secrets, "HUBBOT_LEDGER_KEY": "made up"}
    scanner.replaced = {**scanner.replaced, "Measure": 'mkdir -p "results/shard-$SHARD"; exit 1'}
    entries = scanner.folder / "cache"
    for _ in range(2):
        (collect,) = scanner.run(SCAN)["collect"]
        assert collect.step("Keep the ledger for the next pass").result == "success"
    before = sorted(entries.iterdir())
    assert len(before) == 2

    # What a runner may do: an entry of its own, which is the newest.
    forged = entries / "hubbot-ledger-9-1"
    shutil.copytree(before[-1], forged)
    (forged / "scores" / "bert-base-uncased").mkdir(parents=True)
    (forged / "scores" / "bert-base-uncased" / "me--child.yaml").write_text("buy this")
    os.utime(forged)
    (collect,) = scanner.run(SCAN)["collect"]
    check = collect.step("Check that they are those of the plan job")
    assert "not signed with HUBBOT_LEDGER_KEY" in check.stderr
    assert collect.step("Collect").result == "skipped"
    assert sorted(entries.iterdir()) == [*before, forged]


@pytest.mark.parametrize("name", ["plan/plan.json", "ledger/ledger.sqlite"])
def test_a_plan_or_ledger_that_a_runner_changed_is_refused_and_not_kept(
    scanner: Runner, hub: LocalHub, name: str
) -> None:
    folder = scanner.folder / "run-1" / "artifacts"
    scanner.replaced = {
        **scanner.replaced,
        "Measure": f'mkdir -p "results/shard-$SHARD"; touch "$_/x"; echo >> "{folder}/{name}"',
    }
    (collect,) = scanner.run(SCAN)["collect"]
    check = collect.step("Check that they are those of the plan job")
    assert "somebody changed them" in check.stderr
    skipped = ("Collect", "Keep the records", "Keep the ledger for the next pass")
    assert {collect.step(name).result for name in skipped} == {"skipped"}
    assert writes(hub) == []
    assert not list((scanner.folder / "cache").iterdir()), "the next pass begins without it"
