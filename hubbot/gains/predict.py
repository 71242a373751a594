"""Predicted gain of a checkpoint from its linear probe, with interval, probability and a sentence.

Three scales, named by ``protocol``:

* ``model-recycling-2023``: LP as the published results measured it; accuracy or LP gain.
* ``lp-mnli`` and ``lp-mnli@N``: hubbot's own probe. The published line is borrowed for it, so it
  takes LP gain only, and the interval is widened by what two runs of the published protocol differ.
* ``paper``: the line printed in the paper; LP gain only, RoBERTa-base only.
"""

import math

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.protocols import get_protocol, load_protocols
from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.gains.calibration import (
    MIN_MODELS,
    PAPER,
    PUBLISHED,
    Calibration,
    interval,
    load_calibrations,
    probability_positive,
    spread_at,
)
from hubbot.schema import Prediction


def predict_gain(
    architecture: str,
    *,
    lp_accuracy: float | None = None,
    lp_gain: float | None = None,
    protocol: str = PUBLISHED,
    level: float = 0.9,
) -> Prediction:
    """Predict the average gain of fine-tuning from a checkpoint instead of its base model.

    Args:
        architecture: Name, Hub id or alias in the catalog.
        lp_accuracy: LP accuracy on MNLI, points; only for the published scale.
        lp_gain: LP accuracy minus the base model's, both under ``protocol``, points.
        protocol: ``model-recycling-2023``, ``lp-mnli``, ``lp-mnli@N`` or ``paper``.
        level: Nominal coverage of the interval, at least 0.5 and below 1.

    Returns:
        The prediction; ``gain`` is None and ``note`` says why where there is no number to give.

    Raises:
        SettingsError: If a name is unknown, both or none of the two numbers are given, a number is
            not in points, or the protocol does not take an absolute accuracy.
    """
    entry = get_architecture(architecture)
    scale = _scale_of(protocol)
    _check_numbers(lp_accuracy, lp_gain, level)
    if lp_accuracy is not None and scale != PUBLISHED:
        raise SettingsError(_why_no_accuracy(protocol, lp_accuracy))
    is_borrowed = scale not in (PUBLISHED, PAPER)
    calibrations = load_calibrations(PAPER if scale == PAPER else PUBLISHED)
    calibration = calibrations.get(entry.name)
    if calibration is None:
        reason = f"there is no calibration for {entry.name} under {protocol}"
        return _refusal(entry.name, level, reason, is_borrowed=is_borrowed)
    lp, reason = _lp_on_scale(calibration, lp_accuracy, lp_gain)
    if lp is None:
        return _refusal(entry.name, level, reason, is_borrowed=is_borrowed, found=calibration)
    return _predict(calibration, lp, level=level, is_borrowed=is_borrowed)


def _predict(calibration: Calibration, lp: float, *, level: float, is_borrowed: bool) -> Prediction:
    spread = spread_at(calibration, lp)
    lp_sd = calibration.run_spread if is_borrowed else 0.0
    is_extrapolated = not min(calibration.lp) <= lp <= max(calibration.lp)
    return Prediction(
        architecture=calibration.architecture,
        gain=spread.gain,
        interval=interval(spread, level=level, lp_sd=lp_sd),
        level=level,
        probability_positive=probability_positive(spread, lp_sd=lp_sd),
        n=calibration.n,
        calibration=calibration.name,
        target_group=calibration.target_group,
        is_borrowed=is_borrowed,
        is_extrapolated=is_extrapolated,
        note=_note(calibration, spread.gain, lp, is_borrowed=is_borrowed),
    )


def _lp_on_scale(
    calibration: Calibration, lp_accuracy: float | None, lp_gain: float | None
) -> tuple[float | None, str]:
    """Return LP on the calibration's scale, or None and the reason."""
    if calibration.n < MIN_MODELS:
        return None, (
            f"the calibration of {calibration.architecture} rests on {calibration.n} models; "
            f"below {MIN_MODELS} no number is given"
        )
    if lp_accuracy is not None:
        return lp_accuracy, ""
    if calibration.base_lp is None or lp_gain is None:
        return None, (
            f"an LP gain of {calibration.architecture} cannot be placed on the published scale: "
            f"{calibration.base_lp_missing}"
        )
    return calibration.base_lp + lp_gain, ""


