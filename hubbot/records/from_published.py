"""Score records of models whose numbers come from the published table."""

import datetime

import numpy as np

from hubbot import __version__
from hubbot.catalog.architectures import get_architecture, lineage
from hubbot.catalog.tables import unknown_name
from hubbot.gains.calibration import PUBLISHED, load_scales
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.flags import name_flags
from hubbot.gains.predict import predict_gain
from hubbot.gains.published import PublishedModel, load_published_gains, load_published_models
from hubbot.records.record import MeasuredGain, Record
from hubbot.schema import Architecture, Prediction

TABLE_DATE = datetime.date(2023, 5, 31)
"""Last commit of the published results (IBM/model-recycling)."""


def published_record(
    architecture: str, model: str, *, revision: str, calibrations: Calibrations | None = None
) -> Record:
    """Return the record of one row of the published table, with its predicted gain.

    The gain measured there is left out of the prediction's inputs, but the row is one of those
    that the calibration was fitted on.

    Args:
        architecture: Name in the catalog.
        model: Hub id as the table has it.
        revision: Commit hash that the card will name; the table itself gives none.
        calibrations: From ``load_calibrations``; None for the packaged ones.

    Raises:
        SettingsError: If the table has no such row with a measured probe.
    """
    entry = get_architecture(architecture)
    rows = {
        row.model: row
        for row in load_published_models(entry.name)
        if row.lp_accuracy is not None and "duplicate" not in row.findings
    }
    if model not in rows:
        raise unknown_name(f"published {entry.name} model", model, rows)
    flags = name_flags(model)
    prediction = predict_gain(
        entry.name, lp_accuracy=rows[model].lp_accuracy, flags=flags, calibrations=calibrations
    )
    return _record(entry, rows[model], prediction, flags, revision=revision)


def _record(
    entry: Architecture,
    row: PublishedModel,
    prediction: Prediction,
    name_flags: tuple[str, ...],
    *,
    revision: str,
) -> Record:
    accuracy = row.lp_accuracy or 0.0
    scale = load_scales(PUBLISHED).get(entry.name)
    base_lp = None if scale is None else scale.base_lp
    flags = [
        *name_flags,
        *(["extrapolated"] if prediction.is_extrapolated else []),
        *(f"published row: {finding}" for finding in row.findings),
    ]
    return Record(
        model=row.model,
        revision=revision,
        weights_digest="",
        architecture=entry.name,
        base_model=entry.hub_id,
        lineage=" < ".join(lineage(entry)) or None,
        protocol=PUBLISHED,
        dataset_revision="",
        lp_accuracy={"head": accuracy},
        lp_gain=None if base_lp is None else {"head": round(accuracy - base_lp, 4)},
        predicted_gain=prediction.gain,
        predicted_gain_interval=prediction.interval,
        interval_level=prediction.level,
        probability_positive=prediction.probability_positive,
        prediction_head=None if prediction.gain is None else "head",
        prediction_note=prediction.note,
        calibration=prediction.calibration,
        target_group=prediction.target_group,
        measured=_measured(entry.name, row.model),
        flags=tuple(flags),
        source=PUBLISHED,
        hubbot_version=__version__,
        date=TABLE_DATE,
    )


def _measured(architecture: str, model: str) -> dict[str, MeasuredGain]:
    table = load_published_gains(architecture)
    if model not in table.models:
        return {}
    gains = table.gains[table.models.index(model)]
    return {
        target: MeasuredGain(gain=round(float(gain), 4), seeds=1)
        for target, gain in zip(table.targets, gains, strict=True)
        if np.isfinite(gain)
    }
