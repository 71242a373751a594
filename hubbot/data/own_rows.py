"""Rows of a user's own data set: which are kept, which are sampled, and in which split they lie.

Every decision on a row follows from its text alone, by a hash, so that the order of a file, and
rows added to it, change nothing for the rows that were there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hubbot.data.labels import LabelPlan
from hubbot.data.own_tables import OwnSplit, text_pieces
from hubbot.data.prepared import LABEL, TEXT, TEXT_PAIR
from hubbot.errors import DatasetError
from hubbot.schema import SplitName

if TYPE_CHECKING:
    import pyarrow as pa

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
"""Shares of the texts of a single file that become test and validation."""

MOST_VALIDATION = 1000
"""Rows of a long train that become validation, about."""

_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)

Places = NDArray[np.int64]
Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The usable rows of one split, without their texts."""

    split: OwnSplit
    """Where the texts lie."""
    texts: tuple[str, ...]
    """One or two text columns."""
    n_given: int
    """Rows of the split, usable or not."""
    places: Places
    """Place of each row in the split, ascending; shape (n_rows,)."""
    keys: Keys
    """Hash of each row's text (both of a pair), runs of blanks counting as one; (n_rows,)."""
    exact: Keys
    """Hash of the same letter by letter, which tells rows of one key apart; shape (n_rows,)."""
    labels: NDArray[np.float64]
    """Class number or float, shape (n_rows,)."""

    def chosen(self, which: NDArray[np.bool_] | Places) -> "Rows":
        """Return some of the rows, by mask or by number, in the order of the split."""
        numbers = np.flatnonzero(which) if which.dtype == np.bool_ else np.sort(which)
        return Rows(
            split=self.split,
            texts=self.texts,
            n_given=self.n_given,
            places=self.places[numbers],
            keys=self.keys[numbers],
            exact=self.exact[numbers],
            labels=self.labels[numbers],
        )


def text_keys(*texts: str) -> tuple[int, int]:
    """Return two hashes of a text or pair, 1 to 2**64 - 1, the same on every machine.

    The first takes runs of blanks as one, since such texts are the same to a reader; the second
    tells them apart.

    >>> (one, _), (other, _) = text_keys(" so  good"), text_keys("so good")
    >>> one == other, text_keys("a", "b") == text_keys("a b")
    (True, False)
    """
    exact = "\0".join(texts)
    plain = "\0".join([" ".join(text.split()) for text in texts])
    key = _hash(plain)
    return key, key if exact == plain else _hash(exact)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return max(int.from_bytes(digest, "little"), 1)


def scan_rows(
    split: OwnSplit, texts: Sequence[str], label: str, plan: LabelPlan
) -> tuple[Rows, tuple[str, ...]]:
    """Read a split once and keep what can be used: rows with a text, or both, and a label.

    Args:
        split: Split as it was given.
        texts: One or two text columns.
        label: Label column.
        plan: What its cells mean.

    Returns:
        The rows, and notes on those left out.

    Raises:
        DatasetError: If more than half of the rows lack a text, or a label.
    """
    keys, labels = [np.zeros((0, 2), np.uint64)], [np.zeros(0)]
    for piece in text_pieces(split, [*texts, label]):
        columns = [piece.column(name).to_pylist() for name in texts]
        keys.append(np.array([_row_keys(*row) for row in zip(*columns, strict=True)], np.uint64))
        labels.append(plan.encode(piece.column(label)))
    key, exact = np.concatenate(keys).T
    number = np.concatenate(labels)
    has_text, has_label = key != 0, ~np.isnan(number)
    notes = (
        _left_out(split, " and ".join(map(repr, texts)), "text", has_text),
        _left_out(split, repr(label), "label", has_label),
    )
    places = np.flatnonzero(has_text & has_label)
    rows = Rows(
        split=split,
        texts=tuple(texts),
        n_given=len(key),
        places=places,
        keys=key[places],
        exact=exact[places],
        labels=number[places],
    )
    return rows, tuple(note for note in notes if note)


def _row_keys(*texts: str | None) -> tuple[int, int]:
    """Return a row's hashes, 0 where a text is empty."""
    filled = [text for text in texts if text and not text.isspace()]
    return text_keys(*filled) if len(filled) == len(texts) else (0, 0)


def _left_out(split: OwnSplit, column: str, what: str, is_there: NDArray[np.bool_]) -> str:
    n_missing = int((~is_there).sum())
    if n_missing * 2 > len(is_there):
        raise DatasetError(
            f"{split.name}: {n_missing:,} of {len(is_there):,} rows have no {what} in column "
            f"{column}; expected at most half: choose another with --{what}-column, or fill it in"
        )
    rows = "row was" if n_missing == 1 else "rows were"
    said = f"{split.name}: {n_missing:,} {rows} left out, having no {what} in column {column}"
    return said if n_missing else ""


