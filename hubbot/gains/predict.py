"""Predicted gain of a checkpoint from its linear probe, with interval, probability and a sentence.

Three scales, named by ``protocol``:

* ``model-recycling-2023``: LP as the published results measured it; accuracy or LP gain.
* ``lp-mnli`` and ``lp-mnli@N``: hubbot's own probe. Where no calibration of its own was made, the
  published one is borrowed: it takes LP gain only, and the interval is widened by what two runs of
  the published protocol differ.
* ``paper``: the line printed in the paper; LP gain only, RoBERTa-base only.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.protocols import get_protocol, load_protocols
from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.gains.calibration import (
    MIN_MODELS,
    PAPER,
    PUBLISHED,
    Calibration,
    has_unlearned_nli,
    lacks_flags,
    spread_at,
)
from hubbot.gains.calibration_file import Calibrations, load_packaged, load_refused
from hubbot.gains.flags import flag_table
from hubbot.gains.groups import AFTER_QUICK, LAST_RESORT, LP_ONLY_GROUPS, QUICK
from hubbot.gains.lp_rules import MNLI_CLASSES
from hubbot.gains.notes import explain, refuse
from hubbot.gains.smoother import Array, Rows
from hubbot.gains.spread import intervals, probabilities_positive
from hubbot.schema import Prediction

_AGREEMENT = 0.02
"""Points by which LP accuracy and LP gain may disagree: both may have been rounded."""

_CHUNK = 4096
"""Models predicted at a time: a spread holds as many numbers as a calibration has models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is known of one checkpoint whose gain is asked for."""

    architecture: str
    """Name, Hub id or alias in the catalog."""
    lp_accuracy: float | None = None
    """LP accuracy on MNLI, points; only for the published scale."""
    lp_gain: float | None = None
    """LP accuracy minus the base model's, both under ``protocol``, points."""
    protocol: str = PUBLISHED
    """``model-recycling-2023``, ``lp-mnli``, ``lp-mnli@N`` or ``paper``."""
    flags: tuple[str, ...] | None = None
    """What ``name_flags`` says of the checkpoint; None where its name is not known."""
    quick: Mapping[str, float] = field(default_factory=dict)
    """Scores after fine-tuning on quick targets (``groups.QUICK``), points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Predictions of m checkpoints."""

    gain: Array
    """float64 of shape (m,): expected gain, points."""
    low: Array
    """float64 of shape (m,): lower end of the interval, points."""
    high: Array
    """float64 of shape (m,): upper end, points."""
    probability_positive: Array
    """float64 of shape (m,): of a gain above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A query that a calibration can answer."""

    calibration: Calibration
    lp: float
    flags: tuple[str, ...] | None
    quick: tuple[float, ...]
    """Gains on the calibration's quick targets, NaN where not measured; empty for none."""
    is_borrowed: bool

    @property
    def kind(self) -> tuple[Calibration, bool, tuple[bool, ...], bool]:
        """What queries must have in common to be answered together."""
        known = tuple(math.isfinite(value) for value in self.quick)
        return self.calibration, self.flags is not None, known, self.is_borrowed


def predict_gain(
    architecture: str,
    *,
    lp_accuracy: float | None = None,
    lp_gain: float | None = None,
    protocol: str = PUBLISHED,
    level: float = 0.9,
    flags: tuple[str, ...] | None = None,
    quick: Mapping[str, float] | None = None,
    calibrations: Calibrations | None = None,
) -> Prediction:
    """Predict the average gain of fine-tuning from a checkpoint instead of its base model.

    Args:
        architecture: Name, Hub id or alias in the catalog.
        lp_accuracy: LP accuracy on MNLI, points; only for the published scale.
        lp_gain: LP accuracy minus the base model's, both under ``protocol``, points.
        protocol: ``model-recycling-2023``, ``lp-mnli``, ``lp-mnli@N`` or ``paper``.
        level: Nominal coverage of the interval, at least 0.5 and below 1.
        flags: What ``name_flags`` says of the checkpoint; None where its name is not known.
        quick: Scores after fine-tuning on some of RTE, CB, MRPC and CoLA, points. The gain is then
            the average over the other 32 targets.
        calibrations: From ``load_calibrations``; None for the packaged ones.

    Returns:
        The prediction; ``gain`` is None and ``note`` says why where there is no number to give.

    Raises:
        SettingsError: If a name is unknown, none of the two numbers is given or they contradict
            each other, a number is not in points, or the protocol does not take an absolute
            accuracy or quick scores.
    """
    query = Query(
        architecture=architecture,
        lp_accuracy=lp_accuracy,
        lp_gain=lp_gain,
        protocol=protocol,
        flags=flags,
        quick=quick or {},
    )
    found = predict_many([query], level=level, calibrations=calibrations)[0]
    if isinstance(found, SettingsError):
        raise found
    return found


