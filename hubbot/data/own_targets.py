"""A data set that the catalog does not know, made ready for fine-tuning.

What was guessed, dropped, sampled or found odd is told in ``Target.notes``. What an option settles
is a ``SettingsError`` that names it; data that no option mends is a ``DatasetError``.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.data.guessing import Choice, check_named, choose_columns, named_texts
from hubbot.data.labels import (
    LabelCounts,
    LabelKind,
    LabelPlan,
    count_labels,
    listed,
    plan_labels,
)
from hubbot.data.load import read_label_names
from hubbot.data.own_checks import MIN_ROWS, check_parts, check_size
from hubbot.data.own_columns import describe_columns
from hubbot.data.own_hub import read_hub
from hubbot.data.own_rows import (
    TEST_SHARE,
    VALIDATION_SHARE,
    Rows,
    by_hash,
    roles_by_text,
    sample,
    scan_rows,
    table_of,
    validation_by_text,
)
from hubbot.data.own_tables import OwnSplit, OwnTables, is_local, read_local, text_pieces
from hubbot.data.prepared import ROLES, write_target
from hubbot.errors import DatasetError, SettingsError
from hubbot.printable import printable
from hubbot.schema import SplitName, Target

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 200_000
"""Rows of a split that are used unless the caller says otherwise."""


def load_own_target(
    source: str,
    *,
    text_columns: tuple[str, ...] = (),
    label_column: str = "",
    config: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    is_regression: bool | None = None,
    max_rows: int = MAX_ROWS,
    revision: str = "",
    cache_dir: Path,
    token: str | None = None,
) -> Target:
    """Read any data set from files or the Hub, and cast, split and check it.

    Args:
        source: CSV, TSV, JSON or Parquet file, a folder with one file for each split, or a Hub id.
        text_columns: One text column, or two for a pair; guessed without.
        label_column: Guessed without.
        config: Configuration of a Hub data set.
        validation: Further file (on the Hub: split) that serves as validation.
        test: Further file (on the Hub: split) that serves as test.
        is_regression: Whether labels are numbers; None decides by their values.
        max_rows: Rows of each split as given at most; more are sampled.
        revision: Commit hash of a Hub data set.
        cache_dir: hubbot's cache; the target's files are written below it.
        token: Token for reading the Hub.

    Returns:
        Train, validation and test as Parquet files, with notes for the user.

    Raises:
        SettingsError: If a name is wrong, or the user has to say what is meant.
        DatasetError: If the data cannot be read, or cannot be learnt from.
    """
    if max_rows < 10 * MIN_ROWS:
        raise SettingsError(f"--max-rows {max_rows}: expected {10 * MIN_ROWS} or more")
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reading-", dir=cache_dir) as spool:
        tables = _read(source, config, validation, test, revision, cache_dir, Path(spool), token)
        choice = _choose(tables, text_columns, label_column)
        plan, visible, notes = _plan(tables, choice, is_regression=is_regression)
        rows: dict[SplitName, Rows] = {}
        is_whole = True
        for role in visible:
            rows[role], said, has_all = _usable(tables.splits[role], choice, plan, max_rows)
            notes += said
            is_whole = is_whole and has_all
        parts, rule = _divide(rows)
        notes += check_parts(parts, plan.names)
        return write_target(
            tables.name,
            {role: _table(parts[role], is_single=len(rows) == 1) for role in ROLES},
            label_names=plan.names,
            metric="spearman" if plan.is_regression else "accuracy",
            source=tables.source,
            licence="",
            split_rule=rule,
            folder=cache_dir / "targets" / "own" / _folder_name(tables.name),
            notes=notes,
            revision=tables.revision,
            is_whole=is_whole,
            label_column=choice.label,
            text_columns=choice.texts,
        )


def _read(
    source: str,
    config: str | None,
    validation: str | None,
    test: str | None,
    revision: str,
    cache_dir: Path,
    spool: Path,
    token: str | None,
) -> OwnTables:
    if not source.strip():
        raise SettingsError("no data set named; expected a file, a folder or a Hub id (owner/name)")
    if not is_local(source):
        return read_hub(
            source,
            config=config,
            validation=validation,
            test=test,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
        )
    if config is not None:
        raise SettingsError(f"--config {config}: {source} is a local file, which has no configs")
    return read_local(source, validation=validation, test=test, spool=spool)


def _choose(tables: OwnTables, texts: tuple[str, ...], label: str) -> Choice:
    train = tables.splits["train"]
    texts = named_texts(texts, {*train.columns, *train.unusable})
    check_named(train.name, train.columns, train.unusable, texts=texts, label=label)
    if texts and label:
        return Choice(texts=texts, label=label, note="")
    if not train.columns:
        held = "; ".join(
            f"{printable(name)!r} holds {what}" for name, what in train.unusable.items()
        )
        raise DatasetError(
            f"{train.name}: no column holds texts or numbers ({held or 'there is none'}); write "
            "one text and one label in each row"
        )
    columns = describe_columns(train.columns, text_pieces(train, train.columns))
    if columns[0].rows == 0:
        raise DatasetError(f"{train.name}: no rows; expected {MIN_ROWS} or more")
    choice = choose_columns(train.name, columns, texts=texts, label=label, unusable=train.unusable)
    if not label and train.kind in ("csv", "tsv"):
        _check_header(train, choice.label)
    return choice


def _check_header(train: OwnSplit, label: str) -> None:
    """Refuse a guessed label column that is called like one of its cells: a row, most likely."""
    import pyarrow.compute as pc

    for piece in text_pieces(train, [label]):
        if pc.any(pc.equal(pc.utf8_trim_whitespace(piece.column(label)), label)).as_py():
            raise DatasetError(
                f"{train.name}: the first line must name the columns, found {printable(label)!r}, "
                "which stands below it too, so that it looks like a row; put a line such as "
                "text,label before it, or, if it does name them, name the label column with "
                "--label-column"
            )


def _plan(
    tables: OwnTables, choice: Choice, *, is_regression: bool | None
) -> tuple[LabelPlan, tuple[SplitName, ...], list[str]]:
    """Decide what labels mean, and which splits show them."""
    notes = [*tables.notes, *([choice.note] if choice.note else [])]
    counts: dict[SplitName, LabelCounts] = {}
    for role, split in tables.splits.items():
        found = _label_counts(split, choice)
        if role != "train" and found.is_hidden and found.rows:
            notes.append(f"{split.name}: its labels are hidden, so that it cannot be the {role}")
        else:
            counts[role] = found
    for role, found in counts.items():
        check_size(tables.splits[role].name, role, found.rows, is_single=len(counts) == 1)
    names = _class_names([tables.splits[role] for role in counts], choice.label)
    plan = plan_labels(choice.label, counts, class_names=names, is_regression=is_regression)
    return plan, tuple(counts), [*notes, plan.note, *plan.odd]


def _label_counts(split: OwnSplit, choice: Choice) -> LabelCounts:
    """Count labels; a split without the column hides them, as competitions' test files do."""
    missing = [name for name in choice.texts if name not in split.columns]
    if missing:
        raise DatasetError(
            f"{split.name}: no column {missing[0]!r}, which train has; found {list(split.columns)}"
        )
    if choice.label not in split.columns:
        n_rows = sum(piece.num_rows for piece in text_pieces(split, choice.texts))
        return LabelCounts(rows=n_rows, missing=n_rows, counts={}, is_numeric=False, is_whole=False)
    pieces = text_pieces(split, [choice.label])
    kind = _label_kind(split, choice.label)
    return count_labels((piece.column(choice.label) for piece in pieces), kind=kind)


