"""One probe in a child process: the parent's side."""

import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hubbot.errors import (
    CheckpointError,
    DatasetError,
    HubbotError,
    IntegrityError,
    ProbeError,
    SettingsError,
)
from hubbot.probing.job import ChildLimits, ProbeJob, ProbeOutput, Progress
from hubbot.probing.keys import read_config
from hubbot.probing.outputs import output_path, read_output
from hubbot.probing.sandbox import Ended, run_child

__all__ = ["ChildLimits", "ProbeJob", "ProbeOutput", "Progress", "run_probe"]

_ERRORS: Mapping[str, type[HubbotError]] = {
    error.__name__: error for error in (CheckpointError, DatasetError, ProbeError, SettingsError)
}
_NEEDED = ("torch", "transformers", "safetensors", "pyarrow", "psutil")


def run_probe(
    job: ProbeJob,
    *,
    limits: ChildLimits,
    on_progress: Callable[[Progress], None] | None = None,
) -> ProbeOutput:
    """Return what the child measured, or what an earlier run of the same job left in the cache.

    Args:
        job: Files, protocol and device.
        limits: What the child may use.
        on_progress: Called in this process as the child gets on.

    Raises:
        CheckpointError: If the checkpoint cannot or must not be loaded.
        DatasetError: If a split does not hold what the job says.
        IntegrityError: If weights or features are not finite.
        ProbeError: If the child was killed, ran out of memory or time, or a fit failed.
        SettingsError: If the ``probe`` extra is not installed, or the device is not there.
    """
    _require_extra()
    path = output_path(job, read_config(job.folder))
    finished = read_output(path)
    if finished is not None:
        return replace(finished, from_cache={"tokens": True, "features": True, "heads": True})
    _Listener(job, on_progress).run(limits)
    output = read_output(path)
    if output is None:
        raise ProbeError(
            f"{job.model}: the probing child left no result in {path.parent}; run again"
        )
    return output


def _require_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        import sys

        raise SettingsError(
            f"probing needs {', '.join(missing)}; install with: "
            f"{sys.executable} -m pip install 'hubbot[probe]'"
        )


class _Listener:
    """Turns the child's messages into calls and errors."""

    def __init__(self, job: ProbeJob, on_progress: Callable[[Progress], None] | None) -> None:
        self._job = job
        self._on_progress = on_progress
        self._error: Mapping[str, Any] | None = None
        self._is_done = False
        self._last = Progress(stage="load", split="", done=0, total=0)

    def run(self, limits: ChildLimits) -> None:
        with tempfile.TemporaryDirectory(prefix="hubbot-job-") as folder:
            job_file = Path(folder) / "job.json"
            job_file.write_text(self._job.to_json(), encoding="utf-8")
            arguments = ["-m", "hubbot.probing.child", str(job_file)]
            ended = self._watched(arguments, limits)
        if self._error is not None:
            raise rebuilt(self._error, self._job.model)
        if ended.code != 0 or not self._is_done:
            raise self._died(ended, limits)

    def _watched(self, arguments: list[str], limits: ChildLimits) -> Ended:
        try:
            return run_child(arguments, limits=limits, on_message=self._hear)
        except ProbeError as error:
            raise ProbeError(f"{self._job.model}: {error} (it was in {self._where()})") from error

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "progress" in message:
            self._last = Progress(**message["progress"])
            if self._on_progress is not None:
                self._on_progress(self._last)
        elif "error" in message:
            self._error = message["error"]
        elif "done" in message:
            self._is_done = True

    def _where(self) -> str:
        last = self._last
        return f"stage {last.stage} {last.split} {last.done}/{last.total}".replace("  ", " ")

    def _died(self, ended: Ended, limits: ChildLimits) -> ProbeError:
        what = f"ended with status {ended.code}"
        advice = "run again"
        if ended.code < 0:
            name = signal.Signals(-ended.code).name
            what = f"was killed by signal {name}"
            if name == "SIGKILL":
                advice = (
                    "the system may have been out of memory: lower probe.tokens_per_batch or "
                    f"probe.memory_gb (now {limits.memory_gb:g}), close other programs, run again"
                )
        tail = ended.stderr[-1500:]
        return ProbeError(
            f"{self._job.model}: the probing child {what} in {self._where()}; {advice}; finished "
            f"rows stay in the cache" + (f"; it last said: {tail}" if tail else "")
        )


def rebuilt(raw: Mapping[str, Any], model: str) -> HubbotError:
    """Return the child's error; where it names a file alone, the model is put in front."""
    message = raw["message"]
    if not message.startswith(f"{model}:"):
        message = f"{model}: {message}"
    if raw["type"] == "IntegrityError":
        return IntegrityError(message, check=raw["check"])
    return _ERRORS.get(raw["type"], ProbeError)(message)
