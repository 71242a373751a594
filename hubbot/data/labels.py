"""What the cells of a label column mean: classes in an order, or numbers of a regression.

Wrong usage (an option that would settle it, or that contradicts the data) is a ``SettingsError``;
data that no option mends is a ``DatasetError``.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import DatasetError, SettingsError
from hubbot.printable import printable
from hubbot.schema import SplitName

if TYPE_CHECKING:
    import pyarrow as pa

FEW = 30
"""Different whole numbers up to which they are taken as classes without asking."""

MANY = 10_000
"""Different values after which counting them stops; classes are never that many."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""A number as CSV, JSON and Parquet cells spell it; ``inf`` and ``nan`` are none."""

_INFINITE = ("inf", "infinity", "nan")
_EMPTY = frozenset({"nan", "<na>", "#n/a", "n/a", "null"})
"""What programs write where a label is missing, in small letters; nobody names a class so."""
_STAND_INS = _EMPTY | {"na", "none", "nil", "?", "-", "--"}
"""What stands for a missing number; among words some of them are classes (stance: ``none``)."""
_PERHAPS_EMPTY = frozenset({"NA", "None", "nil", "?", "-", "--"})
"""Words that are taken as classes, and told, since they may stand for a missing label."""
_MINUS = frozenset({"-", "--"})
"""Those of them that are no such thing where ``+`` is a class too."""
_GOLD = "gold_label"
"""Column of SNLI and MNLI as published; there ``-`` means that most annotators did not agree."""
_HIDDEN = ("-1", "-1.0")

LabelKind = Literal["numbers", "words", ""]
"""What a file's own types say of its label column; empty where it has none, as CSV and JSON."""

_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """What one split's label column holds."""

    rows: int
    """Rows of the split."""
    missing: int
    """Rows whose label is empty."""
    counts: Mapping[str, int]
    """Rows of each value, blanks around it cut; of the first ``MANY`` values where more."""
    is_numeric: bool
    """Whether every value is a number (stand-ins for missing ones aside)."""
    is_whole: bool
    """Whether every value is a whole number (stand-ins for missing ones aside)."""
    kind: LabelKind = ""
    """What the file's own types say of the column."""

    @property
    def has_many(self) -> bool:
        """Whether counting stopped."""
        return len(self.counts) >= MANY

    @property
    def is_hidden(self) -> bool:
        """Whether the makers keep the labels: all are missing or -1."""
        return all(value in _HIDDEN or value.lower() in _EMPTY for value in self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """How the cells of a label column become class numbers or floats."""

    names: tuple[str, ...]
    """Class names in label order; empty for a regression."""
    numbers: Mapping[str, int]
    """Class number of each value; values that are not there count as empty."""
    note: str
    """What the labels were taken for, in a sentence."""
    odd: tuple[str, ...] = ()
    """What may not have been meant, in sentences."""

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers instead of classes."""
        return not self.names

    def encode(self, column: "pa.Array") -> NDArray[np.float64]:
        """Return class numbers (or floats) of a label column, NaN where the label is empty.

        Args:
            column: Array or chunked array of strings, shape (n_rows,).
        """
        import pyarrow.compute as pc

        coded = pc.dictionary_encode(_trimmed(column), null_encoding="encode").combine_chunks()
        values = [self._value(text) for text in coded.dictionary.to_pylist()]
        table = np.array(values, dtype=np.float64)
        found: NDArray[np.float64] = table[coded.indices.to_numpy(zero_copy_only=False)]
        return found

    def _value(self, text: str | None) -> float:
        if text is None:
            return np.nan
        if self.is_regression:
            return float(text) if _is_number(text) else np.nan
        return self.numbers.get(text, np.nan)


def _trimmed(column: Any) -> Any:
    """Cut blanks around cells and make empty ones null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    cut = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(cut, ""), pa.scalar(None, pa.string()), cut)


def _is_number(text: str) -> bool:
    return re.match(NUMBER, text) is not None and math.isfinite(float(text))


def count_labels(columns: "Iterable[pa.Array]", *, kind: LabelKind = "") -> LabelCounts:
    """Count the values of a label column that comes in pieces.

    Args:
        columns: Arrays or chunked arrays of strings.
        kind: What the file's own types say of the column.
    """
    import pyarrow.compute as pc

    counts: Counter[str] = Counter()
    rows = missing = 0
    is_numeric = is_whole = True
    for column in columns:
        cells = _trimmed(column)
        rows += len(cells)
        missing += cells.null_count
        found = pc.value_counts(cells.drop_null())
        for value, number in zip(*(part.to_pylist() for part in found.flatten()), strict=True):
            if is_numeric and value.lower() not in _STAND_INS:
                is_numeric = _is_number(value)
                is_whole = is_whole and is_numeric and float(value).is_integer()
            if value in counts or len(counts) < MANY:
                counts[value] += number
    return LabelCounts(
        rows=rows,
        missing=missing,
        counts=counts,
        is_numeric=is_numeric,
        is_whole=is_numeric and is_whole,
        kind=kind,
    )


