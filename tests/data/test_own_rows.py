import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hubbot.data.labels import LabelPlan
from hubbot.data.own_rows import (
    Rows,
    by_hash,
    n_shared,
    roles_by_text,
    sample,
    scan_rows,
    table_of,
    text_keys,
    validation_by_text,
)
from hubbot.data.own_tables import split_of_parquet
from hubbot.errors import DatasetError

PLAN = LabelPlan(names=("a", "b"), numbers={"a": 0, "b": 1}, note="")
NUMBERS = LabelPlan(names=(), numbers={}, note="")


def scan(
    tmp_path: Path,
    texts: list[str | None],
    labels: list[str | None],
    *,
    pairs: list[str | None] | None = None,
    plan: LabelPlan = PLAN,
) -> tuple[Rows, tuple[str, ...]]:
    columns: dict[str, Any] = {"t": pa.array(texts, pa.string())}
    if pairs is not None:
        columns["p"] = pa.array(pairs, pa.string())
    pq.write_table(pa.table(columns | {"l": pa.array(labels, pa.string())}), tmp_path / "f.parquet")
    split = split_of_parquet("f", [tmp_path / "f.parquet"])
    return scan_rows(split, list(columns), "l", plan)


def keys_of(texts: list[str]) -> Any:
    return np.array([text_keys(text)[0] for text in texts], np.uint64)


def role_of_each(texts: list[str]) -> list[str]:
    masks = roles_by_text(keys_of(texts))
    assert (np.sum(list(masks.values()), axis=0) == 1).all()
    return [
        next(role for role, mask in masks.items() if mask[place]) for place in range(len(texts))
    ]


def test_the_rule_is_the_one_that_is_written_down() -> None:
    texts = [f"text {n}" for n in range(300)]
    for text, role in zip(texts, role_of_each(texts), strict=True):
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        share = int.from_bytes(digest[4:], "little") / 2**32
        expected = "test" if share < 0.2 else "validation" if share < 0.3 else "train"
        assert role == expected


@pytest.mark.parametrize(("n_rows", "wanted"), [(400, 0.1), (10_000, 0.1), (25_000, 0.04)])
def test_the_rule_for_validation_is_the_one_that_is_written_down(
    n_rows: int, wanted: float
) -> None:
    texts = [f"text {n}" for n in range(n_rows)]
    for text, is_cut in zip(texts, validation_by_text(keys_of(texts)).tolist(), strict=True):
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        assert is_cut == (int.from_bytes(digest[4:], "little") / 2**32 < wanted)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_a_short_train_gives_a_text_to_validation_too(n_rows: int) -> None:
    for start in range(50):
        texts = [f"{start} and {n}" for n in range(n_rows)]
        assert validation_by_text(keys_of(texts)).any()


def test_a_train_without_rows_gives_none() -> None:
    assert validation_by_text(keys_of([]).astype(np.uint64)).tolist() == []


TEXTS = st.lists(st.text(max_size=6), min_size=1, max_size=60)


@given(texts=TEXTS, more=TEXTS, seed=st.randoms())
def test_order_and_additions_move_no_row_and_equal_texts_lie_together(
    texts: list[str], more: list[str], seed: Any
) -> None:
    before = dict(zip(texts, role_of_each(texts), strict=True))
    everything = [*texts, *more, *texts]
    seed.shuffle(everything)
    for text, role in zip(everything, role_of_each(everything), strict=True):
        assert before.setdefault(text, role) == role


def test_shares_come_out_as_meant_within_what_chance_does() -> None:
    n = 20_000
    roles = role_of_each([f"row {n}" for n in range(n)])
    for role, share in (("test", 0.2), ("validation", 0.1), ("train", 0.7)):
        spread = (share * (1 - share) / n) ** 0.5
        assert abs(roles.count(role) / n - share) < 4 * spread


def test_each_class_is_divided_alike_within_what_chance_does() -> None:
    roles = role_of_each([f"{n % 4} words {n}" for n in range(20_000)])
    for label in range(4):
        share = roles[label::4].count("test") / 5000
        assert abs(share - 0.2) < 4 * (0.2 * 0.8 / 5000) ** 0.5


@given(texts=TEXTS)
def test_blanks_alone_do_not_part_texts(texts: list[str]) -> None:
    spaced = ["  ".join(["", *text.split(), "\n"]) for text in texts]
    assert role_of_each(spaced) == role_of_each(texts)


def test_rows_without_text_or_label_are_left_out_and_counted(tmp_path: Path) -> None:
    texts: list[str | None] = ["one", None, " \n", "four", "five", "six", "seven"]
    rows, notes = scan(tmp_path, texts, ["a", "a", None, "b", " ", "b", "x"])
    assert rows.places.tolist() == [0, 3, 5]
    assert rows.labels.tolist() == [0, 1, 1]
    assert notes == (
        "f: 2 rows were left out, having no text in column 't'",
        "f: 3 rows were left out, having no label in column 'l'",
    )


