"""A small interpreter of workflows: runs the shell steps of a file as GitHub's runner would.

Jobs run one after the other, each on a fresh machine (``machine.py``), in the order of ``needs``.
GitHub's own actions are copies of files (``stand_ins.py``). A key that is not understood raises.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.workflows.expressions import Functions, as_text, holds, interpolate, is_true
from tests.workflows.machine import Machine, StepResult, UnsupportedError
from tests.workflows.stand_ins import Storage

WORKFLOW_KEYS = {
    *("name", "run-name", "on", "permissions", "concurrency", "defaults", "env", "jobs"),
}
JOB_KEYS = {
    *("name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "environment"),
    *("outputs", "strategy", "env", "steps"),
}


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What became of one job, or of one job of a matrix."""

    result: str
    """``success``, ``failure``, ``cancelled`` or ``skipped``."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Its outputs, for the jobs that need it."""
    matrix: Mapping[str, Any] = field(default_factory=dict)
    """Its values of the matrix."""
    steps: tuple[StepResult, ...] = ()
    """Its steps, in order."""
    workspace: Path | None = None
    """Its checkout, as it was left; None where it did not run."""

    def step(self, name: str) -> StepResult:
        """Return the step of that name."""
        for step in self.steps:
            if step.name == name:
                return step
        names = [step.name for step in self.steps]
        raise LookupError(f"no step {name!r} in a job that ended in {self.result}: {names}")


@dataclass(kw_only=True)
class Runner:
    """One repository on GitHub, as far as a run of a workflow sees it."""

    source: Path
    """Folder that checkout copies."""
    folder: Path
    """Where machines, artifacts and the cache live."""
    event: str = "workflow_dispatch"
    """What started the run."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Inputs of a dispatch; defaults of the workflow are added."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The repository's variables."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets of the environment; a job that names no environment sees none."""
    token: str = "ghs-made-up"
    """The run's own token, ``github.token``."""
    repository: str = "me/hf-hubbot"
    """Owner and name."""
    machine_environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every machine, such as HF_ENDPOINT."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Scripts to run in place of named steps."""
    limit_s: float = 600.0
    """Seconds after which a step is killed."""
    job_limits_s: Mapping[str, float] = field(default_factory=dict)
    """By job, seconds after which it is cancelled, in place of its ``timeout-minutes``."""
    run_number: int = 0
    """Runs so far; the cache is shared among them."""

    def run(self, workflow: Path) -> dict[str, list[JobResult]]:
        """Run a workflow and return its jobs' results, several for a matrix."""
        text = _read(workflow)
        _only(text, WORKFLOW_KEYS, workflow.name)
        self.run_number += 1
        home = self.folder / f"run-{self.run_number}"
        storage = Storage(self.source, home / "artifacts", self.folder / "cache")
        done: dict[str, list[JobResult]] = {}
        for name in _in_order(text["jobs"]):
            job = text["jobs"][name]
            _only(job, JOB_KEYS, name)
            context = self._context(text, done, job)
            done[name] = list(self._job(name, job, text, context, storage, home))
        return done

    def run_action(self, action: Path) -> JobResult:
        """Run a composite action's steps on one machine, with ``inputs``."""
        text = _read(action)
        self.run_number += 1
        home = self.folder / f"run-{self.run_number}"
        storage = Storage(self.source, home / "artifacts", self.folder / "cache")
        declared = {key: item.get("default", "") for key, item in text["inputs"].items()}
        machine = Machine(
            home / "action",
            context={
                "github": {"action_path": str(action.parent), "repository": self.repository},
                "inputs": {**declared, **self.inputs},
            },
            environment=self._environment(),
            actions=storage.actions(),
            replaced=self.replaced,
            default_shell="missing",  # a composite action must name it at each step
            limit_s=self.limit_s,
        )
        result = machine.work_off(text["runs"]["steps"])
        return JobResult(result=result, steps=tuple(machine.results), workspace=machine.workspace)

    def _environment(self) -> dict[str, str]:
        # The interpreter that runs the tests, and the system's own programs.
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        return {"PATH": path, "LANG": "C.UTF-8", **self.machine_environment}

    def _context(
        self,
        workflow: Mapping[str, Any],
        done: Mapping[str, Sequence[JobResult]],
        job: Mapping[str, Any],
    ) -> dict[str, Any]:
        triggers = workflow["on"] if isinstance(workflow["on"], Mapping) else {}
        dispatch = triggers.get("workflow_dispatch") or {}
        declared = {
            key: item.get("default", "") for key, item in (dispatch.get("inputs") or {}).items()
        }
        is_dispatch = self.event == "workflow_dispatch"
        return {
            "github": {
                "event_name": self.event,
                "repository": self.repository,
                "run_id": self.run_number,
                "run_attempt": 1,
                "ref": "refs/heads/main",
                "token": self.token,
            },
            "inputs": {**declared, **self.inputs} if is_dispatch else {},
            "vars": self.variables,
            "secrets": self.secrets if "environment" in job else {},
            "needs": {name: _needed(done[name]) for name in _needs(job)},
        }

    def _job(
        self,
        name: str,
        job: Mapping[str, Any],
        workflow: Mapping[str, Any],
        context: Mapping[str, Any],
        storage: Storage,
        home: Path,
    ) -> Iterator[JobResult]:
        results = [needed["result"] for needed in context["needs"].values()]
        status: Functions = {
            "success": lambda: all(result == "success" for result in results),
            "failure": lambda: "failure" in results,
            "always": lambda: True,
            "cancelled": lambda: False,
            "fromJSON": json.loads,
        }
        if not holds(job.get("if"), context, status):
            yield JobResult(result="skipped", outputs=dict.fromkeys(job.get("outputs") or {}, ""))
            return
        for number, values in enumerate(_matrix(job, context)):
            # A job's name may use its context; a slip in it must not pass.
            interpolate(as_text(job.get("name")), {**context, "matrix": values}, status)
            machine = Machine(
                home / f"{name}-{number}",
                context={**context, "matrix": values},
                environment=self._environment(),
                actions=storage.actions(),
                replaced=self.replaced,
                default_shell=((workflow.get("defaults") or {}).get("run") or {}).get("shell"),
                limit_s=self.limit_s,
                job_limit_s=self.job_limits_s.get(name),
            )
            for variables in (workflow.get("env"), job.get("env")):
                filled = {key: machine.fill(value) for key, value in (variables or {}).items()}
                machine.environment |= {key: as_text(value) for key, value in filled.items()}
            result = machine.work_off(job["steps"])
            outputs = dict.fromkeys(job.get("outputs") or {}, "")
            if result == "success":
                outputs = {key: as_text(machine.fill(job["outputs"][key])) for key in outputs}
            yield JobResult(
                result=result,
                outputs=outputs,
                matrix=values,
                steps=tuple(machine.results),
                workspace=machine.workspace,
            )


