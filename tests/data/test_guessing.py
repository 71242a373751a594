import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.data.guessing import Choice, check_named, choose_columns, named_texts
from hubbot.data.own_columns import Column, describe_columns
from hubbot.errors import SettingsError

SHARED = Path(__file__).parents[3] / "shared" / "data"
WORDS = ("the", "film", "was", "long", "and", "slow", "but", "its", "music", "was", "worth", "it")
N = 40


def long(seed: int) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - test data
    return [" ".join(draw.choices(WORDS, k=9)) + f" {seed}.{row}" for row in range(N)]


def cycle(*values: str) -> list[str]:
    return [values[row % len(values)] for row in range(N)]


IDS = [str(row) for row in range(N)]
HASHES = [f"{row * 2654435761 % 2**32:08x}x" for row in range(N)]
WORDY = [f"part-of-the-catalogue {row % 37}" for row in range(N)]
FLOATS = [f"{row / 8}" for row in range(N)]


def describe(columns: dict[str, list[str]]) -> tuple[Column, ...]:
    return describe_columns(list(columns), [pa.table(columns)])


def guess(columns: dict[str, list[str]], texts: Sequence[str] = (), label: str = "") -> Choice:
    return choose_columns("f.csv", describe(columns), texts=texts, label=label)


@pytest.mark.parametrize(
    ("columns", "texts", "label"),
    [
        ({"text": long(1), "label": cycle("0", "1")}, ("text",), "label"),
        ({"Label": cycle("a", "b"), "Text": long(1)}, ("Text",), "Label"),
        ({"id": IDS, "review": long(1), "stars": cycle(*"12345")}, ("review",), "stars"),
        ({"Unnamed: 0": IDS, "x": long(1), "y": cycle("a", "b")}, ("x",), "y"),
        ({"key": HASHES, "what": long(1), "why": cycle("a", "b")}, ("what",), "why"),
        (
            {"hypothesis": long(1), "premise": long(2), "label": cycle("0", "1", "2")},
            ("premise", "hypothesis"),
            "label",
        ),
        (
            {"sentence2": long(1), "sentence1": long(2), "score": FLOATS},
            ("sentence1", "sentence2"),
            "score",
        ),
        (
            {"question1": long(1), "question2": long(2), "is_duplicate": cycle("0", "1")},
            ("question1", "question2"),
            "is_duplicate",
        ),
        (
            {"question": long(1), "passage": long(2), "answer": cycle("true", "false")},
            ("question", "passage"),
            "answer",
        ),
        (
            {"TextA": long(1), "TextB": long(2), "gold_label": cycle("y", "n")},
            ("TextA", "TextB"),
            "gold_label",
        ),
        (
            {"premise": long(1), "hypothesis": long(2), "genre": cycle("a", "b"), "label": IDS},
            ("premise", "hypothesis"),
            "label",
        ),
        ({"title": long(1), "text": long(2), "category": cycle("a", "b")}, ("text",), "category"),
        ({"code": WORDY, "what": long(1), "kind": cycle("a", "b")}, ("what",), "kind"),
        ({"text": HASHES, "label": cycle("a", "b")}, ("text",), "label"),
        ({"text": long(1), "source": cycle("web"), "kind": cycle("a", "b")}, ("text",), "kind"),
        ({"text": long(1), "how_much": FLOATS, "row_id": IDS}, ("text",), "how_much"),
        (
            {"name": cycle(*"abcdefgh"), "body": long(3), "class": cycle("0", "1")},
            ("body",),
            "class",
        ),
    ],
)
def test_columns_are_found_by_name_and_shape(
    columns: dict[str, list[str]], texts: tuple[str, ...], label: str
) -> None:
    choice = guess(columns)
    assert (choice.texts, choice.label) == (texts, label)


