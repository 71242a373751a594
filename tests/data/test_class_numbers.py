import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.catalog.datasets import get_dataset
from hubbot.data.class_numbers import class_numbers
from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec

CB, STSB, ISEAR, SST = (get_dataset(name) for name in ("cb", "stsb", "isear", "sst_5bins"))


def numbers(
    spec: DatasetSpec, values: list[object], kind: pa.DataType | None = None, *, bins: int = 0
) -> list[object]:
    column = pa.chunked_array([pa.array(values, kind)])
    return list(class_numbers(spec, column, bins=bins).to_pylist())


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.float64()])
def test_whole_numbers_of_any_type_are_class_numbers(kind: pa.DataType) -> None:
    assert numbers(CB, [0, 2, 1, None], kind) == [0, 2, 1, None]


def test_hidden_labels_are_missing() -> None:
    assert numbers(CB, [-1, 0, None], pa.int64()) == [None, 0, None]
    assert numbers(STSB, [-1.0, 0.0, float("nan")]) == [None, 0.0, None]


def test_booleans_are_false_and_true() -> None:
    assert numbers(get_dataset("boolq"), [False, True]) == [0, 1]


def test_names_become_numbers_in_label_order_whatever_their_case() -> None:
    assert numbers(CB, ["neutral", " Entailment", "contradiction", None, ""]) == [
        2,
        0,
        1,
        None,
        None,
    ]
    assert numbers(ISEAR, ["joy", "anger", "shame"]) == [4, 0, 6]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_names_may_be_stored_in_several_ways(kind: pa.DataType) -> None:
    column = pa.chunked_array([pa.array(["neutral", "entailment"]).cast(kind)])
    assert class_numbers(CB, column).to_pylist() == [2, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 3], r"labels \['3'\] are not in the label map \{0: 'entailment'"),
        ([0, -2], r"labels \['-2'\]"),
        ([0.0, 1.5], r"labels \['1.5'\]"),
        (["neutral", "maybe"], r"labels \['maybe'\] are not among the classes \['entailment'"),
        ([[0], [1]], "holds list<item: int64>, expected class numbers or names"),
    ],
)
def test_labels_beyond_the_catalogs_are_refused(values: list[object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        numbers(CB, values)


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.0, 0),
        (0.1, 0),
        (0.2, 0),
        (0.20833, 1),
        (0.4, 1),
        (0.40278, 2),
        (0.5, 2),
        (0.6, 2),
        (0.61111, 3),
        (0.8, 3),
        (0.80556, 4),
        (1.0, 4),
    ],
)
@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_scores_are_cut_at_the_official_borders(
    kind: pa.DataType, score: float, label: int
) -> None:
    assert numbers(SST, [score], kind, bins=5) == [label]


@given(scores=st.lists(st.integers(0, 72).map(lambda k: k / 72), min_size=1))
def test_bins_of_scores_are_those_of_numpys_digitize(scores: list[float]) -> None:
    borders = [0.2, 0.4, 0.6, 0.8]
    assert numbers(SST, list(scores), bins=5) == np.digitize(scores, borders, right=True).tolist()


def test_class_numbers_stay_where_scores_might_have_been() -> None:
    assert numbers(SST, [0, 4, 1, -1], bins=5) == [0, 4, 1, None]


def test_scores_beyond_0_to_1_are_refused() -> None:
    with pytest.raises(DatasetError, match="scores from 0 to 5, expected 0 to 1"):
        numbers(SST, [0.0, 5.0], bins=5)
