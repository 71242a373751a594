"""List items of models that are nothing but listed: what is filled in, and what is answered."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from hubbot.localhub import metadata, shapes
from hubbot.localhub.state import iso

_NUMBERS = ("downloads", "likes", "trendingScore")
_LISTS = ("tags", "siblings")
_MOMENTS = ("createdAt", "lastModified")


def complete(given: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return a list item with all the keys that the Hub answers.

    Args:
        given: Any of the Hub's keys, and ``deleted``: listed, but gone when it is asked for. A key
            with the value None stays out of the answers.
        now: Time of an item that has none.

    Raises:
        ValueError: If lists could not be filtered or sorted by it.
    """
    repo_id = given.get("id")
    if not isinstance(repo_id, str) or not repo_id or repo_id.count("/") > 1:
        _refuse(repo_id, "id", "namespace/name", repo_id)
    for key in _LISTS:
        if not isinstance(given.get(key, []), list):
            _refuse(repo_id, key, "a list", given[key])
    for file in given.get("siblings", []):
        if not isinstance(file, dict) or "rfilename" not in file:
            _refuse(repo_id, "siblings", "mappings with rfilename", file)
    item = _with_facts(dict(given), repo_id, now)
    for key in _NUMBERS:
        if not isinstance(item[key], int | float):
            _refuse(repo_id, key, "a number", item[key])
    return {key: value for key, value in item.items() if value is not None}


def _refuse(repo_id: object, key: str, expected: str, found: object) -> NoReturn:
    raise ValueError(
        f"listed model {repo_id!r}: expected {expected} as {key}, found {found!r}; correct it, or "
        "order malformed items with listing_oddities.insert"
    )


def _with_facts(item: dict[str, Any], repo_id: str, now: datetime) -> dict[str, Any]:
    moments = {key: _moment(repo_id, key, item[key]) for key in _MOMENTS if item.get(key)}
    # One of the two stands for the other.
    item |= dict.fromkeys(_MOMENTS, next(iter(moments.values()), iso(now))) | moments
    config = item.get("config") or {}
    header = dict(item.get("cardData") or {})
    header |= {key: item[key] for key in ("library_name", "pipeline_tag") if item.get(key)}
    item.setdefault("siblings", _files(item))
    facts: dict[str, Any] = {
        "_id": hashlib.sha256(f"models/{repo_id}".encode()).hexdigest()[:24],
        "modelId": repo_id,
        "author": repo_id.rpartition("/")[0] or None,
        "sha": hashlib.sha256(f"{repo_id} {item['lastModified']}".encode()).hexdigest()[:40],
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "trendingScore": 0,
        "library_name": metadata.library_name(header, config),
        "pipeline_tag": metadata.pipeline_tag(header, config),
        "transformersInfo": metadata.transformers_info(config),
        "baseModels": shapes.base_models(header),
        "spaces": [],
    }
    if "tags" not in item:
        paths = [str(file["rfilename"]) for file in item["siblings"]]
        facts["tags"] = metadata.tags("models", paths, header, config)
    return facts | item


def _moment(repo_id: str, key: str, value: object) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        _refuse(repo_id, key, "a time such as 2026-01-02T03:04:05.000Z", value)
    if moment.tzinfo is None:
        _refuse(repo_id, key, "a time with its zone, such as 2026-01-02T03:04:05.000Z", value)
    return iso(moment)


def _files(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files that the other facts must come from."""
    sources = {
        "cardData": "README.md",
        "config": "config.json",
        "safetensors": "model.safetensors",
    }
    names = [".gitattributes", *(name for key, name in sources.items() if item.get(key))]
    return [{"rfilename": name} for name in names]


def shape(item: Mapping[str, Any], *, with_blobs: bool = False) -> dict[str, Any]:
    """Describe a listed model as :func:`hubbot.localhub.shapes.repository` does a repository.

    Args:
        item: Item with all keys.
        with_blobs: Whether ``siblings`` carry size and digests, where given.
    """
    answer = {key: value for key, value in item.items() if key != "deleted"}
    if not with_blobs:
        answer["siblings"] = [{"rfilename": file["rfilename"]} for file in item["siblings"]]
    return answer
