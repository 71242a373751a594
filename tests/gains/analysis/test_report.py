from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.analysis.report import (
    AT_RANDOM,
    BY_MEAN,
    BY_MEAN_OF_OTHERS,
    Analysis,
    analyse_matrix,
)

NAMES = tuple("abcdef")


def random_matrix(seed: int) -> GainMatrix:
    """6 names that are sources and targets at once, diagonal and one cell missing."""
    generator = np.random.default_rng(seed)
    gains = np.outer(generator.normal(size=6), generator.normal(size=6)) * 2
    gains += generator.normal(size=(6, 6))
    np.fill_diagonal(gains, np.nan)
    gains[0, 3] = np.nan
    groups = dict(zip(NAMES, "xxyyzz", strict=True))
    return GainMatrix(
        name="made up",
        sources=NAMES,
        targets=NAMES,
        gains=gains,
        sds=generator.uniform(0.1, 2, size=(6, 6)),
        source_groups=groups,
        target_groups=groups,
        rankings={"lp": generator.normal(size=6)},
    )


def analysed(matrix: GainMatrix) -> Analysis:
    return analyse_matrix(matrix, restarts=30, shuffles=0, seeds=5, top=(1, 2))


def same(found: object, expected: object) -> None:
    """Compare nested results, numbers within what the search leaves open."""
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=2e-3, rel=2e-3)
    else:
        assert found == expected


def comparable(analysis: Analysis, names: dict[str, str] | None = None) -> object:
    """All of an analysis that does not depend on random starts, under the old names."""
    plain = asdict(analysis)
    for key in ("starts_agreeing", "minima_spread", "offset"):
        del plain["regression"]["interaction"][key]
    # The fit without a cell may have minima of its own; test_regression compares it.
    del plain["regression"]["interaction"]["fit"]
    del plain["regression"]["note"]
    plain["mse"] = analysis.regression.interaction.fit.mse
    if plain["groups"]:
        plain["groups"]["means"] = sorted(plain["groups"]["means"], key=str)
        plain["groups"]["tests"] = sorted(plain["groups"]["tests"], key=lambda t: t["targets"])
        for test in plain["groups"]["tests"]:
            test["all_groups"]["n"] = sorted(test["all_groups"]["n"])
    return renamed(plain, names or {})


def renamed(value: object, names: dict[str, str]) -> object:
    if isinstance(value, dict):
        return {names.get(str(key), key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), rows=st.permutations(range(6)), columns=st.permutations(range(6)))
def test_the_order_of_rows_and_columns_changes_nothing(
    seed: int, rows: list[int], columns: list[int]
) -> None:
    matrix = random_matrix(seed)
    assert matrix.sds is not None
    shuffled = replace(
        matrix,
        sources=tuple(NAMES[i] for i in rows),
        targets=tuple(NAMES[j] for j in columns),
        gains=matrix.gains[np.ix_(rows, columns)],
        sds=matrix.sds[np.ix_(rows, columns)],
        rankings={"lp": matrix.rankings["lp"][rows]},
    )
    same(comparable(analysed(shuffled)), comparable(analysed(matrix)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), new=st.permutations("UVWQRS"))
def test_other_names_change_nothing_but_the_names(seed: int, new: list[str]) -> None:
    matrix = random_matrix(seed)
    name = dict(zip(NAMES, new, strict=True))
    groups = {name[old]: group for old, group in matrix.source_groups.items()}
    other = replace(
        matrix,
        sources=tuple(new),
        targets=tuple(new),
        source_groups=groups,
        target_groups=groups,
    )
    back = {value: key for key, value in name.items()}
    same(comparable(analysed(other), back), comparable(analysed(matrix)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), constant=st.floats(-30, 30), target=st.integers(0, 5))
def test_a_constant_on_a_target_leaves_errors_orders_and_losses(
    seed: int, constant: float, target: int
) -> None:
    matrix = random_matrix(seed)
    moved = replace(matrix, gains=matrix.gains + constant * (np.arange(6) == target))
    before, after = analysed(matrix), analysed(moved)
    for name in ("target_only", "additive"):
        same(asdict(getattr(after.regression, name)), asdict(getattr(before.regression, name)))
    assert after.regression.interaction.fit.mse == pytest.approx(
        before.regression.interaction.fit.mse, abs=1e-6
    )
    same(dict(after.regression.interaction.quality), dict(before.regression.interaction.quality))
    for ranking in (BY_MEAN_OF_OTHERS, "lp", AT_RANDOM):
        for n in ("1", "2"):
            found, expected = (a.selection_loss[ranking][n] for a in (after, before))
            same(dict(found.losses), dict(expected.losses))
            assert found.chosen == expected.chosen


def test_everything_is_there_under_its_name() -> None:
    analysis = analysed(random_matrix(0))
    assert list(analysis.selection_loss) == [BY_MEAN_OF_OTHERS, "lp", BY_MEAN, AT_RANDOM]
    assert set(analysis.correlation.rows) == set(NAMES)
    assert set(analysis.correlation.rankings) == {"lp"}
    assert analysis.correlation.n_rows_tested == 6
    assert analysis.matrix.n_cells == 29
    assert analysis.significance.beyond_two_se is not None
    assert analysis.max_gain["a"] == np.nanmax(random_matrix(0).gains[:, 0])


def test_empty_rows_and_columns_are_named_and_harm_nothing() -> None:
    matrix = random_matrix(1)
    gains = matrix.gains.copy()
    gains[2], gains[:, 4] = np.nan, np.nan
    analysis = analysed(replace(matrix, gains=gains))
    assert analysis.matrix.empty == ("c", "e")
    assert analysis.mean_gain["c"] is None
    assert analysis.max_gain["e"] is None
    assert analysis.correlation.n_rows_tested == 5
    assert analysis.regression.interaction.quality["c"] is None


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_one_source_or_one_target_is_refused(shape: tuple[int, int]) -> None:
    matrix = GainMatrix(
        name="small",
        sources=NAMES[: shape[0]],
        targets=NAMES[: shape[1]],
        gains=np.ones(shape),
    )
    with pytest.raises(SettingsError, match="expected two of each"):
        analyse_matrix(matrix)
