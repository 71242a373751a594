from typing import Any
from unicodedata import category

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hubbot.records.yaml_text import block_lines, flow, item_lines, scalar

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
MAPPINGS = st.dictionaries(TEXT, VALUES, min_size=1, max_size=4)


def read_both(text: str) -> list[Any]:
    """Read with YAML 1.1 and with YAML 1.2."""
    return [yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)]


@given(MAPPINGS)
def test_both_versions_of_yaml_read_block_text_alike(value: dict[str, Any]) -> None:
    assert read_both("\n".join(block_lines(value))) == [value, value]


@given(VALUES)
def test_both_versions_of_yaml_read_flow_text_alike(value: Any) -> None:
    assert read_both(f"x: {flow(value)}") == [{"x": value}, {"x": value}]
    assert "\n" not in flow(value)


@given(MAPPINGS)
def test_item_is_one_of_a_list(value: dict[str, Any]) -> None:
    assert read_both("\n".join(item_lines(value) * 2)) == [[value, value], [value, value]]


@given(TEXT)
def test_text_is_on_one_line_and_moves_no_terminal(text: str) -> None:
    assert not {category(character) for character in scalar(text)} & {"Cc", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("roberta-base", "roberta-base"), ("a/b", "a/b"), ("no", '"no"'), ("Off", '"Off"'),
        ("1e5", '"1e5"'), ("", '""'), ("a: b", '"a: b"'), ("LP(m, MNLI)", "LP(m, MNLI)"),
        ("2026-01-02", '"2026-01-02"'), ('"', r'"\""'), (1e-07, "1.0e-07"), (71.5, "71.5"),
        (True, "true"), (None, "null"), (3, "3"), ("\u202e", r'"\u202e"'),
        ("\U000e0041", r'"\U000e0041"'),
    ],
)  # fmt: skip
def test_scalars_have_one_spelling(value: Any, expected: str) -> None:
    assert scalar(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", object()])
def test_what_is_no_finite_scalar_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|is no YAML scalar"):
        scalar(value)
