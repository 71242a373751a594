"""Finished probes in the cache: written by the child, read by either side."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hubbot.probing.cache import read_arrays, write_arrays
from hubbot.probing.job import HEADS, ProbeJob, ProbeOutput
from hubbot.probing.keys import probe_key

_SCALARS = tuple(field.name for field in fields(ProbeOutput) if field.name != "predictions")
_TUPLES = ("best_epochs",)


def output_path(job: ProbeJob, config: Mapping[str, Any]) -> Path:
    """Return where the finished probe of ``job`` is, or will be."""
    return job.cache_dir / "probes" / f"{probe_key(job, config)}.npz"


def write_output(path: Path, output: ProbeOutput) -> None:
    """Keep a finished probe."""
    meta = {name: getattr(output, name) for name in _SCALARS}
    arrays = {str(head): array for head, array in output.predictions.items()}
    write_arrays(path, arrays, meta)


def read_output(path: Path) -> ProbeOutput | None:
    """Return a finished probe, None where there is none."""
    found = read_arrays(path)
    if found is None:
        return None
    arrays, meta = found
    if set(meta) != set(_SCALARS) or not set(arrays) <= set(HEADS):
        path.unlink(missing_ok=True)
        return None
    for name in _TUPLES:
        meta[name] = tuple(meta[name])
    meta["validation_accuracy"] = {
        head: tuple(values) for head, values in meta["validation_accuracy"].items()
    }
    return ProbeOutput(predictions={head: arrays[head] for head in HEADS if head in arrays}, **meta)
