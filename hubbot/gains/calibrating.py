"""Fitting calibrations: from the published results, and from score records with measured gains."""

import datetime
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hubbot.gains.calibration import (
    MIN_MODELS,
    PUBLISHED,
    Calibration,
    Choice,
    Refused,
    Scale,
    context,
    load_scales,
    owner_numbers,
    scales_table,
)
from hubbot.gains.flags import flag_table, name_flags
from hubbot.gains.groups import (
    AFTER_QUICK,
    GROUPS,
    LAST_RESORT,
    LP_ONLY_GROUPS,
    MOST_MISSING,
    QUICK,
)
from hubbot.gains.published import (
    load_base_scores,
    load_published_gains,
    load_published_models,
)
from hubbot.gains.smoother import Array, Rows, choose
from hubbot.schema import CalibrationSummary

logger = logging.getLogger(__name__)

_UNUSABLE = frozenset({"class-prior", "missing-as-zero", "out-of-range", "duplicate", "off-grid"})
"""Findings about LP after which a row cannot teach how LP and gain hang together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Models of one architecture measured under one protocol, with gains on targets."""

    name: str
    """Protocol."""
    architecture: str
    """Name in the catalog."""
    models: tuple[str, ...]
    """Hub id of each of n models."""
    lp: Array
    """float64 of shape (n,): LP accuracy, points."""
    flags: tuple[tuple[str, ...], ...]
    """Flags of each model."""
    targets: tuple[str, ...]
    """Names of the columns of ``gains``."""
    gains: Array
    """float64 of shape (n, n_targets), points; NaN where not measured."""
    base_scores: Mapping[str, float]
    """Score of the base model on targets, points; empty where only gains are known."""
    scale: Scale
    """The base model's side."""
    date: str
    """Of the results."""
    source: str
    """Where they come from."""


def published_samples() -> tuple[Sample, ...]:
    """Return the usable rows of the published results, a sample per architecture.

    Left out are rows with fewer targets or scores in the wrong columns, without LP, with an LP that
    is the share of one class, copies, and the base models' own rows: their gain over themselves is
    seed noise. Models that collapsed in fine-tuning are kept, since nobody knows beforehand.
    """
    scales, table = load_scales(PUBLISHED), scales_table(PUBLISHED)
    return tuple(
        _published_sample(architecture, scale, table["date"], table["source"])
        for architecture, scale in scales.items()
    )


def calibrate(sample: Sample) -> tuple[list[Calibration], list[Refused]]:
    """Fit every calibration that a sample allows.

    Args:
        sample: Models with LP and gains.

    Returns:
        Calibrations, one for each target group that enough models were measured on; and the groups
        that at least one model was measured on, but too few. Where no model was measured on any
        whole group, the one group of which the least is missing.
    """
    done: list[Calibration] = []
    refused: list[Refused] = []
    for group in (*LP_ONLY_GROUPS, LAST_RESORT, AFTER_QUICK):
        if group in ("general", LAST_RESORT) and sample.name == PUBLISHED:
            continue  # the site's own average runs over its 36
        found = _calibrate_group(sample, group)
        if isinstance(found, Calibration):
            done.append(found)
        elif found is not None:
            refused.append(found)
    if not done and not refused:
        refused.append(_no_whole_group(sample))
    return done, refused


def _no_whole_group(sample: Sample) -> Refused:
    """Say what should be measured before anything can be learned from the sample."""
    asked = (*LP_ONLY_GROUPS, LAST_RESORT)
    lacking = {group: [t for t in GROUPS[group] if t not in sample.targets] for group in asked}
    nearest = min(lacking, key=lambda group: len(lacking[group]))
    missing = ", ".join(lacking[nearest]) or "nothing as a whole, but some of it in every model"
    return Refused(
        name=sample.name,
        architecture=sample.architecture,
        target_group=nearest,
        n=0,
        reason=f"no model with a usable LP and gains on the whole group; missing: {missing}",
    )


def mean_gain(gains: Array, targets: Sequence[str], group: str) -> Array:
    """Return the mean gain of each model over a group of targets.

    Args:
        gains: float64 of shape (n, n_targets), points; NaN where not measured.
        targets: Names of the columns.
        group: A key of ``GROUPS``.

    Returns:
        float64 of shape (n,), points; NaN where more targets of the group are missing than
        ``MOST_MISSING`` allows.
    """
    wanted = GROUPS[group]
    columns = [targets.index(target) for target in wanted if target in targets]
    values = gains[:, columns]
    present = np.isfinite(values).sum(axis=1)
    total = np.nansum(values, axis=1)
    enough = present >= max(len(wanted) - MOST_MISSING[group], 1)
    return np.where(enough, total / np.maximum(present, 1), np.nan)


