"""Score records of models whose numbers come from the published table."""

import csv
import datetime
from importlib import resources

from hubbot import __version__
from hubbot.catalog.architectures import get_architecture, lineage
from hubbot.errors import SettingsError
from hubbot.gains.calibration import PUBLISHED, load_calibrations
from hubbot.gains.flags import name_flags
from hubbot.gains.predict import predict_gain
from hubbot.records.record import Record

_TABLE = resources.files("hubbot.gains") / "data" / "model_recycling_2023.csv"

TABLE_DATE = datetime.date(2023, 5, 31)
"""Last commit of the published results (IBM/model-recycling)."""


def published_record(architecture: str, model: str, *, revision: str) -> Record:
    """Return the record of one row of the published table, with its predicted gain.

    The gain measured there is left out of the prediction's inputs, but the row is one of those
    that the calibration was fitted on.

    Args:
        architecture: Name in the catalog.
        model: Hub id as the table has it.
        revision: Commit hash that the card will name; the table itself gives none.

    Raises:
        SettingsError: If the table has no such row.
    """
    entry = get_architecture(architecture)
    with _TABLE.open(encoding="utf-8") as file:
        rows = {
            row["model"]: float(row["lp_accuracy"])
            for row in csv.DictReader(file)
            if row["architecture"] == entry.name
        }
    if model not in rows:
        raise SettingsError(
            f"the published table has no row of {model} under {entry.name}; it has {len(rows)} "
            "others, see model_recycling_2023.csv"
        )
    accuracy = rows[model]
    base_lp = load_calibrations(PUBLISHED)[entry.name].base_lp
    prediction = predict_gain(entry.name, lp_accuracy=accuracy)
    flags = [*name_flags(model), *(["extrapolated"] if prediction.is_extrapolated else [])]
    return Record(
        model=model,
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
        flags=tuple(flags),
        source=PUBLISHED,
        hubbot_version=__version__,
        date=TABLE_DATE,
    )
