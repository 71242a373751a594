"""From a finished probe to the score record that is kept and published."""

import datetime
from collections.abc import Mapping

from hubbot import __version__
from hubbot.catalog.architectures import get_architecture, lineage
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.flags import name_flags
from hubbot.gains.predict import predict_gain
from hubbot.records.record import Record
from hubbot.schema import DEFAULT_HEAD, HeadName, Interval, Prediction, ProbeResult

_DECIMALS = 4
"""Points are kept to a hundredth of a test row of MNLI; cards round further."""


def make_record(result: ProbeResult, *, calibrations: Calibrations | None = None) -> Record:
    """Put the score record of a finished probe together, its prediction included.

    Args:
        result: What ``probe`` returned.
        calibrations: From ``load_calibrations``; None for the packaged ones.
    """
    prediction = _prediction_of(result, calibrations)
    flags = [*result.details.get("flags", ())]
    has_gain = prediction is not None and prediction.gain is not None
    if prediction is not None and has_gain:
        flags += ["borrowed"] if prediction.is_borrowed else []
        flags += ["extrapolated"] if prediction.is_extrapolated else []
    return Record(
        model=result.model,
        revision=result.revision,
        weights_digest=result.weights_digest,
        architecture=result.architecture,
        base_model=result.base_model,
        lineage=" < ".join(lineage(get_architecture(result.architecture))) or None,
        protocol=result.protocol,
        dataset_revision=result.dataset_revision,
        lp_accuracy=_rounded(result.lp_accuracy),
        lp_accuracy_interval=_rounded_intervals(result.lp_accuracy_interval),
        lp_gain=None if result.lp_gain is None else _rounded(result.lp_gain),
        lp_gain_interval=None
        if result.lp_gain_interval is None
        else _rounded_intervals(result.lp_gain_interval),
        predicted_gain=None if prediction is None else _round(prediction.gain),
        predicted_gain_interval=None
        if prediction is None
        else _round_interval(prediction.interval),
        interval_level=0.9 if prediction is None else prediction.level,
        probability_positive=None
        if prediction is None
        else _round(prediction.probability_positive),
        prediction_head=DEFAULT_HEAD if has_gain else None,
        prediction_note=str(result.details.get("no_gain", ""))
        if prediction is None
        else prediction.note,
        calibration="" if prediction is None else prediction.calibration,
        target_group="" if prediction is None else prediction.target_group,
        flags=tuple(flags),
        hubbot_version=__version__,
        versions=dict(result.versions),
        device=result.device,
        dtype=result.dtype,
        seconds={name: round(value, 1) for name, value in result.seconds.items()},
        date=datetime.datetime.now(tz=datetime.UTC).date(),
    )


def predicted_anew(record: Record, calibrations: Calibrations | None = None) -> Record:
    """Return a record with the gain that is predicted from its probe now.

    Args:
        record: As measured, maybe long ago; one without a probe or an LP gain stays as it is.
        calibrations: From ``load_calibrations``; None for the packaged ones.
    """
    if not record.has_probe or record.lp_gain is None or DEFAULT_HEAD not in record.lp_gain:
        return record
    added = ("borrowed", "extrapolated")
    flags = tuple(flag for flag in record.flags if flag not in added)
    prediction = predict_gain(
        record.architecture,
        lp_gain=record.lp_gain[DEFAULT_HEAD],
        protocol=record.protocol,
        # What tags told when it was measured stands among the record's own.
        flags=tuple(dict.fromkeys((*flags, *name_flags(record.model)))),
        calibrations=calibrations,
    )
    has_gain = prediction.gain is not None
    said: tuple[str, ...] = ("borrowed",) if has_gain and prediction.is_borrowed else ()
    said += ("extrapolated",) if has_gain and prediction.is_extrapolated else ()
    return Record.model_validate(
        record.plain()
        | {
            "predicted_gain": _round(prediction.gain),
            "predicted_gain_interval": _round_interval(prediction.interval),
            "interval_level": prediction.level,
            "probability_positive": _round(prediction.probability_positive),
            "prediction_head": DEFAULT_HEAD if has_gain else None,
            "prediction_note": prediction.note,
            "calibration": prediction.calibration,
            "target_group": prediction.target_group,
            "flags": (*flags, *said),
            "hubbot_version": __version__,
        }
    )


def _prediction_of(result: ProbeResult, calibrations: Calibrations | None) -> Prediction | None:
    if result.lp_gain is None:
        return None
    return predict_gain(
        result.architecture,
        lp_gain=result.lp_gain[DEFAULT_HEAD],
        protocol=result.protocol,
        flags=tuple(result.details.get("flags", ())),
        calibrations=calibrations,
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _round_interval(interval: Interval | None) -> Interval | None:
    return (
        None if interval is None else (round(interval[0], _DECIMALS), round(interval[1], _DECIMALS))
    )


def _rounded(values: Mapping[HeadName, float]) -> dict[HeadName, float]:
    return {name: round(value, _DECIMALS) for name, value in values.items()}


def _rounded_intervals(values: Mapping[HeadName, Interval]) -> dict[HeadName, Interval]:
    return {
        name: (round(low, _DECIMALS), round(high, _DECIMALS))
        for name, (low, high) in values.items()
    }
