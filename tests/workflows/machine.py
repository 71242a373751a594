"""One runner: a fresh machine that works off the steps of one job.

The environment is built from nothing, as on a new virtual machine: only what the workflow, its
steps' files and the test itself give is there.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows.expressions import as_text, holds, interpolate

SHELLS = {
    None: ("bash", "-e"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
}
STEP_KEYS = {"name", "id", "if", "env", "run", "shell", "uses", "with", "working-directory"}


class UnsupportedError(Exception):
    """Something in a workflow that this interpreter does not know; it never guesses."""


class ActionError(Exception):
    """An action that failed, as it does on GitHub."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What became of one step."""

    name: str
    """Its name, or what it runs."""
    result: str
    """``success``, ``failure`` or ``skipped``."""
    stdout: str = ""
    """What its script printed."""
    stderr: str = ""
    """The same on standard error; for an action, why it failed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment that its script had."""
    summary: str = ""
    """What it wrote for the page of the run."""


Action = Callable[["Machine", Mapping[str, str]], Mapping[str, str]]
"""An action's stand-in: takes the machine and ``with``, gives outputs, raises ActionError."""


class Machine:
    """A machine with an empty disk that works off steps one after the other."""

    def __init__(
        self,
        folder: Path,
        *,
        context: Mapping[str, Any],
        environment: Mapping[str, str],
        actions: Mapping[str, Action],
        replaced: Mapping[str, str] | None = None,
        default_shell: str | None = None,
        limit_s: float = 600.0,
        job_limit_s: float | None = None,
    ) -> None:
        """Make the machine's folders.

        Args:
            folder: Where its disk is; made anew.
            context: ``github``, ``inputs``, ``needs`` and so on; ``steps``, ``runner`` and ``env``
                are added.
            environment: Variables of every step: the machine's own, the workflow's, the job's.
            actions: What stands in for an action, by its name without the version.
            replaced: Script to run in place of a named step's, such as an installation.
            default_shell: The workflow's ``defaults.run.shell``.
            limit_s: Seconds after which a step is killed.
            job_limit_s: Seconds after which the job is cancelled, as after ``timeout-minutes``: the
                step that runs is ended, and of the others only those run that ask for it. None:
                never.
        """
        self.workspace, self.temp, home = (folder / name for name in ("work", "temp", "home"))
        for made in (self.workspace, self.temp, home):
            made.mkdir(parents=True)
        self.steps: dict[str, dict[str, Any]] = {}
        self.context = {
            **context,
            "steps": self.steps,
            "runner": {"temp": str(self.temp), "os": "Linux"},
        }
        self.environment = {
            **environment,
            "HOME": str(home),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
        }
        self.actions, self.replaced = actions, dict(replaced or {})
        self.default_shell, self.limit_s = default_shell, limit_s
        self.end = None if job_limit_s is None else time.monotonic() + job_limit_s
        self.has_failed = self.is_cancelled = False
        self.results: list[StepResult] = []

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of expressions; only its timeout cancels a job here."""
        return {
            "success": lambda: not (self.has_failed or self.is_cancelled),
            "failure": lambda: self.has_failed and not self.is_cancelled,
            "always": lambda: True,
            "cancelled": lambda: self.is_cancelled,
            "fromJSON": json.loads,
        }

    def fill(self, value: object, **more: Any) -> Any:
        """Return a value of the workflow with its expressions filled in."""
        if not isinstance(value, str):
            return value
        return interpolate(value, {**self.context, **more}, self.functions)

    def work_off(self, steps: Sequence[Mapping[str, Any]]) -> str:
        """Run the steps and return ``success``, ``failure`` or ``cancelled``."""
        for number, step in enumerate(steps):
            unknown = set(step) - STEP_KEYS
            if unknown:
                raise UnsupportedError(f"step {number}: keys {sorted(unknown)} are not understood")
            result = self._step(step, number)
            self.results.append(result)
            self.has_failed = self.has_failed or result.result == "failure"
        if self.is_cancelled:
            return "cancelled"
        return "failure" if self.has_failed else "success"

    def _step(self, step: Mapping[str, Any], number: int) -> StepResult:
        name = str(step.get("name") or step.get("uses") or f"step {number}")
        identifier = str(step.get("id") or f"step-{number}")
        self.steps[identifier] = {"outputs": {}, "outcome": "skipped", "conclusion": "skipped"}
        known = {**self.context, "env": self.environment}
        if not holds(step.get("if"), known, self.functions):
            return StepResult(name=name, result="skipped")
        own = {
            key: as_text(self.fill(value, env=self.environment))
            for key, value in (step.get("env") or {}).items()
        }
        environment = {**self.environment, **own}
        if "uses" in step:
            result, outputs = self._action(step, name, environment)
        else:
            result, outputs = self._script(step, name, number, environment)
        self.steps[identifier] = {
            "outputs": outputs,
            "outcome": result.result,
            "conclusion": result.result,
        }
        return result

    def _action(
        self, step: Mapping[str, Any], name: str, environment: Mapping[str, str]
    ) -> tuple[StepResult, Mapping[str, str]]:
        action = str(step["uses"]).partition("@")[0]
        if action not in self.actions:
            raise UnsupportedError(f"{name}: nothing stands in for {action}")
        given = {
            key: as_text(self.fill(value, env=environment))
            for key, value in (step.get("with") or {}).items()
        }
        try:
            outputs = self.actions[action](self, given)
        except ActionError as error:
            return StepResult(name=name, result="failure", stderr=str(error)), {}
        return StepResult(name=name, result="success", environment=environment), outputs

    def _script(
        self, step: Mapping[str, Any], name: str, number: int, environment: Mapping[str, str]
    ) -> tuple[StepResult, Mapping[str, str]]:
        shell = step.get("shell") or self.default_shell
        if shell not in SHELLS:
            raise UnsupportedError(f"{name}: shell {shell!r} is not understood")
        # GitHub keeps these files, and the script, beside RUNNER_TEMP, not in it.
        files = self.workspace.parent / "step-files" / str(number)
        files.mkdir(parents=True)
        script = files / "script.sh"
        script.write_text(str(self.replaced.get(name) or self.fill(step["run"])), "utf-8")
        told = {f"GITHUB_{key}": files / key for key in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for file in told.values():
            file.touch()
        environment = {**environment, **{key: str(file) for key, file in told.items()}}
        folder = self.workspace / str(self.fill(step.get("working-directory") or "."))
        code, stdout, stderr = self._run((*SHELLS[shell], str(script)), folder, environment)
        self.environment.update(read_pairs(told["GITHUB_ENV"].read_text("utf-8")))
        for line in told["GITHUB_PATH"].read_text("utf-8").splitlines():
            self.environment["PATH"] = f"{line}:{self.environment['PATH']}"
        result = StepResult(
            name=name,
            result="success" if code == 0 else "failure",
            stdout=stdout,
            stderr=stderr,
            environment=environment,
            summary=told["GITHUB_STEP_SUMMARY"].read_text("utf-8"),
        )
        return result, read_pairs(told["GITHUB_OUTPUT"].read_text("utf-8"))

    def _run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> tuple[int, str, str]:
        with subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=self._seconds_left())
            except subprocess.TimeoutExpired:
                self.is_cancelled = self.end is not None and time.monotonic() >= self.end
                # With all that it started, which would hold the pipes open.
                os.killpg(process.pid, signal.SIGKILL)
                stdout, stderr = process.communicate()
                return 124, stdout, f"{stderr}killed after {self.limit_s} s"
        return process.returncode, stdout, stderr

    def _seconds_left(self) -> float:
        if self.end is None or self.is_cancelled:
            return self.limit_s
        return min(self.limit_s, max(0.0, self.end - time.monotonic()))


def read_pairs(text: str) -> dict[str, str]:
    """Read a file of ``name=value`` lines and ``name<<END`` blocks, as the runner does.

    Raises:
        UnsupportedError: If a line is neither; GitHub fails the step then.
    """
    pairs: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, rest = line.partition("<<") if _is_block(line) else line.partition("=")
        if not line.strip():
            continue
        if not sign:
            raise UnsupportedError(f"{line!r} is neither name=value nor name<<END")
        if sign == "=":
            pairs[name] = rest
            continue
        block = []
        for inner in lines:
            if inner == rest:
                break
            block.append(inner)
        else:
            raise UnsupportedError(f"{name}<<{rest} does not end")
        pairs[name] = "\n".join(block)
    return pairs


def _is_block(line: str) -> bool:
    at, equals = line.find("<<"), line.find("=")
    return at >= 0 and (equals < 0 or at < equals)
