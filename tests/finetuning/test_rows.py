"""Which rows a cell trains on, and how they become tokens."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.errors import CheckpointError, DatasetError, ProbeError
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.rows import Texts, check_ends, read_texts, tokenise, without_ends
from hubbot.probing.encoder import load_tokenizer


def overwrite(job: FinetuneJob, **columns: Any) -> FinetuneJob:
    """Put other columns into the training file, as many rows as before."""
    path = job.splits["train"].path
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path)
    return job


def test_max_train_keeps_the_first_rows_of_each_class(job: FinetuneJob) -> None:
    rows = read_texts(replace(job, max_train=9), "train")
    assert np.bincount(rows.labels).tolist() == [3, 3, 3]
    assert rows.texts[0] == pq.read_table(job.splits["train"].path)["text"].to_pylist()[:9]


def test_max_train_of_a_regression_keeps_rows_spread_over_the_file(
    kit: Any, tmp_path: Path
) -> None:
    target = kit.write(tmp_path / "data", n_train=60, is_regression=True)
    job = kit.job(kit.build(tmp_path / "model"), target, tmp_path, max_train=7)
    texts = pq.read_table(target.splits["train"].path)["text"].to_pylist()
    assert read_texts(job, "train").texts[0] == [texts[row] for row in (0, 8, 17, 25, 34, 42, 51)]


def test_only_the_training_split_is_cut(job: FinetuneJob) -> None:
    assert len(read_texts(replace(job, max_train=9), "test").labels) == 24


def test_more_rows_wanted_than_there_are_is_all_of_them(job: FinetuneJob) -> None:
    assert len(read_texts(replace(job, max_train=10_000), "train").labels) == 60


def test_one_class_in_training_is_refused(job: FinetuneJob) -> None:
    with pytest.raises(ProbeError, match=r"first-words: all 60 training labels are 1; .*two"):
        read_texts(overwrite(job, label=[1] * 60), "train")


def test_one_class_left_by_the_cut_is_refused(job: FinetuneJob) -> None:
    rare = replace(overwrite(job, label=[2, *[0] * 59]), max_train=9)
    with pytest.raises(ProbeError, match=r"all 9 training labels are 0; .*raise --max-train"):
        read_texts(rare, "train")
    assert len(read_texts(replace(rare, max_train=None), "train").labels) == 60


def test_numbers_all_alike_are_refused(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", is_regression=True)
    job = kit.job(kit.build(tmp_path / "model"), target, tmp_path)
    with pytest.raises(ProbeError, match=r"all 60 training labels are 2\.5"):
        read_texts(overwrite(job, label=[2.5] * 60), "train")


def test_a_class_beyond_the_last_is_refused(job: FinetuneJob) -> None:
    with pytest.raises(DatasetError, match=r"whole numbers 0 to 2, found int64 from 0 to 3"):
        read_texts(overwrite(job, label=[0, 3] * 30), "train")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(bad: float, kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", is_regression=True)
    job = kit.job(kit.build(tmp_path / "model"), target, tmp_path)
    with pytest.raises(DatasetError, match="must be finite numbers"):
        read_texts(overwrite(job, label=[bad, 1.0] * 30), "train")


def test_a_pair_without_its_second_text_is_refused(job: FinetuneJob) -> None:
    with pytest.raises(DatasetError, match=r"missing columns \['text_pair'\]"):
        read_texts(replace(job, is_pair=True), "train")


def test_pairs_are_cut_at_the_longest_side_first(kit: Any, tmp_path: Path) -> None:
    job = kit.job(kit.build(tmp_path / "model"), kit.write(tmp_path / "data"), tmp_path)
    tokenizer = load_tokenizer(job)
    rows = Texts(texts=(["cat " * 30], ["dog " * 10]), labels=np.array([0]))
    examples = tokenise(tokenizer, rows, job=job, on_rows=lambda done: None)
    words = tokenizer.convert_ids_to_tokens(examples.tokens.ids.tolist())
    assert len(words) == 24  # the recipe's length: 21 words and three marks
    assert (words.count("cat"), words.count("dog")) == (11, 10)
    assert examples.tokens.n_truncated == 1


def test_a_spelt_out_end_mark_does_not_end_a_row_of_t5(kit: Any, tmp_path: Path) -> None:
    folder = kit.build(tmp_path / "model", "t5")
    job = kit.job(folder, kit.write(tmp_path / "data"), tmp_path)
    tokenizer = load_tokenizer(job)
    rows = Texts(texts=(["cat</s> dog", "cat dog"],), labels=np.array([0, 1]))
    with pytest.raises(CheckpointError, match="does not end every row with the end-of-sequence"):
        check_ends(job, tokenise(tokenizer, rows, job=job, on_rows=lambda done: None), 1)
    cleaned = tokenise(tokenizer, without_ends(rows, tokenizer), job=job, on_rows=lambda done: None)
    check_ends(job, cleaned, 1)
    ids, offsets = cleaned.tokens.ids, cleaned.tokens.offsets
    np.testing.assert_array_equal(ids[: offsets[1]], ids[offsets[1] :])


def test_a_configuration_with_another_end_mark_is_refused(kit: Any, tmp_path: Path) -> None:
    folder = kit.build(tmp_path / "model", "t5")
    job = kit.job(folder, kit.write(tmp_path / "data"), tmp_path)
    rows = read_texts(job, "train")
    examples = tokenise(load_tokenizer(job), rows, job=job, on_rows=lambda done: None)
    with pytest.raises(CheckpointError, match=r"token 7 of config\.json"):
        check_ends(job, examples, 7)