def roles_by_text(keys: Keys) -> dict[SplitName, NDArray[np.bool_]]:
    """Tell which rows of a single file are train, validation and test.

    A row's split follows from its text alone. So equal texts lie together and rows added later move
    none, and classes are divided evenly by chance only, not by count: no rule can do all three.

    Args:
        keys: Hashes of the texts, shape (n_rows,).

    Returns:
        A mask of shape (n_rows,) for each split: 70, 10 and 20 % of the texts, on average.
    """
    share = _shares(keys)
    is_test = share < TEST_SHARE
    is_validation = ~is_test & (share < TEST_SHARE + VALIDATION_SHARE)
    return {"train": ~is_test & ~is_validation, "validation": is_validation, "test": is_test}


def validation_by_text(keys: Keys) -> NDArray[np.bool_]:
    """Tell which rows of a train that has a test of its own become validation.

    As in ``roles_by_text`` a row's text decides, so that a train sorted by class gives some of all.

    Args:
        keys: Hashes of the texts, shape (n_rows,).

    Returns:
        Mask of shape (n_rows,): 10 % of the texts on average, about ``MOST_VALIDATION`` rows where
        that is less, and one text at least.
    """
    share = _shares(keys)
    wanted = min(VALIDATION_SHARE, MOST_VALIDATION / max(len(keys), 1))
    is_chosen: NDArray[np.bool_] = (share < wanted) | (share == share.min(initial=1.0))
    return is_chosen


def _shares(keys: Keys) -> NDArray[np.float64]:
    """Return where each text lies between 0 and 1, by the upper half of its hash."""
    return (keys >> _HALF).astype(np.float64) / 2.0**32


def sample(rows: Rows, n_wanted: int, *, is_regression: bool) -> Rows:
    """Take part of the rows: of every class its share, those with the lowest hash.

    The half of the hash that ``roles_by_text`` does not look at decides.

    Args:
        rows: All rows.
        n_wanted: Rows to keep; all where there are no more.
        is_regression: Whether labels are no classes, so that nothing is stratified.
    """
    if len(rows.keys) <= n_wanted:
        return rows
    strata = np.zeros(len(rows.keys)) if is_regression else rows.labels
    found, counts = np.unique(strata, return_counts=True)
    kept = []
    for stratum, n_kept in zip(found, _quotas(counts, n_wanted), strict=True):
        members = np.flatnonzero(strata == stratum)
        order = by_hash(rows.chosen(members))
        kept.append(members[order[:n_kept]])
    return rows.chosen(np.concatenate(kept))


def _quotas(counts: NDArray[np.int64], n_wanted: int) -> NDArray[np.int64]:
    """Divide ``n_wanted`` in proportion, by largest remainders; no class is left without a row."""
    exact = counts * (n_wanted / counts.sum())
    quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    ahead = np.argsort(quotas - exact, kind="stable")[: n_wanted - int(quotas.sum())]
    quotas[ahead] += 1
    quotas = np.maximum(quotas, 1)
    quotas[np.argmax(quotas)] -= quotas.sum() - n_wanted
    return quotas


def by_hash(rows: Rows) -> Places:
    """Return an order of the rows that the order of the file has no part in.

    Rows that share text and label are alike, so that their order does not matter.
    """
    order: Places = np.lexsort((rows.labels, rows.exact, rows.keys, rows.keys & _LOW))
    return order


def table_of(rows: Rows, order: Places | None = None) -> "pa.Table":
    """Read the texts of the rows and return them with their labels.

    Args:
        rows: Rows of one split.
        order: Places within ``rows`` in the order wanted; the split's own without.

    Returns:
        Table with the columns ``text``, for pairs ``text_pair``, and ``label``.
    """
    import pyarrow as pa

    names = [TEXT, TEXT_PAIR][: len(rows.texts)]
    is_wanted = np.zeros(rows.n_given, dtype=np.bool_)
    is_wanted[rows.places] = True
    pieces, begin = [], 0
    for piece in text_pieces(rows.split, rows.texts):
        mask = is_wanted[begin : begin + piece.num_rows]
        begin += piece.num_rows
        if mask.any():
            pieces.append(piece.filter(pa.array(mask)).rename_columns(names))
    schema = pa.schema([(name, pa.string()) for name in names])
    table = pa.concat_tables(pieces) if pieces else schema.empty_table()
    table = table.append_column(LABEL, pa.array(rows.labels))
    return table if order is None else table.take(pa.array(order))


def n_shared(rows: Rows, others: Rows) -> int:
    """Return how many rows have a text that another split has too."""
    return int(np.count_nonzero(np.isin(rows.keys, others.keys)))
