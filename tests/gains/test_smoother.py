"""The smoother against scikit-learn, numpy and explicit refits without each model."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler

from hubbot.gains.smoother import (
    FORMS,
    Form,
    Rows,
    Smoother,
    Tuning,
    choose,
    fit,
    form_named,
    forms_for,
    tune,
)

Array = NDArray[np.float64]

NAMES = [form.name for form in FORMS]
CURVED = [form.name for form in FORMS if form.curved]
RIDGES = [form.name for form in FORMS if form.is_penalised and not form.curved]


def made_up(n: int = 40, seed: int = 0) -> tuple[Rows, Array]:
    rng = np.random.default_rng(seed)
    lp = rng.uniform(40, 85, n)
    flags = (rng.random((n, 3)) < 0.3).astype(np.float64)
    quick = rng.normal(0, (4.0, 6.0, 2.0, 1.0), (n, 4))
    gain = 0.08 * (lp - 60) + quick @ (0.2, 0.05, 0.1, 0.3) - flags[:, 0] + rng.normal(0, 0.5, n)
    return Rows(lp=lp, flags=flags, quick=quick), gain


def tuning_of(form: Form) -> Tuning:
    if form.curved:
        return Tuning(ridge=0.3, length=1.5, weight=3.0)
    return Tuning(ridge=0.3 if form.is_penalised else 1e-6)


def part(rows: Rows, form: Form) -> Rows:
    """The rows with nothing but what the form uses."""
    return Rows(
        lp=rows.lp,
        flags=rows.flags if "flags" in form.needs else None,
        quick=rows.quick if "quick" in form.needs else None,
    )


def fitted(name: str, rows: Rows, gain: Array) -> Smoother:
    form = form_named(name)
    return fit(form, tuning_of(form), rows, gain)


def basis(blocks: Sequence[str], rows: Rows, new: Rows) -> tuple[Array, Array]:
    """Standardised columns of the fitted and the new rows, written down a second time."""
    columns: list[Array] = []
    for block in blocks:
        name, _, bent = block.partition("_")
        old_source, new_source = (
            one.lp[:, None] if name == "lp" else getattr(one, name) for one in (rows, new)
        )
        both = np.vstack([old_source, new_source])
        columns.append(both)
        shares = {"lp": (0.25, 0.5, 0.75), "quick": (0.25, 0.5)}[name] if bent else ()
        columns += [np.clip(both - np.quantile(old_source, q, axis=0), 0, None) for q in shares]
    table = np.hstack(columns)
    scaler = StandardScaler().fit(table[: len(rows)])
    return scaler.transform(table[: len(rows)]), scaler.transform(table[len(rows) :])


def test_the_constant_is_the_mean() -> None:
    rows, gain = made_up()
    assert fitted("constant", rows, gain).predict(rows) == pytest.approx(np.full(40, gain.mean()))


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_the_least_squares_line(seed: int) -> None:
    rows, gain = made_up(25, seed)
    new = Rows(lp=np.array([-20.0, 41.0, 60.0, 140.0]))
    expected = np.polyval(np.polyfit(rows.lp, gain, 1), new.lp)
    assert fitted("line", rows, gain).predict(new) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", RIDGES)
@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_a_form_without_curve_is_scikit_learns_ridge_on_the_same_columns(
    name: str, ridge: float
) -> None:
    (rows, gain), (new, _) = made_up(), made_up(15, 1)
    form = form_named(name)
    old_columns, new_columns = basis(form.straight, rows, new)
    expected = Ridge(alpha=ridge).fit(old_columns, gain).predict(new_columns)
    found = fit(form, Tuning(ridge=ridge), rows, gain).predict(new)
    # The columns have mean 0, so that the lightly penalised constant is the mean in both.
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", CURVED)
def test_a_curved_form_is_scikit_learns_kernel_ridge_on_the_same_kernel(name: str) -> None:
    (rows, gain), (new, _) = made_up(), made_up(15, 1)
    form, numbers = form_named(name), Tuning(ridge=0.3, length=3.0, weight=10.0)
    straight, new_straight = basis(form.straight, rows, new)
    curved, new_curved = basis(form.curved, rows, new)
    gamma = 1 / (2 * numbers.length**2 * curved.shape[1])
    old_kernel, new_kernel = (
        one @ straight.T + 100 + numbers.weight * rbf_kernel(two, curved, gamma=gamma)
        for one, two in ((straight, curved), (new_straight, new_curved))
    )
    model = KernelRidge(alpha=numbers.ridge, kernel="precomputed").fit(
        old_kernel, gain - gain.mean()
    )
    expected = gain.mean() + model.predict(new_kernel)
    assert fit(form, numbers, rows, gain).predict(new) == pytest.approx(expected, abs=1e-8)


def test_a_curve_is_a_gaussian_process_of_scikit_learn() -> None:
    (rows, gain), (new, _) = made_up(), made_up(15, 1)
    form = Form(name="test", straight=("lp",), curved=("lp",))
    columns, new_columns = basis(("lp",), rows, new)
    kernel = DotProduct(sigma_0=10.0) + ConstantKernel(3.0) * RBF(length_scale=1.5)
    process = GaussianProcessRegressor(kernel, alpha=0.3, optimizer=None)
    process.fit(columns, gain - gain.mean())
    expected = gain.mean() + process.predict(new_columns)
    found = fit(form, Tuning(ridge=0.3, length=1.5, weight=3.0), rows, gain).predict(new)
    assert found == pytest.approx(expected, abs=1e-8)


def without(smoother: Smoother, rows: Rows, gain: Array, left: NDArray[np.bool_]) -> Smoother:
    """A refit without some models, columns standardised and centred as with all."""
    kernel = np.linalg.inv(smoother.inverse)[np.ix_(~left, ~left)]  # holds the ridge already
    inverse = np.linalg.inv(kernel)
    curved = smoother.fitted_curved
    return Smoother(
        form=smoother.form,
        tuning=smoother.tuning,
        straight=smoother.straight,
        curved=smoother.curved,
        fitted_straight=smoother.fitted_straight[~left],
        fitted_curved=None if curved is None else curved[~left],
        centre=smoother.centre,
        weights=inverse @ (gain[~left] - smoother.centre),
        inverse=inverse,
        owners=np.arange(int((~left).sum())),
        owner_left_out=np.zeros(int((~left).sum())),
    )


@pytest.mark.parametrize("name", NAMES)
def test_leaving_a_model_out_equals_refitting_without_it(name: str) -> None:
    rows, gain = made_up(24)
    new, _ = made_up(5, 1)
    smoother = fitted(name, rows, gain)
    _, one, account = smoother.predict_without(new)
    assert account is None
    for i in range(24):
        refit = without(smoother, rows, gain, np.arange(24) == i)
        expected = gain[i] - refit.predict(rows[np.array([i])])[0]
        assert smoother.left_out[i] == pytest.approx(expected, abs=1e-4)
        assert one[:, i] == pytest.approx(refit.predict(new), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_leaving_an_account_out_equals_refitting_without_its_models(name: str) -> None:
    rows, gain = made_up(24)
    owners = np.array([0] * 4 + [1] * 2 + list(range(2, 20)), dtype=np.int64)
    new, _ = made_up(5, 1)
    mixed = Rows(lp=rows.lp, flags=rows.flags, quick=rows.quick, owners=owners)
    smoother = fitted(name, mixed, gain)
    _, _, account = smoother.predict_without(new)
    assert account is not None
    for i in range(24):
        left = owners == owners[i]
        refit = without(smoother, rows, gain, left)
        expected = gain[i] - refit.predict(rows[np.array([i])])[0]
        assert smoother.owner_left_out[i] == pytest.approx(expected, abs=1e-4)
        assert account[:, i] == pytest.approx(refit.predict(new), abs=1e-4)


def test_a_lines_left_out_residuals_are_those_of_lines_through_the_others() -> None:
    rows, gain = made_up(20)
    found = fitted("line", rows, gain).left_out
    for i in range(20):
        others = np.delete(np.arange(20), i)
        line = LinearRegression().fit(rows.lp[others, None], gain[others])
        expected = gain[i] - line.predict(rows.lp[[i], None])[0]
        assert found[i] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-30, 30), stretch=st.floats(0.1, 10))
def test_moved_stretched_and_shuffled_gains_move_and_stretch_the_prediction(
    name: str, seed: int, shift: float, stretch: float
) -> None:
    rows, gain = made_up(22, seed)
    new, _ = made_up(4, seed + 1)
    order = np.random.default_rng(seed).permutation(22)
    before = fitted(name, rows, gain).predict(new)
    after = fitted(name, rows[order], stretch * gain[order] + shift).predict(new)
    assert after == pytest.approx(stretch * before + shift, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-40, 40), stretch=st.floats(0.1, 10))
def test_another_origin_and_unit_of_lp_changes_nothing(
    name: str, seed: int, shift: float, stretch: float
) -> None:
    rows, gain = made_up(22, seed)
    new, _ = made_up(4, seed + 1)
    moved, new_moved = (
        Rows(lp=stretch * one.lp + shift, flags=one.flags, quick=one.quick) for one in (rows, new)
    )
    before, after = (
        fitted(name, rows, gain).predict(new),
        fitted(name, moved, gain).predict(new_moved),
    )
    assert after == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_column_that_is_the_same_for_all_counts_for_nothing(name: str) -> None:
    rows, gain = made_up()
    flat = Rows(lp=rows.lp, flags=np.zeros((40, 3)), quick=np.full((40, 4), 1.7))
    other = Rows(lp=rows.lp, flags=np.ones((40, 3)), quick=np.full((40, 4), -9.0))
    smoother = fitted(name, flat, gain)
    assert np.isfinite(smoother.left_out).all()
    assert smoother.predict(other) == pytest.approx(smoother.predict(flat), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_three_models_are_enough_for_finite_numbers(name: str) -> None:
    rows, gain = made_up(3)
    smoother = fitted(name, rows, gain)
    assert np.isfinite(smoother.left_out).all()
    assert np.isfinite(smoother.predict(made_up(4, 1)[0])).all()


@pytest.mark.parametrize(
    ("held", "count"), [((), 4), (("flags",), 6), (("quick",), 5), (("flags", "quick"), 8)]
)
def test_only_forms_that_the_rows_can_feed_are_tried(held: tuple[str, ...], count: int) -> None:
    rows, _ = made_up()
    asked = Rows(
        lp=rows.lp,
        flags=rows.flags if "flags" in held else None,
        quick=rows.quick if "quick" in held else None,
    )
    found = forms_for(asked)
    assert (len(found), [form.name for form in found[:2]]) == (count, ["constant", "line"])
    assert all(form.needs <= set(held) for form in found)


def test_an_unknown_form_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"form 'parabola': expected one of \['constant', 'line'"):
        form_named("parabola")


def test_a_form_that_needs_flags_says_so_where_there_are_none() -> None:
    rows, gain = made_up()
    with pytest.raises(ValueError, match="uses flags needs rows that hold them"):
        fitted("bent line and flags", Rows(lp=rows.lp), gain)


def test_the_chosen_numbers_have_the_least_left_out_error_of_the_grid() -> None:
    rows, gain = made_up()
    found, error = tune(form_named("bent line"), rows, gain)
    errors = {
        ridge: (fit(form_named("bent line"), Tuning(ridge=ridge), rows, gain).left_out ** 2).mean()
        for ridge in (0.1, 0.3, 1.0, 3.0, 10.0)
    }
    assert found.ridge == min(errors, key=errors.__getitem__)
    assert error == pytest.approx(min(errors.values()))


def test_numbers_are_chosen_by_leaving_out_models_and_accounts_in_equal_parts() -> None:
    rows, gain = made_up(24)
    owners = np.arange(24) // 4
    form, mixed = form_named("bent line"), Rows(lp=rows.lp, owners=owners)
    fits = [fit(form, Tuning(ridge=ridge), mixed, gain) for ridge in (0.1, 0.3, 1.0, 3.0, 10.0)]
    errors = [((one.left_out**2).mean() + (one.owner_left_out**2).mean()) / 2 for one in fits]
    assert tune(form, mixed, gain)[1] == pytest.approx(min(errors))
    assert min(errors) != pytest.approx(tune(form, Rows(lp=rows.lp), gain)[1])


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (lambda lp: 0.0 * lp, {"constant"}),
        (lambda lp: 0.2 * lp, {"line", "bent line", "curve"}),
        (lambda lp: 3 * np.sin(lp / 6), {"curve"}),
    ],
    ids=["nothing", "a line", "a wave"],
)
def test_the_choice_follows_what_is_there(truth: object, expected: set[str]) -> None:
    assert callable(truth)
    rng = np.random.default_rng(5)
    lp = rng.uniform(40, 80, 150)
    form, _, tried = choose(Rows(lp=lp), truth(lp) + rng.normal(0, 0.5, 150))
    assert form.name in expected
    assert tried[form.name] == min(tried.values())


@pytest.mark.parametrize("stretch", [0.25, 4.0, 64.0])
def test_the_choice_does_not_hang_on_the_unit_of_the_gain(stretch: float) -> None:
    rows, gain = made_up(30)
    form, tuning, tried = choose(Rows(lp=rows.lp, flags=rows.flags), gain)
    # Powers of two stretch without rounding, so that ties stay ties.
    again, same, stretched = choose(Rows(lp=rows.lp, flags=rows.flags), stretch * gain)
    assert (again, same) == (form, tuning)
    assert stretched == pytest.approx({name: stretch * value for name, value in tried.items()})
