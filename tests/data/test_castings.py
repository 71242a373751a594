import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from hubbot.catalog.datasets import get_dataset, load_datasets
from hubbot.data.castings import cast, casting_names, describe, raw_columns
from hubbot.errors import DatasetError, SettingsError


def cast_row(name: str, **row: Any) -> dict[str, Any]:
    spec = get_dataset(name)
    rows: list[dict[str, Any]] = cast(spec, pa.Table.from_pylist([row])).to_pylist()
    return rows[0]


def test_copa_becomes_a_pair_of_the_two_stories() -> None:
    premise = "The man turned on the faucet."
    row: Mapping[str, Any] = {
        "premise": premise,
        "choice1": "The toilet filled with water.",
        "choice2": "Water flowed from the spout.",
        "label": 1,
    }
    assert cast_row("copa", question="effect", **row) == {
        "text": f"{premise} What happened as a result? The toilet filled with water.",
        "text_pair": f"{premise} What happened as a result? Water flowed from the spout.",
        "label": 1,
    }
    assert "What was the cause?" in cast_row("copa", question="cause", **row)["text_pair"]


def test_copa_asks_only_for_cause_or_effect() -> None:
    with pytest.raises(DatasetError, match=r"copa: question 'why'; expected one of cause, effect"):
        cast_row("copa", premise="a", question="why", choice1="b", choice2="c", label=0)


def test_swapping_the_choices_of_copa_swaps_the_sides() -> None:
    row = {"premise": "a.", "question": "cause", "choice1": "b", "choice2": "c", "label": 0}
    one = cast_row("copa", **row)
    other = cast_row("copa", **(row | {"choice1": "c", "choice2": "b"}))
    assert (one["text"], one["text_pair"]) == (other["text_pair"], other["text"])


def test_the_side_of_multirc_that_is_shortened_is_the_paragraph() -> None:
    assert cast_row(
        "multirc", paragraph="Long story.", question="Who? ", answer=" Sue", label=1
    ) == {"text": "Long story.", "text_pair": "Who? Sue", "label": 1}


def test_wic_puts_the_word_before_both_sentences() -> None:
    assert cast_row(
        "wic", word="class", sentence1="A class.", sentence2="Real class.", label=0
    ) == {"text": "class : A class.", "text_pair": "class : Real class.", "label": 0}


WSC = {
    "text": "Mr. Moncrieff visited Chester 's new apartment, thinking it belonged to his son.",
    "span1_text": "Mr. Moncrieff",
    "span1_index": 0,
    "span2_text": "his",
    "span2_index": 11,
    "label": 1,
}


def test_wsc_marks_candidate_and_pronoun_where_they_stand() -> None:
    assert cast_row("wsc", **WSC) == {
        "text": (
            "[Mr. Moncrieff] visited Chester 's new apartment, thinking it belonged to *his* son."
        ),
        "text_pair": "his refers to Mr. Moncrieff",
        "label": 1,
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"text": "Ann saw Ann .", "span1_index": 2}, "Ann saw [Ann] ."),
        ({"text": "Ann saw Ann .", "span1_index": 0}, "[Ann] saw Ann ."),
        ({"text": "Ann saw ann, too", "span1_index": 2}, "Ann saw [ann,] too"),
        ({"text": "Ann saw  Ann .", "span1_index": 1}, "Ann saw  Ann ."),
        ({"text": "Ann saw", "span1_index": 7}, "Ann saw"),
        ({"text": "Ann saw", "span1_index": -2}, "Ann saw"),
    ],
)
def test_a_span_is_marked_at_its_word_number_or_not_at_all(
    changes: dict[str, Any], text: str
) -> None:
    row = WSC | {"span1_text": "Ann", "span2_text": "nobody", "span2_index": 1} | changes
    assert cast_row("wsc", **row)["text"] == text


def test_a_line_break_inside_a_published_span_does_not_matter() -> None:
    row = WSC | {"span1_text": "Mr.\nMoncrieff"}
    assert cast_row("wsc", **row) == cast_row("wsc", **WSC)


def test_a_span_inside_another_is_marked_inside_it() -> None:
    row = WSC | {"text": "Ann met his son", "span1_text": "his son", "span1_index": 2}
    assert cast_row("wsc", **(row | {"span2_index": 2}))["text"] == "Ann met [*his* son]"