def test_the_order_of_columns_changes_nothing() -> None:
    columns = {"id": IDS, "premise": long(1), "hypothesis": long(2), "x": cycle("0", "1")}
    turned = dict(reversed(columns.items()))
    assert guess(columns) == guess(turned)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"paragraph": long(1), "question": long(2), "answer": long(3), "label": IDS},
            r"may hold the texts: 'paragraph', 'question', 'answer'\. Say which with --text-col",
        ),
        (
            {"premise": long(1), "choice1": long(2), "choice2": long(3), "label": cycle("0", "1")},
            r"may hold the texts: 'premise', 'choice1', 'choice2'",
        ),
        ({"before": long(1), "after": long(2), "label": IDS}, r"texts: 'before', 'after'"),
        ({"title": long(1), "content": long(2), "label": IDS}, r"texts: 'title', 'content'"),
        ({"text": long(1), "hypothesis": long(2), "label": IDS}, r"texts: 'text', 'hypothesis'"),
        ({"label": cycle("0", "1"), "id": IDS}, r"no column looks like text; found 'label', 'id'"),
        (
            {"text": [""] * N, "label": cycle("0", "1")},
            r"no column looks like text \(every cell of 'text' is empty\)",
        ),
        (
            {"text": [*[""] * (N - 3), *long(1)[:3]], "label": cycle("0", "1")},
            rf"no column looks like text \('text' is empty in {N - 3} of {N} rows\); found",
        ),
        (
            {"text": long(1), "coarse_label": cycle("0", "1"), "fine_label": cycle("0", "1", "2")},
            r"may hold the labels: 'coarse_label', 'fine_label'\. Say which with --label-column$",
        ),
        ({"text": long(1), "a": cycle("0", "1"), "b": cycle("0", "1")}, r"labels: 'a', 'b'"),
        ({"text": long(1), "emotion": cycle("a", "b"), "topic": cycle("c", "d")}, r"labels: 'emo"),
        ({"text": long(1), "id": IDS}, r"no column looks like a label; found 'id' beside"),
        ({"text": long(1), "source": cycle("web")}, r"no column looks like a label"),
        ({"text": long(1)}, r"no column looks like a label"),
    ],
)
def test_what_cannot_be_decided_lists_the_candidates(
    columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        guess(columns)


def test_a_text_inside_a_list_is_named_as_such() -> None:
    with pytest.raises(
        SettingsError, match=r"looks like text \('words' holds lists\); found 'label"
    ):
        choose_columns("f", describe({"label": cycle("0", "1")}), unusable={"words": "lists"})


def test_the_explanation_names_columns_reasons_and_options() -> None:
    note = guess({"id": IDS, "what": long(1), "n": cycle(*"12345")}).note
    assert note == (
        "text column: 'what' (the only long text); label column: 'n' (the only one with few "
        "values: 5 values); say --text-column/--label-column to choose others"
    )


def test_texts_that_were_passed_over_are_told() -> None:
    note = guess({"title": long(1), "text": long(2), "label": cycle("0", "1")}).note
    assert "'text' (by its name; not used: 'title')" in note


def test_what_the_user_named_is_not_guessed() -> None:
    columns = {"premise": long(1), "choice1": long(2), "a": cycle("0", "1"), "b": cycle("0", "1")}
    one = guess(columns, label="b")
    assert (one.texts, one.label) == (("premise",), "b")
    assert "label column" not in one.note
    other = guess({"text": long(1), "more": long(2), "label": IDS}, texts=("more",))
    assert (other.texts, other.label) == (("more",), "label")
    assert guess(columns, texts=("choice1",), label="a").note == ""


def test_a_label_column_named_by_the_user_is_no_text() -> None:
    assert guess({"text": long(1), "body": long(2)}, label="text").texts == ("body",)


def test_columns_are_described_alike_in_one_piece_and_in_many() -> None:
    columns = {"text": [*long(1)[:-1], ""], "label": cycle("0", "1.0"), "f": FLOATS, "id": IDS}
    table = pa.table(columns)
    pieces = [table.slice(begin, 7) for begin in range(0, N, 7)]
    assert describe_columns(list(columns), pieces) == describe_columns(list(columns), [table])


def test_a_description_counts_what_is_there() -> None:
    (column,) = describe_columns(
        ["x"], [pa.table({"x": ["ab cd", " ", None, "ab cd", "efg h ij"]})]
    )
    assert (column.rows, column.missing, column.distinct) == (5, 2, 2)
    assert column.share_distinct == pytest.approx(2 / 3)
    assert column.mean_length == pytest.approx((5 + 5 + 8) / 3)
    assert column.mean_words == pytest.approx((2 + 2 + 3) / 3)
    assert not column.is_numeric


@pytest.mark.parametrize(
    ("cells", "is_numeric", "is_whole"),
    [
        (["1", "2"], True, True),
        (["1.0", "-3"], True, True),
        (["1", "", "2.5"], True, False),
        (["1e-3", ".5", "3."], True, False),
        (["1", "x"], False, False),
        (["inf", "1"], False, False),
        (["1_000"], False, False),
        ([""], False, False),
    ],
)
def test_numbers_are_known_as_files_spell_them(
    cells: list[str], is_numeric: bool, is_whole: bool
) -> None:
    (column,) = describe({"x": cells})
    assert (column.is_numeric, column.is_whole) == (is_numeric, is_whole)


@pytest.mark.parametrize(
    ("texts", "label", "message"),
    [
        (
            ("txt",),
            "",
            r"--text-column txt: no such column in f\.csv \(did you mean 'text'\?\); f",
        ),
        ((), "lable", r"--label-column lable: no such column in f\.csv \(did you mean 'label'\?\)"),
        ((), "Label", r"--label-column Label: .*did you mean 'label'\?\); found 'text'"),
        ((), "verdict", r"--label-column verdict: no such column in f\.csv; found 'text', 'label'"),
        (("tags",), "", r"--text-column tags: this column of f\.csv holds lists"),
        (("text", "text"), "", r"named twice"),
        (("text",), "text", r"named twice"),
        (("a", "b", "c"), "", r"given 3 times .*expected one, or two for a pair"),
    ],
)
def test_columns_that_the_user_cannot_mean_are_refused(
    texts: tuple[str, ...], label: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        check_named("f.csv", ("text", "label"), {"tags": "lists"}, texts=texts, label=label)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (("text",), ("text",)),
        (("a,b",), ("a", "b")),
        (("a, b",), ("a", "b")),
        (("review, long",), ("review, long",)),
        (("review, long", "a"), ("review, long", "a")),
        (("a,b", "review, long"), ("a", "b", "review, long")),
        ((" c",), (" c",)),
        (("a,",), ("a",)),
        (("review, short",), ("review", "short")),
        ((), ()),
    ],
)
def test_a_comma_parts_two_columns_unless_one_is_called_so(
    given: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert named_texts(given, {"a", "b", " c", "text", "review, long"}) == names


REAL = {
    "glue/cola": ("sentence",),
    "glue/qnli": ("question", "sentence"),
    "glue/qqp": ("question1", "question2"),
    "glue/stsb": ("sentence1", "sentence2"),
    "snli": ("premise", "hypothesis"),
    "multi_nli": ("premise", "hypothesis"),
    "super_glue/boolq": ("question", "passage"),
    "super_glue/wic": ("sentence1", "sentence2"),
    "super_glue/wsc": ("text",),
    "tweet_eval/emoji": ("text",),
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets are not here")
@pytest.mark.parametrize(("name", "texts"), REAL.items())
def test_real_data_sets_are_guessed_as_their_makers_meant(
    name: str, texts: tuple[str, ...]
) -> None:
    table = pq.read_table(SHARED / name / "train.parquet")
    strings = pa.table({column: table[column].cast(pa.string()) for column in table.column_names})
    choice = choose_columns(name, describe_columns(strings.column_names, [strings]))
    assert (choice.texts, choice.label) == (texts, "label")
