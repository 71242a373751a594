"""What the miniature study found: raw numbers as CSV, and what they say of LP as a guide.

    python benchmarks/miniature/results.py STUDY [--out benchmarks/miniature/results]

reads the ledger and the JSON documents that ``study.sh`` left in STUDY. Written are ``cells.csv``
(a row per fine-tuning), ``gains.csv`` (sources by targets, with LP; for ``hubbot analyse``),
``gain_errors.csv`` (standard errors over seeds), ``gain_intervals.csv`` and ``lp.csv``. Printed are
the correlation of LP with the average gain, and how far predictions from LP are off for the model
left out: by the forms that ``hubbot calibrate`` chooses from, although it gives no number below its
least count of models.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy import stats

from hubbot.gains.smoother import Rows
from hubbot.gains.validation import cross_validate
from hubbot.records.cells import Cell
from hubbot.records.ledger import Ledger
from hubbot.schema import DEFAULT_HEAD

HERE = Path(__file__).parent
DRAWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(exist_ok=True)
    gains = {found["model"]: found for found in documents(arguments.study, "gains")}
    probes = {found["model"]: found for found in documents(arguments.study, "probe")}
    protocols = {found["protocol"] for found in gains.values()}
    if len(protocols) != 1:
        parser.error(f"gains by one protocol expected, found {sorted(protocols)}")
    with Ledger(arguments.study / "ledger.sqlite") as ledger:
        found = ledger.cells(protocol=protocols.pop())
        cells = [cell for cell in found if cell.target in targets_of(gains)]
    if not cells:
        parser.error(f"{arguments.study / 'ledger.sqlite'} holds no fine-tunings of the study")
    write_cells(out / "cells.csv", cells)
    write_probes(out / "lp.csv", probes.values())
    write_gains(out, gains, probes)
    tell_costs(cells)
    tell_matrix(gains, probes)
    tell_lp(gains, probes)


def documents(study: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(study.glob(f"{kind}_*.json"))]


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_cells(path: Path, cells: Sequence[Cell]) -> None:
    header = ("model", "target", "seed", "score", "validation_score", "n_train", "n_test", "steps")
    write(
        path,
        (*header, "best_step", "seconds", "peak_memory_gb"),
        (
            (
                *(cell.model, cell.target, cell.key.seed),
                *(f"{cell.score:.4f}", f"{cell.validation_score:.4f}"),
                *(cell.details["n_train"], len(cell.predictions), cell.details["steps"]),
                *(cell.details["best_step"], f"{sum(cell.seconds.values()):.1f}"),
                f"{cell.peak_memory_gb:.2f}",
            )
            for cell in cells
        ),
    )


def write_probes(path: Path, probes: Iterable[dict[str, Any]]) -> None:
    names = ("lp_accuracy", "lp_accuracy_interval", "lp_gain", "lp_gain_interval")
    write(
        path,
        ("model", "protocol", "n_train", "n_test", "head", *names),
        (
            (
                *(found["model"], found["protocol"], found["n_train"], found["n_test"], head),
                *(rounded((found[name] or {}).get(head)) for name in names),
            )
            for found in probes
            for head in found["lp_accuracy"]
        ),
    )


def rounded(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " to ".join(rounded(end) for end in value)
    return f"{value:.3f}"


def write_gains(out: Path, gains: dict[str, Any], probes: dict[str, Any]) -> None:
    targets = targets_of(gains)
    lines = [(name, gains[name]["gains"]) for name in sorted(gains)]
    write(
        out / "gains.csv",
        ("model", "lp_gain", *targets),
        (
            (name, f"{lp_of(probes[name]):.4f}", *(f"{found[t]['gain']:.4f}" for t in targets))
            for name, found in lines
        ),
    )
    write(
        out / "gain_errors.csv",
        ("model", *targets),
        ((name, *(f"{found[t]['se']:.4f}" for t in targets)) for name, found in lines),
    )
    write(
        out / "gain_intervals.csv",
        ("model", *targets),
        ((name, *(rounded(list(found[t]["interval"])) for t in targets)) for name, found in lines),
    )


def targets_of(gains: dict[str, Any]) -> list[str]:
    """Return the targets on which every model was measured."""
    each = [set(found["gains"]) for found in gains.values()]
    return sorted(set.intersection(*each))


def lp_of(probe: dict[str, Any]) -> float:
    return float(probe["lp_gain"][DEFAULT_HEAD])  # as predictions and calibrations go by


def tell_costs(cells: Sequence[Cell]) -> None:
    print(f"{len(cells)} fine-tunings")
    for target, found in groupby(sorted(cells, key=by_target), key=by_target):
        each = list(found)
        seconds = [sum(cell.seconds.values()) for cell in each]
        print(
            f"  {target:24} {len(each):3} cells, median {median(seconds):4.0f} s "
            f"({min(seconds):.0f} to {max(seconds):.0f}), peak memory "
            f"{max(cell.peak_memory_gb for cell in each):.2f} GiB"
        )


def by_target(cell: Cell) -> str:
    return cell.target


def tell_matrix(gains: dict[str, Any], probes: dict[str, Any]) -> None:
    targets = targets_of(gains)
    print("\nGains in points, 95 % intervals over seeds and test rows")
    for name in sorted(gains, key=lambda name: -lp_of(probes[name])):
        found = gains[name]
        print(f"{name}: LP gain {lp_of(probes[name]):+.2f}, average {told_average(found)}")
        for target in targets:
            one = found["gains"][target]
            low, high = one["interval"]
            mark = "" if low <= 0 <= high else " *"
            print(f"  {target:24} {one['gain']:+6.2f} ({low:+.2f} to {high:+.2f}){mark}")


def told_average(found: dict[str, Any]) -> str:
    return f"{found['avg_gain']:+.2f} ± {found['avg_gain_se']:.2f} (standard error over seeds)"


def tell_lp(gains: dict[str, Any], probes: dict[str, Any]) -> None:
    names = sorted(gains)
    lp = np.array([lp_of(probes[name]) for name in names])
    average = np.array([gains[name]["avg_gain"] for name in names])
    print(f"\nLP gain against average gain, {len(names)} models")
    if len(names) < 4:
        print("  too few for a correlation with an interval")
        return
    tell_correlation(lp, average)
    left_out = cross_validate(Rows(lp=lp), average, n_folds=len(names))
    others = (average.sum() - average) / (len(names) - 1)
    off = np.abs(left_out.predicted[0] - average)
    print("Leaving one model out: predicted from LP, measured, mean of the others")
    for name, guess, truth, mean in zip(names, left_out.predicted[0], average, others, strict=True):
        print(f"  {name:32} {guess:+.2f}  {truth:+.2f}  {mean:+.2f}")
    print(
        f"  off by {off.mean():.2f} on average (root mean square {left_out.rmse:.2f}); "
        f"the mean of the others by {np.abs(others - average).mean():.2f} "
        f"({np.sqrt(((others - average) ** 2).mean()):.2f}); forms: {', '.join(left_out.forms)}"
    )


def tell_correlation(lp: np.ndarray, average: np.ndarray) -> None:
    """Fisher's interval, and one from drawing models again."""
    found = stats.pearsonr(lp, average)
    fisher = found.confidence_interval(0.95)
    rng = np.random.default_rng(0)
    draws: list[float] = []
    while len(draws) < DRAWS:
        rows = rng.integers(len(lp), size=len(lp))
        if len(np.unique(rows)) > 2:
            draws.append(float(np.corrcoef(lp[rows], average[rows])[0, 1]))
    low, high = np.quantile(draws, (0.025, 0.975))
    rank = stats.spearmanr(lp, average)
    print(
        f"  Pearson {found.statistic:+.2f} (95 %: {fisher.low:+.2f} to {fisher.high:+.2f} by "
        f"Fisher, {low:+.2f} to {high:+.2f} drawing models again), p {found.pvalue:.3f}; "
        f"Spearman {rank.statistic:+.2f}, p {rank.pvalue:.3f}"
    )


if __name__ == "__main__":
    main()
