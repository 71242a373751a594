"""The checkpoint's tensors, read as data: safetensors, or pickles of plain tensors."""

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hubbot.errors import CheckpointError, IntegrityError
from hubbot.probing.job import CheckpointFiles


def is_bin(job: CheckpointFiles) -> bool:
    """Return whether the weights are pickled (pytorch_model.bin)."""
    return not all(name.endswith(".safetensors") for name in job.weights_files)


def read_tensors(job: CheckpointFiles, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Read tensors of the checkpoint to the CPU.

    Args:
        job: Names the files.
        names: Tensors wanted, those missing are left out; None for all.

    Raises:
        CheckpointError: If a pickle is not allowed, holds more than tensors, or a file is broken.
    """
    tensors: dict[str, Tensor] = {}
    for file in job.weights_files:
        path = job.folder / file
        found = _unpickled(job, path) if is_bin(job) else _mapped(path, names)
        tensors |= {n: t for n, t in found.items() if names is None or n in names}
    return tensors


def _mapped(path: Path, names: Sequence[str] | None) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {n: file.get_tensor(n) for n in file.keys() if names is None or n in names}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error


def _unpickled(job: CheckpointFiles, path: Path) -> dict[str, Tensor]:
    if not job.allow_bin:
        raise CheckpointError(
            f"{path}: only pickled weights, which are not read from strangers; publish "
            'safetensors, or set probe.bin = "sandboxed"'
        )
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name}: the pickle asks for more than tensors and was not run"
            f"{_asked_for(error)}; ask its author for safetensors"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: not readable as weights ({short(error)})") from error
    if not isinstance(raw, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in raw.items()
    ):
        raise CheckpointError(f"{path}: expected a mapping of names to tensors")
    return {name: tensor for name, tensor in raw.items()}  # noqa: C416 - drops odd dict subclasses


def _asked_for(error: pickle.UnpicklingError) -> str:
    """Return what a pickle wanted; torch's own message advises to switch the protection off."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" (it asked for {found[1]})" if found else ""


def check_finite(job: CheckpointFiles, tensors: Mapping[str, Tensor]) -> None:
    """Refuse NaN and infinity among the weights.

    Raises:
        IntegrityError: Naming the first such tensor.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise IntegrityError(
                f"{job.model}: tensor {name!r} holds NaN or infinity; the checkpoint is broken, "
                "nothing is recorded",
                check="finite features",
            )


def short(error: BaseException) -> str:
    """Return an error's text on one line of at most 400 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:400]}..."
