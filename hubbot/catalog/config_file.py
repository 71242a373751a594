"""Reading config.json of a stranger: what is refused before anything else is looked at."""

import json
from pathlib import Path
from typing import Any

from hubbot.errors import CheckpointError

MAX_BYTES = 2 * 1024 * 1024
"""Larger files are refused; label maps of many thousand classes stay below it."""

_LIMITS = {
    **dict.fromkeys(("hidden_size", "d_model", "dim", "n_embd", "embedding_size"), 65_536),
    **dict.fromkeys(("intermediate_size", "d_ff", "hidden_dim", "n_inner"), 262_144),
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layers", "n_layer"), 1_024),
    **dict.fromkeys(("num_decoder_layers", "num_hidden_groups", "inner_group_num"), 1_024),
    **dict.fromkeys(("num_attention_heads", "num_heads", "n_heads", "n_head"), 4_096),
    **dict.fromkeys(("vocab_size", "max_position_embeddings", "n_positions"), 10_000_000),
    **dict.fromkeys(("type_vocab_size", "d_kv", "num_labels"), 1_000_000),
}
"""Largest believable value of each size; above the largest encoders published by some factor."""

_MAY_BE_ZERO = frozenset({"type_vocab_size", "num_labels"})


def read_config(source: Path | str | bytes, *, model: str = "") -> dict[str, Any]:
    """Read config.json as it stands and refuse what must not be loaded.

    Args:
        source: The file's content, its path, or the folder that holds it.
        model: Name for messages; without it the path.

    Returns:
        The JSON object, nothing filled in.

    Raises:
        CheckpointError: If the file is missing, too large, not JSON or not an object, asks for
            remote code (``auto_map``) or states sizes beyond belief.
    """
    if isinstance(source, bytes):
        name, content = model or "config.json", source
    else:
        path = Path(source)
        path = path / "config.json" if path.is_dir() else path
        name, content = model or str(path), _read_bytes(path, model or str(path))
    if len(content) > MAX_BYTES:
        raise CheckpointError(
            f"{name}: config.json has {len(content)} bytes, expected at most {MAX_BYTES}; "
            "this is no model configuration"
        )
    config = _parse(content, name)
    check_config(config, model=name)
    return config


def check_config(config: dict[str, Any], *, model: str) -> None:
    """Refuse a configuration that asks for remote code or for sizes beyond belief.

    Args:
        config: Content of config.json.
        model: Name for messages.

    Raises:
        CheckpointError: In either case.
    """
    if config.get("auto_map"):
        raise CheckpointError(
            f"{model}: config.json asks for code of its own (auto_map "
            f"{_short(config['auto_map'])}); hubbot never runs code from a repository. "
            "Publish the checkpoint in a class of transformers itself"
        )
    for key, limit in _LIMITS.items():
        if config.get(key) is not None:
            _check_size(key, config[key], limit, model)


def _check_size(key: str, value: object, limit: int, model: str) -> None:
    least = 0 if key in _MAY_BE_ZERO else 1
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number or not least <= value <= limit:  # type: ignore[operator]  # is_number says int
        raise CheckpointError(
            f"{model}: config.json has {key} {_short(value)}, expected a whole number from "
            f"{least} to {limit}; nothing was loaded. Mend the file or choose another revision"
        )


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(
            f"{name}: config.json cannot be read ({error.strerror or error}); a transformers "
            "checkpoint has one beside its weights"
        ) from error


def _parse(content: bytes, name: str) -> dict[str, Any]:
    try:
        config = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{name}: config.json is not JSON ({_short(error)}); choose another revision"
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{name}: config.json holds a {type(config).__name__}, expected an object of keys; "
            "choose another revision"
        )
    return config


def _short(value: object) -> str:
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