def plan_labels(
    column: str,
    found: Mapping[SplitName, LabelCounts],
    *,
    class_names: Sequence[str] = (),
    is_regression: bool | None = None,
) -> LabelPlan:
    """Decide what labels mean from their values in all splits together.

    Args:
        column: Name of the label column, for messages.
        found: Values of each split whose labels are not hidden.
        class_names: Names in label order where the data set itself says them.
        is_regression: What the user said; None where nothing.

    Raises:
        SettingsError: If the user has to say what is meant, or asked for what cannot be.
        DatasetError: If the column holds no labels.
    """
    counts: Counter[str] = Counter()
    for part in found.values():
        counts.update(part.counts)
    where = f"label column {printable(column)!r}"
    n_rows = sum(part.rows - part.missing for part in found.values())
    if all(value.lower() in _EMPTY for value in counts):
        raise DatasetError(f"{where}: every cell is empty; choose another with --label-column")
    if "train" in found and found["train"].counts and found["train"].is_hidden:
        raise DatasetError(
            f"{where}: every training label is missing or -1, which stands for a hidden one; give "
            "a file with labels, or choose another column with --label-column"
        )
    if class_names:
        kinds = {part.kind for part in found.values()}
        return _named_classes(where, counts, class_names, kinds, is_regression=is_regression)
    has_many = any(part.has_many for part in found.values())
    is_numeric = all(part.is_numeric for part in found.values()) and any(map(_is_number, counts))
    stands = _STAND_INS if is_numeric else _EMPTY
    if column.strip().lower() == _GOLD and "+" not in counts:
        stands |= {"-"}
    empty = sorted(v for v in counts if v.lower() in stands)
    n_empty = sum(counts.pop(value) for value in empty)
    n_rows -= n_empty
    if is_numeric:
        is_whole = all(part.is_whole for part in found.values())
        plan = _numbers(where, counts, n_rows, is_whole, has_many, is_regression=is_regression)
    else:
        plan = _strings(where, counts, n_rows, has_many, is_regression=is_regression)
    return replace(plan, odd=(*_told_empty(where, empty, n_empty), *_odd(where, plan, counts)))


def _told_empty(where: str, values: Sequence[str], n_rows: int) -> list[str]:
    if not values:
        return []
    rows = "row" if n_rows == 1 else "rows"
    return [f"{where}: {listed(values)} ({n_rows:,} {rows}) is taken as a missing label"]


def _odd(where: str, plan: LabelPlan, counts: Mapping[str, int]) -> list[str]:
    """Tell of classes that may stand for something else."""
    if plan.is_regression:
        return []
    perhaps = [value for value in sorted(counts) if value in _PERHAPS_EMPTY]
    if "+" in counts:
        perhaps = [value for value in perhaps if value not in _MINUS]
    if list(plan.names) == [str(number) for number in range(-1, len(plan.names) - 1)]:
        perhaps += [value for value in sorted(counts) if value in _HIDDEN]
    said = [
        f"{where}: {value} ({counts[value]:,} {'row' if counts[value] == 1 else 'rows'}) is taken "
        "as a class; where it stands for a missing label, empty those cells"
        for value in perhaps
    ]
    numbers = [name for name in plan.names if _is_number(name)]
    if 0 < len(numbers) < len(plan.names):
        words = [name for name in plan.names if name not in numbers]
        said.append(
            f"{where}: some classes are numbers ({listed(numbers)}), others words "
            f"({listed(words)}): is that meant?"
        )
    return said


def _named_classes(
    where: str,
    counts: Mapping[str, int],
    names: Sequence[str],
    kinds: Set[LabelKind],
    *,
    is_regression: bool | None,
) -> LabelPlan:
    if is_regression:
        raise SettingsError(
            f"{where} holds the classes {listed(names)}, and --regression needs numbers; leave "
            "--regression out"
        )
    known = _known_cells(where, names, kinds)
    numbers = {value: place for value, place in known.items() if value in counts}
    strange = sorted(v for v in counts if v not in numbers and v not in _HIDDEN)
    if strange:
        raise DatasetError(
            f"{where}: {listed(strange)} is not in the data set's own label map "
            f"{dict(enumerate(names))}; mend the file, or name another column with --label-column"
        )
    note = f"{len(names)} classes in the data set's own order: {listed(names)}"
    return LabelPlan(names=tuple(names), numbers=numbers, note=note)


