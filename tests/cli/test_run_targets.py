"""One pass that probes, measures a sensitivity and gains, and publishes all three kinds."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub
from hubbot.records.store import read_record

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
ONLY = ("-a", "all-MiniLM-L6-v2")
FILMS = "ann/films"
SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture
def target_names(
    data_dir: Path, environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[str, ...]:
    """MultiNLI, or, with ``BOT_TEST_QUICK`` in the environment, the quick targets' own data."""
    if not (SHARED.is_dir() and os.environ.get("BOT_TEST_QUICK")):
        monkeypatch.setenv("HUBBOT_BOT__EVALUATE_TARGETS", "mnli")
        return ("mnli",)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "mnli").symlink_to(data_dir / "mnli")
    for name in ("glue", "super_glue"):
        (folder / name).symlink_to(SHARED / name)
    monkeypatch.setenv("HUBBOT_DATA_DIR", str(folder))
    return ("cola", "mrpc", "rte")  # the sample has no CB


@pytest.fixture
def strong(
    hub: LocalHub, sound: Files, base_file: Path, hubbot: Callable[..., Any], tmp_path: Path
) -> Files:
    """A checkpoint that was fine-tuned on the probe's own rows, so that its LP gain is above 0."""
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    out = tmp_path / "strong"
    ran = hubbot("finetune", BASE, "mnli", "--epochs", "8", "--out", out)
    assert ran.code == 0, ran.err
    hub.reset()
    files = {path.name: path for path in out.iterdir() if path.is_file()}
    return files | {"README.md": sound["README.md"]}


@pytest.fixture
def world(
    hub: LocalHub,
    strong: Files,
    sound: Files,
    base_file: Path,
    films: Any,
    environment: Path,
    target_names: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> LocalHub:
    values = {
        "LEDGER_FILE": tmp_path / "ledger.sqlite",
        "BOT__SCREEN_TRAIN": 100,
        "BOT__MAX_TRAIN": 100,
        "BOT__WATCH": json.dumps([FILMS]),
        "BOT__GAIN_SEEDS": 2,
        "BOT__GAIN_TRAIN": 60,
        "BOT__GAIN_EPOCHS": 1,
        "BOT__STRANGERS": "true",
        "GITHUB__REPOSITORY": "me/scores",
        "GITHUB__BASE_URL": hub.github.url,
        "GITHUB__TOKEN": "ghp_of_me",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"HUBBOT_{name}", str(value))
    hub.github.add_repository("me/scores", files={"README.md": "# Scores\n"})
    hub.github.add_token("ghp_of_me", "me")
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    hub.add_model("me/child", strong)
    files = {f"{split}.csv": path for split, path in films.files.items()}
    hub.add_dataset(FILMS, {"README.md": b"---\nlicense: mit\n---\n# Films\n", **files})
    return hub


def n_cells(ledger: Path) -> int:
    with sqlite3.connect(ledger) as connection:
        return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])


def test_one_pass_publishes_a_model_a_data_set_and_the_scores(
    world: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    target_names: tuple[str, ...],
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token("robot")
    summary = hubbot("run", *ONLY, "--send", "--json").json
    assert summary["events"]["sensitivities published"] == 1
    assert summary["events"]["evaluations"] == 1
    assert summary["n_opened"] == 2
    assert summary["scores"]["action"] == "opened"
    assert len(world.pull_requests("me/child")) == 1
    (of_data,) = world.pull_requests(FILMS, kind="datasets")
    assert "sensitivity" in of_data.title
    (of_scores,) = world.github.pull_requests("me/scores")
    assert "me/child" in of_scores.body
    (path,) = environment.glob("*/*.yaml")
    assert tuple(sorted(read_record(path).measured)) == target_names

    before = n_cells(tmp_path / "ledger.sqlite")
    monkeypatch.setenv("HUBBOT_BOT__SENSITIVITIES_PER_PASS", "0")  # else the next target's turn
    again = hubbot("run", *ONLY, "--send", "--json", "--no-discover")
    assert n_cells(tmp_path / "ledger.sqlite") == before
    assert again.json["n_opened"] == 0
    assert again.json["scores"]["action"] == "unchanged"
    assert len(world.pull_requests(FILMS, kind="datasets")) == 1


def test_shards_fine_tune_and_what_they_hand_back_is_compared_and_published(
    world: LocalHub,
    hubbot: Callable[..., Any],
    spawn: Callable[..., Any],
    token: Callable[..., str],
    target_names: tuple[str, ...],
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("SENSITIVITIES_PER_PASS", "EVALUATIONS_PER_PASS"):
        monkeypatch.setenv(f"HUBBOT_BOT__{name}", "0")
    hubbot("run", *ONLY)
    monkeypatch.setenv("HUBBOT_BOT__SENSITIVITIES_PER_PASS", "1")
    monkeypatch.setenv("HUBBOT_BOT__EVALUATIONS_PER_PASS", "1")
    plan, results = tmp_path / "plan", tmp_path / "results"
    planned = hubbot("plan", "--shards", "1", "--out", plan, *ONLY, "--json").json
    assert [(one["models"], one["targets"]) for one in planned["include"]] == [(0, 2)]

    worked = spawn("probe", "--from", plan / "shard-0.json", "--results", results / "0").finish(400)
    assert worked.code == 0, worked.err
    trained = n_cells(results / "0" / "ledger.sqlite")
    assert trained == 4 * (1 + len(target_names)), "two models, two seeds"
    assert not [one for one in world.log if one.is_write]

    token("robot")
    ran = hubbot("collect", results, "--plan", plan / "plan.json", "--send", "--json")
    assert ran.code == 0, ran.err
    assert "seed 0: train" not in ran.err, "nothing is trained where results are collected"
    assert n_cells(tmp_path / "ledger.sqlite") == trained
    assert len(world.pull_requests(FILMS, kind="datasets")) == 1
    (path,) = environment.glob("*/*.yaml")
    assert tuple(sorted(read_record(path).measured)) == target_names

    before = [one.target for one in world.log if one.is_write]
    again = hubbot("collect", results, "--plan", plan / "plan.json", "--send", "--json")
    assert again.code == 0, again.err
    assert [one.target for one in world.log if one.is_write] == before
    assert (
        hubbot("plan", "--shards", "1", "--out", tmp_path / "next", *ONLY, "--json").json["targets"]
        == 1
    ), "the next target's turn; the model was evaluated"

    (cell,) = sorted((results / "0").glob("cell-0000.json"))
    cell.write_text(cell.read_text().replace('"seed": 0', '"seed": 1'))
    changed = hubbot("collect", results, "--plan", plan / "plan.json", "--json")
    assert changed.code == 1
    assert "was changed or cut off" in changed.json["rejected"]["0/cell-0000.json"]