def _scale_of(protocol: str) -> str:
    """Return the scale that a protocol's name stands for, checked against the catalog."""
    if protocol in (PUBLISHED, PAPER):
        return protocol
    own = [item.name for item in load_protocols()]
    if protocol.partition("@")[0] in own:
        return get_protocol(protocol).name
    raise unknown_name("protocol", protocol, (PUBLISHED, PAPER, *own))


def _why_no_accuracy(protocol: str, lp_accuracy: float) -> str:
    if protocol == PAPER:
        reason = "the paper's line is over LP gain"
    else:
        reason = (
            "the calibration is borrowed from results measured by another probe, and absolute "
            "accuracies of two probes do not compare"
        )
    return (
        f"LP accuracy {lp_accuracy} cannot be used under protocol {protocol}: {reason}; give the "
        "LP gain instead (--lp-gain: accuracy minus the base model's under the same protocol)"
    )


def _check_numbers(lp_accuracy: float | None, lp_gain: float | None, level: float) -> None:
    if (lp_accuracy is None) == (lp_gain is None):
        found = "none" if lp_gain is None else "both"
        raise SettingsError(
            "give either LP accuracy (--lp-accuracy) or LP gain (--lp-gain), in points; found "
            f"{found}"
        )
    if not (math.isfinite(level) and 0.5 <= level < 1):
        raise SettingsError(f"level {level}: expected at least 0.5 and below 1, such as 0.9")
    if lp_gain is not None and not -100 <= lp_gain <= 100:  # also refuses NaN
        raise SettingsError(f"LP gain {lp_gain}: expected points from -100 to 100")
    if lp_accuracy is None:
        return
    if 0 < lp_accuracy <= 1:
        raise SettingsError(
            f"LP accuracy {lp_accuracy} looks like a fraction; points are expected, "
            f"so give {100 * lp_accuracy:g}"
        )
    if not 0 < lp_accuracy <= 100:
        raise SettingsError(f"LP accuracy {lp_accuracy}: expected points above 1, up to 100")


def _note(calibration: Calibration, gain: float, lp: float, *, is_borrowed: bool) -> str:
    return " ".join(
        sentence
        for sentence in (
            _about_noise(calibration, gain),
            _about_range(calibration, lp),
            _about_loan(calibration) if is_borrowed else "",
            _about_paper(calibration) if calibration.name == PAPER else "",
        )
        if sentence
    )


def _about_noise(calibration: Calibration, gain: float) -> str:
    if calibration.seed_sd is None or abs(gain) > 2 * calibration.seed_sd:
        return ""
    return (
        "The gain is within seed noise: another seed alone moves the base model's mean score by "
        f"{calibration.seed_sd:.2f} points (one standard deviation)."
    )


def _about_range(calibration: Calibration, lp: float) -> str:
    low, high = min(calibration.lp), max(calibration.lp)
    if low <= lp <= high:
        return ""
    kind = "LP gains" if calibration.name == PAPER else "LP accuracies"
    return (
        f"Extrapolated: the calibration has seen {kind} from {low:.1f} to {high:.1f}, this is "
        f"{lp:.1f}."
    )


def _about_loan(calibration: Calibration) -> str:
    return (
        f"Borrowed: the line was measured under {calibration.name}, by another probe; it is "
        "applied to LP gain, and the interval is widened by what two runs of that probe differ."
    )


def _about_paper(calibration: Calibration) -> str:
    slope, intercept = calibration.line or (0.0, 0.0)
    return (
        f"The line printed in the paper ({slope} * LP gain {intercept:+}) does not follow from the "
        "paper's own table, where least squares gives 0.126 and -1.83, and runs 0.55 to 0.86 "
        "points too high; the interval is centred on that table's models instead."
    )


def _refusal(
    architecture: str,
    level: float,
    reason: str,
    *,
    is_borrowed: bool,
    found: Calibration | None = None,
) -> Prediction:
    return Prediction(
        architecture=architecture,
        gain=None,
        interval=None,
        level=level,
        probability_positive=None,
        n=found.n if found else 0,
        calibration="",
        target_group=found.target_group if found else "",
        is_borrowed=is_borrowed,
        is_extrapolated=False,
        note=f"No gain is predicted: {reason}.",
    )