def _calibrate_group(sample: Sample, group: str) -> Calibration | Refused | None:
    gain = mean_gain(sample.gains, sample.targets, group)
    keep = np.isfinite(gain) & np.isfinite(sample.lp)
    quick = None
    if group == AFTER_QUICK:
        # Scores are asked for later, so gains alone are not enough.
        if not all(target in sample.targets and target in sample.base_scores for target in QUICK):
            return None
        quick = sample.gains[:, [sample.targets.index(target) for target in QUICK]]
        keep &= np.isfinite(quick).all(axis=1)
    n = int(keep.sum())
    if n == 0:
        return None
    if n < MIN_MODELS or np.ptp(sample.lp[keep]) == 0:
        reason = (
            f"{n} model(s) with a usable LP and gains on the whole group; below {MIN_MODELS} no "
            "number is given"
            if n < MIN_MODELS
            else "all models have the same LP"
        )
        return Refused(
            name=sample.name,
            architecture=sample.architecture,
            target_group=group,
            n=n,
            reason=reason,
        )
    models = tuple(model for model, is_kept in zip(sample.models, keep, strict=True) if is_kept)
    rows = Rows(
        lp=sample.lp[keep],
        flags=flag_table(sample.flags)[keep],
        quick=None if quick is None else quick[keep],
        owners=owner_numbers(models),
    )
    base = sample.base_scores
    return Calibration(
        name=sample.name,
        architecture=sample.architecture,
        target_group=group,
        models=models,
        rows=rows,
        gain=gain[keep],
        quick_targets=QUICK if quick is not None else (),
        quick_base=tuple(base[target] for target in QUICK) if quick is not None else (),
        choices=dict(_choices(rows, gain[keep])),
        line=None,
        scale=sample.scale,
        date=sample.date,
        source=sample.source,
    )


def _choices(rows: Rows, gain: Array) -> Iterator[tuple[str, Choice]]:
    for has_flags in (False, True):
        part = replace(rows, flags=rows.flags if has_flags else None)
        form, tuning, tried = choose(part, gain)
        name = context(has_flags=has_flags, has_quick=rows.quick is not None)
        yield name, Choice(form=form, tuning=tuning, tried=tried)


def _published_sample(architecture: str, scale: Scale, date: str, source: str) -> Sample:
    gains = load_published_gains(architecture)
    row_of = {model: row for row, model in enumerate(gains.models)}
    base = load_base_scores(architecture)
    usable = [
        model
        for model in load_published_models(architecture)
        if model.avg_gain is not None
        and model.lp_accuracy is not None
        and not _UNUSABLE.intersection(model.findings)
        and model.model in row_of
        and model.model != architecture
    ]
    return Sample(
        name=PUBLISHED,
        architecture=architecture,
        models=tuple(model.model for model in usable),
        lp=np.array([model.lp_accuracy for model in usable], dtype=np.float64),
        flags=tuple(name_flags(model.model) for model in usable),
        targets=gains.targets,
        gains=gains.gains[[row_of[model.model] for model in usable]],
        base_scores={target: score.mean for target, score in base.items()},
        scale=scale,
        date=date,
        source=source,
    )


def today() -> str:
    """Return today's date in UTC, as calibrations carry it."""
    return datetime.datetime.now(tz=datetime.UTC).date().isoformat()


def fit_all(samples: Iterable[Sample]) -> tuple[list[Calibration], list[Refused]]:
    """Fit every calibration that some samples allow.

    Args:
        samples: At most one for each architecture and protocol.
    """
    done: list[Calibration] = []
    refused: list[Refused] = []
    for sample in samples:
        logger.info("%s, %s: %d models", sample.architecture, sample.name, len(sample.models))
        fitted, left_out = calibrate(sample)
        done += fitted
        refused += left_out
    return done, refused


def summarise(
    calibrations: Iterable[Calibration], refused: Iterable[Refused]
) -> list[CalibrationSummary]:
    """Return a line for each calibration and context, and for each group that has none.

    Args:
        calibrations: From ``fit_all``.
        refused: From ``fit_all``.
    """
    lines = [_summary(item, name) for item in calibrations for name in item.choices]
    lines += [
        CalibrationSummary(
            architecture=item.architecture,
            protocol=item.name,
            target_group=item.target_group,
            knows="",
            n=item.n,
            form="",
            slope=None,
            intercept=None,
            rmse=None,
            rmse_line=None,
            rmse_constant=None,
            tried={},
            lp_range=None,
            reason=item.reason,
        )
        for item in refused
    ]
    return lines


def _summary(item: Calibration, knows: str) -> CalibrationSummary:
    choice = item.choices[knows]
    slope, intercept = np.polyfit(item.rows.lp, item.gain, 1)
    return CalibrationSummary(
        architecture=item.architecture,
        protocol=item.name,
        target_group=item.target_group,
        knows=knows,
        n=item.n,
        form=choice.form.name,
        slope=float(slope),
        intercept=float(intercept),
        rmse=choice.tried[choice.form.name],
        rmse_line=choice.tried["line"],
        rmse_constant=choice.tried["constant"],
        tried=choice.tried,
        lp_range=item.lp_range,
        reason="",
    )