def predict_many(
    queries: Sequence[Query], *, level: float = 0.9, calibrations: Calibrations | None = None
) -> list[Prediction | SettingsError]:
    """Predict the average gains of many checkpoints.

    Args:
        queries: What is known of each.
        level: Nominal coverage of the intervals, at least 0.5 and below 1.
        calibrations: From ``load_calibrations``; None for the packaged ones.

    Returns:
        For each query, in the same order, the prediction, or the error that ``predict_gain`` would
        raise.

    Raises:
        SettingsError: If the level makes no sense.
    """
    if not (math.isfinite(level) and 0.5 <= level < 1):
        raise SettingsError(f"level {level}: expected at least 0.5 and below 1, such as 0.9")
    known = load_packaged() if calibrations is None else calibrations
    answers: dict[int, Prediction | SettingsError] = {}
    placed: dict[int, _Placed] = {}
    for index, query in enumerate(queries):
        try:
            found = _place(query, known, level)
        except SettingsError as error:
            answers[index] = error
            continue
        if isinstance(found, Prediction):
            answers[index] = found
        else:
            placed[index] = found
    for indices in _together(placed):
        members = [placed[index] for index in indices]
        try:
            answers.update(zip(indices, _answer(members, level), strict=True))
        except SettingsError as error:  # the level asks for more models than there are
            answers.update(dict.fromkeys(indices, error))
    return [answers[index] for index in range(len(queries))]


def predict_columns(
    calibration: Calibration, rows: Rows, *, level: float = 0.9, lp_sd: float = 0.0
) -> Columns:
    """Predict many checkpoints that one calibration answers, without a word about them.

    Args:
        calibration: From ``load_calibrations``.
        rows: What is known of m checkpoints; LP on the scale of the calibration, points.
        level: Nominal coverage of the intervals.
        lp_sd: Standard deviation, points, by which the LP may be off (a borrowed calibration).

    Raises:
        SettingsError: If the level is too high for the number of models.
    """
    parts = [
        _chunk(calibration, rows[slice(start, start + _CHUNK)], level, lp_sd)
        for start in range(0, max(len(rows), 1), _CHUNK)
    ]
    gain, ends, chances = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Columns(gain=gain, low=ends[:, 0], high=ends[:, 1], probability_positive=chances)


def _chunk(
    calibration: Calibration, rows: Rows, level: float, lp_sd: float
) -> tuple[Array, Array, Array]:
    spread = spread_at(calibration, rows, lp_sd=lp_sd)
    ends = intervals(spread, level=level, lp_sd=lp_sd)
    return spread.gain, ends, probabilities_positive(spread, lp_sd=lp_sd)


def _together(placed: Mapping[int, _Placed]) -> list[list[int]]:
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for index, item in placed.items():
        groups[item.kind].append(index)
    return [
        indices[start : start + _CHUNK]
        for indices in groups.values()
        for start in range(0, len(indices), _CHUNK)
    ]


def _place(query: Query, known: Calibrations, level: float) -> _Placed | Prediction:
    entry = get_architecture(query.architecture)
    scale = _scale_of(query.protocol)
    _check_numbers(query)
    own = _find(known, query.protocol, entry.name, is_quick=bool(query.quick))
    published = _find(known, PUBLISHED, entry.name, is_quick=False)
    if own is None and published is None and not query.quick:
        own = known.get((query.protocol, entry.name, LAST_RESORT))
    is_borrowed = own is None and scale not in (PUBLISHED, PAPER)
    if query.lp_accuracy is not None and (is_borrowed or scale == PAPER):
        if query.lp_gain is None:
            raise SettingsError(_why_no_accuracy(query))
        query = replace(query, lp_accuracy=None)
    if query.quick and (is_borrowed or scale == PAPER):
        raise SettingsError(_why_no_quick(query))
    calibration = own or (published if is_borrowed else None)
    if calibration is None:
        return refuse(
            entry.name, level, _why_none(entry.name, query.protocol), is_borrowed=is_borrowed
        )
    lp, reason = _lp_on_scale(calibration, query)
    if lp is None:
        return refuse(entry.name, level, reason, is_borrowed=is_borrowed, found=calibration)
    return _Placed(
        calibration=calibration,
        lp=lp,
        flags=None if calibration.line is not None else query.flags,
        quick=_quick_gains(calibration, query.quick),
        is_borrowed=is_borrowed,
    )


def _why_none(architecture: str, protocol: str) -> str:
    asked = protocol if protocol == PAPER else PUBLISHED
    for group in LP_ONLY_GROUPS:
        found = load_refused().get((asked, architecture, group))
        if found is not None:
            return f"the calibration of {architecture} would rest on {found.reason}"
    return (
        f"there is no calibration for {architecture} under {protocol}; it takes {MIN_MODELS} "
        "models with a measured gain"
    )


def _find(
    known: Calibrations, protocol: str, architecture: str, *, is_quick: bool
) -> Calibration | None:
    for group in (AFTER_QUICK,) if is_quick else LP_ONLY_GROUPS:
        found = known.get((protocol, architecture, group))
        if found is not None:
            return found
    return None


