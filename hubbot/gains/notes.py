"""The plain sentences beside a predicted gain, and those in its place where it is refused."""

import math

from hubbot.gains.calibration import PAPER, Calibration, context
from hubbot.gains.flags import flag_table
from hubbot.gains.smoother import noticed_flags
from hubbot.schema import Interval, Prediction

_ABOUT_FLAGS = (
    "Extrapolated: at such an LP the calibration has seen no model {flags}; the interval holds the "
    "gains expected with and without regard to that."
)


def explain(
    calibration: Calibration,
    *,
    lp: float,
    quick: tuple[float, ...],
    flags: tuple[str, ...] | None,
    gain: float,
    interval: Interval,
    level: float,
    probability_positive: float,
    is_borrowed: bool,
    lacks_flags: bool = False,
) -> Prediction:
    """Return the prediction with the sentences that it calls for.

    Args:
        calibration: What answered.
        lp: LP on the calibration's scale, points.
        quick: Gains on its quick targets, points, NaN where not measured; empty for none.
        flags: Flags of the checkpoint; None where its name is not known.
        gain: Expected gain, points.
        interval: Of ``level``, points.
        level: Nominal coverage.
        probability_positive: Of a gain above 0.
        is_borrowed: Whether LP was measured under another protocol.
        lacks_flags: Whether models with such flags have not been seen at such an LP.
    """
    noticed = noticed_flags(calibration.rows)
    used = tuple(
        flag for flag in flags or () if noticed.size and flag_table([(flag,)])[0, noticed].any()
    )
    measured = tuple(
        target
        for target, value in zip(calibration.quick_targets, quick, strict=bool(quick))
        if math.isfinite(value)
    )
    form = "line"
    if calibration.line is None:
        name = context(has_flags=flags is not None, has_quick=bool(quick))
        form = calibration.choices[name].form.name
    outside = [*_outside_lp(calibration, lp), *_outside_quick(calibration, quick)]
    if lacks_flags:
        outside.append(_ABOUT_FLAGS.format(flags=_flagged(used)))
    sentences = [
        _about_noise(calibration, gain),
        *outside,
        _about_quick(measured),
        _about_loan(calibration) if is_borrowed else "",
        _about_paper(calibration) if calibration.name == PAPER else "",
    ]
    return Prediction(
        architecture=calibration.architecture,
        gain=gain,
        interval=interval,
        level=level,
        probability_positive=probability_positive,
        n=calibration.n,
        calibration=calibration.name,
        target_group=calibration.target_group,
        is_borrowed=is_borrowed,
        is_extrapolated=bool(outside),
        note=" ".join(sentence for sentence in sentences if sentence),
        form=form,
        flags=used if "flags" in form else (),
        quick_targets=measured,
    )


def refuse(
    architecture: str,
    level: float,
    reason: str,
    *,
    is_borrowed: bool,
    found: Calibration | None = None,
) -> Prediction:
    """Return a prediction without a number, and why.

    Args:
        architecture: Name in the catalog.
        level: Nominal coverage that was asked for.
        reason: Why there is none, without a full stop.
        is_borrowed: Whether LP was measured under another protocol.
        found: The calibration that could not be used.
    """
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


def _flagged(flags: tuple[str, ...]) -> str:
    if not flags:
        return "whose name says nothing of NLI data, fusion or a special domain"
    return "that is " + " and ".join(flags)


def _about_noise(calibration: Calibration, gain: float) -> str:
    seed_sd = calibration.scale.seed_sd
    if seed_sd is None or abs(gain) > 2 * seed_sd:
        return ""
    return (
        "The gain is within seed noise: another seed alone moves the base model's mean score by "
        f"{seed_sd:.2f} points (one standard deviation)."
    )


def _outside_lp(calibration: Calibration, lp: float) -> list[str]:
    low, high = calibration.lp_range
    if low <= lp <= high:
        return []
    kind = "LP gains" if calibration.name == PAPER else "LP accuracies"
    return [
        f"Extrapolated: the calibration has seen {kind} from {low:.1f} to {high:.1f}, this is "
        f"{lp:.1f}."
    ]


def _outside_quick(calibration: Calibration, quick: tuple[float, ...]) -> list[str]:
    seen = calibration.rows.quick
    if not quick or seen is None:
        return []
    return [
        f"Extrapolated: on {target} the calibration has seen gains from {low:+.1f} to {high:+.1f}, "
        f"this is {value:+.1f}."
        for target, value, low, high in zip(
            calibration.quick_targets, quick, seen.min(axis=0), seen.max(axis=0), strict=True
        )
        if math.isfinite(value) and not low <= value <= high
    ]


def _about_quick(measured: tuple[str, ...]) -> str:
    if not measured:
        return ""
    return (
        f"Scores measured on {', '.join(measured)} were used; the average runs over the 32 targets "
        "that are not among the quick four."
    )


def _about_loan(calibration: Calibration) -> str:
    return (
        f"Borrowed: the calibration was measured under {calibration.name}, by another probe; it is "
        "applied to LP gain, and the interval is widened by what two runs of that probe differ."
    )


def _about_paper(calibration: Calibration) -> str:
    slope, intercept = calibration.line or (0.0, 0.0)
    return (
        f"The line printed in the paper ({slope} * LP gain {intercept:+}) does not follow from the "
        "paper's own table, where least squares gives 0.126 and -1.83, and runs 0.55 to 0.86 "
        "points too high; the interval is centred on that table's models instead."
    )
