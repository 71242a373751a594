"""The plain sentences beside a predicted gain, and those in its place where it is refused."""

import math
from functools import lru_cache

from hubbot.gains.calibration import PAPER, Calibration, context
from hubbot.gains.flags import TRAINED_ON_MNLI, TRAINED_ON_NLI, flag_table
from hubbot.gains.smoother import noticed_flags
from hubbot.schema import Interval, Prediction

_ABOUT_FLAGS = (
    "Extrapolated: at such an LP the calibration has seen no model {flags}; the interval holds the "
    "gains expected with and without regard to that."
)

_ABOUT_INFLATED = (
    "Extrapolated: the name speaks of NLI data, by which LP is inflated; the calibration has seen "
    "too few such models to tell by how much, so the gain may well be lower."
)

_NLI = (TRAINED_ON_MNLI, TRAINED_ON_NLI)

_TOPICS = ("NLI data", "fusion", "a special domain")
"""What the columns of ``flag_table`` are about."""

_FAILING_SD = 1.0
"""Points between seeds above which the base model itself is not to be relied on."""


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
    is_inflated: bool = False,
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
        is_inflated: Whether NLI data inflate LP, of which the calibration has learned nothing.
    """
    noticed = tuple(bool(is_so) for is_so in noticed_flags(calibration.rows))
    used, unlearned = _sort_out(flags or (), noticed)
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
    learned = [word for word, is_so in zip(_TOPICS, noticed, strict=bool(noticed)) if is_so]
    if is_inflated:
        outside.append(_ABOUT_INFLATED)
        unlearned = tuple(flag for flag in unlearned if flag not in _NLI)
    if lacks_flags:
        outside.append(_ABOUT_FLAGS.format(flags=_flagged(used, learned)))
    sentences = [
        _about_noise(calibration, gain),
        _about_failing_base(calibration),
        *outside,
        _about_quick(measured),
        _about_plain_name(form, learned) if flags == () else "",
        _about_unlearned(unlearned),
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


@lru_cache(maxsize=1024)
def _sort_out(
    flags: tuple[str, ...], noticed: tuple[bool, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the flags that the calibration has learned from, and those that it could not."""
    used, unlearned = [], []
    for flag in flags:
        columns = flag_table([(flag,)])[0] > 0
        if noticed and columns[list(noticed)].any():
            used.append(flag)
        elif columns.any():
            unlearned.append(flag)
    return tuple(used), tuple(unlearned)


def _flagged(flags: tuple[str, ...], learned: list[str]) -> str:
    if not flags:
        return f"whose name does not speak of {' or '.join(learned)}"
    return "that is " + " and ".join(flags)


def _about_noise(calibration: Calibration, gain: float) -> str:
    seed_sd = calibration.scale.seed_sd
    if seed_sd is None or abs(gain) > 2 * seed_sd:
        return ""
    return (
        "The gain is within seed noise: another seed alone moves the base model's mean score by "
        f"{seed_sd:.2f} points (one standard deviation)."
    )


def _about_failing_base(calibration: Calibration) -> str:
    seed_sd = calibration.scale.seed_sd
    if seed_sd is None or seed_sd < _FAILING_SD:
        return ""
    return (
        "The base model's own runs fail now and then (its mean score moves by "
        f"{seed_sd:.1f} points between seeds), which lowers what gains are counted from: any start "
        "that does not fail seems better than it."
    )


def _about_plain_name(form: str, learned: list[str]) -> str:
    if "flags" not in form or not learned:
        return ""
    return (
        f"Taken into account: the name does not speak of {' or '.join(learned)}; if the model is "
        "of that kind all the same, predict without the name."
    )


def _about_unlearned(flags: tuple[str, ...]) -> str:
    if not flags:
        return ""
    return (
        f"Not taken into account: {' and '.join(flags)}; too few such models are known here, and "
        "at equal LP they may gain otherwise."
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
