"""Splits that say nothing are refused, and what is odd about the others is told."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hubbot.data.labels import listed
from hubbot.data.own_rows import Rows, n_shared
from hubbot.data.prepared import ROLES
from hubbot.errors import DatasetError
from hubbot.printable import printable
from hubbot.schema import SplitName

MIN_ROWS = 10
"""Rows that train and test must have; fewer say nothing."""

ENOUGH = 100
"""Rows of a single file whose test almost surely has ``MIN_ROWS``."""

_JUDGES: tuple[SplitName, ...] = ("validation", "test")
"""Splits that choose or test, which is for nothing where their labels do not differ."""


def check_size(name: str, role: SplitName, n_rows: int, *, is_single: bool) -> None:
    """Refuse a split that is too small before its labels are judged.

    Args:
        name: File or split, for messages.
        role: What it serves as.
        n_rows: Its rows.
        is_single: Whether test and validation are to be taken from it.

    Raises:
        DatasetError: If it has fewer than ``MIN_ROWS`` rows; validation may be smaller.
    """
    if role == "validation" or n_rows >= MIN_ROWS:
        return
    needed = f"{ENOUGH} or more, since {MIN_ROWS} are needed for the test alone, or a test of its "
    expected = f"{needed}own with --test" if is_single else f"{MIN_ROWS} or more"
    raise DatasetError(f"{name}: {n_rows} rows for {role}; expected {expected}")


def check_parts(parts: Mapping[SplitName, Rows], class_names: Sequence[str]) -> list[str]:
    """Refuse splits that nothing can be learnt from, and tell what is odd.

    Args:
        parts: The rows of each split as they will be used.
        class_names: Class names in label order; none for a regression.

    Returns:
        Notes, in sentences.

    Raises:
        DatasetError: If train or test have too few rows, or labels say nothing.
    """
    is_single = len({id(part.split) for part in parts.values()}) == 1
    for role in ROLES:
        n_rows = len(parts[role].keys)
        wanted = 1 if role == "validation" else MIN_ROWS
        if n_rows < wanted:
            hint = f"about {ENOUGH} rows in the file are enough" if is_single else "add rows"
            raise DatasetError(
                f"{parts[role].split.name}: {n_rows} usable rows for {role}, expected {wanted} or "
                f"more; {hint}"
            )
    notes = check_labels(class_names, {role: part.labels for role, part in parts.items()})
    n_validation = len(parts["validation"].keys)
    if n_validation < MIN_ROWS:
        notes.append(
            f"validation has {n_validation} {_rows(n_validation)}: what it chooses is hardly "
            "better than chance; give more with --validation"
        )
    return [*notes, *_overlaps(parts)]


def _overlaps(parts: Mapping[SplitName, Rows]) -> list[str]:
    notes = []
    pairs: tuple[tuple[SplitName, SplitName, str], ...] = (
        ("test", "train", "a model may have learnt them by heart, so that scores are too high"),
        ("test", "validation", "what was chosen on validation looks too good on test"),
        ("validation", "train", "the best epoch is chosen partly by what was learnt by heart"),
    )
    for role, other, meaning in pairs:
        part = parts[role]
        n_rows = n_shared(part, parts[other])
        if n_rows:
            notes.append(
                f"{n_rows:,} of {len(part.keys):,} {role} rows ({n_rows / len(part.keys):.1%}) "
                f"{'has' if n_rows == 1 else 'have'} a text that is in {other} too: {meaning}; "
                f"leave {'it' if n_rows == 1 else 'them'} out of {other}"
            )
    return notes


def _rows(number: int) -> str:
    return "row" if number == 1 else "rows"


def check_labels(
    names: Sequence[str], labels: Mapping[SplitName, NDArray[np.float64]]
) -> list[str]:
    """Refuse labels that teach nothing, and tell what is uneven between the splits.

    Args:
        names: Class names in label order; none for a regression.
        labels: For each split class numbers (or floats), shape (n_rows,).

    Returns:
        Notes, in sentences.

    Raises:
        DatasetError: If train holds one class, or one number, only, no row of the test has a class
            of train, or all numbers of validation or test are the same.
    """
    train = labels["train"]
    if len(np.unique(train)) < 2:
        only = printable(names[int(train[0])]) if names else f"{train[0]:g}"
        raise DatasetError(
            f"every training row has the label {only!r}; expected at least two different ones: "
            "choose another column with --label-column, or add rows"
        )
    if not names:
        _check_ranks(labels)
        return []
    _check_shared(names, labels)
    return _uneven(names, labels)


def _check_ranks(labels: Mapping[SplitName, NDArray[np.float64]]) -> None:
    """Refuse a split that no rank correlation can be computed on."""
    for role in _JUDGES:
        if len(np.unique(labels[role])) < 2:
            n_rows = len(labels[role])
            raise DatasetError(
                f"all {n_rows:,} {role} {_rows(n_rows)} have the label {labels[role][0]:g}; "
                "expected two different ones at least, since Spearman's rank correlation has no "
                f"value without: give others with --{role}, or add rows"
            )


def _check_shared(names: Sequence[str], labels: Mapping[SplitName, NDArray[np.float64]]) -> None:
    """Refuse a split that chooses or tests and has classes of its own alone."""
    known = np.unique(labels["train"])
    for role in _JUDGES:
        found = np.unique(labels[role])
        if len(labels[role]) >= MIN_ROWS and not np.isin(found, known).any():
            own, theirs = ([names[int(number)] for number in part] for part in (found, known))
            raise DatasetError(
                f"no {role} row has a label of train: {role} has {listed(own)}, train has "
                f"{listed(theirs)}; spell the labels alike in both files"
            )


def _uneven(names: Sequence[str], labels: Mapping[SplitName, NDArray[np.float64]]) -> list[str]:
    counts = {
        role: np.bincount(part.astype(np.int64), minlength=len(names))
        for role, part in labels.items()
    }
    train = counts["train"]
    notes = []
    for role in _JUDGES:
        is_unseen = (counts[role] > 0) & (train == 0)
        if is_unseen.any():
            n_rows = int(counts[role][is_unseen].sum())
            notes.append(
                f"{role} has {n_rows:,} {_rows(n_rows)} of classes that train lacks "
                f"({_those(names, is_unseen)}): no model can get them right"
            )
    notes += _lacking(names, counts)
    if (train == 1).any():
        notes.append(f"train has a single row of {_those(names, train == 1)}")
    is_absent = np.sum(list(counts.values()), axis=0) == 0
    if is_absent.any():
        notes.append(f"no row has the label {_those(names, is_absent)}")
    return notes


def _lacking(names: Sequence[str], counts: Mapping[SplitName, NDArray[np.int64]]) -> list[str]:
    """Tell what validation and test cannot judge, for want of rows."""
    notes = []
    for role in _JUDGES:
        found = counts[role] > 0
        lacking = (counts["train"] > 0) & ~found
        if found.sum() == 1:
            notes.append(
                f"every {role} row has the label {_those(names, found)}, of "
                f"{int((counts['train'] > 0).sum())} that train has: a score there says little; "
                f"give others with --{role}"
            )
        elif role == "validation" and lacking.any():
            notes.append(
                f"validation has no row of classes that train has ({_those(names, lacking)}): how "
                "well they are told apart has no part in what is chosen"
            )
    return notes


def _those(names: Sequence[str], mask: NDArray[np.bool_]) -> str:
    return listed([name for name, is_meant in zip(names, mask, strict=True) if is_meant])
