"""One item of the Hub's list of models, untrusted, as a value of ours."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # lazy export

from hubbot.hub.checkpoints import declared_base_models
from hubbot.printable import printable
from hubbot.schema import ListedModel

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
_RELATION = re.compile(r"base_model:(finetune|adapter|merge|quantized):")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST = 2**50
"""Counts above it are no counts, and would not fit into the ledger."""
_BYTES = {
    **{"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4},
    **{"F16": 2, "BF16": 2, "I16": 2, "U16": 2},
}
"""Bytes of a parameter by the name that safetensors gives its type; 1 for all others."""


def read_listed(item: object) -> ListedModel:
    """Turn an item of the Hub's list, untrusted, into a value of ours.

    Args:
        item: As parsed from JSON.

    Raises:
        ValueError: If it is no object, or has no id that a repository may have.
    """
    if not isinstance(item, Mapping):
        raise ValueError(f"expected an object, found {type(item).__name__}")
    model = _id(item.get("id"))
    card = _mapping(item.get("cardData"))
    config = _mapping(item.get("config"))
    tags = tuple(tag for tag in _list(item.get("tags")) if isinstance(tag, str))
    parameters = _parameters(_mapping(item.get("safetensors")))
    relations = [found[1] for found in map(_RELATION.match, tags) if found]
    declared = card.get("base_model_relation")
    relations += [declared] if isinstance(declared, str) else []
    return ListedModel(
        model=model,
        revision=_commit(item.get("sha")),
        created=_moment(item.get("createdAt")),
        modified=_moment(item.get("lastModified")),
        downloads=_count(item.get("downloads")),
        likes=_count(item.get("likes")),
        tags=tags,
        base_models=declared_base_models(card.get("base_model"), tags),
        relations=tuple(dict.fromkeys(relations)),
        languages=tuple(filter(None, map(_language, _list(card.get("language"))))),
        model_type=_text(config.get("model_type")),
        library=_text(item.get("library_name")),
        task=_text(item.get("pipeline_tag")),
        parameters=min(_MOST, sum(parameters.values())) if parameters else None,
        weights_gb=_size_gb(parameters) if parameters else None,
        is_quantised=bool(config.get("quantization_config")),
        is_private=bool(item.get("private")),
        is_gated=bool(item.get("gated")),
        is_disabled=bool(item.get("disabled")),
        says_no=card.get("hubbot") is False,
    )


def _parameters(safetensors: Mapping[str, Any]) -> dict[str, int]:
    counts = _mapping(safetensors.get("parameters"))
    return {
        str(dtype): number
        for dtype, number in counts.items()
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < _MOST
    }


def _size_gb(parameters: Mapping[str, int]) -> float:
    return sum(number * _BYTES.get(dtype, 1) for dtype, number in parameters.items()) / 2**30


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected an id, found {printable(repr(value)[:60])}")
    try:
        validate_repo_id(value)
    except ValueError as error:
        shown = printable(value, limit=60)
        raise ValueError(f"expected an id such as owner/name, found {shown!r}") from error
    return value


def _commit(value: object) -> str:
    return value if isinstance(value, str) and _COMMIT.fullmatch(value) else ""


def _language(value: object) -> str:
    """Return a language of a card's header; YAML takes Norwegian, ``no``, for a false."""
    return "no" if value is False else value.strip().lower() if isinstance(value, str) else ""


def _moment(value: object) -> str:
    """Return a moment that sorts as text; empty where it is none."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return ""
    try:
        return iso(datetime.fromisoformat(value))
    except ValueError:
        return ""


def iso(moment: datetime) -> str:
    """Return a moment of UTC as the Hub writes it, so that it sorts as text."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _count(value: object) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST
    return value if is_count else 0  # type: ignore[return-value]  # an int, as was just seen
