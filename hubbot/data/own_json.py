"""JSON files (one object a line, or one list of objects), copied to Parquet as text."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubbot.data.own_text import Copied, kind_of, opened, readable, write_rows
from hubbot.errors import DatasetError
from hubbot.printable import printable


def copy_json(path: Path, copy: Path) -> Copied:
    """Copy a JSON file to Parquet, numbers and booleans as JSON spells them.

    Lines are read in pieces; one list of objects is read whole.

    Args:
        path: ``.jsonl`` or ``.ndjson``; ``.json`` may hold either form.
        copy: Parquet file to write.

    Raises:
        DatasetError: If a line is no object, or the file is not UTF-8.
    """
    with readable(path):
        return _copy(path, copy)


def _copy(path: Path, copy: Path) -> Copied:
    """Copy in two passes: which columns there are is known at the end of the file only."""
    nested: dict[str, bool] = {}
    for item in _objects(path):
        for name, value in item.items():
            nested[name] = nested.get(name, False) or isinstance(value, list | dict)
    names = [name for name, is_nested in nested.items() if not is_nested]
    if not names:
        raise DatasetError(f"{path.name}: no columns; expected objects with texts and labels")
    rows = ([_as_text(item.get(name)) for name in names] for item in _objects(path))
    write_rows(copy, names, rows)
    return Copied(unusable={name: "lists or objects" for name, held in nested.items() if held})


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    if kind_of(path) == "json":
        with opened(path) as handle:
            start = next((line.lstrip()[0] for line in handle if line.strip()), "")
        if start == "[":
            yield from _list_items(path)
            return
    with opened(path) as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                yield _object(path, f"line {number}", line)


def _list_items(path: Path) -> Iterator[dict[str, Any]]:
    with opened(path) as handle:
        try:
            items = json.load(handle)
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f"{path.name}: not JSON ({error}); expected a list of objects"
            ) from (error)
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise DatasetError(
                f"{path.name}, item {number}: expected an object such as "
                f'{{"text": "...", "label": "..."}}, found {printable(item, limit=60)}'
            )
        yield item


def _object(path: Path, where: str, line: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path.name}, {where}: not JSON ({error}); expected one object a line"
            f"{', or one list of objects' if kind_of(path) == 'json' else ''}"
        ) from error
    if not isinstance(item, dict):
        raise DatasetError(
            f"{path.name}, {where}: expected an object such as "
            f'{{"text": "...", "label": "..."}}, found {printable(item, limit=60)}'
        )
    return item


def _as_text(value: object) -> str | None:
    """Write one JSON value as a CSV file would hold it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    return json.dumps(value)
