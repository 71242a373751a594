"""Card headers as the Hub reads and checks them."""

import math
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hubbot.localhub.state import RepoKind

# Where the Hub sees a header: huggingface_hub's repocard.py says that its expression is the
# server's. JavaScript counts the byte order mark as space, so it may come first.
_END = r"(?:\r\n|\r|\n)"
_BLOCK = re.compile(rf"[\s\ufeff]*---{_END}([\s\S]*?){_END}---[ \t]*(?:\r\n|\n|\Z)")
_REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")
_MAX_NODES = 100_000


class HeaderError(ValueError):
    """A header that is not a YAML mapping."""


def header_text(card: str) -> str | None:
    """Return the text between the two lines of dashes, None where there is no such block."""
    match = _BLOCK.match(card)
    return None if match is None else match[1]


def parse_header(card: str) -> dict[str, Any]:
    """Return the header as JSON values; empty without a header.

    YAML 1.2, as the Hub's parser: ``no`` is a text, and a key given twice is an error.

    Raises:
        HeaderError: If it is no YAML, or not a mapping.
    """
    text = header_text(card)
    return {} if text is None else deepcopy(_parse(text))


@lru_cache(maxsize=8192)
def _parse(text: str) -> dict[str, Any]:
    """Parse a header once: it takes milliseconds, and lists read those of thousands of cards."""
    try:
        value = YAML(typ="safe", pure=True).load(text)
        value = _plain(value, [_MAX_NODES])
    except (YAMLError, ValueError, RecursionError) as error:
        raise HeaderError(_one_line(error)) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise HeaderError(f"metadata must be a mapping, found {type(value).__name__}")
    return value


def read_header(content: bytes | None) -> dict[str, Any]:
    """Return a card's header, empty where there is none or it cannot be read."""
    try:
        return parse_header((content or b"").decode("utf-8", "replace"))
    except HeaderError:
        return {}