def _answer(members: Sequence[_Placed], level: float) -> list[Prediction]:
    first = members[0]
    rows = Rows(
        lp=np.array([item.lp for item in members]),
        flags=None if first.flags is None else flag_table([item.flags or () for item in members]),
        quick=np.array([item.quick for item in members]) if first.quick else None,
    )
    lp_sd = first.calibration.scale.run_spread if first.is_borrowed else 0.0
    found = predict_columns(first.calibration, rows, level=level, lp_sd=lp_sd)
    lacking = lacks_flags(first.calibration, rows)
    inflated = has_unlearned_nli(first.calibration, rows)
    return [
        explain(
            item.calibration,
            lp=item.lp,
            quick=item.quick,
            flags=item.flags,
            gain=float(found.gain[row]),
            interval=(float(found.low[row]), float(found.high[row])),
            level=level,
            probability_positive=float(found.probability_positive[row]),
            is_borrowed=item.is_borrowed,
            lacks_flags=bool(lacking[row]),
            is_inflated=bool(inflated[row]),
        )
        for row, item in enumerate(members)
    ]


def _lp_on_scale(calibration: Calibration, query: Query) -> tuple[float | None, str]:
    """Return LP on the calibration's scale, or None and the reason."""
    if query.lp_accuracy is not None:
        lp = query.lp_accuracy
        _check_agreement(calibration, lp, query.lp_gain)
    elif calibration.scale.base_lp is None or query.lp_gain is None:
        return None, (
            f"an LP gain of {calibration.architecture} cannot be placed on the published scale: "
            f"{calibration.scale.base_lp_missing}"
        )
    else:
        lp = calibration.scale.base_lp + query.lp_gain
    if calibration.name == PUBLISHED and query.protocol == PUBLISHED:
        n_test = sum(MNLI_CLASSES.values())
        for name, count in MNLI_CLASSES.items():
            # Published LPs are shares of 9832 test rows; two decimals are enough to tell.
            if abs(lp - 100 * count / n_test) <= 0.005:
                return None, (
                    f"LP accuracy {lp:.2f} is the share of one MNLI class ({count} of {n_test}, "
                    f"{name}): the probe learned nothing about this checkpoint; look at its "
                    "weights, tokenizer and pooling"
                )
    return lp, ""


def _check_agreement(calibration: Calibration, lp: float, lp_gain: float | None) -> None:
    base_lp = calibration.scale.base_lp
    if lp_gain is None or base_lp is None or abs(base_lp + lp_gain - lp) <= _AGREEMENT:
        return
    raise SettingsError(
        f"LP accuracy {lp:g} and LP gain {lp_gain:+g} contradict each other: the base model's LP "
        f"is {base_lp:.2f}, which makes a gain of {lp - base_lp:+.2f}; give the one that was "
        "measured"
    )


def _quick_gains(calibration: Calibration, quick: Mapping[str, float]) -> tuple[float, ...]:
    if not quick:
        return ()
    base = dict(zip(calibration.quick_targets, calibration.quick_base, strict=True))
    return tuple(quick[target] - base[target] if target in quick else math.nan for target in base)


def _scale_of(protocol: str) -> str:
    """Return the scale that a protocol's name stands for, checked against the catalog."""
    if protocol in (PUBLISHED, PAPER):
        return protocol
    own = [item.name for item in load_protocols()]
    if protocol.partition("@")[0] in own:
        return get_protocol(protocol).name
    raise unknown_name("protocol", protocol, (PUBLISHED, PAPER, *own))


def _why_no_accuracy(query: Query) -> str:
    if query.protocol == PAPER:
        reason = "the paper's line is over LP gain"
    else:
        reason = (
            "the calibration is borrowed from results measured by another probe, and absolute "
            "accuracies of two probes do not compare"
        )
    return (
        f"LP accuracy {query.lp_accuracy} cannot be used under protocol {query.protocol}: {reason};"
        " give the LP gain instead (--lp-gain: accuracy minus the base model's under the same "
        "protocol)"
    )


def _why_no_quick(query: Query) -> str:
    names = ", ".join(f"quick_{target}" for target in query.quick)
    return (
        f"{names} cannot be used under protocol {query.protocol}: there is no calibration of quick "
        f"scores measured that way; leave them out, or use the published scale ({PUBLISHED})"
    )


def _check_numbers(query: Query) -> None:
    lp_accuracy, lp_gain = query.lp_accuracy, query.lp_gain
    if lp_accuracy is None and lp_gain is None:
        raise SettingsError(
            "give LP accuracy (--lp-accuracy, column lp_accuracy) or LP gain (--lp-gain, column "
            "lp_gain), in points; found none"
        )
    if lp_gain is not None and not -100 <= lp_gain <= 100:  # also refuses NaN
        raise SettingsError(f"LP gain {lp_gain}: expected points from -100 to 100")
    if lp_accuracy is not None:
        _check_score("LP accuracy", lp_accuracy)
    for target, score in query.quick.items():
        if target not in QUICK:
            raise unknown_name("quick target", target, QUICK)
        _check_score(f"quick_{target}", score)


def _check_score(name: str, score: float) -> None:
    if 0 < score <= 1:
        raise SettingsError(
            f"{name} {score} looks like a fraction; points are expected, so give {100 * score:g}"
        )
    if not 0 < score <= 100:
        raise SettingsError(f"{name} {score}: expected points above 1, up to 100")
