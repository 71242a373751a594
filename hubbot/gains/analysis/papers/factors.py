"""What makes sources good and targets sensitive: "Where to start?", sections 6.1 and 6.3."""

import numpy as np

from hubbot.gains.analysis.correlation import Correlation, correlate
from hubbot.gains.analysis.matrix import mean_of_known
from hubbot.gains.analysis.papers.claims import Claim, numeric, stated
from hubbot.gains.analysis.papers.tables import (
    general_targets,
    in_house,
    t5_in_house,
    training_sizes,
)

_PAPER = "Choshen 2023"

_SIZES = (
    "the paper prints no sizes: training rows as published with the data sets (ANLI's three rounds "
    "together)"
)


def factor_claims() -> list[Claim]:
    """Recompute the claims about sizes of data sets and about architectures."""
    return [*_size_claims(), *_architecture_claims()]


def _size_claims() -> list[Claim]:
    matrix = in_house()
    sizes = training_sizes(matrix.sources)
    gain = matrix.mean_gain
    return [
        _source_size_claim(),
        _target_size_claim(),
        _smallest_claim(),
        _largest_claim(dict(zip(matrix.sources, gain, strict=True)), sizes),
    ]


def _source_size_claim() -> Claim:
    matrix = in_house()
    sizes, gain = training_sizes(matrix.sources), matrix.mean_gain
    found = correlate(sizes, gain)
    is_qqp = np.array([name == "qqp" for name in matrix.sources])
    is_nli = np.array([matrix.source_groups[name] == "nli" for name in matrix.sources])
    parts = (
        ("without QQP", correlate(sizes[~is_qqp], gain[~is_qqp])),
        ("the six NLI sources alone", correlate(sizes[is_nli], gain[is_nli])),
        ("the five sources with a positive mean alone", correlate(sizes[gain > 0], gain[gain > 0])),
        ("logarithm of the size", correlate(np.log(sizes), gain)),
    )
    return numeric(
        "Pearson of source training size and source mean gain",
        f"{_PAPER}, 6.1",
        0.75,
        _pearson(found),
        digits=2,
        note=f"{_SIZES}, {found.n} sources, p = {found.pearson_p:.2g}, Spearman "
        f"{found.spearman:.2f}; "
        + ", ".join(f"{name} {_pearson(part):.2f}" for name, part in parts)
        + ": the published figure is only approached where QQP, large and harmful, does not count",
    )


def _target_size_claim() -> Claim:
    matrix = in_house()
    sizes = training_sizes(matrix.targets)
    found = correlate(sizes, mean_of_known(matrix.gains, axis=0))
    p = found.pearson_p
    return stated(
        "no significant correlation of target training size and target mean gain",
        f"{_PAPER}, 6.1",
        "none",
        f"Pearson {_pearson(found):+.2f}, p = {p:.2f}; Spearman {found.spearman:+.2f}, p = "
        f"{found.spearman_p:.2f}",
        "agrees" if p is not None and p > 0.05 else "differs",
        note=_SIZES,
    )


def _smallest_claim() -> Claim:
    matrix = in_house()
    sizes = training_sizes(matrix.targets)
    width = np.nanmax(matrix.gains, axis=0) - np.nanmin(matrix.gains, axis=0)
    smallest = {matrix.targets[j] for j in np.argsort(sizes)[:5]}
    order = np.argsort(-width)
    widest = {matrix.targets[j] for j in order[:5]}
    listed = ", ".join(f"{matrix.targets[j]} {width[j]:.2f}" for j in order[:6])
    return stated(
        "the 5 smallest targets have the widest range of gains",
        f"{_PAPER}, 6.1",
        "cb, copa, wsc, wnli, rte",
        ", ".join(matrix.targets[j] for j in order[:5]),
        "agrees" if smallest == widest else "differs",
        note=f"greatest minus least gain over the sources: {listed}; "
        f"smallest by training rows: {', '.join(sorted(smallest))}",
    )


def _largest_claim(gain: dict[str, float], sizes: np.ndarray) -> Claim:
    names = list(gain)
    order = sorted(names, key=lambda name: -gain[name])
    largest = [names[i] for i in np.argsort(-sizes)[:5]]
    same = set(order[:3]) == {"mnli", "anli", "esnli"} and order[-2] == "qqp"
    return stated(
        "MNLI, ANLI and ESNLI have the 3 highest mean gains, QQP the second lowest",
        f"{_PAPER}, 6.1",
        "mnli, anli, esnli; second lowest qqp",
        f"{', '.join(order[:3])}; second lowest {order[-2]}",
        "agrees" if same else "differs",
        note=f"the five largest sources by training rows: {', '.join(largest)}, as the paper says",
    )


def _architecture_claims() -> list[Claim]:
    t5, names = t5_in_house(), general_targets()
    roberta = in_house().select(sources=names, targets=names)
    other = t5.with_diagonal(np.nan)
    place = [roberta.targets.index(name) for name in t5.targets]
    rows = [roberta.sources.index(name) for name in t5.sources]
    best = correlate(other.max_gain, roberta.max_gain[place])
    every = in_house().select(targets=names)
    best_of_all = correlate(
        other.max_gain, every.max_gain[[every.targets.index(name) for name in t5.targets]]
    )
    by_source = correlate(t5.mean_gain, roberta.mean_gain[rows])
    by_target = correlate(
        mean_of_known(t5.gains, axis=0), mean_of_known(roberta.gains, axis=0)[place]
    )
    top = t5.sources[int(np.argmax(t5.mean_gain))]
    where = f"{_PAPER}, 6.3"
    value = _pearson(best)
    return [
        stated(
            "MNLI is the best T5 in-house source",
            where,
            "mnli",
            top,
            "agrees" if top == "mnli" else "differs",
            note="T5 alone; the gains of BERT are printed as an image",
        ),
        stated(
            "max-gain per target goes together across architectures",
            where,
            "Pearson 0.60 to 0.94",
            f"Pearson {value:.2f} (RoBERTa and T5)",
            "agrees" if 0.60 <= value <= 0.94 else "differs",
            note=f"14 General sources and targets, T5's diagonal left out; max over all 22 sources "
            f"of RoBERTa {_pearson(best_of_all):.2f}; BERT is printed as an image",
        ),
        _no_correlation("source", by_source, where),
        _no_correlation("target", by_target, where),
    ]


def _no_correlation(what: str, found: Correlation, where: str) -> Claim:
    p = found.pearson_p
    return stated(
        f"mean gain per {what} does not go together across architectures",
        where,
        "no correlation",
        f"Pearson {_pearson(found):+.2f}, p = {p:.2f} (RoBERTa and T5)",
        "agrees" if p is not None and p > 0.05 else "differs",
        note=f"n = {found.n}, too few to tell a correlation below 0.53 from none",
    )


def _pearson(found: Correlation) -> float:
    if found.pearson is None:
        raise ValueError("the packaged tables give a correlation here")
    return found.pearson
