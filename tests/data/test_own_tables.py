from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.data.own_tables import (
    OwnTables,
    is_local,
    read_local,
    role_of,
    split_of_parquet,
    text_pieces,
)
from hubbot.errors import DatasetError, SettingsError

CSV = "text,label\na,1\n"


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name.endswith(".parquet"):
            pq.write_table(pa.table({"text": [name], "label": [1]}), folder / name)
        elif name.endswith(("json", "jsonl")):
            (folder / name).write_text('{"text": "a", "label": 1}\n')
        else:
            (folder / name).write_text(CSV)
    return folder


def read(tmp_path: Path, source: str | Path, **further: str | None) -> OwnTables:
    spool = tmp_path / "spool"
    spool.mkdir()
    options = {"validation": None, "test": None} | further
    return read_local(str(source), spool=spool, **options)


def texts(tables: OwnTables, role: Any, column: str = "text") -> list[Any]:
    pieces = text_pieces(tables.splits[role], [column])
    return [cell for piece in pieces for cell in piece[column].to_pylist()]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("train.csv", "test.csv"), {"train", "test"}),
        (("train.tsv", "dev.tsv", "test.tsv"), {"train", "validation", "test"}),
        (("Train.CSV", "Val.CSV"), {"train", "validation"}),
        (("emotion_train.jsonl", "emotion_test.jsonl"), {"train", "test"}),
        (("training.parquet", "testing.parquet"), {"train", "test"}),
        (("train.csv", "README.md", "labels.csv", ".test.csv"), {"train"}),
        (("reviews.csv", "README.md"), {"train"}),
        (("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"), {"train"}),
    ],
)
def test_files_of_a_folder_serve_as_their_names_say(
    tmp_path: Path, names: tuple[str, ...], roles: set[str]
) -> None:
    assert set(read(tmp_path, write(tmp_path / "d", *names)).splits) == roles


def test_numbered_parts_are_read_one_after_the_other(tmp_path: Path) -> None:
    parts = [f"train-0000{n}-of-00003.parquet" for n in (2, 0, 1)]
    assert texts(read(tmp_path, write(tmp_path / "d", *parts)), "train") == sorted(parts)


def test_a_hub_repositorys_data_folder_is_looked_into(tmp_path: Path) -> None:
    write(tmp_path / "d" / "data", "train.csv", "test.csv")
    assert set(read(tmp_path, tmp_path / "d").splits) == {"train", "test"}


def test_a_plain_name_goes_before_a_longer_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "train.csv", "test_hard.csv", "test.csv", "train_extra.csv")
    tables = read(tmp_path, folder)
    assert tables.source == "test.csv, train.csv"


def test_further_files_are_found_beside_and_inside(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "train.csv", "validation_a.csv", "validation_b.csv")
    beside = write(tmp_path, "beside.csv") / "beside.csv"
    tables = read(tmp_path, folder, validation="validation_a.csv", test=str(beside))
    assert tables.splits["validation"].name == "validation_a.csv"
    assert tables.splits["test"].name == "beside.csv"


@pytest.mark.parametrize(
    ("names", "further", "roles"),
    [
        (
            ("train.csv", "validation.csv", "test.csv"),
            {"test": "validation.csv"},
            {"train": "train.csv", "test": "validation.csv"},
        ),
        (
            ("train.csv", "dev.csv", "test.csv"),
            {"validation": "test.csv"},
            {"train": "train.csv", "validation": "test.csv"},
        ),
        (
            ("train_a.csv", "train_b.csv"),
            {"test": "train_b.csv"},
            {"train": "train_a.csv", "test": "train_b.csv"},
        ),
    ],
)
def test_a_file_that_is_named_for_one_role_has_no_other(
    tmp_path: Path, names: tuple[str, ...], further: dict[str, str], roles: dict[str, str]
) -> None:
    tables = read(tmp_path, write(tmp_path / "d", *names), **further)
    assert {role: split.name for role, split in tables.splits.items()} == roles


@pytest.mark.parametrize(
    ("source", "further", "message"),
    [
        (
            "train.csv",
            {"validation": "dev.csv", "test": "dev.csv"},
            r"dev\.csv is named for --validation and for --test; expected two, .*leave --valid",
        ),
        ("", {"validation": "dev.csv", "test": "link.csv"}, r"is named for --validation and for"),
        ("train.csv", {"test": "train.csv"}, r"--test train\.csv: the model is trained on this"),
        ("", {"test": "train.csv"}, r"--test train\.csv: .*or leave --test out"),
        ("", {"validation": "train.csv"}, r"--validation train\.csv: the model is trained on this"),
    ],
)
def test_the_same_file_for_two_roles_is_refused(
    tmp_path: Path, source: str, further: dict[str, str], message: str
) -> None:
    folder = write(tmp_path / "d", "train.csv", "dev.csv")
    (folder / "link.csv").symlink_to(folder / "dev.csv")
    paths = {role: str(folder / name) for role, name in further.items()}
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, folder / source, **paths)


def test_the_lone_file_of_a_folder_is_no_test(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "reviews.csv")
    with pytest.raises(SettingsError, match=r"--test reviews\.csv: the model is trained on this"):
        read(tmp_path, folder, test="reviews.csv")


def test_files_that_are_all_named_leave_none_to_train_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "a.csv", "b.csv")
    with pytest.raises(SettingsError, match=r"no file is named train; found a\.csv, b\.csv"):
        read(tmp_path, folder, validation="a.csv", test="b.csv")


