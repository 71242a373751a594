"""The workflows keep our rules, and the rules find what breaks them."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.workflows.rules import problems_of_action, problems_of_workflow

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCAN = (ROOT / ".github" / "workflows" / "scan.yml").read_text("utf-8")
ACTION = (ROOT / "action.yml").read_text("utf-8")


def test_the_workflows_are_those_that_are_spoken_of() -> None:
    assert [path.stem for path in WORKFLOWS] == ["annotate", "ci", "scan", "sensitivity"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_keeps_our_rules(path: Path) -> None:
    assert problems_of_workflow(path.read_text("utf-8")) == []


def test_the_action_keeps_our_rules() -> None:
    assert problems_of_action(ACTION) == []


def test_an_action_has_the_same_hash_wherever_it_is_used() -> None:
    texts = [path.read_text("utf-8") for path in (*WORKFLOWS, ROOT / "action.yml")]
    lines = [line for text in texts for line in text.splitlines() if "uses: actions/" in line]
    used = {line.split("uses: ")[1] for line in lines}
    assert len(used) == len({one.partition("@")[0] for one in used})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5", "@v5", "not pinned"),
        (" # v6.0.2", "", "not pinned"),
        (", github.com/equinor/resfo/pull/70", "", "no two public sources"),
        ("permissions: {}", "permissions: read-all", "permissions of the workflow"),
        ("contents: read # to check out", "contents: write", "permissions are not"),
        ("    timeout-minutes: 360\n", "", "measure: no timeout"),
        ("\n          persist-credentials: false", " {}", "credentials persist"),
        ("          retention-days: 30\n", "", "for how long"),
        ("cancel-in-progress: false", "cancel-in-progress: true", "cuts off"),
        ("shell: bash", "shell: sh", "hides a failure"),
        ("  workflow_dispatch:", "  pull_request:\n  workflow_dispatch:", "our own runners"),
        ("  workflow_dispatch:", "  workflow_run:\n  workflow_dispatch:", "could start it"),
        ('"plan/$LIST"', '"plan/${{ matrix.list }}"', "an expression within a script"),
        (
            "LIST: ${{ matrix.list }}",
            "LIST: ${{ secrets.HUBBOT_WRITE_TOKEN }}",
            "measure: a secret on our own runners",
        ),
        ("    environment: publishing\n", "", "collect: a secret outside of an environment"),
        (
            '      HF_HUB_DISABLE_IMPLICIT_TOKEN: "1"',
            "      HF_TOKEN: ${{ secrets.HF_TOKEN }}",
            "measure: a secret for all steps",
        ),
        (
            "  HUBBOT_RECORDS_DIR: ledger/scores",
            "  HF_TOKEN: ${{ secrets.HF_TOKEN }}",
            "a secret for all jobs",
        ),
        (
            '          HUBBOT_FINETUNE__TRAINS: "false"\n',
            "",
            "collect, Collect: could fine-tune beside a secret",
        ),
        (
            "        if: always()\n",
            "        if: ${{ !cancelled() }}\n",
            "measure, Keep the results: lost at the job's timeout",
        ),
        (
            "always() && steps.check.outcome == 'success' }}\n        uses: actions/cache/save",
            "always() }}\n        uses: actions/cache/save",
            "collect, Keep the ledger for the next pass: kept although the check refused it",
        ),
        ("        id: check\n", "", "collect, Collect: a ledger that nothing checked"),
    ],
)
def test_a_workflow_that_breaks_a_rule_is_found(old: str, new: str, problem: str) -> None:
    assert old in SCAN
    assert any(problem in found for found in problems_of_workflow(SCAN.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("SOURCE: ${{ github.action_path }}", "X: ''", None),
        ("      shell: bash\n", "", "no shell"),
        ('-- "$MODEL"', '-- "${{ inputs.model }}"', "an expression within a script"),
        (" # v6.2.0", "", "not pinned"),
    ],
)
def test_an_action_that_breaks_a_rule_is_found(old: str, new: str, problem: str | None) -> None:
    assert old in ACTION
    found = problems_of_action(ACTION.replace(old, new))
    assert found == [] if problem is None else any(problem in one for one in found)


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.stem)
def test_every_script_is_bash_that_parses(path: Path) -> None:
    text = YAML(typ="safe").load(path.read_text("utf-8"))
    jobs = text["jobs"].values() if "jobs" in text else [text["runs"]]
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert scripts
    for script in scripts:
        done = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), script


def test_the_machine_that_opens_weights_gets_no_write_token_of_the_action() -> None:
    steps = YAML(typ="safe").load(ACTION)["runs"]["steps"]
    holding = [step["name"] for step in steps if "hub-token" in str(step)]
    assert holding == ["Propose"]
    assert all("--record" in step["run"] for step in steps if step.get("name") == "Propose")
