"""What does not add up in a catalog data set: refused where it would spoil scores, else told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hubbot.catalog.datasets import published_rows, split_parts
from hubbot.data.labels import listed
from hubbot.data.prepared import LABEL, TEXT, TEXT_PAIR
from hubbot.data.raw_splits import RawSplits
from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec, SplitName

if TYPE_CHECKING:
    import pyarrow as pa

FAR = 0.01
"""Share of the published rows beyond which a split is another data set as far as scores go."""

Tables = Mapping[SplitName, "pa.Table"]
"""Tables with ``text``, for pairs ``text_pair``, and ``label``."""

_OVERLAPS: tuple[tuple[SplitName, SplitName, str], ...] = (
    ("train", "test", "scores may be too high"),
    ("validation", "test", "what was chosen on validation looks too good on test"),
    ("train", "validation", "the best epoch is chosen partly by what was learnt by heart"),
)
"""Two splits, and what it means where texts of the first are in the second."""


def class_name_notes(spec: DatasetSpec, raw: RawSplits) -> list[str]:
    """Compare the class names that the files give with the catalog's.

    Args:
        spec: Entry of the catalog.
        raw: Splits as they were read.

    Raises:
        DatasetError: If the files have the same classes in another order, or another number of
            them: class numbers would mean something else.
    """
    if raw.label_names is None or not spec.label_names:
        return []
    found = [_folded(name) for name in raw.label_names]
    expected = [_folded(name) for name in spec.label_names]
    if found == expected:
        return []
    said = f"the files name the classes {list(raw.label_names)}, the catalog {spec.label_names}"
    if sorted(found) == sorted(expected) or len(found) != len(expected):
        raise DatasetError(
            f"data set {spec.name!r}: {said}; expected the same in the same order: give the files "
            "that the catalog names"
        )
    return [said]


def _folded(name: str) -> str:
    """Drop what spells one class name in several ways: case, kind of dash, emoji variants."""
    return (
        name.casefold().replace("-", "_").replace(" ", "_").replace("\N{VARIATION SELECTOR-16}", "")
    )


def size_notes(spec: DatasetSpec, raw: RawSplits) -> list[str]:
    """Tell splits that are missing, or hold another number of rows than was published.

    Args:
        spec: Entry of the catalog.
        raw: Splits as they were read.
    """
    notes = []
    for role in spec.splits:
        published = published_rows(spec, role)
        n_rows = raw.tables[role].num_rows if role in raw.tables else 0
        if n_rows == published:
            continue
        split = " + ".join(split_parts(spec, role))
        note = f"{split}: {n_rows:,} rows here, {published:,} published"
        if _is_far(n_rows, published):
            note += "; scores do not compare with those on the whole data set"
        notes.append(note)
    return notes


def is_whole(spec: DatasetSpec, raw: RawSplits) -> bool:
    """Tell whether every split has the rows that were published, to within ``FAR``.

    Args:
        spec: Entry of the catalog.
        raw: Splits as they were read.
    """
    n_rows = {role: table.num_rows for role, table in raw.tables.items()}
    return not any(_is_far(n_rows.get(role, 0), published_rows(spec, role)) for role in spec.splits)


def _is_far(n_rows: int, published: int) -> bool:
    return abs(n_rows - published) > FAR * published


def class_notes(spec: DatasetSpec, tables: Tables) -> list[str]:
    """Tell classes that train lacks, or validation; refuse a train of one class.

    Args:
        spec: Entry of the catalog.
        tables: The three splits.

    Raises:
        DatasetError: If all training rows have the same label.
    """
    found = {role: set(table[LABEL].unique().to_pylist()) for role, table in tables.items()}
    if len(found["train"]) == 1:
        raise DatasetError(
            f"data set {spec.name!r}: all {tables['train'].num_rows:,} training rows have label "
            f"{found['train'].pop()}; expected two different ones at least: give more of the data"
        )
    if not spec.label_names:
        return []
    notes = []
    for role in ("validation", "test"):
        lacking = [spec.label_names[label] for label in sorted(found[role] - found["train"])]
        if lacking:
            notes.append(f"{role} has rows of classes that train lacks: {', '.join(lacking)}")
    unjudged = [spec.label_names[n] for n in sorted(found["train"] - found["validation"])]
    if unjudged:
        notes.append(
            f"validation has no row of classes that train has ({listed(unjudged)}): how well they "
            "are told apart has no part in what is chosen"
        )
    return notes


def overlap_notes(tables: Tables) -> list[str]:
    """Count the texts (or pairs) of one split that stand in another again, letter by letter.

    Args:
        tables: The three splits.
    """
    texts = {role: _texts(table) for role, table in tables.items()}
    roles: tuple[SplitName, ...] = ("train", "validation")
    seen: dict[SplitName, set[tuple[str, ...]]] = {role: set(texts[role]) for role in roles}
    notes = []
    for role, other, meaning in _OVERLAPS:
        again = [text for text in texts[other] if text in seen[role]]
        if again:
            n_texts = len(set(again))
            notes.append(
                f"{n_texts:,} {'text' if n_texts == 1 else 'different texts'} of {role} in {other} "
                f"again ({len(again):,} of {len(texts[other]):,} {other} rows): {meaning}"
            )
    return notes


def _texts(table: "pa.Table") -> list[tuple[str, ...]]:
    sides = [name for name in (TEXT, TEXT_PAIR) if name in table.column_names]
    return list(zip(*(table[name].to_pylist() for name in sides), strict=True))
