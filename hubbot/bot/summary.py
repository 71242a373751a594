"""What a pass did, as values and as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one pass did, what it left out and why, and what it cost."""

    number: int
    """Number of the pass."""
    begun: str
    """When, UTC, ISO 8601."""
    seconds: float
    """Wall-clock time."""
    is_sending: bool
    """Whether pull requests were opened, or only worked out."""
    discovered: Mapping[str, Any]
    """Counts of the listing; empty where none was made."""
    touched: Mapping[str, int]
    """Checkpoints whose state this pass changed, by ``state`` or ``state: reason``."""
    total: Mapping[str, int]
    """All checkpoints of the ledger, the same way: each is counted once."""
    n_measured: int
    """Checkpoints measured, those refused or failed included."""
    n_opened: int
    """Pull requests opened on cards."""
    events: Mapping[str, int]
    """What else was done."""
    problems: Sequence[str]
    """What went wrong that belongs to no checkpoint."""
    stopped: str
    """Why the pass ended early; empty where it came to its end."""
    seconds_per_model: float | None
    """Mean time of a measured checkpoint; None where none was."""
    cost: float | None = None
    """Price of the pass; None where ``bot.price_per_hour`` is not set."""
    cost_per_model: float | None = None
    """Price of a measured checkpoint; the same."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Pull request with the score records on GitHub; empty where none is set up."""

    @property
    def n_failed(self) -> int:
        """Checkpoints that failed in this pass."""
        return sum(
            number for name, number in self.touched.items() if name.split(":")[0] == "failed"
        )


def spelt(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return counts by state and reason with both in one word.

    >>> spelt({("skipped", "gated"): 2, ("seen", ""): 1})
    {'skipped: gated': 2, 'seen': 1}
    """
    return {
        f"{state}: {code}" if code else state: number for (state, code), number in counts.items()
    }


def lines_of(summary: Summary) -> list[tuple[str, str]]:
    """Return a summary as names and values for a person.

    Args:
        summary: Of a pass.
    """
    lines = [
        ("pass", f"{summary.number}, begun {summary.begun}, {summary.seconds:.0f} s"),
        *_listed(summary.discovered),
        ("measured", _measured(summary)),
        ("pull requests opened", f"{summary.n_opened}" + ("" if summary.is_sending else _DRY)),
    ]
    lines += [(name, str(number)) for name, number in sorted(summary.touched.items())]
    lines += [(name, str(number)) for name, number in sorted(summary.events.items())]
    if summary.scores:
        lines.append(
            ("scores", f"{summary.scores['action']} {summary.scores['url'] or ''}".strip())
        )
    lines += [("problem", text) for text in summary.problems]
    if summary.stopped:
        lines.append(("ended early", summary.stopped))
    lines.append(("in the ledger", f"{sum(summary.total.values())} checkpoints"))
    return lines


_DRY = " (dry run: --send opens them)"


def _listed(discovered: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not discovered:
        return []
    left = discovered["calls_left"]
    text = f"{discovered['listed']} on {discovered['pages']} pages, {discovered['new']} new"
    if left is not None:
        text += f"; {left} calls left in the Hub's window"
    skipped = [(f"listed: {name}", str(n)) for name, n in discovered["skipped"].items()]
    return [("listed", text), *skipped]


def _measured(summary: Summary) -> str:
    text = f"{summary.n_measured}"
    if summary.seconds_per_model is not None:
        text += f", {summary.seconds_per_model:.1f} s each"
    if summary.cost is not None:
        text += f", cost {summary.cost:.2f}"
    if summary.cost_per_model is not None:
        text += f" ({summary.cost_per_model:.3f} each)"
    return text
