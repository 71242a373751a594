"""What ``collect`` did, as values and as text.

The text is what the page of a workflow's run shows, so everything a maintainer should know stands
in it: counts by reason, what was not taken and why, what went wrong, who asked for peace, cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Collected:
    """What ``hubbot collect`` did."""

    plan: str
    """Digest of the plan."""
    is_sending: bool = False
    """Whether pull requests were opened, or only worked out."""
    taken: int = 0
    """Results that were taken over."""
    repeated: int = 0
    """Results that came twice and agree."""
    missing: list[str] = field(default_factory=list)
    """Checkpoints without a result: the next plan has them again."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Results that are not taken, by file or checkpoint, and why; the next plan has them again."""
    states: dict[str, int] = field(default_factory=dict)
    """Checkpoints taken over, by state."""
    touched: dict[str, int] = field(default_factory=dict)
    """Checkpoints whose state changed, by ``state`` or ``state: reason``."""
    events: dict[str, int] = field(default_factory=dict)
    """What else was done, counted: fine-tunings, pull requests, corrections."""
    n_opened: int = 0
    """Pull requests opened on cards."""
    scores: dict[str, Any] = field(default_factory=dict)
    """Pull request with the score records."""
    opt_outs: dict[str, str] = field(default_factory=dict)
    """Who asked to be left alone since the last pass, and where."""
    problems: list[str] = field(default_factory=list)
    """What else went wrong."""
    seconds: float = 0.0
    """That the shards spent on the checkpoints taken over."""
    seconds_per_model: float | None = None
    """The same for each; None where none was measured."""
    cost: float | None = None
    """Price of these seconds; None where ``bot.price_per_hour`` is not set."""
    cost_per_model: float | None = None
    """The same for each."""

    @property
    def is_whole(self) -> bool:
        """Whether every checkpoint of the plan has a result that was taken."""
        return not (self.missing or self.rejected or self.problems)


def lines_of(found: Collected) -> Iterator[tuple[str, str]]:
    """Yield what was done as names and values for a person.

    Args:
        found: From ``collect``.
    """
    yield "taken", f"{found.taken}{_spent(found)}"
    for state, number in sorted(found.states.items()):
        yield f"  {state}", str(number)
    yield "came twice", str(found.repeated)
    yield "missing", ", ".join(found.missing) or "none"
    yield from (("not taken", f"{name}: {why}") for name, why in found.rejected.items())
    yield "pull requests opened", f"{found.n_opened}" + ("" if found.is_sending else _DRY)
    if found.scores:
        yield "scores", f"{found.scores['action']} {found.scores['url'] or ''}".strip()
    if found.touched:
        yield "now in the ledger as", ""
    yield from ((f"  {name}", str(number)) for name, number in sorted(found.touched.items()))
    yield from ((name, str(number)) for name, number in sorted(found.events.items()))
    yield from (("left alone from now", f"{name}: {why}") for name, why in found.opt_outs.items())
    yield from (("problem", text) for text in found.problems)


_DRY = " (dry run: --send opens them)"


def _spent(found: Collected) -> str:
    text = ""
    if found.seconds_per_model is not None:
        text += f", {found.seconds_per_model:.1f} s each"
    if found.cost is not None:
        text += f", cost {found.cost:.2f}"
    if found.cost_per_model is not None:
        text += f" ({found.cost_per_model:.3f} each)"
    return text
