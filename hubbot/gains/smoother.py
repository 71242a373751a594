"""From what is known of a model to its expected gain: a smoother with few, named forms.

Every form is ridge regression, some with a radial kernel beside the straight part. Both are linear
in the gains they were fitted on, so that leaving one model out needs no refit.

Source:
    Ridge and kernel ridge regression: Hastie, Tibshirani, Friedman, "The Elements of Statistical
    Learning" (2009), sections 3.4 and 5.8. Left-out residuals e_i = alpha_i / G_ii with
    G = (K + ridge * I)^-1 and alpha = G y: Rasmussen and Williams, "Gaussian Processes for Machine
    Learning" (2006), equation 5.12.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Block = Literal["lp", "lp_bent", "flags", "quick", "quick_bent"]
"""Columns of a form: LP; LP with kinks at its quartiles; flags; quick gains; with kinks too."""

_KINKS = {"lp_bent": (0.25, 0.5, 0.75), "quick_bent": (0.25, 0.5)}
MIN_FLAGGED = 5
"""Models that must carry a flag before a form takes notice of it."""

_CONSTANT = 100.0
"""Weight of the constant: large, so that the mean is hardly shrunk."""

# Shorter lengths and smaller penalties lower the left-out error by under 1 %, at the price of
# curves that turn between neighbouring models; so the grid ends here.
_RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
_LENGTHS = (1.5, 3.0, 6.0)
_WEIGHTS = (1.0, 3.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is known of some models, one row each."""

    lp: Array
    """float64 of shape (n,): LP, points."""
    flags: Array | None = None
    """float64 of shape (n, n_flags), 0 or 1; None where names are not known."""
    quick: Array | None = None
    """float64 of shape (n, n_quick): gains on quick targets, points; None where not measured."""
    owners: NDArray[np.int64] | None = None
    """int64 of shape (n,): number of the account that a model is from; None for one each. Models of
    one account are often near copies of each other, and are left out together."""

    def __len__(self) -> int:
        return len(self.lp)

    def __getitem__(self, index: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Rows":
        return Rows(
            lp=self.lp[index],
            flags=None if self.flags is None else self.flags[index],
            quick=None if self.quick is None else self.quick[index],
            owners=None if self.owners is None else self.owners[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way in which gains may hang together with what is known."""

    name: str
    """Short name, as calibrations record it."""
    straight: tuple[Block, ...]
    """Columns of the ridge part."""
    curved: tuple[Block, ...] = ()
    """Columns of the radial kernel; empty for none."""
    is_penalised: bool = True
    """False for plain least squares."""

    @property
    def needs(self) -> frozenset[str]:
        """Which of ``flags`` and ``quick`` the form uses."""
        names = {block.removesuffix("_bent") for block in (*self.straight, *self.curved)}
        return frozenset(names - {"lp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The numbers of a form that are chosen by leaving models and accounts out."""

    ridge: float
    """Penalty beside the squared error of standardised columns."""
    length: float = 1.0
    """Length scale of the kernel, in standard deviations (mean over its columns)."""
    weight: float = 0.0
    """Weight of the kernel; 0 for none."""


FORMS: tuple[Form, ...] = (
    Form(name="constant", straight=(), is_penalised=False),
    Form(name="line", straight=("lp",), is_penalised=False),
    Form(name="bent line", straight=("lp_bent",)),
    Form(name="bent line and flags", straight=("lp_bent", "flags")),
    Form(name="curve", straight=("lp_bent",), curved=("lp",)),
    Form(name="curve and flags", straight=("lp_bent", "flags"), curved=("lp", "flags")),
    Form(name="quick line", straight=("lp", "quick")),
    Form(name="quick bent line", straight=("lp_bent", "quick_bent")),
    Form(name="quick bent line and flags", straight=("lp_bent", "quick_bent", "flags")),
    Form(name="quick curve", straight=("lp", "quick"), curved=("lp", "quick")),
    Form(name="quick curve and flags", straight=("lp", "quick", "flags"), curved=("lp", "quick")),
    Form(
        name="quick bent curve and flags",
        straight=("lp_bent", "quick_bent", "flags"),
        curved=("lp", "quick"),
    ),
)
"""Every form a calibration may choose, simplest first."""


def noticed_flags(rows: Rows) -> NDArray[np.bool_]:
    """Return bool of shape (n_flags,): whether enough models carry the flag to learn from it."""
    if rows.flags is None:
        return np.zeros(0, dtype=np.bool_)
    enough: NDArray[np.bool_] = rows.flags.sum(axis=0) >= MIN_FLAGGED
    return enough


def forms_for(rows: Rows) -> tuple[Form, ...]:
    """Return the forms that use only what the rows hold."""
    held = {name for name in ("flags", "quick") if getattr(rows, name) is not None}
    if "quick" in held:  # constant and line stay in as what the others must beat
        wanted = [form for form in FORMS if "quick" in form.needs or not form.is_penalised]
    else:
        wanted = list(FORMS)
    return tuple(form for form in wanted if form.needs <= held)


def form_named(name: str) -> Form:
    """Return the form of that name.

    Raises:
        ValueError: If there is none.
    """
    found = next((form for form in FORMS if form.name == name), None)
    if found is None:
        raise ValueError(f"form {name!r}: expected one of {[form.name for form in FORMS]}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """How the columns of some blocks are made and scaled, learned from the fitted rows."""

    blocks: tuple[Block, ...]
    kinks: dict[str, Array]
    mean: Array
    scale: Array

    def of(self, rows: Rows) -> Array:
        """Return float64 of shape (n, n_columns), standardised as the fitted rows are."""
        return (_raw(self.blocks, self.kinks, rows) - self.mean) / self.scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoother:
    """A fitted form."""

    form: Form
    """What was fitted."""
    tuning: Tuning
    """With which numbers."""
    straight: _Columns
    """Columns of the ridge part."""
    curved: _Columns | None
    """Columns of the kernel."""
    fitted_straight: Array
    """float64 of shape (n, n_columns): the fitted rows' columns."""
    fitted_curved: Array | None
    """The same for the kernel."""
    centre: float
    """Mean gain, points."""
    weights: Array
    """float64 of shape (n,): alpha."""
    inverse: Array
    """float64 of shape (n, n): G."""
    owners: NDArray[np.int64]
    """int64 of shape (n,): number of the account of each fitted model."""
    owner_left_out: Array
    """float64 of shape (n,): gain of each model minus its prediction from other accounts."""

    @property
    def left_out(self) -> Array:
        """float64 of shape (n,): gain of each model minus its prediction from the others."""
        return self.weights / np.diag(self.inverse)

    def predict(self, rows: Rows) -> Array:
        """Return float64 of shape (m,): expected gains, points."""
        expected: Array = self.centre + self._kernel(rows) @ self.weights
        return expected

    def predict_without(self, rows: Rows) -> tuple[Array, Array, Array | None]:
        """Return expected gains, and those of the smoothers that leave fitted models out.

        Returns:
            Three of float64, points: the expected gains, shape (m,); those without model i, column
            i of (m, n); those without all models of model i's account, likewise, or None where
            every account has one model.
        """
        kernel = self._kernel(rows)
        expected = self.centre + kernel @ self.weights
        effect = kernel @ self.inverse
        one = expected[:, None] - effect * self.left_out
        together = self.owners[:, None] == self.owners
        if together.sum() == len(self.owners):
            return expected, one, None
        moved = (effect * self.owner_left_out) @ together.astype(np.float64)
        return expected, one, expected[:, None] - moved

    def _kernel(self, rows: Rows) -> Array:
        curved = None if self.curved is None else self.curved.of(rows)
        return _kernel(
            self.straight.of(rows), self.fitted_straight, curved, self.fitted_curved, self.tuning
        )


def fit(form: Form, tuning: Tuning, rows: Rows, gain: Array) -> Smoother:
    """Fit a form with given numbers.

    Args:
        form: From ``forms_for(rows)``.
        tuning: From ``tune``.
        rows: What is known of n models.
        gain: float64 of shape (n,), points.
    """
    straight, curved = _columns(form.straight, rows), None
    if form.curved:
        curved = _columns(form.curved, rows)
    fitted_straight = straight.of(rows)
    fitted_curved = None if curved is None else curved.of(rows)
    kernel = _kernel(fitted_straight, fitted_straight, fitted_curved, fitted_curved, tuning)
    inverse = np.linalg.inv(kernel + tuning.ridge * np.eye(len(rows))).astype(np.float64)
    centre = float(gain.mean())
    weights = inverse @ (gain - centre)
    owners = np.arange(len(rows)) if rows.owners is None else rows.owners
    return Smoother(
        form=form,
        tuning=tuning,
        straight=straight,
        curved=curved,
        fitted_straight=fitted_straight,
        fitted_curved=fitted_curved,
        centre=centre,
        weights=weights,
        inverse=inverse,
        owners=owners,
        owner_left_out=_left_out_together(weights, inverse, owners),
    )


def tune(form: Form, rows: Rows, gain: Array) -> tuple[Tuning, float]:
    """Return the numbers with the least left-out error, and that error.

    Args:
        form: From ``forms_for(rows)``.
        rows: What is known of n models.
        gain: float64 of shape (n,), points.

    Returns:
        The numbers, and the mean squared left-out residual, points squared: half of it from leaving
        out one model, half from leaving out all models of an account. The first alone would choose
        curves that copy a model's siblings, the second alone would forget that siblings help.
    """
    tried = ((tuning, fit(form, tuning, rows, gain)) for tuning in _grid(form))
    scored = [
        (float((one.left_out**2).mean() + (one.owner_left_out**2).mean()) / 2, tuning)
        for tuning, one in tried
    ]
    error, tuning = min(scored, key=lambda item: item[0])
    return tuning, error


def choose(rows: Rows, gain: Array) -> tuple[Form, Tuning, dict[str, float]]:
    """Return the form and numbers with the least left-out error.

    Args:
        rows: What is known of n models.
        gain: float64 of shape (n,), points.

    Returns:
        The form, its numbers, and for every form tried the square root of the error that ``tune``
        returns at its best numbers, points.
    """
    tried = {form.name: (form, *tune(form, rows, gain)) for form in forms_for(rows)}
    best = min(tried.values(), key=lambda item: item[2])
    return best[0], best[1], {name: float(np.sqrt(item[2])) for name, item in tried.items()}


def _left_out_together(weights: Array, inverse: Array, owners: NDArray[np.int64]) -> Array:
    """Return residuals of leaving out all models of an account: G_oo^-1 alpha_o for each owner."""
    left_out = weights / np.diag(inverse)
    names, counts = np.unique(owners, return_counts=True)
    for name in names[counts > 1]:
        part = np.flatnonzero(owners == name)
        left_out[part] = np.linalg.solve(inverse[np.ix_(part, part)], weights[part])
    return left_out


def _grid(form: Form) -> Iterator[Tuning]:
    if not form.is_penalised:
        yield Tuning(ridge=1e-6)
    elif not form.curved:
        yield from (Tuning(ridge=ridge) for ridge in _RIDGES)
    else:
        for ridge, length, weight in product(_RIDGES, _LENGTHS, _WEIGHTS):
            yield Tuning(ridge=ridge, length=length, weight=weight)


def _columns(blocks: tuple[Block, ...], rows: Rows) -> _Columns:
    kinks: dict[str, Array] = {}
    for block, shares in _KINKS.items():
        if block in blocks:
            kinks[block] = np.quantile(_source(block, rows), shares, axis=0)
    raw = _raw(blocks, kinks, rows)
    scale = raw.std(axis=0)
    # A column that is the same for all carries nothing, and its scale would be rounding error.
    scale[scale < 1e-9 * (1 + np.abs(raw).max(axis=0, initial=0.0))] = np.inf
    if "flags" in blocks and rows.flags is not None:
        # What one or two models have in common besides a flag would be taken for the flag.
        start = _raw(blocks[: blocks.index("flags")], kinks, rows).shape[1]
        scale[start + np.flatnonzero(~noticed_flags(rows))] = np.inf
    return _Columns(blocks=blocks, kinks=kinks, mean=raw.mean(axis=0), scale=scale)


def _raw(blocks: Sequence[Block], kinks: dict[str, Array], rows: Rows) -> Array:
    parts = [np.empty((len(rows), 0))]
    for block in blocks:
        source = _source(block, rows)
        parts.append(source)
        parts.extend(np.maximum(source - kink, 0.0) for kink in kinks.get(block, ()))
    return np.hstack(parts)


def _source(block: str, rows: Rows) -> Array:
    name = block.removesuffix("_bent")
    if name == "lp":
        return rows.lp[:, None]
    columns: Array | None = getattr(rows, name)
    if columns is None:
        raise ValueError(f"a form that uses {name} needs rows that hold them")
    return columns


def _kernel(
    straight: Array, other: Array, curved: Array | None, other_curved: Array | None, tuning: Tuning
) -> Array:
    kernel = straight @ other.T + _CONSTANT
    if curved is not None and other_curved is not None:
        squares = (curved**2).sum(axis=1)[:, None] + (other_curved**2).sum(axis=1)
        distance = np.maximum(squares - 2 * curved @ other_curved.T, 0.0)
        kernel += tuning.weight * np.exp(
            -distance / (2 * tuning.length**2 * max(curved.shape[1], 1))
        )
    return kernel
