"""``scan.yml`` step by step on the embedded Hub, as GitHub's runner works it off."""

from pathlib import Path

import pytest

from hubbot.localhub.server import LocalHub
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

    # The ledger came through the cache: nothing is left to do.
    again = scanner.run(SCAN)
    assert_went_well(again["plan"][0])
    assert again["plan"][0].outputs["shards"] == "0"
    assert [again[name][0].result for name in ("measure", "collect")] == ["skipped", "skipped"]

    # A lost ledger means work done twice, not a second pull request.
    (scanner.folder / "cache").rename(scanner.folder / "lost")
    before = hub.pull_requests("me/child")
    scanner.run(SCAN)
    assert hub.pull_requests("me/child") == before
    assert len(hub.github.pull_requests(scanner.repository)) == 1


def test_without_send_nothing_is_written(scanner: Runner, hub: LocalHub) -> None:
    scanner.inputs = {"shards": "1"}
    done = scanner.run(SCAN)
    assert_went_well(done["collect"][0])
    assert writes(hub) == []


def test_a_scheduled_pass_waits_until_it_is_turned_on(scanner: Runner, hub: LocalHub) -> None:
    scanner.event, scanner.inputs = "schedule", {}
    done = scanner.run(SCAN)
    assert {job.result for jobs in done.values() for job in jobs} == {"skipped"}


def test_a_plan_that_a_runner_changed_is_refused(scanner: Runner, hub: LocalHub) -> None:
    plan = scanner.folder / "run-1" / "artifacts" / "plan" / "plan.json"
    scanner.replaced = {
        **scanner.replaced,
        "Measure": f'mkdir -p "results/shard-$SHARD"; touch "$_/x"; echo >> "{plan}"',
    }
    (collect,) = scanner.run(SCAN)["collect"]
    check = collect.step("Check that they are those of the plan job")
    assert "somebody changed them" in check.stderr
    assert collect.step("Collect").result == "skipped"
    assert writes(hub) == []
