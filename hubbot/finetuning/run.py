"""One fine-tuning in a child process: the parent's side."""

import glob
import logging
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hubbot.errors import ProbeError, SettingsError, StorageError
from hubbot.finetuning.job import SAVED, FinetuneJob, FinetuneOutput, TrainingProgress
from hubbot.finetuning.outputs import read_output
from hubbot.probing.job import ChildLimits
from hubbot.probing.run import rebuilt
from hubbot.probing.sandbox import Ended, MemoryLimitError, Wording, run_child

logger = logging.getLogger(__name__)

__all__ = ["ChildLimits", "FinetuneJob", "FinetuneOutput", "TrainingProgress", "run_cell"]

_NEEDED = ("torch", "transformers", "accelerate", "safetensors", "pyarrow", "psutil")
_WORDING = Wording(
    child="the fine-tuning child",
    late="raise finetune.timeout_s",
    greedy="raise finetune.memory_gb",
)
_ANOTHER = "name another folder"
_OTHER_CACHE = f"{_ANOTHER} (cache_dir in hubbot.toml)"
_SHARE_OF_MEMORY = 0.9
_GIB = 1024**3
_WITH_ROWS = ("train", "validate", "test")
"""Stages in which fewer rows at a time save memory."""


def run_cell(
    job: FinetuneJob,
    *,
    limits: ChildLimits,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> FinetuneOutput:
    """Fine-tune one checkpoint on one target with one seed, in a locked-down child.

    Where memory runs out, the cell begins anew with half the rows at a time and the same batch:
    inside the child where an allocation fails, with a new child where this one grew beyond its
    limit.

    Args:
        job: Files, recipe and seed.
        limits: What the child may use.
        on_progress: Called in this process as the child gets on.

    Raises:
        CheckpointError: If the checkpoint cannot or must not be loaded.
        DatasetError: If a split does not hold what the job says.
        IntegrityError: If weights are not finite.
        ProbeError: If the child was killed or ran out of time or memory, or training diverged.
        SettingsError: If packages are missing, the device is not there, the metric is unknown,
            ``save_to`` holds something already, or a folder cannot be written.
    """
    _require_packages()
    _check_save_to(job)
    limits = within_machine(limits)
    work = _work_folder(job.work_dir)
    try:
        _run_fitting(replace(job, work_dir=work), limits, on_progress)
        output = read_output(work, job)
        if job.save_to is not None:
            _put(work / SAVED, job.save_to)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return output


def _work_folder(work_dir: Path) -> Path:
    """Make a folder that is known by this process's number, and sweep those of dead ones."""
    with _written(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        sweep(work_dir)
        return Path(tempfile.mkdtemp(prefix=f"{_mark()}{os.getpid()}-", dir=work_dir))


@contextmanager
def _written(path: Path, advice: str = _OTHER_CACHE) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A folder that the user named is theirs to mend; the cache's disk is the machine's.
        kind = StorageError if advice == _OTHER_CACHE else SettingsError
        raise kind(
            f"{path}: cannot be written ({error.strerror or error}); free space or {advice}"
        ) from error


def _mark() -> str:
    """Return how work folders of this machine begin: several may share a cache."""
    return f"cell-{platform.node()}-"


def sweep(work_dir: Path) -> None:
    """Remove what killed runs of this machine left in the work folder."""
    import psutil  # of the probe extra; reading jobs does without

    for folder in work_dir.glob(f"{glob.escape(_mark())}*"):
        number = folder.name.removeprefix(_mark()).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def within_machine(limits: ChildLimits) -> ChildLimits:
    """Return the limits with no more memory than the machine can give.

    A child that grows beyond its limit begins anew with fewer rows; one that the system kills,
    because there is no more memory at all, does not.
    """
    import psutil

    most = _SHARE_OF_MEMORY * psutil.virtual_memory().total / _GIB
    return replace(limits, memory_gb=min(limits.memory_gb, most))


def _require_packages() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"fine-tuning needs {', '.join(missing)}; install with: "
            f"{sys.executable} -m pip install 'hubbot[finetune]'"
        )


def _check_save_to(job: FinetuneJob) -> None:
    where = job.save_to
    if where is None:
        return
    with _written(where, _ANOTHER):  # now, not after hours of training
        where.parent.mkdir(parents=True, exist_ok=True)
        if not where.exists() or (where.is_dir() and not any(where.iterdir())):
            return
    raise SettingsError(
        f"{where}: holds something already; the fine-tuned checkpoint needs a folder of its own: "
        "name another, or remove it"
    )


def _put(saved: Path, where: Path) -> None:
    """Give a saved checkpoint its place, whole or not at all."""
    with _written(where, _ANOTHER):
        where.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{where.name}-", dir=where.parent) as folder:
            beside = Path(shutil.move(saved, Path(folder) / where.name))  # may copy between disks
            beside.replace(where)


def _run_fitting(
    job: FinetuneJob,
    limits: ChildLimits,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> None:
    """Run children with ever fewer rows at a time until one keeps to its memory."""
    while True:
        listener = _Listener(job, on_progress)
        try:
            return listener.run(limits)
        except MemoryLimitError:
            last = listener.last
            if last.stage not in _WITH_ROWS or last.rows_at_a_time <= 1:
                raise
            job = replace(job, rows_at_a_time=last.rows_at_a_time // 2)
            _tell_fewer(job, last.rows_at_a_time, last.rows_at_a_time // 2)


def _tell_fewer(job: FinetuneJob, before: int, now: int) -> None:
    logger.warning(
        "%s on %s: memory ran out with %d rows at a time; it begins anew with %d, the batch of %d "
        "stays",
        *(job.model, job.target, before, now, job.recipe.batch_size),
    )


class _Listener:
    """Turns the child's messages into calls and errors."""

    def __init__(
        self, job: FinetuneJob, on_progress: Callable[[TrainingProgress], None] | None
    ) -> None:
        self._job = job
        self._name = f"{job.model} on {job.target}"
        self._on_progress = on_progress
        self._error: Mapping[str, Any] | None = None
        self._is_done = False
        self.last = TrainingProgress(stage="load", done=0, total=0)

    def run(self, limits: ChildLimits) -> None:
        job_file = self._job.work_dir / "job.json"
        with _written(job_file):
            job_file.write_text(self._job.to_json(), encoding="utf-8")
        ended = self._watched(["-m", "hubbot.finetuning.child", str(job_file)], limits)
        if self._error is not None:
            is_named = str(self._error["message"]).startswith(f"{self._name}:")
            raise rebuilt(self._error, self._name if is_named else self._job.model)
        if ended.code != 0 or not self._is_done:
            raise self._died(ended, limits)

    def _watched(self, arguments: list[str], limits: ChildLimits) -> Ended:
        try:
            return run_child(arguments, limits=limits, on_message=self._hear, wording=_WORDING)
        except ProbeError as error:
            raise type(error)(f"{self._name}: {error} (it was in {self._where()})") from error

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "progress" in message:
            before = self.last
            self.last = TrainingProgress(**message["progress"])
            if 0 < self.last.rows_at_a_time < before.rows_at_a_time:
                _tell_fewer(self._job, before.rows_at_a_time, self.last.rows_at_a_time)
            if self._on_progress is not None:
                self._on_progress(self.last)
        elif "error" in message:
            self._error = message["error"]
        elif "done" in message:
            self._is_done = True

    def _where(self) -> str:
        return f"stage {self.last.stage} {self.last.done}/{self.last.total}"

    def _died(self, ended: Ended, limits: ChildLimits) -> ProbeError:
        what, advice = f"ended with status {ended.code}", "run again"
        if ended.code < 0:
            name = signal.Signals(-ended.code).name
            what = f"was killed by signal {name}"
            if name == "SIGKILL":
                advice = (
                    "the system may have been out of memory: lower finetune.memory_gb (now "
                    f"{limits.memory_gb:g}) to what is free, close other programs, run again"
                )
        tail = ended.stderr[-1500:]
        return ProbeError(
            f"{self._name}: the fine-tuning child {what} in {self._where()}; {advice}"
            + (f"; it last said: {tail}" if tail else "")
        )
