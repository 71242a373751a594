"""Our own rules for workflows, beyond what the schema and zizmor ask."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML

PINNED = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
LEAST = {"contents": "read"}
# The only jobs that may write, and what.
WRITES = {("scan", "collect"): {"contents": "write", "pull-requests": "write"}}
OUTSIDERS = ("pull_request_target", "workflow_run", "issue_comment", "issues")
SECRET = re.compile(r"\bsecrets\b|\bgithub\.token\b|\bGITHUB_TOKEN\b")


def problems_of_workflow(text: str) -> list[str]:
    """Return what breaks our rules, a sentence each."""
    workflow = YAML(typ="safe").load(text)
    return [*_of_pins(text), *_of_head(workflow), *_of_jobs(workflow)]


def problems_of_action(text: str) -> list[str]:
    """Return what breaks our rules in a composite action."""
    action = YAML(typ="safe").load(text)
    steps = action["runs"]["steps"]
    found = [*_of_pins(text), *_of_steps("action", steps)]
    found += [
        f"step {step.get('name')}: no shell"
        for step in steps
        if "run" in step and "shell" not in step
    ]
    return found


def _of_pins(text: str) -> Iterator[str]:
    """Every action by commit, with its version, and a public source in the file's head."""
    head = re.split(r"^name:", text, maxsplit=1, flags=re.MULTILINE)[0]
    for line in text.splitlines():
        if line.startswith("#") or "uses:" not in line:
            continue
        match = PINNED.search(line)
        if match is None:
            yield f"{line.strip()}: not pinned to a commit with its version behind it"
            continue
        owner, action = match[1].split("/")[:2]
        source = rf"{owner}/{action} {re.escape(match[3])} +github\.com/\S+, github\.com/\S+"
        if not re.search(source, head):
            yield f"{owner}/{action} {match[3]}: the head names no two public sources of the hash"


def _of_head(workflow: Mapping[str, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "permissions of the workflow are not {}"
    if (workflow.get("defaults") or {}).get("run") != {"shell": "bash"}:
        yield "the default shell is not bash, so that a pipe hides a failure"
    group = workflow.get("concurrency") or {}
    if not group.get("group") or "cancel-in-progress" not in group:
        yield "no concurrency group"
    if workflow["name"] != "ci" and group.get("cancel-in-progress") is not False:
        yield "a second run cuts off the first"
    triggers = set(workflow["on"])
    for trigger in triggers.intersection(OUTSIDERS):
        yield f"{trigger}: strangers could start it with our permissions"
    if _has_own_runner(workflow) and triggers - {"schedule", "workflow_dispatch"}:
        yield "strangers' code could reach our own runners"
    if SECRET.search(str(workflow.get("env"))):
        yield "a secret for all jobs"


def _has_own_runner(workflow: Mapping[str, Any]) -> bool:
    return any("self-hosted" in job["runs-on"] for job in workflow["jobs"].values())


def _of_jobs(workflow: Mapping[str, Any]) -> Iterator[str]:
    for name, job in workflow["jobs"].items():
        if not isinstance(job.get("timeout-minutes"), int):
            yield f"{name}: no timeout"
        allowed = WRITES.get((workflow["name"], name), LEAST)
        if job.get("permissions") != allowed:
            yield f"{name}: permissions are not {allowed}"
        if "self-hosted" in job["runs-on"] and (SECRET.search(str(job)) or "environment" in job):
            yield f"{name}: a secret on our own runners"
        if SECRET.search(str(job)) and "environment" not in job:
            yield f"{name}: a secret outside of an environment"
        if SECRET.search(str(job.get("env"))):
            yield f"{name}: a secret for all steps"
        yield from _of_steps(name, job["steps"])
        if "self-hosted" in job["runs-on"]:
            yield from _of_keeping(name, job["steps"])
        if workflow["name"] == "scan" and "environment" in job:
            yield from _of_checking(name, job["steps"])


def _of_keeping(job: str, steps: list[Mapping[str, Any]]) -> Iterator[str]:
    """A job that runs out of time counts as cancelled; what it finished is kept all the same."""
    for step in steps:
        if "actions/upload-artifact" in str(step.get("uses")) and step.get("if") != "always()":
            yield f"{job}, {step['name']}: lost at the job's timeout"


def _of_checking(job: str, steps: list[Mapping[str, Any]]) -> Iterator[str]:
    """What a check refused is neither used nor kept for the next pass."""
    checked = False
    for step in steps:
        is_asked = "steps.check.outcome == 'success'" in str(step.get("if"))
        if "hubbot " in str(step.get("run")) and not checked:
            yield f"{job}, {step['name']}: a ledger that nothing checked"
        if checked and "if" in step and not is_asked:
            yield f"{job}, {step['name']}: kept although the check refused it"
        checked = checked or step.get("id") == "check"


def _of_steps(job: str, steps: list[Mapping[str, Any]]) -> Iterator[str]:
    for step in steps:
        name = f"{job}, {step.get('name') or step.get('uses')}"
        action, given = str(step.get("uses")).partition("@")[0], step.get("with") or {}
        is_off = (step.get("env") or {}).get("HUBBOT_FINETUNE__TRAINS") == "false"
        if SECRET.search(str(step.get("env"))) and "hubbot " in str(step.get("run")) and not is_off:
            yield f"{name}: could fine-tune beside a secret"
        if "${{" in str(step.get("run")):
            yield f"{name}: an expression within a script"
        if action == "actions/checkout" and given.get("persist-credentials") is not False:
            yield f"{name}: credentials persist"
        if action == "actions/upload-artifact" and "retention-days" not in given:
            yield f"{name}: kept for how long?"
