"""How rows of the catalog's data sets become a text, or a pair of texts, and a label.

The papers do not say how COPA, MultiRC, WiC and WSC were made into classification; what is done
here is written down so that a user can read it (``describe``). Two texts stay two: the tokenizer
itself puts them together, never a separator glued in between.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubbot.data.class_numbers import class_numbers
from hubbot.data.prepared import LABEL, TEXT, TEXT_PAIR
from hubbot.errors import DatasetError, SettingsError
from hubbot.schema import DatasetSpec

if TYPE_CHECKING:
    import pyarrow as pa

Cell = Any
"""One cell of a raw column: a string or a whole number."""

Texts = Callable[..., tuple[str, ...]]
"""Takes the cells of a row in the order of ``Casting.columns``, gives one text or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """One way from raw columns to texts."""

    sentence: str
    """What is done, for a user to read."""
    columns: tuple[str, ...]
    """Raw columns that it reads; empty where any number of text columns will do."""
    texts: Texts | None
    """Texts of one row; None keeps the columns as they are."""
    is_pair: bool
    """Whether it gives two texts."""
    bins: int = 0
    """Classes that labels from 0 to 1 are cut into; 0 where labels are class numbers already."""


def _copa(premise: str, question: str, choice1: str, choice2: str) -> tuple[str, str]:
    if question not in _COPA_QUESTIONS:
        raise DatasetError(
            f"copa: question {question!r}; expected one of {', '.join(_COPA_QUESTIONS)}: give the "
            "files of SuperGLUE"
        )
    begun = f"{premise.strip()} {_COPA_QUESTIONS[question]}"
    return f"{begun} {choice1.strip()}", f"{begun} {choice2.strip()}"


_COPA_QUESTIONS = {"cause": "What was the cause?", "effect": "What happened as a result?"}


def _multirc(paragraph: str, question: str, answer: str) -> tuple[str, str]:
    return paragraph, f"{question.strip()} {answer.strip()}"


def _wic(word: str, sentence1: str, sentence2: str) -> tuple[str, str]:
    return f"{word} : {sentence1}", f"{word} : {sentence2}"


def _wsc(
    text: str, span1_text: str, span1_index: int, span2_text: str, span2_index: int
) -> tuple[str, str]:
    spans = [(span1_text, span1_index, "[", "]"), (span2_text, span2_index, "*", "*")]
    marked = text
    # From the back and the inside, so that marks do not move what is still to be marked.
    for span, index, opening, closing in sorted(spans, key=lambda item: (-item[1], len(item[0]))):
        marked = _mark(marked, span, index, opening, closing)
    return marked, " ".join(f"{span2_text} refers to {span1_text}".split())


def _mark(text: str, span: str, index: int, opening: str, closing: str) -> str:
    """Put marks around the words from ``index`` on where they are the span; else change nothing."""
    words = list(re.finditer(r"\S+", text))
    found = words[index : index + len(span.split())] if index >= 0 else []
    if _letters(" ".join(word[0] for word in found)) != _letters(span):
        return text
    begin, end = found[0].start(), found[-1].end()
    return f"{text[:begin]}{opening}{text[begin:end]}{closing}{text[end:]}"


def _letters(text: str) -> list[str]:
    """Return the words without marks: spans are published with line breaks and without commas."""
    return re.sub(r"[^\w\s]", "", text.casefold()).split()


def _joined(*cells: str | None) -> tuple[str]:
    return (" ".join(cell.strip() for cell in cells if cell and cell.strip()),)