def test_two_rows_of_wsc_that_differ_by_position_alone_differ_after_the_casting() -> None:
    row = WSC | {"text": "it said it fell , Bo", "span1_text": "Bo", "span1_index": 5}
    first = cast_row("wsc", **(row | {"span2_text": "it", "span2_index": 0}))
    second = cast_row("wsc", **(row | {"span2_text": "it", "span2_index": 2}))
    assert first["text"] == "*it* said it fell , [Bo]"
    assert second["text"] == "it said *it* fell , [Bo]"


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (("a", "b", "c"), "a b c"),
        (("a ", "", " c"), "a c"),
        (("a", None, "c"), "a c"),
        (("", " ", None), ""),
    ],
)
def test_the_columns_of_yahoo_are_joined_and_empty_ones_left_out(
    cells: tuple[str | None, ...], text: str
) -> None:
    names = ("question_title", "question_content", "best_answer")
    spec = get_dataset("yahoo_answers")
    columns = {name: pa.array([cell], pa.string()) for name, cell in zip(names, cells, strict=True)}
    row = cast(spec, pa.table(columns | {"topic": pa.array([3])})).to_pylist()[0]
    assert row == {"text": text, "label": 3}


def test_a_plain_pair_keeps_its_sides_and_their_order() -> None:
    row = cast_row("boolq", passage="Ethanol ...", question="does it", label=True)
    assert row == {"text": "does it", "text_pair": "Ethanol ...", "label": 1}


def test_a_regression_keeps_its_numbers() -> None:
    table = cast(
        get_dataset("stsb"),
        pa.table({"sentence1": ["a"] * 3, "sentence2": ["b"] * 3, "label": [2.5, 5.0, -1.0]}),
    )
    assert table["label"].type == pa.float64()
    assert table["label"].to_pylist() == [2.5, 5.0, None]


@pytest.mark.parametrize("name", [spec.name for spec in load_datasets() if spec.casting])
def test_no_side_of_a_pair_holds_a_separator_of_a_tokenizer(name: str) -> None:
    spec = get_dataset(name)
    cells = {
        column: pa.array(["cause" if column == "question" else "x"]) for column in spec.raw_columns
    }
    numbers = {column: pa.array([0]) for column in spec.raw_columns if column.endswith("index")}
    table = cast(spec, pa.table(cells | numbers | {spec.label_column: pa.array([0])}))
    assert table.column_names == [*spec.text_columns, "label"]
    for column in spec.text_columns:
        assert not {"[SEP]", "</s>", "<s>", "\t", "|"} & set(table[column][0].as_py().split())


@pytest.mark.parametrize("name", casting_names())
def test_every_casting_is_described_in_a_sentence(name: str) -> None:
    assert describe(name).endswith(".")
    assert len(describe(name).split()) > 10


def test_an_unknown_casting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"unknown casting 'cops'; known are .*'copa'"):
        describe("cops")


def test_a_missing_raw_column_names_what_was_found() -> None:
    with pytest.raises(
        DatasetError, match=r"'wic': no column 'word'; expected .*found \['label'\]"
    ):
        cast(get_dataset("wic"), pa.table({"label": [0]}))


def test_texts_that_are_no_texts_are_refused() -> None:
    table = pa.table({"sentence": [0.5, 1.5], "label": [0, 1]})
    with pytest.raises(DatasetError, match="column 'sentence' holds double, expected text"):
        cast(get_dataset("cola"), table)


def test_a_row_that_lacks_a_cell_has_no_text() -> None:
    table = pa.table({"word": ["a", None], "sentence1": ["b", "c"], "sentence2": ["d", "e"]})
    rows = cast(get_dataset("wic"), table.append_column("label", pa.array([0, 1]))).to_pylist()
    assert [row["text"] for row in rows] == ["a : b", None]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_the_width_of_text_columns_does_not_matter(kind: pa.DataType) -> None:
    table = pa.table({"sentence": pa.array(["a", "b"]).cast(kind), "label": [0, 1]})
    assert cast(get_dataset("cola"), table)["text"].to_pylist() == ["a", "b"]


def test_the_label_is_read_last() -> None:
    spec = dataclasses.replace(get_dataset("copa"), label_column="y")
    assert raw_columns(spec) == ("premise", "question", "choice1", "choice2", "y")
    assert raw_columns(get_dataset("cola")) == ("sentence", "label")
