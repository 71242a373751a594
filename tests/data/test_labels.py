import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.data.labels import (
    FEW,
    MANY,
    LabelCounts,
    LabelKind,
    LabelPlan,
    count_labels,
    plan_labels,
)
from hubbot.errors import DatasetError, SettingsError


def count(cells: Sequence[str | None]) -> LabelCounts:
    return count_labels([pa.array(cells, pa.string())])


def plan(
    cells: Sequence[str | None], test: Sequence[str | None] | None = None, **options: Any
) -> LabelPlan:
    found = {"train": count(cells)} | ({"test": count(test)} if test else {})
    return plan_labels("label", found, **options)  # type: ignore[arg-type]


def encode(plan: LabelPlan, cells: list[str | None]) -> list[float | None]:
    values = plan.encode(pa.array(cells, pa.string())).tolist()
    return [None if math.isnan(value) else value for value in values]


FIVE = [str(place % 5) for place in range(40)]


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["0", "1"] * 9, ("0", "1")),
        (["10", "9", "-1"] * 9, ("-1", "9", "10")),
        (["1", "1.0", "2.00"] * 9, ("1", "2")),
        (["pos", "neg", " pos "] * 9, ("neg", "pos")),
        (["False", "True"] * 9, ("False", "True")),
        (["yes", "no", "1"] * 9, ("1", "no", "yes")),
        (["none", "favor", "N/A", "nan", "NULL"] * 9, ("favor", "none")),
        (["1", "2", "NA", "None", "?"] * 9, ("1", "2")),
        (["+", "-"] * 9, ("+", "-")),
        (["1", "2", "nan", "NaN", ""] * 9, ("1", "2")),
        ([str(n % FEW) for n in range(99)], tuple(str(n) for n in range(FEW))),
    ],
)
def test_values_become_classes_in_their_natural_order(
    cells: list[str | None], names: tuple[str, ...]
) -> None:
    found = plan(cells)
    assert found.names == names
    assert not found.is_regression


def test_one_spelling_or_another_is_the_same_class() -> None:
    found = plan(["1", "1.0", "2", " 2 "] * 9)
    assert encode(found, ["1.0", "1", "2", " 2", "", None]) == [0, 0, 1, 1, None, None]


def test_numbers_with_fractions_are_a_regression_and_told() -> None:
    found = plan(["0.5", "5.0", "nan", "", "3"] * 9)
    assert found.is_regression
    assert encode(found, ["0.5", "nan", "", None, " 3 "]) == [0.5, None, None, None, 3.0]
    assert "from 0.5 to 5, since some have fractions a regression, scored by Spearm" in found.note


def test_the_users_word_decides_on_numbers() -> None:
    assert plan(FIVE, is_regression=True).is_regression
    assert plan(["0.5", "1.5"] * 20, is_regression=False).names == ("0.5", "1.5")
    many = [str(n % 40) for n in range(200)]
    assert plan(many, is_regression=True).is_regression
    assert len(plan(many, is_regression=False).names) == 40


@pytest.mark.parametrize(
    ("cells", "options", "error", "message"),
    [
        (
            [str(n % 31) for n in range(99)],
            {},
            SettingsError,
            r"31 different whole numbers: a regression, .*--regression or --no-regression",
        ),
        ([str(n) for n in range(MANY + 9)], {}, SettingsError, r"more than 10000 different whole"),
        (
            [f"{n / 7}" for n in range(99)],
            {"is_regression": False},
            SettingsError,
            r"99 different numbers in 99 rows, too many for classes; say --regression",
        ),
        (
            ["a", "b"] * 9,
            {"is_regression": True},
            SettingsError,
            r"holds words such as '[ab]', and",
        ),
        (
            [f"text {n}" for n in range(40)],
            {},
            DatasetError,
            r"40 different values in 40 rows, so it",
        ),
        ([f"x{n}" for n in range(MANY + 9)], {}, DatasetError, r"more than 10000 different values"),
        (["", None, " "], {}, DatasetError, r"every cell is empty; choose another with --label-c"),
        (["nan", "NaN"], {}, DatasetError, r"every cell is empty"),
        (["0,5", "1", "2,25"] * 9, {}, DatasetError, r"decimal comma, such as '0,5'; write them"),
        (["0.5", "inf"] * 9, {}, DatasetError, r"'inf' is not a finite number"),
        (["N/A", "null", ""] * 9, {}, DatasetError, r"every cell is empty"),
        (["-1", ""] * 9, {}, DatasetError, r"every training label is missing or -1, .*hidden one"),
        (["0.5", "1e999"] * 9, {}, DatasetError, r"'1e999' is not a finite number"),
    ],
)
def test_columns_that_are_no_labels_are_refused(
    cells: list[str | None], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plan(cells, **options)


def test_a_class_of_the_test_that_train_lacks_exists() -> None:
    assert plan(["a", "b"] * 9, ["c", "a"]).names == ("a", "b", "c")


def test_names_that_the_data_set_gives_are_kept_in_their_order() -> None:
    found = plan(["0", "2", "-1"] * 9, class_names=("sad", "happy", "calm"))
    assert found.names == ("sad", "happy", "calm")
    assert encode(found, ["0", "2", "-1", None]) == [0, 2, None, None]


def test_numbers_beyond_the_data_sets_own_names_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"3 is not in the data set's own label map {0: 'a'"):
        plan(["0", "3"] * 9, class_names=("a", "b"))


STARS = ("1", "2", "3", "4", "5")
POLARITY = ("-1", "0", "1")