def _one_line(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    where = f" ({mark.line + 1}:{mark.column + 1})" if mark is not None else ""
    return " ".join(str(problem).split()) + where


def _plain(value: Any, budget: list[int]) -> Any:
    """Turn YAML values into what JSON can hold; ``budget`` stops anchors that multiply."""
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError("too many values")
    if isinstance(value, dict):
        return {str(key): _plain(item, budget) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, budget) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def check_card(card: str, kind: RepoKind = "models") -> tuple[list[str], list[str]]:
    """Check a card as ``validate-yaml`` does.

    The rules are those of the Hub's card specifications (huggingface/hub-docs, modelcard.md and
    datasetcard.md) and, for data sets, what their maintainers met when they edited hundreds of
    cards (huggingface/datasets issue 5137); the wording is ours.

    Args:
        card: README.md.
        kind: Whose card it is.

    Returns:
        Errors, which refuse a commit, and warnings.
    """
    if header_text(card) is None:
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        header = parse_header(card)
    except HeaderError as problem:
        return [f"Invalid YAML: {problem}"], []
    errors = [
        line for key, check in _CHECKS[kind].items() if key in header for line in check(header[key])
    ]
    warnings = [] if header else ["empty or missing yaml metadata in repo card"]
    return errors, warnings


def as_list(value: Any) -> list[Any]:
    """Return a list for a value that may be given alone or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _strings(key: str, pattern: re.Pattern[str] | None = None) -> Callable[[Any], Iterable[str]]:
    def check(value: Any) -> Iterable[str]:
        for item in as_list(value):
            if not isinstance(item, str):
                yield f'"{key}" must be a string or an array of strings'
            elif pattern is not None and not pattern.fullmatch(item):
                yield f'"{key}" with value "{item}" is not valid'

    return check


def _string(key: str) -> Callable[[Any], Iterable[str]]:
    return lambda value: [] if isinstance(value, str) else [f'"{key}" must be a string']


def _string_list(key: str) -> Callable[[Any], Iterable[str]]:
    def check(value: Any) -> Iterable[str]:
        if not isinstance(value, list):
            return [f'"{key}" must be an array']
        return _strings(key)(value)

    return check


def _renamed(key: str, name: str) -> Callable[[Any], Iterable[str]]:
    return lambda value: [f'"{key}" is deprecated. Use "{name}" instead.']


def _check_configs(value: Any) -> Iterable[str]:
    if not isinstance(value, list):
        yield '"configs" must be an array'
        return
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            yield f'"configs[{number}]" must be an object'
        else:
            yield from _need_string(entry, "config_name", f"configs[{number}]")


def _check_model_index(value: Any) -> Iterable[str]:
    if not isinstance(value, list):
        yield '"model-index" must be an array'
        return
    for number, entry in enumerate(value):
        where = f"model-index[{number}]"
        if not isinstance(entry, dict):
            yield f'"{where}" must be an object'
            continue
        yield from _need_string(entry, "name", where)
        results = entry.get("results")
        if not isinstance(results, list):
            yield f'"{where}.results" must be an array'
            continue
        for index, result in enumerate(results):
            yield from _check_result(result, f"{where}.results[{index}]")


def _check_result(result: Any, where: str) -> Iterable[str]:
    if not isinstance(result, dict):
        yield f'"{where}" must be an object'
        return
    for key, needed in (("task", ("type",)), ("dataset", ("type", "name"))):
        part = result.get(key)
        if not isinstance(part, dict):
            yield f'"{where}.{key}" is required'
            continue
        for name in needed:
            yield from _need_string(part, name, f"{where}.{key}")
        yield from _optional_strings(part, ("config", "split", "revision"), f"{where}.{key}")
    metrics = result.get("metrics")
    if not isinstance(metrics, list):
        yield f'"{where}.metrics" must be an array'
        return
    for index, metric in enumerate(metrics):
        yield from _check_metric(metric, f"{where}.metrics[{index}]")
    source = result.get("source")
    if source is not None and not (isinstance(source, dict) and isinstance(source.get("url"), str)):
        yield f'"{where}.source.url" is required'


def _check_metric(metric: Any, where: str) -> Iterable[str]:
    if not isinstance(metric, dict):
        yield f'"{where}" must be an object'
        return
    yield from _need_string(metric, "type", where)
    if metric.get("value") is None:
        yield f'"{where}.value" is required'
    yield from _optional_strings(metric, ("name", "config"), where)
    if "verified" in metric and not isinstance(metric["verified"], bool):
        yield f'"{where}.verified" must be a boolean'


def _need_string(part: dict[str, Any], name: str, where: str) -> Iterable[str]:
    if part.get(name) is None:
        yield f'"{where}.{name}" is required'
    elif not isinstance(part[name], str):
        yield f'"{where}.{name}" must be a string'


def _optional_strings(part: dict[str, Any], names: Iterable[str], where: str) -> Iterable[str]:
    for name in names:
        if part.get(name) is not None and not isinstance(part[name], str):
            yield f'"{where}.{name}" must be a string'


_Checks = dict[str, Callable[[Any], Iterable[str]]]

_COMMON: _Checks = {
    "language": _strings("language", _LANGUAGE),
    "tags": _strings("tags"),
    "license": _strings("license"),
}

_CHECKS: dict[RepoKind, _Checks] = {
    "models": _COMMON
    | {
        "model-index": _check_model_index,
        "base_model": _strings("base_model", _REPO_ID),
        "datasets": _strings("datasets", _REPO_ID),
        "metrics": _strings("metrics"),
        "library_name": _string("library_name"),
        "pipeline_tag": _string("pipeline_tag"),
    },
    "datasets": _COMMON
    | {
        "languages": _renamed("languages", "language"),
        "licenses": _renamed("licenses", "license"),
        "task_categories": _string_list("task_categories"),
        "task_ids": _string_list("task_ids"),
        "pretty_name": _string("pretty_name"),
        "configs": _check_configs,
    },
}
