"""What a check of a results table says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Rule = Literal[
    "misaligned",
    "off-grid",
    "impossible-gain",
    "out-of-range",
    "mixed-units",
    "missing-as-zero",
    "class-prior",
    "same-as-base",
    "base-unusable",
    "copied",
    "same-weights",
    "duplicate",
    "unknown-architecture",
]
"""Name of a check, as it stands in reports and in the packaged tables."""

RULES: Mapping[str, str] = {
    "misaligned": "scores are not those of their columns: moved, or of other test sets",
    "off-grid": "not a whole number of right answers on that test set",
    "impossible-gain": "far above the base model, where no known model comes near",
    "out-of-range": "not a score at all",
    "mixed-units": "a row in fractions among rows in points",
    "missing-as-zero": "0 stands for a number that was never measured",
    "class-prior": "the probe is right as often as one class is: it learned nothing",
    "same-as-base": "LP equals the base model's to the last digit: same encoder weights",
    "base-unusable": "the base model's own probe failed: LP gains cannot be taken against it",
    "copied": "two models with identical scores",
    "same-weights": "two names with identical scores and identical LP: one model",
    "duplicate": "the same model twice",
    "unknown-architecture": "no level of the base model is known",
}
"""Every rule, in order of reports, and what it means in a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not add up."""

    line: int
    """Line of the file, 1 for the header."""
    row: str
    """Name of the row's model."""
    column: str | None
    """Column it is about; None where it is about several or the whole row."""
    rule: Rule
    """Which check it comes from."""
    message: str
    """What was found, what was expected and what to do."""
    values: Mapping[str, float | str]
    """Numbers (points) and names behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChecked:
    """A check that could not run."""

    rule: Rule
    """Which one."""
    what: str
    """Columns or rows it concerns."""
    reason: str
    """Why, and what would make it possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a check of one table says."""

    n_rows: int
    """Rows of the table."""
    columns: tuple[str, ...]
    """Columns of scores that were looked at."""
    sizes: Mapping[str, int | None]
    """For each of them the examples of the test set used; None where the grid was not checked."""
    findings: tuple[Finding, ...]
    """In the order of rows, then of ``RULES``."""
    not_checked: tuple[NotChecked, ...]
    """Checks that could not run."""

    @property
    def counts(self) -> dict[str, int]:
        """Findings of each rule that has any, in the order of ``RULES``."""
        found = Counter[str](finding.rule for finding in self.findings)
        return {rule: found[rule] for rule in RULES if found[rule]}

    def rows_with(self, rule: str) -> int:
        """Return in how many rows a rule found something.

        Args:
            rule: Key of ``RULES``.
        """
        return len({finding.line for finding in self.findings if finding.rule == rule})
