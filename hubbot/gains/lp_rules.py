"""Rules about the probe's accuracy (LP) in a results table; see ``findings.RULES``."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.findings import Finding, NotChecked, Rule
from hubbot.gains.grid import off_grid, rounding_of_rows
from hubbot.gains.score_table import ScoreTable

MNLI_CLASSES: Mapping[str, int] = {"entailment": 3463, "neutral": 3129, "contradiction": 3240}
"""Examples of each class in MNLI validation_mismatched: the data files of Williams, Nangia, Bowman,
"A Broad-Coverage Challenge Corpus for Sentence Understanding through Inference" (2018)."""

_N_MNLI = sum(MNLI_CLASSES.values())

_LP_RUNS = {"lp_accuracy": 3, "mnli_lp": 1}
"""Seeds that an LP may be the mean of: hubbot's ``head`` has three, the published probe one."""

_FINE = 25 / _N_MNLI
"""Rounding, points, up to which equal LPs are equal to the example: a quarter of a step."""

_SAME = 1e-7
"""Points of floating-point noise between equal LPs."""

_LEAST_ROWS = 5
"""LPs needed before the test set is doubted rather than the LPs."""

_NEED_LP: tuple[Rule, ...] = ("class-prior", "same-as-base", "base-unusable")


class LpRules:
    """The rules about LP over one table, each a generator of findings."""

    def __init__(self, table: ScoreTable, own_base: Mapping[str, int]) -> None:
        """Look at the LPs once.

        Args:
            table: Results; a zero of LP stands as it is in the file.
            own_base: For each architecture the row that holds the base model itself.
        """
        self._table = table
        self._own_base = own_base
        is_lp = (table.lp_accuracy > 0) & (table.lp_accuracy <= 100)
        self._lp = np.where(is_lp, table.lp_accuracy, np.nan)
        self._has_lp = bool(np.isfinite(self._lp).any())
        self._base_of_row = np.array(
            [own_base.get(architecture, -1) for architecture in table.architectures]
        )
        rounding = rounding_of_rows(self._lp[:, None])
        self._is_fine = rounding <= _FINE
        self._prior = _class_priors(self._lp, rounding)
        runs = _LP_RUNS.get(table.lp_column, 1)
        sizes = np.array([float(_N_MNLI * runs)])
        off, tested = off_grid(self._lp[:, None], sizes, rounding)
        self._off = np.flatnonzero(off)
        n_tested = int(tested.sum())
        self._is_other_test = n_tested >= _LEAST_ROWS and len(self._off) > n_tested / 2

    def findings(self) -> Iterator[Finding]:
        """Yield what every rule finds."""
        yield from self._out_of_range()
        yield from self._missing()
        if not self._is_other_test:
            yield from self._off_grid()
            yield from self._class_prior()
        yield from self._same_as_base()
        yield from self._base_unusable()

    def not_checked(self) -> Iterator[NotChecked]:
        """Yield the rules that could not run, and why."""
        column = self._table.lp_column or "lp_accuracy"
        if not self._has_lp:
            reason = "the table holds no LP; expected a column lp_accuracy (points)"
            yield from (NotChecked(rule=rule, what=column, reason=reason) for rule in _NEED_LP)
            return
        if self._is_other_test:
            reason = f"most LPs do not fit the {_N_MNLI} examples of MNLI's mismatched validation"
            yield NotChecked(rule="off-grid", what=column, reason=reason)
            yield NotChecked(rule="class-prior", what=column, reason=reason)
        if not self._is_fine.any():
            reason = "LPs are written with too few decimals; four (of points) tell models apart"
            yield NotChecked(rule="same-as-base", what=column, reason=reason)
        without = sorted(set(self._table.architectures) - self._own_base.keys())
        if without:
            shown = ", ".join(filter(None, without[:5])) or "all rows"
            yield NotChecked(
                rule="same-as-base",
                what=shown + (" ..." if len(without) > 5 else ""),
                reason="the table has no row of the base model itself, named like its architecture",
            )

    def _finding(self, row: int, rule: Rule, message: str, **values: float | str) -> Finding:
        lp = self._table.lp_accuracy[row]
        return Finding(
            line=int(self._table.lines[row]),
            row=self._table.models[row],
            column=self._table.lp_column,
            rule=rule,
            message=message,
            values=({self._table.lp_column: float(lp)} if np.isfinite(lp) else {}) | values,
        )

    def _out_of_range(self) -> Iterator[Finding]:
        lp = self._table.lp_accuracy
        for row in np.flatnonzero((lp < 0) | (lp > 100)):
            yield self._finding(
                int(row), "out-of-range", f"LP accuracy is {lp[row]:g}, expected 0 to 100 points"
            )

    def _missing(self) -> Iterator[Finding]:
        for row in np.flatnonzero(self._table.lp_accuracy == 0):
            yield self._finding(
                int(row),
                "missing-as-zero",
                "LP accuracy is 0, which no probe of three classes reaches: it was not measured; "
                "leave the cell empty",
            )

    def _off_grid(self) -> Iterator[Finding]:
        for row in self._off:
            lp = self._lp[row]
            yield self._finding(
                int(row),
                "off-grid",
                f"LP accuracy of {lp:.6g} is {lp * _N_MNLI / 100:.3f} right answers of {_N_MNLI}, "
                "expected a whole number; take it from the predictions again",
            )

    def _class_prior(self) -> Iterator[Finding]:
        for row in np.flatnonzero(self._prior):
            yield self._finding(
                int(row),
                "class-prior",
                f"LP accuracy of {self._lp[row]:.4f} is exactly the share of one MNLI class "
                f"({self._prior[row]} of {_N_MNLI}): the probe answered the same to every example; "
                "probe again",
            )

    def _same_as_base(self) -> Iterator[Finding]:
        base_of_row = self._base_of_row
        is_equal = np.abs(self._lp - self._lp[base_of_row]) <= _SAME
        is_equal &= self._is_fine & (base_of_row >= 0)
        for row in np.flatnonzero(is_equal):
            base = base_of_row[row]
            name = self._table.models[base]
            if self._table.models[row] == name:
                continue
            advice = (
                "both are the share of one class: both probes failed"
                if self._prior[base]
                else "its encoder has the base model's weights, or one LP was copied"
            )
            yield self._finding(
                int(row),
                "same-as-base",
                f"LP accuracy equals that of {name} to the last digit ({self._lp[base]:.4f}): "
                f"{advice}",
                base_model=name,
            )

    def _base_unusable(self) -> Iterator[Finding]:
        n_known = np.bincount(
            self._base_of_row[np.isfinite(self._lp) & (self._base_of_row >= 0)],
            minlength=self._table.n_rows,
        )
        for architecture, base in self._own_base.items():
            is_missing = bool(np.isnan(self._lp[base]))
            if not n_known[base] or not (is_missing or self._prior[base]):
                continue
            fault = "was not measured" if is_missing else "learned nothing (share of one class)"
            yield self._finding(
                base,
                "base-unusable",
                f"the probe of the base model itself {fault}: no LP gain of {architecture} can be "
                "taken against it; probe the base model again",
            )


def _class_priors(lp: NDArray[np.float64], rounding: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each LP the right answers of the class whose share it is exactly, else 0."""
    prior = np.zeros(len(lp), dtype=np.int64)
    for count in MNLI_CLASSES.values():
        is_share = np.abs(lp - 100 * count / _N_MNLI) <= rounding + _SAME
        prior[is_share & (rounding <= _FINE)] = count
    return prior
