"""A finished cell's way from the child to the parent: one .npz in the work folder."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from hubbot.errors import ProbeError
from hubbot.finetuning.job import FinetuneJob, FinetuneOutput
from hubbot.probing.cache import read_arrays, write_arrays

_NAME = "cell.npz"
_SCALARS = tuple(field.name for field in fields(FinetuneOutput) if field.name != "predictions")


def write_output(folder: Path, output: FinetuneOutput) -> None:
    """Leave a finished cell in a folder."""
    meta = {name: getattr(output, name) for name in _SCALARS}
    write_arrays(folder / _NAME, {"predictions": output.predictions}, meta)


def read_output(folder: Path, job: FinetuneJob) -> FinetuneOutput:
    """Return the finished cell; what a child with strangers' weights left is checked once more.

    Raises:
        ProbeError: If there is none, or predictions that cannot be ones of the job.
    """
    found = read_arrays(folder / _NAME)
    if found is None or set(found[1]) != set(_SCALARS) or set(found[0]) != {"predictions"}:
        raise ProbeError(f"{job.model}: the fine-tuning child left no result; run again")
    predictions, meta = found[0]["predictions"], found[1]
    n_test = job.splits["test"].n_rows
    is_sound = predictions.shape == (n_test,)
    if job.is_regression:
        is_sound = is_sound and predictions.dtype == np.float64 and np.isfinite(predictions).all()
    else:
        is_sound = is_sound and predictions.dtype == np.int64
        is_sound = is_sound and 0 <= predictions.min() <= predictions.max() < len(job.label_names)
    if not is_sound:
        raise ProbeError(
            f"{job.model} on {job.target}: expected {n_test} predictions of the target's kind, "
            f"found {predictions.dtype} of shape {predictions.shape} or out of range; run again"
        )
    return FinetuneOutput(predictions=predictions, **meta)