def test_a_single_file_keeps_its_name_and_names_its_source(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "my.reviews.csv", "more.jsonl")
    tables = read(tmp_path, folder / "my.reviews.csv", test=str(folder / "more.jsonl"))
    assert tables.name == "my.reviews"
    assert tables.source == "my.reviews.csv, more.jsonl"
    assert str(tmp_path) not in tables.source


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"no data files; expected train .*\.csv, \.tsv, .*\.parquet"),
        (("notes.txt",), r"no data files"),
        (("a.csv", "b.csv"), r"no file is named train; found a\.csv, b\.csv"),
        (
            ("train.csv", "train.tsv"),
            r"more than one file may serve as train: train\.csv, train\.t",
        ),
        (("train.csv", "test_a.csv", "test_b.csv"), r"serve as test: .*say which with --test"),
    ],
)
def test_a_folder_that_can_be_read_in_two_ways_is_refused(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, write(tmp_path / "d", *names))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", r"gone\.csv: no such file; expected a data file, a folder"),
        ("book.xlsx", r"book\.xlsx: this kind of file cannot be read; .*export it as CSV"),
        ("train.parquet.gz", r"this kind of file cannot be read"),
        ("~nobody-here/x.csv", r"write the whole path"),
        ("bok.csv", r"bok\.csv: no such file \(did you mean 'book\.csv'\?\); expected"),
        ("s3://bucket/x.csv", r"^s3://bucket/x\.csv: addresses are not read; download the file"),
        ("https://example.org/datasets/a/b", r"or give the Hub id of a data set"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_can(tmp_path: Path, name: str, message: str) -> None:
    for other in ("book.xlsx", "book.csv", "train.parquet.gz"):
        (tmp_path / other).write_bytes(b"x")
    source = name if name.startswith("~") or "://" in name else tmp_path / name
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, source)


def test_a_folder_in_place_of_a_further_file_is_called_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "train.csv")
    with pytest.raises(SettingsError, match=r"d: a folder, expected one data file of that split"):
        read(tmp_path, folder / "train.csv", test=str(folder))


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl", "none.parquet"])
def test_a_file_of_no_bytes_is_called_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=rf"{name}: empty \(0 bytes\); expected rows"):
        read(tmp_path, tmp_path / name)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("owner/data", True),
        ("glue", False),
        ("gone.csv", True),
        ("owner/name.with.dots", False),
        ("../x", True),
        ("~/x", True),
        ("x.txt", True),
        ("https://example.org/datasets/a/b", True),
        ("x" * 5000, False),
    ],
)
def test_a_path_is_told_from_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: bool
) -> None:
    write(tmp_path / "owner" / "data", "train.csv")
    monkeypatch.chdir(tmp_path)
    assert is_local(source) is expected


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train", "train"),
        ("dev", "validation"),
        ("validation_mismatched", "validation"),
        ("test_r1", "test"),
        ("unsupervised", None),
        ("contest", None),
        ("", None),
    ],
)
def test_split_names_tell_what_they_serve_as(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_cells_of_every_plain_type_come_as_text(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "whole": pa.array([1, None], pa.int8()),
        "real": pa.array([0.5, 2.0], pa.float32()),
        "truth": pa.array([True, False]),
        "word": pa.array(["a", "b"]).dictionary_encode(),
        "long": pa.array(["a", "b"], pa.large_string()),
        "view": pa.array(["a", "b"], pa.string_view()),
        "price": pa.array([Decimal("1.50"), None]),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    split = split_of_parquet("f", [tmp_path / "f.parquet"])
    (piece,) = text_pieces(split, list(columns))
    assert piece.to_pydict() == {
        "whole": ["1", None],
        "real": ["0.5", "2"],
        "truth": ["true", "false"],
        "word": ["a", "b"],
        "long": ["a", "b"],
        "view": ["a", "b"],
        "price": ["1.50", None],
        "nothing": [None, None],
    }


def test_columns_that_are_no_text_are_left_out_and_told(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"], "tags": [["x"]], "where": [{"x": 1}], "raw": [b"a"]})
    pq.write_table(table, tmp_path / "f.parquet")
    split = split_of_parquet("f", [tmp_path / "f.parquet"])
    assert split.columns == ("text",)
    assert set(split.unusable) == {"tags", "where", "raw"}
    assert split.unusable["tags"].startswith("list<")


def test_parts_with_other_columns_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", "train-0-of-2.parquet")
    pq.write_table(pa.table({"texts": ["a"]}), folder / "train-1-of-2.parquet")
    with pytest.raises(DatasetError, match=r"columns \['texts'\], expected \['text', 'label'\]"):
        read(tmp_path, folder)


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text(CSV)
    with pytest.raises(DatasetError, match=r"train\.parquet is not a readable Parquet file"):
        read(tmp_path, tmp_path / "train.parquet")


def test_a_parquet_file_damaged_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    words = [f"text {n * 7919 % 10007}" for n in range(5000)]
    pq.write_table(pa.table({"text": words}), path)
    content = bytearray(path.read_bytes())
    content[100:3000] = bytes(2900)
    path.write_bytes(bytes(content))
    tables = read(tmp_path, path)
    with pytest.raises(DatasetError, match=r"train\.parquet is not a readable Parquet file"):
        texts(tables, "train")
