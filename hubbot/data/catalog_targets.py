"""A data set of the catalog made ready for fine-tuning: read, cast, split and checked."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubbot.catalog.datasets import borrows_validation, split_parts
from hubbot.data.castings import cast, describe
from hubbot.data.catalog_checks import (
    class_name_notes,
    class_notes,
    is_whole,
    overlap_notes,
    size_notes,
)
from hubbot.data.prepared import LABEL, ROLES, TEXT, TEXT_PAIR, write_target
from hubbot.data.raw_splits import read_raw_folder, read_raw_from_hub
from hubbot.data.splitting import (
    Rows,
    cut_ends,
    cut_ends_of_groups,
    cut_spread,
    cut_written_test,
    cut_written_test_of_groups,
    size_of,
)
from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec, SplitName, SplitRule, Target

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

Tables = dict[SplitName, "pa.Table"]
"""Tables with ``text``, for pairs ``text_pair``, and ``label``."""


def load_target(
    spec: DatasetSpec,
    *,
    rule: SplitRule,
    data_dir: Path | None,
    revision: str,
    cache_dir: Path,
    token: str | None = None,
) -> Target:
    """Read a data set of the catalog and make train, validation and test of it.

    Args:
        spec: Entry of the catalog.
        rule: ``as-run``: where the labels of the test are hidden, the official validation split is
            the test, and validation is cut off both ends of train. ``as-written``: the test is cut
            from train there, and the official validation split is the validation.
        data_dir: Folder with ``<folder>/<split>.parquet`` below it; None reads the Hub.
        revision: Commit hash of the Hub's data set; where empty, the entry's, or the head of the
            branch it names. Not used with ``data_dir``.
        cache_dir: Folder below which raw columns and prepared files are kept.
        token: Token for reading.

    Returns:
        The target. Its notes tell the casting, rows that were left out, sizes that are not the
        published ones, and texts that stand in both train and test.

    Raises:
        DatasetError: If it cannot be read, disagrees with the catalog, or cannot be used.
    """
    if data_dir is not None:
        raw = read_raw_folder(spec, data_dir)
    else:
        raw = read_raw_from_hub(spec, revision=revision, cache_dir=cache_dir, token=token)
    notes = [*_casting_note(spec), *class_name_notes(spec, raw)]
    tables: Tables = {}
    for role, table in raw.tables.items():
        tables[role] = _usable_rows(spec, role, cast(spec, table), notes)
    notes += size_notes(spec, raw)
    tables, sentence = split_tables(spec, tables, rule)
    notes += [*class_notes(spec, tables), *overlap_notes(tables)]
    for note in notes:
        logger.info("data set %s: %s", spec.name, note)
    return write_target(
        spec.name,
        tables,
        label_names=spec.label_names,
        metric=spec.metric,
        source=raw.source,
        licence=spec.licence,
        split_rule=f"{rule}: {sentence}",
        folder=cache_dir / "prepared" / spec.name,
        notes=notes,
        revision="" if data_dir is not None else revision or spec.revision,
        is_catalog=True,
        is_whole=is_whole(spec, raw),
    )


def split_tables(spec: DatasetSpec, tables: Tables, rule: SplitRule) -> tuple[Tables, str]:
    """Make the three splits of what the makers give.

    Args:
        spec: Entry of the catalog.
        tables: Cast splits by what the catalog says they serve as.
        rule: As ``load_target``.

    Returns:
        Train, validation and test, and how they were made, in a sentence.
    """
    tables = dict(tables)
    said: list[str] = []
    if "train" not in tables:
        tables["train"] = tables.pop("validation")
        said.append(f"train: the official split {_names(spec, 'validation')}, for want of train")
    whole = tables["train"].num_rows
    if "test" not in tables:
        _cut(tables, "test", *cut_spread(whole, size_of(spec.cut_test, whole)))
        said.append(_spread_over_train("test", tables, "as there is no official one"))
    elif rule == "as-written" and borrows_validation(spec):
        tables["validation"] = tables["test"]
        _cut(tables, "test", *_written_test(spec, tables["train"]))
        words = f"as the papers write{_groups_words(spec)}"
        said.append(_spread_over_train("test", tables, words))
    else:
        said.append(f"test: {_test_words(spec)}")
    if "validation" in tables:
        role: SplitName = "validation" if "validation" in spec.splits else "test"
        said.append(f"validation: the official split {_names(spec, role)}")
    elif spec.cut_validation:
        size = size_of(spec.cut_validation, whole)
        _cut(tables, "validation", *cut_spread(tables["train"].num_rows, size))
        said.append(_spread_over_train("validation", tables, "as there is no official one"))
    else:
        _cut(tables, "validation", *_ends(spec, tables["train"]))
        rows = f"{tables['validation'].num_rows:,} rows"
        said.append(f"validation: {rows} cut off both ends of train{_groups_words(spec)}")
    return {role: tables[role] for role in ROLES}, "; ".join(said)


def _cut(tables: Tables, role: SplitName, kept: Rows, cut: Rows) -> None:
    tables[role] = tables["train"].take(cut)
    tables["train"] = tables["train"].take(kept)


def _spread_over_train(role: SplitName, tables: Tables, why: str) -> str:
    return f"{role}: {tables[role].num_rows:,} rows spread evenly over train, {why}"


def _test_words(spec: DatasetSpec) -> str:
    words = f"the official split {_names(spec, 'test')}"
    if not borrows_validation(spec):
        return words
    why = (
        "as published scores have it" if spec.test_is_public else "as labels of the test are hidden"
    )
    return f"{words}, {why}"


def _groups_words(spec: DatasetSpec) -> str:
    return ", in whole groups of rows that share a text" if spec.group_column else ""


def _names(spec: DatasetSpec, role: SplitName) -> str:
    return " + ".join(split_parts(spec, role))


def _ends(spec: DatasetSpec, train: "pa.Table") -> tuple[Rows, Rows]:
    if spec.group_column:
        return cut_ends_of_groups(_groups(spec, train))
    return cut_ends(train.num_rows)


def _written_test(spec: DatasetSpec, train: "pa.Table") -> tuple[Rows, Rows]:
    if spec.group_column:
        return cut_written_test_of_groups(_groups(spec, train))
    return cut_written_test(train.num_rows)


def _groups(spec: DatasetSpec, train: "pa.Table") -> Rows:
    column = train[spec.group_column].combine_chunks().dictionary_encode()
    groups: Rows = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return groups


def _casting_note(spec: DatasetSpec) -> list[str]:
    return [f"cast ({spec.casting}): {describe(spec.casting)}"] if spec.casting else []


def _usable_rows(
    spec: DatasetSpec, role: SplitName, table: "pa.Table", notes: list[str]
) -> "pa.Table":
    """Leave out rows without text or label; the note says how many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    split = _names(spec, role)
    sides = [name for name in (TEXT, TEXT_PAIR) if name in table.column_names]
    filled = [pc.fill_null(table[name], "") for name in sides]
    _check_filled(spec, split, sides, filled)
    has_text = _any([pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(s)), 0) for s in filled])
    has_label = pc.is_valid(table[LABEL])
    if table.num_rows and not pc.any(has_label).as_py():
        raise DatasetError(
            f"data set {spec.name!r}, split {split}: no row has a label (-1 means hidden); give a "
            "labelled split"
        )
    for flags, lack in ((has_text, "text"), (has_label, "a label (or -1)")):
        n_lacking = table.num_rows - (pc.sum(flags).as_py() or 0)
        if n_lacking:
            rows = f"{n_lacking:,} {'row' if n_lacking == 1 else 'rows'}"
            notes.append(f"{split}: {rows} without {lack} left out")
    clean = pa.table([*filled, table[LABEL]], names=[*sides, LABEL])
    return clean.filter(pc.and_(has_text, has_label))


def _check_filled(spec: DatasetSpec, split: str, sides: list[str], filled: list[Any]) -> None:
    """Refuse a split without any text on one of its sides: single rows may lack one."""
    import pyarrow.compute as pc

    for side, column in zip(sides, filled, strict=True):
        if len(column) and (pc.max(pc.utf8_length(pc.utf8_trim_whitespace(column))).as_py() == 0):
            raise DatasetError(
                f"data set {spec.name!r}, split {split}: every {side} is empty (made of "
                f"{', '.join(spec.raw_columns or spec.text_columns)}); give the files that the "
                "catalog names"
            )


def _any(flags: list[Any]) -> Any:
    import pyarrow.compute as pc

    return flags[0] if len(flags) == 1 else pc.or_(flags[0], flags[1])
