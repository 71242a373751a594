"""Cross-validation of the published calibrations: coverage and error beside simpler predictors.

``python benchmarks/calibration.py [--repeats 20]`` prints, for every architecture with 40 models or
more: coverage and mean width of the 90 % intervals, root mean squared error of hubbot's prediction
and of the simpler ones on the same folds, and the paired difference with its 95 % interval
(bootstrap over models). Form and numbers are chosen inside the folds. ``by owner`` keeps the models
of one account in one fold.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hubbot.gains.calibrating import fit_all, published_samples
from hubbot.gains.calibration import Calibration, scales_table
from hubbot.gains.smoother import Array, Rows
from hubbot.gains.validation import Validation, cross_validate, folds

MIN_MODELS = 40
BOOTSTRAPS = 2000

Predict = Callable[[Rows, Array, Rows], Array]


def constant(fitted: Rows, gain: Array, new: Rows) -> Array:
    return np.full(len(new), gain.mean())


def line(fitted: Rows, gain: Array, new: Rows) -> Array:
    return np.polyval(np.polyfit(fitted.lp, gain, 1), new.lp)


def ridge(fitted: Rows, gain: Array, new: Rows) -> Array:
    assert fitted.quick is not None
    assert new.quick is not None
    model = make_pipeline(StandardScaler(), Ridge(1.0))
    model.fit(np.column_stack([fitted.lp, fitted.quick]), gain)
    return np.asarray(model.predict(np.column_stack([new.lp, new.quick])))


def papers_line(base_lp: float) -> Predict:
    table = scales_table("paper")

    def predict(fitted: Rows, gain: Array, new: Rows) -> Array:
        return table["slope"] * (new.lp - base_lp) + table["intercept"]

    return predict


def baseline(
    predict: Predict, rows: Rows, gain: Array, repeats: int, groups: Sequence[str] | None = None
) -> Array:
    predicted = np.full((repeats, len(gain)), np.nan)
    for repeat in range(repeats):
        for fitted, new in folds(len(gain), n_folds=10, seed=repeat, groups=groups):
            predicted[repeat, new] = predict(rows[fitted], gain[fitted], rows[new])
    return predicted


def difference(ours: Array, other: Array, gain: Array) -> tuple[float, float, float, float]:
    """Return RMSE(ours) - RMSE(other), its standard error and 95 % interval over models."""
    mine, theirs = ((ours - gain) ** 2).mean(axis=0), ((other - gain) ** 2).mean(axis=0)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(gain), size=(BOOTSTRAPS, len(gain)))
    values = np.sqrt(mine[drawn].mean(axis=1)) - np.sqrt(theirs[drawn].mean(axis=1))
    low, high = np.quantile(values, (0.025, 0.975))
    found = np.sqrt(mine.mean()) - np.sqrt(theirs.mean())
    return float(found), float(values.std()), float(low), float(high)


def report(item: Calibration, repeats: int) -> None:
    rows, gain = item.rows, item.gain
    print(f"\n{item.architecture}, {item.target_group}, n = {item.n}")
    owners = [model.rpartition("/")[0] for model in item.models]
    for what, used in (
        ("LP", replace(rows, flags=None, quick=None)),
        ("LP, flags", replace(rows, quick=None)),
        ("LP, quick", replace(rows, flags=None)),
        ("LP, flags, quick", rows),
    ):
        if (item.quick_targets != ()) != ("quick" in what):
            continue
        found = cross_validate(used, gain, n_repeats=repeats, levels=(0.5, 0.8, 0.9))
        print(f"  {what}: {summary(found, rows.lp)}")
        others = {"constant": constant, "line": line}
        if item.scale.base_lp is not None:
            others["paper's line"] = papers_line(item.scale.base_lp)
        if used.quick is not None:
            others["ridge line of LP and quick"] = ridge
        for name, predict in others.items():
            theirs = baseline(predict, used, gain, repeats)
            change, error, low, high = difference(found.predicted, theirs, gain)
            print(
                f"    {name}: RMSE {np.sqrt(((theirs - gain) ** 2).mean()):.3f}; ours minus it "
                f"{change:+.3f} (SE {error:.3f}, 95 % {low:+.3f} to {high:+.3f})"
            )
        few = max(repeats // 4, 1)
        grouped = cross_validate(used, gain, n_repeats=few, groups=owners)
        print(
            f"    by owner: RMSE {grouped.rmse:.3f}, coverage {grouped.coverage(0.9):.3f}, width "
            f"{grouped.width(0.9):.2f}"
        )
        name, simple = ("ridge line", ridge) if used.quick is not None else ("line", line)
        theirs = baseline(simple, used, gain, few, owners)
        change, error, low, high = difference(grouped.predicted, theirs, gain)
        print(
            f"    by owner, {name}: RMSE {np.sqrt(((theirs - gain) ** 2).mean()):.3f}; ours minus "
            f"it {change:+.3f} (SE {error:.3f}, 95 % {low:+.3f} to {high:+.3f})"
        )


def summary(found: Validation, lp: Array) -> str:
    quarter = np.searchsorted(np.quantile(lp, (0.25, 0.5, 0.75)), lp, side="right")
    covered = found.is_covered(0.9)
    quarters = "/".join(f"{covered[:, quarter == part].mean():.2f}" for part in range(4))
    is_positive = found.gain > 0
    chance = found.probability_positive
    came = np.broadcast_to(is_positive, chance.shape)
    reliability = ", ".join(
        f"said {chance[inside].mean():.2f} seen {came[inside].mean():.2f}"
        for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0))
        if (inside := (chance >= low) & (chance < high)).sum() >= 5 * len(chance)
    )
    forms = ", ".join(f"{name} {count}" for name, count in Counter(found.forms).most_common(3))
    return (
        f"RMSE {found.rmse:.3f}; coverage of 50/80/90 %: {found.coverage(0.5):.3f} "
        f"{found.coverage(0.8):.3f} {found.coverage(0.9):.3f}, by quarter of LP {quarters}; width "
        f"{found.width(0.9):.2f}; positive: {reliability}; chosen: {forms}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--architecture", default=None)
    arguments = parser.parse_args()
    calibrations, _ = fit_all(published_samples())
    for item in calibrations:
        if item.n >= MIN_MODELS and arguments.architecture in (None, item.architecture):
            report(item, arguments.repeats)


if __name__ == "__main__":
    main()
