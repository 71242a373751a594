"""What a column holds, counted in one pass, and the names by which columns are recognised."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubbot.data.labels import NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

CAP = 20_000
"""Different values of a column after which counting them stops."""

PAIRS = (
    *(("premise", "hypothesis"), ("sentence_a", "sentence_b"), ("text_a", "text_b")),
    *(("text", "text_pair"), ("claim", "evidence"), ("context", "response")),
)
"""Columns that are a pair whatever else there is; so are sentence1 and sentence2, and the like."""

WEAK_PAIRS = (
    *(("question", "passage"), ("question", "sentence"), ("question", "context")),
    *(("question", "paragraph"), ("question", "answer"), ("query", "passage")),
    *(("query", "document"), ("query", "text")),
)
"""Columns that are a pair where no third text is beside them."""

NUMBERED = re.compile(r"^(.*?)_?(1|2|a|b)$")
"""A word and the number, or letter, of one side of a pair."""

TEXT_NAMES = frozenset(
    {"text", "sentence", "review", "tweet", "comment", "content", "body", "message", "document"}
    | {"passage", "paragraph", "article", "post", "description", "question", "query", "utterance"}
    | {"headline", "title", "abstract", "summary"}
)
"""Names of columns of text."""

NEEDS_PARTNER = (
    frozenset(name for pair in PAIRS for name in pair) | {"question", "query", "answer"}
) - {"text"}
"""Names of columns that are one side of a pair."""

STEMS = TEXT_NAMES | {"s", "q", "sent", "string", "phrase", "snippet"}
"""Words before the numbers of a pair that leave no doubt."""

LABEL_TIERS = (
    frozenset({"label"}),
    frozenset({"labels", "class", "target", "category", "gold_label", "gold", "y", "class_label"}),
    frozenset(
        {"sentiment", "emotion", "intent", "topic", "stance", "polarity", "rating", "stars"}
        | {"score", "similarity", "similarity_score", "relatedness_score", "toxicity", "toxic"}
        | {"is_duplicate", "is_toxic"}
    ),
)
"""Names of label columns, the surest first."""

_ID_NAMES = frozenset({"id", "idx", "index", "guid", "uid", "uuid", "rowid", "row", "no", "nr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column holds."""

    name: str
    """As the data set spells it."""
    rows: int
    """Rows of the split."""
    missing: int
    """Rows whose cell is empty."""
    distinct: int
    """Different values, counted up to ``CAP``."""
    share_distinct: float
    """Different values per filled cell, among those seen until ``CAP``, 0 to 1."""
    mean_length: float
    """Characters of a filled cell."""
    mean_words: float
    """Words, as blanks part them, of a filled cell."""
    is_numeric: bool
    """Whether every filled cell is a number."""
    is_whole: bool
    """Whether every filled cell is a whole number."""

    @property
    def plain(self) -> str:
        """The name in small letters, its words joined by underscores."""
        parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name.strip())
        return re.sub(r"[\s\-.:]+", "_", parted).lower()

    @property
    def is_id(self) -> bool:
        """Whether it numbers or names the rows: by its name, or since no two cells are alike."""
        plain = self.plain
        if plain in _ID_NAMES or plain.startswith(("unnamed", "__index")):
            return True
        if plain.endswith(("_id", "_idx", "_index", "_uid", "_uuid", "_guid")):
            return True
        is_word = self.mean_words < 1.01 and not self.is_numeric and plain not in TEXT_NAMES
        return self.share_distinct == 1 and self.rows >= 10 and (self.is_whole or is_word)


class _Tally:
    """Counts one column piece by piece."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = self.missing = self.characters = self.blanks = self.seen = 0
        self.values: set[int] = set()
        self.is_numeric = self.is_whole = True

    def add(self, column: Any) -> None:
        import pyarrow.compute as pc

        cells = pc.utf8_trim_whitespace(column)
        filled = pc.drop_null(cells).filter(pc.not_equal(pc.drop_null(cells), ""))
        self.rows += len(cells)
        self.missing += len(cells) - len(filled)
        self.characters += pc.sum(pc.utf8_length(filled)).as_py() or 0
        self.blanks += pc.sum(pc.count_substring_regex(filled, r"\s+")).as_py() or 0
        if self.is_numeric:
            self.is_numeric = pc.all(pc.match_substring_regex(filled, NUMBER)).as_py() is not False
            whole = pc.match_substring_regex(filled, r"^[+-]?\d+(\.0*)?$")
            self.is_whole = self.is_whole and pc.all(whole).as_py() is not False
        if len(self.values) < CAP:
            self.values.update(map(hash, filled.unique().to_pylist()))
            self.seen += len(filled)

    def done(self) -> Column:
        filled = self.rows - self.missing
        return Column(
            name=self.name,
            rows=self.rows,
            missing=self.missing,
            distinct=len(self.values),
            share_distinct=len(self.values) / max(self.seen, 1),
            mean_length=self.characters / max(filled, 1),
            mean_words=1 + self.blanks / max(filled, 1),
            is_numeric=self.is_numeric and filled > 0,
            is_whole=self.is_numeric and self.is_whole and filled > 0,
        )


def describe_columns(names: Sequence[str], pieces: "Iterable[pa.Table]") -> tuple[Column, ...]:
    """Describe columns that come in pieces, in one pass and little memory.

    Args:
        names: Columns of every piece.
        pieces: Tables whose cells are strings or null.
    """
    tallies = [_Tally(name) for name in names]
    for piece in pieces:
        for tally in tallies:
            tally.add(piece.column(tally.name))
    return tuple(tally.done() for tally in tallies)
