import math
from collections import Counter

import numpy as np
import pytest

from hubbot.gains.findings import RULES
from hubbot.gains.published import (
    load_base_scores,
    load_known_levels,
    load_published_gains,
    load_published_models,
    load_test_sizes,
)


def test_every_published_row_is_there() -> None:
    rows = load_published_models()
    assert len(rows) == 2409
    assert Counter(row.architecture for row in rows)["roberta-base"] == 1183
    assert sum(row.lp_accuracy is not None for row in rows) == 2167
    assert sum(row.n_targets > 0 for row in rows) == 997


def test_numbers_are_in_points_and_findings_are_rules() -> None:
    for row in load_published_models():
        assert row.lp_accuracy is None or 30 < row.lp_accuracy < 95
        assert row.avg_gain is None or -40 < row.avg_gain < 15
        assert set(row.findings) <= RULES.keys()
        if {"misaligned", "copied"} & set(row.findings):
            assert row.avg_gain is None


@pytest.mark.parametrize("name", ["roberta-base", "FacebookAI/roberta-base", "ROBERTA-base"])
def test_an_architecture_may_be_named_as_in_the_catalog(name: str) -> None:
    rows = load_published_models(name)
    assert len(rows) == 1183
    assert load_published_gains(name).architecture == "roberta-base"
    assert load_base_scores(name) == load_base_scores("roberta-base")


def test_an_architecture_without_results_has_none() -> None:
    assert load_published_models("roberta-large") == ()
    assert load_published_gains("roberta-large").gains.shape == (0, 36)
    assert load_base_scores("roberta-large") == {}


@pytest.mark.parametrize("architecture", sorted({r.architecture for r in load_published_models()}))
def test_the_mean_of_a_row_of_gains_is_its_mean_gain(architecture: str) -> None:
    """Two tables, made of the same scores in two ways."""
    gains = load_published_gains(architecture)
    mean_gain = {
        row.model: row.avg_gain
        for row in load_published_models(architecture)
        if "duplicate" not in row.findings
    }
    assert gains.gains.shape == (len(gains.models), 36)
    assert gains.gains.dtype == np.float64
    assert architecture not in gains.models
    for model, row in zip(gains.models, gains.gains, strict=True):
        expected = mean_gain[model]
        if expected is not None:
            assert np.nanmean(row) == pytest.approx(expected, abs=2e-4)


def test_base_scores_have_seeds_and_spread() -> None:
    rte = load_base_scores("roberta-base")["rte"]
    assert rte.n_seeds == 20
    assert rte.mean == pytest.approx(72.4, abs=1)
    assert 0 < rte.sd < 10
    assert len(load_base_scores("roberta-base")) == 36


def test_the_only_target_without_a_size_is_the_correlation() -> None:
    sizes = load_test_sizes()
    assert len(sizes) == 36
    assert [target for target, size in sizes.items() if size is None] == ["stsb"]
    assert (sizes["mnli"], sizes["rte"]) == (9832, 277)


def test_no_known_gain_comes_near_its_limit() -> None:
    known = load_known_levels()
    for architecture in {row.architecture for row in load_published_models()}:
        gains = load_published_gains(architecture)
        for target, column in zip(gains.targets, gains.gains.T, strict=True):
            best = np.nanmax(column, initial=-math.inf)
            assert best <= known.best_gain[target] + 1e-9
            assert known.gain_limit(target) >= best + 5
