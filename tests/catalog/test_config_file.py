import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.catalog.config_file import MAX_BYTES, read_config
from hubbot.errors import CheckpointError


def test_a_folder_a_file_and_bytes_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "bert"}', encoding="utf-8")
    expected = {"model_type": "bert"}
    assert read_config(tmp_path) == read_config(path) == read_config(str(path)) == expected
    assert read_config(path.read_bytes()) == expected


def test_nothing_is_filled_in() -> None:
    assert read_config(b'{"hidden_size": 768}') == {"hidden_size": 768}


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_config(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"me/model: config\.json cannot be read \(No such"):
        read_config(tmp_path / "config.json", model="me/model")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' + b"9" * 6000 + b"}"],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is not JSON"):
        read_config(content)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b'"text"', b"true"])
def test_what_is_not_an_object_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="expected an object"):
        read_config(content)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (MAX_BYTES + 10))
    with pytest.raises(CheckpointError, match="expected at most"):
        read_config(path)


def test_remote_code_is_refused() -> None:
    content = json.dumps({"auto_map": {"AutoModel": "evil--repo.Model"}}).encode()
    with pytest.raises(CheckpointError, match=r"never runs code from a repository"):
        read_config(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", 10**9),
        ("hidden_size", 0),
        ("hidden_size", -768),
        ("hidden_size", 768.5),
        ("hidden_size", True),
        ("hidden_size", "768"),
        ("hidden_size", [768]),
        ("d_model", 10**6),
        ("num_hidden_layers", 10**6),
        ("num_layers", 10**5),
        ("intermediate_size", 10**8),
        ("vocab_size", 10**10),
        ("max_position_embeddings", 10**12),
        ("embedding_size", 10**9),
        ("type_vocab_size", -1),
    ],
)
def test_sizes_beyond_belief_are_refused_before_anything_is_loaded(key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=rf"{key} .*nothing was loaded"):
        read_config(json.dumps({key: value}).encode())


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400"])
def test_sizes_that_are_no_numbers_are_refused(value: str) -> None:
    with pytest.raises(CheckpointError, match="hidden_size"):
        read_config(f'{{"hidden_size": {value}}}'.encode())


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_refusal(content: bytes) -> None:
    with contextlib.suppress(CheckpointError):
        assert isinstance(read_config(content), dict)