def _known_cells(where: str, names: Sequence[str], kinds: Set[LabelKind]) -> dict[str, int]:
    """Return the class number of each cell that the label map allows: its numbers and its names.

    Where names look like numbers a cell may be either, and the types of the files alone can tell.
    """
    by_number = {str(place): place for place in range(len(names))}
    by_name = {name: place for place, name in enumerate(names)}
    if not any(_is_number(name) and name != str(place) for place, name in enumerate(names)):
        return by_number | by_name
    if len(kinds) > 1 or "" in kinds:
        raise DatasetError(
            f"{where}: the classes are called {listed(names)}, and some files hold their numbers, "
            "others names, or have no types (CSV, JSON), so that it cannot be told which is which; "
            "write every split as Parquet with the same label column"
        )
    return by_number if "numbers" in kinds else by_name


def _numbers(
    where: str,
    counts: Mapping[str, int],
    n_rows: int,
    is_whole: bool,
    has_many: bool,
    *,
    is_regression: bool | None,
) -> LabelPlan:
    values = sorted({float(value) for value in counts})
    found = f"{'more than ' if has_many else ''}{len(values)} different"
    if is_regression or (is_regression is None and not is_whole):
        why = "as asked" if is_regression else "since some have fractions"
        reach = "" if has_many else f" from {values[0]:g} to {values[-1]:g}"
        note = (
            f"labels are numbers{reach}, {why} a regression, scored by Spearman's rank correlation"
        )
        return LabelPlan(names=(), numbers={}, note=note)
    if is_regression is None and len(values) > FEW:
        raise SettingsError(
            f"{where} holds {found} whole numbers: a regression, or that many classes? Say "
            "--regression or --no-regression"
        )
    if has_many or len(values) * 2 > max(n_rows, 2 * FEW):
        raise SettingsError(
            f"{where} holds {found} numbers in {n_rows} rows, too many for classes; say "
            "--regression, or choose another with --label-column"
        )
    place = {value: number for number, value in enumerate(values)}
    names = tuple(str(int(value)) if value.is_integer() else f"{value:g}" for value in values)
    return LabelPlan(
        names=names,
        numbers={text: place[float(text)] for text in counts},
        note=f"{len(names)} classes, in the order of their numbers: {listed(names)}",
    )


def _strings(
    where: str,
    counts: Mapping[str, int],
    n_rows: int,
    has_many: bool,
    *,
    is_regression: bool | None,
) -> LabelPlan:
    with_comma = [value for value in counts if _DECIMAL_COMMA.match(value)]
    words = [value for value in counts if not _is_number(value)]
    rest = [value for value in words if value not in with_comma]
    if with_comma and not rest:
        raise DatasetError(
            f"{where}: numbers with a decimal comma, such as {with_comma[0]!r}; write them with a "
            "point"
        )
    if all(v.lower().lstrip("+-") in _INFINITE or re.match(NUMBER, v) for v in words):
        raise DatasetError(f"{where}: {words[0]!r} is not a finite number; mend or empty the cell")
    if is_regression:
        example = printable(words[0], limit=40)
        raise SettingsError(
            f"{where} holds words such as {example!r}, and --regression needs numbers; leave it "
            "out, or choose another with --label-column"
        )
    if has_many or len(counts) * 2 > n_rows:
        found = f"{'more than ' if has_many else ''}{len(counts)}"
        raise DatasetError(
            f"{where} holds {found} different values in {n_rows} rows, so it is not a label; "
            "choose another with --label-column"
        )
    names = tuple(sorted(counts))
    folded = Counter(name.casefold() for name in names)
    alike = [name for name in names if folded[name.casefold()] > 1]
    note = f"{len(names)} classes, in alphabetical order: {listed(names)}"
    if alike:
        note += f"; some differ by case alone ({listed(alike)}): is that meant?"
    return LabelPlan(
        names=names, numbers={name: place for place, name in enumerate(names)}, note=note
    )


def listed(values: Sequence[str]) -> str:
    """Return the first values, fit to be shown, and how many more there are."""
    shown = ", ".join(printable(value, limit=40) for value in values[:8])
    return shown if len(values) <= 8 else f"{shown} and {len(values) - 8} more"
