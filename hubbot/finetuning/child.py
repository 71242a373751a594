"""The fine-tuning child: started by ``probing.lockdown``, which has cut the network before."""

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hubbot.errors import HubbotError, ProbeError
from hubbot.finetuning.job import FinetuneJob, TrainingProgress
from hubbot.probing.child import Channel
from hubbot.probing.lockdown import CHANNEL_VARIABLE


def main(job_file: Path) -> int:
    """Run the job in ``job_file``.

    Returns:
        Exit status: 0 done, 1 refused with a reason on the channel.
    """
    channel = Channel(int(os.environ[CHANNEL_VARIABLE]))
    job = FinetuneJob.from_json(job_file.read_text(encoding="utf-8"))
    os.environ.update(one_gpu(job.device, os.environ.get("CUDA_VISIBLE_DEVICES")))
    try:
        _fine_tune(job, channel)
    except HubbotError as error:
        channel.error(error)
        return 1
    except (MemoryError, RuntimeError, OSError) as error:
        told = explained(error, job)
        if told is None:
            raise
        channel.error(told)
        return 1
    channel.done()
    return 0


def _fine_tune(job: FinetuneJob, channel: Channel) -> None:
    channel.progress(TrainingProgress(stage="load", done=0, total=0))
    from hubbot.finetuning.cell import fine_tune  # torch, after the first sign of life
    from hubbot.finetuning.outputs import write_output

    write_output(job.work_dir, fine_tune(job, on_progress=channel.progress))


def one_gpu(device: str, shown: str | None) -> Mapping[str, str]:
    """Return the environment in which torch sees one GPU: the Trainer spreads over all it sees.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        shown: CUDA_VISIBLE_DEVICES so far; None where it is not set.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or not (number or "0").isdecimal():
        return {}
    place = int(number or 0)
    names = None if shown is None else [name for name in shown.split(",") if name]
    if names is None:
        return {"CUDA_VISIBLE_DEVICES": str(place)}
    return {"CUDA_VISIBLE_DEVICES": names[place] if place < len(names) else ""}


def explained(error: Exception, job: FinetuneJob) -> ProbeError | None:
    """Name what the machine ran out of; None where the error is something else."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return ProbeError(
            f"{job.model} on {job.target}: out of memory while loading ({str(error)[:200]}); use a "
            "machine with more memory"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ProbeError(
            f"{job.model} on {job.target}: the disk is full ({job.work_dir}); make room or move "
            "cache_dir, then run again"
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ProbeError(
            f"{job.model} on {job.target}: a file in {job.work_dir} grew beyond the allowed size; "
            "raise finetune.file_gb"
        )
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
