"""Rows from Parquet, and the label-stratified prefix."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.errors import DatasetError
from hubbot.probing.job import ProbeJob
from hubbot.probing.rows import read_rows, stratified_prefix
from hubbot.schema import DataSplit


@pytest.mark.parametrize(
    ("labels", "n_rows", "expected"),
    [
        ([0, 0, 0, 0, 1, 1, 1, 1], 4, [0, 1, 4, 5]),
        ([1, 0, 1, 0, 1, 0], 2, [0, 1]),
        ([2, 2, 2, 2, 2, 2, 0, 1, 0], 3, [0, 1, 6]),  # shares 0.67, 0.33 and 2.0
        ([0, 1, 2], 1, [0]),  # a tie of remainders goes to the smallest class
        ([0, 1, 2], 9, [0, 1, 2]),
    ],
)
def test_the_prefix_keeps_class_shares_and_file_order(
    labels: list[int], n_rows: int, expected: list[int]
) -> None:
    assert stratified_prefix(np.array(labels), n_rows).tolist() == expected


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 70))
def test_the_prefix_is_as_long_as_asked_and_within_one_row_of_the_shares(
    labels: list[int], n_rows: int
) -> None:
    array = np.array(labels)
    kept = stratified_prefix(array, n_rows)
    assert len(kept) == min(n_rows, len(labels))
    assert (np.diff(kept) > 0).all()
    for label in set(labels):
        share = labels.count(label) * len(kept) / len(labels)
        places = np.flatnonzero(array == label)
        taken = np.isin(places, kept)
        assert abs(int(taken.sum()) - share) < 1
        assert not np.diff(taken.astype(int)).clip(min=0).any()  # the first ones of the class


def broken(job: ProbeJob, tmp_path: Path, columns: dict[str, Any]) -> ProbeJob:
    path = tmp_path / "broken.parquet"
    table = pa.table(columns)
    pq.write_table(table, path)
    split = DataSplit(path=path, digest="x", n_rows=table.num_rows, split="test", revision="")
    return replace(job, splits={**job.splits, "test": split})


GOOD: dict[str, Any] = {"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [0, 3]}, "whole numbers 0 to 2, found int64 from 0 to 3"),
        ({"label": [0, -1]}, "from -1 to 0"),
        ({"label": [0.5, 1.0]}, "found float64"),
        ({"label": [0, None]}, "column 'label' has empty cells"),
        ({"premise": ["a", None]}, "column 'premise' has empty cells"),
        ({"premise": [1, 2]}, "column 'premise' must hold text, found int64"),
    ],
)
def test_a_column_that_is_not_what_the_entry_says_is_refused(
    change: dict[str, Any], message: str, zoo: Any, tmp_path: Path
) -> None:
    job = broken(zoo.job("bert", tmp_path), tmp_path, GOOD | change)
    with pytest.raises(DatasetError, match=message):
        read_rows(job, "test")


def test_a_missing_column_is_named(zoo: Any, tmp_path: Path) -> None:
    job = broken(zoo.job("bert", tmp_path), tmp_path, {"premise": ["a"], "label": [0]})
    with pytest.raises(DatasetError, match=r"missing columns \['hypothesis'\]"):
        read_rows(job, "test")


def test_a_file_of_another_length_is_refused(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    split = replace(job.splits["test"], n_rows=999)
    with pytest.raises(DatasetError, match=r"expected 999 rows .* found 17"):
        read_rows(replace(job, splits={**job.splits, "test": split}), "test")


def test_a_file_that_is_not_parquet_is_refused(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    job.splits["test"].path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DatasetError, match="not readable as Parquet"):
        read_rows(job, "test")


def test_only_the_training_split_is_cut(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, max_train=9)
    assert len(read_rows(job, "train").labels) == 9
    assert len(read_rows(job, "validation").labels) == 12
    assert np.bincount(read_rows(job, "train").labels).tolist() == [3, 3, 3]
