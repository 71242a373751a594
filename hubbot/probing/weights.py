"""What a weights file says of itself, checked before a tensor is read.

Format: huggingface/safetensors, README "Format": eight bytes with the length of the header, the
header as JSON, the tensors. Standard library only.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubbot.errors import CheckpointError

SAFETENSORS_INDEX = "model.safetensors.index.json"

_HEADER_BYTES = 100_000_000  # the limit of the safetensors library
_ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
# Whole-number tensors that are buffers, not weights (positions, masks).
_BUFFERS = frozenset({"position_ids", "token_type_ids", "bias", "masked_bias"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One entry of a safetensors header."""

    dtype: str
    """As the header spells it, such as ``F32``."""
    shape: tuple[int, ...]
    """Size along each axis."""
    file: Path
    """File that holds it."""


def read_headers(folder: Path, files: tuple[str, ...]) -> dict[str, TensorInfo]:
    """Read and check the headers of all safetensors files of a checkpoint.

    Args:
        folder: Checkpoint folder.
        files: Names of the weights files.

    Returns:
        Tensor names and what the headers say of them.

    Raises:
        CheckpointError: If a file is missing, truncated or malformed, holds quantised weights, or
            disagrees with the index.
    """
    tensors: dict[str, TensorInfo] = {}
    for name in files:
        for tensor, info in _read_header(folder / name).items():
            if tensor in tensors:
                raise CheckpointError(
                    f"{folder / name}: tensor {tensor!r} is also in {tensors[tensor].file.name}"
                )
            tensors[tensor] = info
    if not tensors:
        raise CheckpointError(f"{folder}: the weights files hold no tensors")
    if len(files) > 1:
        _check_index(folder, tensors)
    return tensors


def _check_index(folder: Path, tensors: Mapping[str, TensorInfo]) -> None:
    path = folder / SAFETENSORS_INDEX
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"].items()
    except OSError as error:
        raise CheckpointError(f"{path}: missing beside sharded weights") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not an index of shards ({error})") from error
    for tensor, file in listed:
        found = tensors[tensor].file.name if tensor in tensors else "no shard"
        if found != file:
            raise CheckpointError(
                f"{path}: says tensor {tensor!r} is in {file!r}, found in {found}; the download is "
                "incomplete or the repository is broken"
            )


def _read_header(path: Path) -> dict[str, TensorInfo]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
            if length > min(_HEADER_BYTES, size - 8):
                raise CheckpointError(
                    f"{path}: {size} bytes is too short for the header it announces (truncated, or "
                    "not safetensors); download it again"
                )
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_no_doubles)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the safetensors header is malformed ({error})") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the safetensors header is malformed (not an object)")
    header.pop("__metadata__", None)
    return _checked(path, header, n_bytes=size - 8 - length)


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result


def _checked(path: Path, header: Mapping[str, Any], *, n_bytes: int) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        try:
            dtype, shape, (start, end) = (
                entry["dtype"],
                tuple(entry["shape"]),
                entry["data_offsets"],
            )
            size = math.prod(shape) * _ITEM_BYTES[dtype]
            is_sound = all(type(n) is int and n >= 0 for n in (*shape, start, end))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path}: header entry of {name!r} is malformed or of an unknown dtype ({error})"
            ) from error
        if not is_sound or end - start != size:
            raise CheckpointError(
                f"{path}: tensor {name!r} of shape {shape} and dtype {dtype} needs {size} bytes, "
                f"the header gives it {start} to {end}"
            )
        if dtype not in _FLOATS and name.rpartition(".")[2] not in _BUFFERS:
            raise CheckpointError(
                f"{path}: tensor {name!r} is {dtype}; quantised weights are not probed"
            )
        spans.append((start, end))
        tensors[name] = TensorInfo(dtype=dtype, shape=shape, file=path)
    _check_spans(path, spans, n_bytes=n_bytes)
    return tensors


def _check_spans(path: Path, spans: list[tuple[int, int]], *, n_bytes: int) -> None:
    """Check that the tensors cover the data without gap or overlap, as the format demands."""
    reached = 0
    for start, end in sorted(spans):
        if start != reached:
            raise CheckpointError(f"{path}: tensors overlap or leave a gap at byte {reached}")
        reached = end
    if reached != n_bytes:
        what = "truncated" if reached > n_bytes else "longer than its header says"
        raise CheckpointError(
            f"{path}: {what}: the header describes {reached} bytes of tensors, the file has "
            f"{n_bytes}; download it again"
        )
