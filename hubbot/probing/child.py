"""The probing child: features from a checkpoint, heads on them, predictions into the cache.

Started by ``lockdown``, which has cut the network before anything here is imported.
"""

import errno
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.errors import HubbotError, IntegrityError, ProbeError
from hubbot.probing.job import ProbeJob, Progress
from hubbot.probing.lockdown import CHANNEL_VARIABLE, GUARD_VARIABLE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Channel:
    """Messages to the parent: one JSON object per line on a descriptor of their own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def progress(self, progress: "DataclassInstance") -> None:
        """Tell how far the child is."""
        self._send({"progress": asdict(progress)})

    def error(self, error: HubbotError) -> None:
        """Tell why there is no result."""
        check = error.check if isinstance(error, IntegrityError) else None
        self._send({"error": {"type": type(error).__name__, "message": str(error), "check": check}})

    def done(self) -> None:
        """Tell that the result is in the cache."""
        self._send({"done": True})

    def _send(self, message: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(message).encode() + b"\n")


def main(job_file: Path) -> int:
    """Run the job in ``job_file``.

    Returns:
        Exit status: 0 done, 1 refused with a reason on the channel.
    """
    channel = Channel(int(os.environ[CHANNEL_VARIABLE]))
    job = ProbeJob.from_json(job_file.read_text(encoding="utf-8"))
    try:
        _probe(job, channel)
    except HubbotError as error:
        channel.error(error)
        return 1
    except (MemoryError, RuntimeError, OSError) as error:
        told = _explained(error, job)
        if told is None:
            raise
        channel.error(told)
        return 1
    channel.done()
    return 0


def _probe(job: ProbeJob, channel: Channel) -> None:
    channel.progress(Progress(stage="load", split="", done=0, total=0))
    from hubbot.probing.work import probe  # torch and transformers, after the first sign of life

    probe(job, guard=os.environ[GUARD_VARIABLE], on_progress=channel.progress)


def _explained(error: Exception, job: ProbeJob) -> ProbeError | None:
    """Name what the machine ran out of; None where the error is something else."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ProbeError(
            f"{job.model}: out of memory ({str(error)[:200]}); lower probe.tokens_per_batch (now "
            f"{job.tokens_per_batch or 'as the device has it'})"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ProbeError(
            f"{job.model}: the disk is full ({job.cache_dir}); make room or move cache_dir, then "
            "run again: finished rows are kept"
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ProbeError(
            f"{job.model}: a file in {job.cache_dir} grew beyond the allowed size; raise "
            "probe.file_gb"
        )
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