def _label_kind(split: OwnSplit, label: str) -> LabelKind:
    """Tell what the types of a split's files say of the label column, where all say the same."""
    import pyarrow.parquet as pq
    from pyarrow import types

    if split.kind != "parquet":
        return ""
    kinds: set[LabelKind] = set()
    for path in split.paths:
        found = pq.read_schema(path).field(label).type
        found = found.value_type if types.is_dictionary(found) else found
        is_number = types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)
        kinds.add("numbers" if is_number else "words")
    return kinds.pop() if len(kinds) == 1 else ""


def _class_names(splits: Sequence[OwnSplit], label: str) -> tuple[str, ...]:
    """Return what the files call their classes; one map must do for all, as they hold numbers."""
    found: dict[tuple[str, ...], str] = {}
    for split in splits:
        for path in split.paths:
            names = read_label_names(path, label)
            if names:
                found.setdefault(names, split.name)
    if len(found) > 1:
        (names, first), (others, second) = list(found.items())[:2]
        raise DatasetError(
            f"label column {printable(label)!r}: {first} calls the classes {listed(names)}, "
            f"{second} calls them {listed(others)}; expected the same names in the same order, "
            "since class numbers mean the names of their file: write the names in place of the "
            "numbers in both"
        )
    return next(iter(found), ())


def _usable(
    split: OwnSplit, choice: Choice, plan: LabelPlan, max_rows: int
) -> tuple[Rows, list[str], bool]:
    """Return the rows that are used, notes on the others, and whether none was sampled away."""
    kept, left_out = scan_rows(split, choice.texts, choice.label, plan)
    used = sample(kept, max_rows, is_regression=plan.is_regression)
    notes = list(left_out)
    is_whole = len(used.keys) == len(kept.keys)
    if not is_whole:
        how = "" if plan.is_regression else "every class in its share, "
        notes.append(
            f"{split.name}: {len(used.keys):,} of its {len(kept.keys):,} rows are used, {how}"
            "chosen by a hash of the text; --max-rows sets how many"
        )
    return used, notes, is_whole


def _divide(rows: Mapping[SplitName, Rows]) -> tuple[dict[SplitName, Rows], str]:
    """Return the rows of each split and how they were found, in a sentence."""
    train = rows["train"]
    if len(rows) == 1:
        roles = roles_by_text(train.keys)
        rule = (
            f"by a hash of each text: {TEST_SHARE:.0%} test, {VALIDATION_SHARE:.0%} validation; "
            "equal texts lie together, and rows added to the file move none"
        )
        return {role: train.chosen(mask) for role, mask in roles.items()}, rule
    if len(rows) == 3:
        return dict(rows), f"as given: {_named(rows)}"
    is_cut = validation_by_text(train.keys)
    parts: dict[SplitName, Rows] = {
        "train": train.chosen(~is_cut),
        "validation": train.chosen(is_cut),
    }
    parts["test"] = rows.get("test") or rows["validation"]
    used = "" if "test" in rows else ", its validation split, since it has no other labelled test"
    n_cut = int(is_cut.sum())
    return parts, (
        f"test is {parts['test'].split.name}{used}; validation is {n_cut:,} "
        f"{'row' if n_cut == 1 else 'rows'} of train, cut by a hash of each text, so that equal "
        "texts lie together"
    )


def _named(rows: Mapping[SplitName, Rows]) -> str:
    return ", ".join(f"{role} is {rows[role].split.name}" for role in ROLES)


def _table(rows: Rows, *, is_single: bool) -> "pa.Table":
    """Return a split's rows; those of a single file in an order that does not depend on it."""
    return table_of(rows, by_hash(rows) if is_single else None)


def _folder_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.replace("/", "--")).strip(".-") or "data"
