from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hubbot.data.own_json import copy_json
from hubbot.errors import DatasetError


def read(tmp_path: Path, content: str | bytes, *, name: str = "f.jsonl") -> dict[str, list[Any]]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    copy_json(path, tmp_path / "copy.parquet")
    columns: dict[str, list[Any]] = pq.read_table(tmp_path / "copy.parquet").to_pydict()
    return columns


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n'),
        ("f.ndjson", '{"text": "a", "label": 1}\r\n\r\n{"text": "b", "label": 0}'),
        ("f.json", '{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n'),
        ("f.json", '[{"text": "a", "label": 1}, {"text": "b", "label": 0}]'),
        ("f.json", '\ufeff\n [\n {"text": "a",\n "label": 1},\n{"text": "b", "label": 0}]'),
    ],
)
def test_lines_and_lists_of_objects_give_the_same_rows(
    tmp_path: Path, name: str, content: str
) -> None:
    assert read(tmp_path, content, name=name) == {"text": ["a", "b"], "label": ["1", "0"]}


def test_a_key_that_comes_late_or_is_left_out_is_an_empty_cell(tmp_path: Path) -> None:
    rows = '{"text": "a"}\n{"text": null, "label": 2}\n{"label": NaN}\n'
    assert read(tmp_path, rows) == {"text": ["a", None, None], "label": [None, "2", None]}


def test_booleans_and_floats_are_spelt_as_in_json(tmp_path: Path) -> None:
    assert read(tmp_path, '{"label": true}\n{"label": 0.25}\n')["label"] == ["true", "0.25"]


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path: Path) -> None:
    assert read(tmp_path, '{"text": "a \\ud83d b"}\n')["text"] == ["a \ufffd b"]


def test_columns_of_lists_and_objects_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"text": "a", "tags": null}\n{"text": "b", "tags": ["x"], "meta": {}}\n')
    copied = copy_json(path, tmp_path / "copy.parquet")
    assert copied.unusable == {"tags": "lists or objects", "meta": "lists or objects"}
    assert pq.read_schema(tmp_path / "copy.parquet").names == ["text"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.jsonl", b'{"text": "a"}\n{"text": \n', r"f\.jsonl, line 2: not JSON .*one object a"),
        ("f.jsonl", b'{"text": "a"}\n["b", 1]\n', r"line 2: expected an object such as"),
        (
            "f.jsonl",
            b'{"text": "a"}\n\n{"text": "\xff"}\n',
            r"line 3: byte 11 \(0xff\) is not UTF-8",
        ),
        ("f.json", b'[{"text": "a"}, 3]', r"f\.json, item 2: expected an object .*found 3"),
        ("f.json", b'[{"text": "a"}', r"f\.json: not JSON .*expected a list of objects"),
        ("f.json", b'[\n{"text": "\xff"}]', r"f\.json, line 2: byte 11 \(0xff\) is not UTF-8"),
        ("f.json", b'{\n "data": [1]\n}', r"f\.json, line 1: not JSON .*or one list of objects"),
        ("f.json", b"", r"f\.json: no columns"),
        ("f.jsonl", b'{"a": [1]}', r"f\.jsonl: no columns"),
        ("f.jsonl", b"[" * 100_000, r"f\.jsonl, line 1: not JSON"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content, name=name)