def named(
    cells: Mapping[str, tuple[Sequence[str | None], LabelKind]], names: Sequence[str]
) -> LabelPlan:
    found = {
        role: count_labels([pa.array(part, pa.string())], kind=kind)
        for role, (part, kind) in cells.items()
    }
    return plan_labels("label", found, class_names=names)  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [STARS, POLARITY, ("1", "2"), ("2.0", "1.0"), ("b", "a")])
def test_types_tell_numbers_of_classes_from_names_that_look_like_numbers(
    names: tuple[str, ...],
) -> None:
    places = [str(place) for place in range(len(names))]
    expected: list[float | None] = [float(place) for place in range(len(names))]
    by_number = named({"train": (places * 9, "numbers"), "test": (places, "numbers")}, names)
    assert by_number.names == names
    assert encode(by_number, [*places, "-1"]) == [*expected, None]
    by_name = named({"train": ([*names] * 9, "words"), "test": (names, "words")}, names)
    assert by_name.names == names
    assert encode(by_name, [*names]) == expected


@pytest.mark.parametrize("names", [STARS, POLARITY, ("1", "2")])
@pytest.mark.parametrize(
    ("train", "test"), [("numbers", ""), ("numbers", "words"), ("words", ""), ("", "")]
)
def test_numbers_that_may_be_names_are_refused_where_types_do_not_tell(
    names: tuple[str, ...], train: LabelKind, test: LabelKind
) -> None:
    cells = {"train": (["0", "1"] * 9, train), "test": (["1"] * 9, test)}
    with pytest.raises(DatasetError, match=r"cannot be told which is which; write every split as"):
        named(cells, names)


def test_names_that_are_words_or_their_own_numbers_go_with_numbers_of_any_file() -> None:
    words = named({"train": (["0", "1"] * 9, "numbers"), "test": (["b", "1"], "")}, ("a", "b"))
    assert encode(words, ["b", "0", "1"]) == [1, 0, 1]
    alike = named({"train": (["0", "1"] * 9, "numbers"), "test": (["0", "1"], "")}, ("0", "1"))
    assert encode(alike, ["0", "1"]) == [0, 1]


def test_a_regression_on_named_classes_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"holds the classes a, b, and --regression needs num"):
        plan(["0", "1"] * 9, class_names=("a", "b"), is_regression=True)


def test_classes_that_differ_by_case_alone_are_told() -> None:
    assert "some differ by case alone (Yes, yes)" in plan(["Yes", "yes", "no"] * 9).note


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["a", "b", "NaN"] * 9, r"NaN (9 rows) is taken as a missing label"),
        (["1", "2", "NA", "?"] * 9, r"?, NA (18 rows) is taken as a missing label"),
        (["a", "b", "None"] * 9, r"None (9 rows) is taken as a class; where it stands for a mis"),
        (["0", "1", "2", "-1"] * 9, r"-1 (9 rows) is taken as a class; where it stands for a mis"),
        (
            ["a", "b", "-"] * 9,
            r"- (9 rows) is taken as a class; where it stands for a missing label",
        ),
        (["a", "b", "--"] * 9, r"-- (9 rows) is taken as a class; where it stands for a missing l"),
        (["0", "1", "a", "b"] * 9, r"some classes are numbers (0, 1), others words (a, b): is th"),
    ],
)
def test_what_may_not_have_been_meant_is_told(cells: list[str | None], told: str) -> None:
    (said,) = plan(cells).odd
    assert told in said


@pytest.mark.parametrize(
    "cells", [["none", "favor"], ["-2", "-1", "0"], ["1", "2", ""], ["+", "-"], ["+", "-", "--"]]
)
def test_labels_as_they_should_be_need_no_word(cells: list[str | None]) -> None:
    assert plan(cells * 9).odd == ()


def test_a_dash_in_place_of_a_gold_label_is_a_missing_one_and_told() -> None:
    cells = ["entailment", "neutral", "-"] * 9
    found = plan_labels("gold_label", {"train": count(cells)})
    assert found.names == ("entailment", "neutral")
    assert encode(found, ["-", "neutral"]) == [None, 1]
    assert found.odd == ("label column 'gold_label': - (9 rows) is taken as a missing label",)


def test_a_dash_beside_a_plus_is_a_gold_label() -> None:
    found = plan_labels("gold_label", {"train": count(["+", "-"] * 9)})
    assert found.names == ("+", "-")
    assert found.odd == ()


def test_a_stand_in_for_a_missing_number_is_no_number() -> None:
    found = plan(["0.5", "NA", "1.5"] * 9)
    assert found.is_regression
    assert encode(found, ["0.5", "NA", "?"]) == [0.5, None, None]


def test_unprintable_names_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in plan(["a\x1b[2J", "b"] * 9).note


@pytest.mark.parametrize(
    ("cells", "is_hidden"),
    [
        (["-1", "-1"], True),
        (["-1.0", None], True),
        ([None, ""], True),
        (["-1", "0"], False),
        (["x"], False),
    ],
)
def test_labels_that_the_makers_keep_are_known(cells: list[str | None], is_hidden: bool) -> None:
    assert count(cells).is_hidden is is_hidden


CELLS = st.lists(st.sampled_from(["a", "b", " b", "", None, "c"]), min_size=1, max_size=40)


@given(cells=CELLS, cut=st.integers(0, 40))
def test_counts_do_not_depend_on_the_pieces(cells: list[str | None], cut: int) -> None:
    whole = pa.array(cells, pa.string())
    assert count_labels([whole[:cut], whole[cut:]]) == count(cells)


@given(cells=st.lists(st.sampled_from(["a", "b", "c", "10", "9"]), min_size=10))
def test_class_numbers_point_to_the_names_of_the_cells(cells: list[str | None]) -> None:
    found = plan([*cells, *cells])
    numbers = found.encode(pa.array(cells, pa.string())).astype(np.int64)
    assert [found.names[number] for number in numbers] == cells