def test_a_pair_with_one_side_empty_has_no_text(tmp_path: Path) -> None:
    rows, notes = scan(tmp_path, ["a", "b", "c"], ["a"] * 3, pairs=["x", "", "z"])
    assert rows.places.tolist() == [0, 2]
    assert "having no text in column 't' and 'p'" in notes[0]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "", None], ["a"] * 3, r"f: 2 of 3 rows have no text in column 't'; .*--text-column"),
        ([None] * 4, ["a"] * 4, r"4 of 4 rows have no text"),
        (["a", "b", "c"], ["a", None, ""], r"2 of 3 rows have no label in column 'l'; .*--label-"),
    ],
)
def test_more_than_half_without_is_refused(
    tmp_path: Path, texts: list[str | None], labels: list[str | None], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        scan(tmp_path, texts, labels)


def test_exactly_half_without_is_left_out(tmp_path: Path) -> None:
    assert len(scan(tmp_path, ["a", "", "c", None], ["a", "b", "a", "b"])[0].keys) == 2


def test_texts_and_labels_stay_together(tmp_path: Path) -> None:
    texts: list[str | None] = [f"row {n}" for n in range(50)]
    labels: list[str | None] = ["ab"[n % 2] for n in range(50)]
    rows, _ = scan(tmp_path, texts, labels, pairs=[f"pair {n}" for n in range(50)])
    table = table_of(rows, by_hash(rows))
    numbers = [int(text.split()[1]) for text in table["text"].to_pylist()]
    assert sorted(numbers) == list(range(50))
    assert numbers != list(range(50))
    assert table["text_pair"].to_pylist() == [f"pair {n}" for n in numbers]
    assert table["label"].to_pylist() == [n % 2 for n in numbers]
    assert table_of(rows.chosen(rows.labels == 1))["text"].to_pylist() == texts[1::2]


@pytest.mark.parametrize("n_wanted", [10, 33, 77, 99])
def test_a_sample_has_every_class_in_its_share(tmp_path: Path, n_wanted: int) -> None:
    labels: list[str | None] = ["b" if n < 30 else "a" for n in range(100)]
    rows, _ = scan(tmp_path, [f"row {n}" for n in range(100)], labels)
    taken = sample(rows, n_wanted, is_regression=False)
    assert len(taken.keys) == n_wanted
    assert abs(int(taken.labels.sum()) - 0.3 * n_wanted) < 1
    assert (np.diff(taken.places) > 0).all()


def test_a_rare_class_is_not_sampled_away(tmp_path: Path) -> None:
    labels: list[str | None] = ["b" if n == 7 else "a" for n in range(1000)]
    rows, _ = scan(tmp_path, [f"row {n}" for n in range(1000)], labels)
    taken = sample(rows, 100, is_regression=False)
    assert len(taken.keys) == 100
    assert 7 in taken.places


def test_the_sample_says_nothing_about_the_split(tmp_path: Path) -> None:
    rows, _ = scan(tmp_path, [f"row {n}" for n in range(20_000)], ["a", "b"] * 10_000)
    taken = sample(rows, 5000, is_regression=False)
    share = roles_by_text(taken.keys)["test"].mean()
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / 5000) ** 0.5


WORDS = st.sampled_from(["a", "b", "b ", "c", " c", "d", "e", "f g", "f  g"])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(st.tuples(WORDS, st.sampled_from("ab")), min_size=6, max_size=30),
    seed=st.randoms(),
    n_wanted=st.integers(3, 30),
)
def test_the_order_of_a_file_changes_neither_sample_nor_order(
    tmp_path: Path, pairs: list[tuple[str, str]], seed: Any, n_wanted: int
) -> None:
    found = []
    for _ in range(2):
        texts, labels = zip(*pairs, strict=True)
        rows, _notes = scan(tmp_path, list(texts), list(labels))
        taken = sample(rows, n_wanted, is_regression=False)
        found.append(table_of(taken, by_hash(taken)))
        seed.shuffle(pairs)
    assert found[0].equals(found[1])


def test_a_sample_of_numbers_needs_no_classes(tmp_path: Path) -> None:
    labels: list[str | None] = [f"{n / 3}" for n in range(500)]
    rows, _ = scan(tmp_path, [f"row {n}" for n in range(500)], labels, plan=NUMBERS)
    assert len(sample(rows, 120, is_regression=True).keys) == 120
    assert sample(rows, 500, is_regression=True) is rows


@given(one=TEXTS, other=TEXTS)
def test_shared_texts_are_counted_as_python_counts_them(one: list[str], other: list[str]) -> None:
    assume(all("\0" not in text for text in [*one, *other]))
    plain = [" ".join(text.split()) for text in other]
    expected = sum(" ".join(text.split()) in plain for text in one)
    assert n_shared(bare_rows(one), bare_rows(other)) == expected


def bare_rows(texts: list[str]) -> Rows:
    keys = keys_of(texts)
    return Rows(
        split=None,  # type: ignore[arg-type]  # no text is read
        texts=("t",),
        n_given=len(texts),
        places=np.arange(len(texts)),
        keys=keys,
        exact=keys,
        labels=np.zeros(len(texts)),
    )
