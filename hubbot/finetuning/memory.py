"""How many rows go through the device together, and how much memory was used."""

import gc
import re
import resource
import sys
from pathlib import Path

import torch

GIB = 1024**3

_CPU_TOKENS = 4_096
"""Padded tokens at a time: 32 rows of 128; a base-size model needs some 4 GB for them."""
_GPU_TOKENS_PER_GIB = 1_024
_SIGNS = ("out of memory", "can't allocate memory", "bad_alloc", "alloc_failed")
"""What torch, cuBLAS and the C++ library say, in small letters."""


def first_rows(*, batch_size: int, longest: int, device: torch.device, most: int | None) -> int:
    """Return the rows to begin with: the whole batch, or the largest even part of it that is sane.

    Args:
        batch_size: The recipe's.
        longest: Tokens of the longest row.
        device: Where they go.
        most: Rows not to exceed; None for no limit of that kind.
    """
    budget = _CPU_TOKENS
    if device.type == "cuda":
        budget = _GPU_TOKENS_PER_GIB * torch.cuda.get_device_properties(device).total_memory // GIB
    wanted = max(1, budget // max(1, longest))
    return _part(batch_size, wanted if most is None else min(wanted, most))


def fewer_rows(batch_size: int, rows: int) -> int:
    """Return half the rows, or less where half of them do not divide the batch; at least 1."""
    return _part(batch_size, rows // 2)


def _part(batch_size: int, most: int) -> int:
    """Return the largest divisor of the batch that is not above ``most``, at least 1."""
    return next(
        rows for rows in range(max(1, min(most, batch_size)), 0, -1) if not batch_size % rows
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether fewer rows at a time may help."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def release(device: torch.device) -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak_memory_gb(device: torch.device) -> float:
    """Return the most memory in use so far, GiB: the process's, or on a GPU what torch took."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return _most_resident() / GIB


def _most_resident() -> int:
    """Return the process's peak of resident memory, bytes.

    Linux starts getrusage's figure of a new program at what its parent held, which may be far
    more; /proc counts this program alone.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found is not None:
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
