"""Everything that is known of an architecture's models, gathered for a ranking.

Packaged published results, score records on disk and a table of one's own, each model once.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubbot.catalog.architectures import get_architecture, normalise_id
from hubbot.errors import HubbotError
from hubbot.gains.calibrating import mean_gain
from hubbot.gains.calibration import PUBLISHED, load_scales, scales_table
from hubbot.gains.calibration_file import Calibrations, load_packaged
from hubbot.gains.entries import Entries, join
from hubbot.gains.flags import name_flags
from hubbot.gains.groups import GROUPS, QUICK
from hubbot.gains.published import load_published_models
from hubbot.gains.ranking import BORROWED, EXTRAPOLATED, Ranking, rank_entries
from hubbot.records.entry_table import read_entries
from hubbot.records.filters import Filters, apply_filters
from hubbot.records.merging import merge
from hubbot.schema import Architecture

if TYPE_CHECKING:
    from hubbot.records.record import Record

logger = logging.getLogger(__name__)

BASE_NOTE = "base model"
"""Flag of the base model's own line."""

_GROUP = "site36"
_WARNINGS = {
    "misaligned": "scores misaligned",
    "off-grid": "scores of other test sets",
    "copied": "scores of another model",
    "same-as-base": "same LP as the base model",
}
"""What a finding about a published row is called in a ranking."""


def gather(architecture: str, records_dir: Path | None, *, table: Entries | None = None) -> Entries:
    """Return every model known of an architecture, each once, and the base model.

    Args:
        architecture: Name, Hub id or alias in the catalog.
        records_dir: Root of the score records; None for none.
        table: More models, from ``read_entries``.

    Raises:
        SettingsError: If the architecture is unknown; the nearest names are offered.
    """
    entry = get_architecture(architecture)
    parts = [_base_line(entry), published_entries(entry)]
    if records_dir is not None:
        parts.append(record_entries(entry, records_dir))
    if table is not None:
        parts.append(table)
    return merge(_without_base(entry, join(parts)))


def rank_models(
    architecture: str,
    *,
    records_dir: Path | None,
    table: Path | None = None,
    filters: Filters | None = None,
    calibrations: Calibrations | None = None,
    level: float = 0.9,
) -> tuple[Ranking, tuple[str, ...]]:
    """Rank every model known of an architecture.

    Args:
        architecture: Name, Hub id or alias in the catalog.
        records_dir: Root of the score records; None for none.
        table: More models, as ``read_entries`` takes them; None for none.
        filters: What a model has to be; None for anything.
        calibrations: From ``load_calibrations``; None for the packaged ones.
        level: Nominal coverage of the intervals, and of each band holding its best model.

    Returns:
        The ranking, and sentences about models that filters left out.

    Raises:
        SettingsError: If the architecture or the filters' source is unknown, the table is not one,
            or the level is too high for the number of models in a calibration.
    """
    name = get_architecture(architecture).name
    own = None if table is None else read_entries(table, name)
    everything = gather(name, records_dir, table=own)
    entries, notices = apply_filters(everything, filters or Filters())
    known = load_packaged() if calibrations is None else calibrations
    ranking = rank_entries(entries, name, known, level=level)
    return replace(ranking, n_left_out=len(everything) - len(entries)), notices


def published_entries(entry: Architecture) -> Entries:
    """Return the packaged published rows of an architecture.

    Args:
        entry: From the catalog.
    """
    scale = load_scales(PUBLISHED).get(entry.name)
    base_lp = np.nan if scale is None or scale.base_lp is None else scale.base_lp
    rows = load_published_models(entry.name)
    lp = np.array([row.lp_accuracy for row in rows], dtype=np.float64)
    return Entries.from_columns(
        len(rows),
        {
            "model": [row.model for row in rows],
            "lp_accuracy": lp,
            "lp_gain": lp - base_lp,
            "protocol": [PUBLISHED] * len(rows),
            "measured": [row.avg_gain for row in rows],
            "flags": [_flags_of(row.model, row.findings) for row in rows],
            "parameters": [row.parameters for row in rows],
            "source": [PUBLISHED] * len(rows),
            "date": [scales_table(PUBLISHED)["date"]] * len(rows),
        },
    )