_CASTINGS: Mapping[str, Casting] = {
    "": Casting(
        sentence="Texts as they are; the sides of a pair in the order of the columns.",
        columns=(),
        texts=None,
        is_pair=False,
    ),
    "copa": Casting(
        sentence=(
            "A pair, one side for each choice: the premise, then 'What was the cause?' or 'What "
            "happened as a result?', then the choice; the class is the number of the more "
            "plausible one."
        ),
        columns=("premise", "question", "choice1", "choice2"),
        texts=_copa,
        is_pair=True,
    ),
    "multirc": Casting(
        sentence=(
            "A pair for each answer: the paragraph against the question with the answer behind "
            "it, so that truncation, which takes the longer side first, shortens the paragraph; "
            "the class says whether the answer is right."
        ),
        columns=("paragraph", "question", "answer"),
        texts=_multirc,
        is_pair=True,
    ),
    "wic": Casting(
        sentence=(
            "A pair of the two sentences, each behind the word and a colon; the class says "
            "whether the word means the same in both."
        ),
        columns=("word", "sentence1", "sentence2"),
        texts=_wic,
        is_pair=True,
    ),
    "wsc": Casting(
        sentence=(
            "A pair: the text with the candidate in [brackets] and the pronoun in *asterisks*, "
            "against '<pronoun> refers to <candidate>'; a span that is not at its published word "
            "number stays unmarked. The class says whether it does refer to it."
        ),
        columns=("text", "span1_text", "span1_index", "span2_text", "span2_index"),
        texts=_wsc,
        is_pair=True,
    ),
    "joined": Casting(
        sentence="One text: the columns one behind the other with a blank between, empty ones out.",
        columns=(),
        texts=_joined,
        is_pair=False,
    ),
    "sst_bins": Casting(
        sentence=(
            "Text as it is. A class number stays; a score from 0 to 1 becomes one of five classes "
            "with the borders 0.2, 0.4, 0.6 and 0.8, each belonging to the class below it."
        ),
        columns=("text",),
        texts=None,
        is_pair=False,
        bins=5,
    ),
}


def casting_names() -> tuple[str, ...]:
    """Return the names of all castings; the empty one keeps texts as they are."""
    return tuple(_CASTINGS)


def describe(name: str) -> str:
    """Return what a casting does, in sentences.

    Args:
        name: A name that an entry of the catalog gives as ``casting``.

    Raises:
        SettingsError: If there is none of that name.
    """
    return _casting(name).sentence


def raw_columns(spec: DatasetSpec) -> tuple[str, ...]:
    """Return the columns that have to be read, the label last.

    Args:
        spec: Entry of the catalog.
    """
    return (*(spec.raw_columns or spec.text_columns), spec.label_column)


def cast(spec: DatasetSpec, table: "pa.Table") -> "pa.Table":
    """Make texts and labels of raw rows; nothing is dropped, and empty cells stay empty.

    Args:
        spec: Entry of the catalog, which names the casting.
        table: The columns of ``raw_columns``, and maybe others.

    Returns:
        Columns ``text`` and, for pairs, ``text_pair`` (string; null where a cell that they are made
        of is null) and ``label``: int64, null where missing or hidden (-1); float64 for a
        regression.

    Raises:
        DatasetError: If a column is missing, or a label is none of the catalog's classes.
        SettingsError: If there is no such casting.
    """
    import pyarrow as pa

    casting = _casting(spec.casting)
    missing = [name for name in raw_columns(spec) if name not in table.column_names]
    if missing:
        raise DatasetError(
            f"data set {spec.name!r}: no column {missing[0]!r}; expected "
            f"{list(raw_columns(spec))}, found {table.column_names}"
        )
    columns = casting.columns or raw_columns(spec)[:-1]
    may_count = casting.texts is not None
    cells = [_plain(spec, name, table[name], may_count=may_count) for name in columns]
    sides = 2 if casting.is_pair else 1
    texts = cells if casting.texts is None else _rows(casting.texts, cells, sides)
    names = (TEXT, TEXT_PAIR)[: len(texts)]
    labels = class_numbers(spec, table[spec.label_column], bins=casting.bins)
    return pa.table([*texts, labels], names=[*names, LABEL])


def _casting(name: str) -> Casting:
    if name not in _CASTINGS:
        known = ", ".join(repr(known) for known in _CASTINGS)
        raise SettingsError(f"unknown casting {name!r}; known are {known}")
    return _CASTINGS[name]


def _plain(spec: DatasetSpec, name: str, column: Any, *, may_count: bool) -> Any:
    """Return a raw column as strings, or as whole numbers where it counts words."""
    import pyarrow as pa

    if may_count and pa.types.is_integer(column.type):
        return column
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks])
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise DatasetError(
            f"data set {spec.name!r}: column {name!r} holds {column.type}, expected text; give the "
            "files that the catalog names"
        )
    return column.cast(pa.string())


def _rows(make: Texts, cells: list[Any], sides: int) -> list[Any]:
    """Make the texts of each row; a row that lacks a cell has none, unless parts may be missing."""
    import pyarrow as pa

    may_lack = make is _joined
    empty: tuple[str | None, ...] = (None,) * sides
    rows = [
        make(*row) if may_lack or None not in row else empty
        for row in zip(*(column.to_pylist() for column in cells), strict=True)
    ]
    return [pa.array([row[side] for row in rows], pa.string()) for side in range(sides)]
