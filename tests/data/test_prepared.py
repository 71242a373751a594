from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.data.prepared import ROLES, write_target
from hubbot.errors import DatasetError
from hubbot.schema import SplitName, Target

ROWS: dict[str, list[Any]] = {"text": ["a", "b"], "text_pair": ["c", "d"], "label": [0, 1]}


def write(folder: Path, names: tuple[str, ...] = ("no", "yes"), **tables: dict[str, Any]) -> Target:
    splits: dict[SplitName, pa.Table] = {
        role: pa.table(tables.get(role, tables.get("all", ROWS))) for role in ROLES
    }
    return write_target(
        "toy",
        splits,
        label_names=names,
        metric="accuracy" if names else "spearman",
        source="made up",
        licence="",
        split_rule="as given",
        folder=folder,
        notes=["a note"],
    )


def test_the_files_hold_text_pair_and_label_and_nothing_else(tmp_path: Path) -> None:
    wide = ROWS | {"idx": [7, 8]}
    target = write(tmp_path, all=wide)
    for role in ROLES:
        table = pq.read_table(target.splits[role].path)
        assert table.schema == pa.schema(
            [("text", pa.string()), ("text_pair", pa.string()), ("label", pa.int64())]
        )
        assert table.to_pydict() == ROWS
        assert (target.splits[role].split, target.splits[role].n_rows) == (role, 2)
    assert target.is_pair
    assert target.notes == ("a note",)


def test_single_texts_have_no_second_column(tmp_path: Path) -> None:
    target = write(tmp_path, all={"text": ["a", "b"], "label": [0, 1]})
    assert not target.is_pair
    assert pq.read_table(target.splits["test"].path).column_names == ["text", "label"]


def test_labels_of_a_regression_stay_floats(tmp_path: Path) -> None:
    target = write(tmp_path, names=(), all={"text": ["a", "b"], "label": [-0.5, 7.25]})
    assert target.is_regression
    assert pq.read_table(target.splits["test"].path)["label"].to_pylist() == [-0.5, 7.25]


def test_the_same_rows_are_written_once_whatever_their_types_were(tmp_path: Path) -> None:
    first = write(tmp_path)
    stamp = first.splits["train"].path.stat().st_mtime_ns
    narrow = {"text": pa.array(["a", "b"], pa.large_string()), "label": pa.array([0, 1], pa.int8())}
    second = write(tmp_path, all=ROWS | narrow)
    assert second == first
    assert first.splits["train"].path.stat().st_mtime_ns == stamp
    assert len(list(tmp_path.iterdir())) == len(ROLES)


def test_other_rows_go_to_other_files(tmp_path: Path) -> None:
    first = write(tmp_path)
    second = write(tmp_path, all=ROWS | {"label": [1, 0]})
    assert first.splits["train"].path != second.splits["train"].path
    assert first.splits["train"].path.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": ["a", None]}, r"'toy', test: column 'text' has 1 empty cells"),
        ({"text_pair": [None, None]}, r"column 'text_pair' has 2 empty cells"),
        ({"label": [0, None]}, r"column 'label' has 1 empty cells"),
        ({"label": [0, 2]}, r"class numbers from 0 to 2, expected 0 to 1"),
        ({"label": [-1, 0]}, r"class numbers from -1 to 0, .*-1 means hidden"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_by_split(
    tmp_path: Path, changes: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        write(tmp_path, test=ROWS | changes)


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    empty = {
        "text": pa.array([], pa.string()),
        "text_pair": pa.array([], pa.string()),
        "label": pa.array([], pa.int64()),
    }
    with pytest.raises(DatasetError, match="'toy', validation: no rows"):
        write(tmp_path, validation=empty)