def record_entries(entry: Architecture, records_dir: Path) -> Entries:
    """Return the score records of an architecture; one that cannot be read is told of.

    Measured gains of a record without a probe count where the whole group was measured. Gains of
    several gain protocols are never mixed: beside published ones only those by full protocols
    count, elsewhere only those by the protocol that most records have; a flag tells of others.

    Args:
        entry: From the catalog.
        records_dir: Root of the records; may be missing.
    """
    records = list(_records(entry, records_dir))
    comparable = _comparable_protocols(entry, records)
    return Entries.of(_from_record(record, comparable) for record in records)


def _comparable_protocols(entry: Architecture, records: "Sequence[Record]") -> frozenset[str]:
    found = [record.gain_protocol for record in records if record.measured]
    if not found:
        return frozenset()
    from hubbot.records.measured import is_full, main_gain_protocol  # brings YAML too

    if any(row.avg_gain is not None for row in load_published_models(entry.name)):
        return frozenset(filter(is_full, found))
    return frozenset({main_gain_protocol(found)})


def _records(entry: Architecture, records_dir: Path) -> "Iterator[Record]":
    paths = sorted((records_dir / entry.name.replace("/", "--")).glob("*.yaml"))
    if not paths:
        return
    from hubbot.records.store import read_record  # brings YAML, which most rankings do without

    for path in paths:
        try:
            record = read_record(path)
        except HubbotError as error:
            logger.warning("left out of the ranking: %s", error)
            continue
        if record.architecture == entry.name:
            yield record


def _from_record(record: "Record", comparable: frozenset[str]) -> dict[str, Any]:
    is_counted = record.gain_protocol in comparable
    gains = {target: found.gain for target, found in record.compared.items() if is_counted}
    known = tuple(gains)
    row = np.array([[gains[target] for target in known]])
    errors = [record.measured[target].se for target in known if target in GROUPS[_GROUP]]
    sd = np.nan
    if errors and all(error is not None for error in errors):
        sd = float(np.sqrt(sum((error or 0.0) ** 2 for error in errors))) / len(errors)
    return {
        "model": record.model,
        "lp_accuracy": record.lp_accuracy[record.head] if record.has_probe else np.nan,
        "lp_gain": np.nan if record.lp_gain is None else record.lp_gain[record.head],
        "protocol": record.protocol,
        "measured": float(mean_gain(row, known, _GROUP)[0]) if known else np.nan,
        "measured_sd": sd,
        "quick": tuple(gains.get(target, np.nan) for target in QUICK),
        "flags": (*_flags_of_record(record), *_left_out(record, is_counted=is_counted)),
        "source": record.source,
        "digest": record.weights_digest,
        "date": record.date.isoformat(),
    }


def _left_out(record: "Record", *, is_counted: bool) -> tuple[str, ...]:
    return () if is_counted or not record.measured else (f"gains by {record.gain_protocol}",)


def _flags_of_record(record: "Record") -> Iterator[str]:
    # Whether it is borrowed or extrapolated is seen anew with today's calibrations.
    flags = dict.fromkeys((*record.flags, *name_flags(record.model)))
    yield from (flag for flag in flags if flag not in (BORROWED, EXTRAPOLATED))


def _flags_of(model: str, findings: Sequence[str]) -> tuple[str, ...]:
    flags = name_flags(model)
    return (*flags, *(_WARNINGS[name] for name in findings if name in _WARNINGS))


def _base_line(entry: Architecture) -> Entries:
    scale = load_scales(PUBLISHED).get(entry.name)
    base_lp = np.nan if scale is None or scale.base_lp is None else scale.base_lp
    own = next(
        (row for row in load_published_models(entry.name) if row.model in _names(entry)), None
    )
    parameters = own.parameters if own is not None and own.parameters else np.nan
    return Entries.of(
        [
            {
                "model": entry.hub_id,
                "lp_accuracy": base_lp,
                "lp_gain": base_lp - base_lp,
                "protocol": PUBLISHED,
                "flags": (BASE_NOTE,),
                "is_base": True,
                "parameters": parameters,
                "licence": entry.licence,
                "source": PUBLISHED,
            }
        ]
    )


def _names(entry: Architecture) -> tuple[str, ...]:
    return (entry.name, entry.hub_id, *entry.aliases)


def _without_base(entry: Architecture, entries: Entries) -> Entries:
    """Leave out what was measured of the base model itself: its gain over itself is noise."""
    names = {normalise_id(name) for name in _names(entry)}
    is_base = np.array([model.casefold() in names for model in entries.model], dtype=bool)
    return entries.take(~is_base | entries.is_base)