def _read(path: Path) -> Any:
    # YAML 1.2, as GitHub reads it: `on` is a word, not a truth value.
    return YAML(typ="safe").load(path.read_text("utf-8"))


def _only(given: Mapping[str, Any], understood: set[str], where: str) -> None:
    unknown = set(given) - understood
    if unknown:
        raise UnsupportedError(f"{where}: keys {sorted(unknown)} are not understood")


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs") or []
    return [needs] if isinstance(needs, str) else list(needs)


def _needed(results: Sequence[JobResult]) -> dict[str, Any]:
    """Return what ``needs`` says of a job; of a matrix, all together."""
    kinds = {result.result for result in results}
    kind_of_all = ("failure", "cancelled", "skipped", "success")
    result = next(kind for kind in kind_of_all if kind in kinds)
    return {"result": result, "outputs": results[-1].outputs}


def _in_order(jobs: Mapping[str, Any]) -> list[str]:
    """Return the jobs so that each comes after those it needs."""
    ordered: list[str] = []
    while len(ordered) < len(jobs):
        ready = [
            name
            for name, job in jobs.items()
            if name not in ordered and set(_needs(job)) <= set(ordered)
        ]
        if not ready:
            raise UnsupportedError(f"needs of {sorted(set(jobs) - set(ordered))} cannot be met")
        ordered += ready
    return ordered


def _matrix(job: Mapping[str, Any], context: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    strategy = job.get("strategy")
    if strategy is None:
        return [{}]
    matrix = strategy["matrix"]
    if isinstance(matrix, str):
        matrix = interpolate(matrix, context, {"fromJSON": json.loads})
    if set(matrix) != {"include"} or is_true(strategy.get("fail-fast", True)):
        raise UnsupportedError("expected a matrix of `include` alone, with fail-fast: false")
    return list(matrix["include"])
