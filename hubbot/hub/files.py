"""Which files of a repository or folder a probe needs, and which are never fetched."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hubbot.errors import CheckpointError
from hubbot.printable import printable
from hubbot.schema import RemoteFile

CONFIG = "config.json"
SAFETENSORS = "model.safetensors"
INDEX = "model.safetensors.index.json"
BIN = "pytorch_model.bin"

LARGEST_JSON = 16 * 2**20
"""Bytes above which config.json or the index of the shards is taken for an attack."""

_SHARD = re.compile(r"model-\d{1,6}-of-\d{1,6}\.safetensors")
_TOKENIZER = re.compile(
    r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.(?:txt|json|bpe)|merges\.txt|bpe\.codes|[A-Za-z0-9_.-]{1,80}\.model"
)
"""Text and SentencePiece files that transformers' tokenizers read; none of them is code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The files of a checkpoint that are used; everything else is left alone."""

    weights: tuple[str, ...]
    """Names of the weights' files, sorted."""
    index: str | None
    """Name of the shards' index, where the weights are sharded."""
    tokenizer: tuple[str, ...]
    """Names of the tokenizer's files, sorted."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything to fetch, small files first: a broken config.json ends it early."""
        index = () if self.index is None else (self.index,)
        return (CONFIG, *index, *self.tokenizer, *self.weights)


def choose_files(item: str, sizes: Mapping[str, int], *, allow_bin: bool) -> Choice:
    """Pick config.json, the weights and the tokenizer's files out of a listing.

    Only names in the top folder are looked at; ``*.py``, pickles, ONNX, TensorFlow and Flax files
    are never picked. Where there are safetensors, pytorch_model.bin is not.

    Args:
        item: Name of the checkpoint, for messages.
        sizes: Path of every file, untrusted, and its size in bytes.
        allow_bin: Whether pytorch_model.bin may stand in for safetensors.

    Raises:
        CheckpointError: If a path leads out of the folder, config.json or usable weights are
            missing, or a JSON file is absurdly large.
    """
    for path in sizes:
        _refuse_a_way_out(item, path)
    if CONFIG not in sizes:
        raise CheckpointError(
            f"{item}: config.json is missing, so its architecture is unknown; "
            f"found {_listed(sizes)}"
        )
    choice = Choice(
        weights=_choose_weights(item, sizes, allow_bin=allow_bin),
        index=None if SAFETENSORS in sizes or INDEX not in sizes else INDEX,
        tokenizer=tuple(sorted(path for path in sizes if _TOKENIZER.fullmatch(path))),
    )
    for name in (CONFIG, choice.index):
        if name is not None and sizes[name] > LARGEST_JSON:
            raise CheckpointError(
                f"{item}: {name} has {sizes[name]} bytes, expected at most {LARGEST_JSON}"
            )
    return choice


def _choose_weights(item: str, sizes: Mapping[str, int], *, allow_bin: bool) -> tuple[str, ...]:
    if SAFETENSORS in sizes:
        return (SAFETENSORS,)
    shards = tuple(sorted(path for path in sizes if _SHARD.fullmatch(path)))
    if INDEX in sizes and shards:
        return shards
    if allow_bin and BIN in sizes:
        return (BIN,)
    if BIN in sizes:
        raise CheckpointError(
            f"{item}: no {SAFETENSORS}, only {BIN}, a pickle; set "
            'probe.bin = "sandboxed" to read it as data inside the probing child'
        )
    raise CheckpointError(
        f"{item}: no weights that hubbot reads; expected {SAFETENSORS}, or shards with {INDEX}; "
        f"found {_listed(sizes)}. Convert them to safetensors, or, for a {BIN}, set "
        'probe.bin = "sandboxed"'
    )


def _listed(sizes: Iterable[str], *, most: int = 8) -> str:
    names = sorted(sizes)
    shown = ", ".join(printable(name, limit=80) for name in names[:most])
    more = len(names) - most
    return (shown or "no files at all") + (f" and {more} more" if more > 0 else "")


def _refuse_a_way_out(item: str, path: str) -> None:
    parts = path.split("/")
    if "\\" in path or ":" in parts[0] or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise CheckpointError(
            f"{item}: lists a file {printable(path, limit=120)!r} that leads out of its folder; "
            "nothing of it is fetched"
        )


def check_shards(item: str, choice: Choice, weight_map: object) -> None:
    """Make sure that the index names the very shards that were picked.

    Args:
        item: Name of the checkpoint, for messages.
        choice: The files picked from the listing.
        weight_map: Value of that key in the index, untrusted: tensor to file name.

    Raises:
        CheckpointError: If it names other files, or is no mapping.
    """
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{item}: {INDEX} has no weight_map; expected tensor to file name")
    named = {str(name) for name in weight_map.values()}
    for name in sorted(named):
        _refuse_a_way_out(item, name)
    if named != set(choice.weights):
        raise CheckpointError(
            f"{item}: {INDEX} names {_listed(named)}, the repository has "
            f"{_listed(choice.weights)}; one of the two is incomplete"
        )


def sizes_of(files: Iterable[RemoteFile]) -> dict[str, int]:
    """Return the size of each file of a listing, in bytes."""
    return {file.path: file.size for file in files}


def folder_sizes(folder: Path) -> dict[str, int]:
    """Return name and size, in bytes, of the files directly in a folder."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def combine_digests(digests: Iterable[str]) -> str:
    """Return one digest of the weights: a single file's own, or that of the shards' digests.

    Shards are told apart by content, not by name: the hex digests are sorted, joined with line
    breaks and hashed.

    Args:
        digests: Hex SHA-256 of each file.

    >>> combine_digests(["ab" * 32]) == "sha256:" + "ab" * 32
    True
    """
    ordered = sorted(digests)
    if len(ordered) == 1:
        return f"sha256:{ordered[0]}"
    return f"sha256:{hashlib.sha256(chr(10).join(ordered).encode()).hexdigest()}"


def tokenizer_digest(paths: Iterable[Path]) -> str:
    """Return a digest over names and bytes of the tokenizer's files, whatever their order."""
    whole = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        whole.update(f"{path.name}\0{sha256_of(path)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def folder_name(model: str) -> str:
    """Return a name for a folder that belongs to a model id.

    >>> folder_name("me/my-model")
    'me--my-model'
    """
    return "--".join(PurePosixPath(model).parts)
