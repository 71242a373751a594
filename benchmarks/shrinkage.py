"""Whether drawing measured gains to predicted ones helps: one half of the targets tells the other.

The 36 targets are split at random, again and again. Every model's mean gain over one half, as it
was measured, as LP predicts it without the model itself, and drawn from the first to the second
(``hubbot.gains.trust``), is compared with its mean gain over the other half, whose runs are its
own. Printed for each architecture: root mean squared error of the three, and how far the ten
models that each puts first lie above what the other half says of them. All three are moved by the
difference between the means of the halves, so that none is blamed for easier targets.

    python benchmarks/shrinkage.py [--splits 40]
"""

import argparse

import numpy as np

from hubbot.gains.calibrating import Sample, published_samples
from hubbot.gains.calibration import PUBLISHED, Calibration, predictor_of
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.groups import GROUPS
from hubbot.gains.placing import GROUP
from hubbot.gains.published import load_base_scores
from hubbot.gains.smoother import Array
from hubbot.gains.trust import measure_trust, settle

TOP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=40)
    splits = parser.parse_args().splits
    for sample in published_samples():
        calibration = load_packaged().get((PUBLISHED, sample.architecture, GROUP))
        if calibration is not None:
            report(sample, calibration, splits)


def report(sample: Sample, calibration: Calibration, splits: int) -> None:
    smoother = predictor_of(calibration, has_flags=True).smoother
    # The smoother is linear in the gains it was fitted on: residuals of any average follow.
    leave_out = smoother.inverse / np.diag(smoother.inverse)[:, None]
    rows = [sample.models.index(model) for model in calibration.models]
    places = [sample.targets.index(target) for target in GROUPS[GROUP]]
    gains = sample.gains[np.ix_(rows, places)]
    base = load_base_scores(sample.architecture)
    sds = np.array([base[target].sd for target in GROUPS[GROUP]])
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(sds)) for _ in range(splits)]
    # Each half tells the other: which of them has the easier targets then weighs nothing.
    found = [halves(gains, sds, leave_out, way) for order in orders for way in (order, order[::-1])]
    print(f"\n{sample.architecture}, {calibration.n} models, {splits} splits")
    for at, name in enumerate(("as measured", "as predicted", "drawn")):
        error, above = np.mean([split[at] for split in found], axis=0)
        print(f"  {name:13} error {error:.3f}   first {TOP} too high by {above:+.3f}")


def halves(
    gains: Array, sds: Array, leave_out: Array, order: np.ndarray
) -> list[tuple[float, float]]:
    first, second = order[: len(sds) // 2], order[len(sds) // 2 :]
    own, other = np.nanmean(gains[:, first], axis=1), np.nanmean(gains[:, second], axis=1)
    residuals = leave_out @ (own - own.mean())
    seed_sd = float(np.sqrt((sds[first] ** 2).sum())) / len(first)
    trust = measure_trust(residuals, seed_sd=seed_sd, n_seeds=20)
    predicted = own - residuals
    drawn = settle(own, predicted, np.full(len(own), np.nan), trust, level=0.9).gain
    return [judge(guess + other.mean() - own.mean(), other) for guess in (own, predicted, drawn)]


def judge(guess: Array, truth: Array) -> tuple[float, float]:
    error = guess - truth
    first = np.argsort(-guess)[:TOP]
    return float(np.sqrt((error**2).mean())), float(error[first].mean())


if __name__ == "__main__":
    main()
