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
    """Price of the time spent on a measured checkpoint, the mean; the same."""
    target_seconds: float = 0.0
    """Time spent on fine-tunings: sensitivities and gains."""
    target_cost: float | None = None
    """Its price; None where ``bot.price_per_hour`` is not set."""
    opened: Sequence[str] = ()
    """Addresses of the pull requests opened on cards."""
    opt_outs: Mapping[str, str] = field(default_factory=dict)
    """Owners and repositories that were heard asking to be left alone, and how we know."""
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
        *_fine_tuned(summary),
        ("pull requests opened", f"{summary.n_opened}" + ("" if summary.is_sending else _DRY)),
        *(("  opened", url) for url in summary.opened),
        *((f"asked to stop: {name}", why) for name, why in summary.opt_outs.items()),
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
    text = f"{discovered['listed']} on {discovered['pages']} pages: {partition_of(discovered)}"
    if left is not None:
        text += f"; {left} calls left in the Hub's window"
    skipped = [(f"listed: {name}", str(n)) for name, n in discovered["skipped"].items()]
    return [("listed", text), ("of new and known", fate_of(discovered)), *skipped]


def partition_of(discovered: Mapping[str, Any]) -> str:
    """Return what became of the items of the Hub's list, each counted once.

    Args:
        discovered: Counts, as ``told`` gives them.

    >>> counts = {"new": 3, "known": 1, "repeated": 4, "unchanged": 0, "unreadable": 1}
    >>> partition_of(counts)
    '3 new, 1 known, 4 repeated, 0 unchanged, 1 unreadable'
    """
    names = ("new", "known", "repeated", "unchanged", "unreadable")
    return ", ".join(f"{discovered[name]} {name}" for name in names)


def fate_of(discovered: Mapping[str, Any]) -> str:
    """Return what becomes of the new and the known models, each counted once.

    Args:
        discovered: Counts, as ``told`` gives them.

    >>> fate_of({"included": 3, "waiting": 2, "skipped": {"gated": 1}})
    '2 to measure, 1 measured or given up before, 1 left out'
    """
    waiting, left_out = discovered["waiting"], sum(discovered["skipped"].values())
    before = discovered["included"] - waiting
    return f"{waiting} to measure, {before} measured or given up before, {left_out} left out"


def _fine_tuned(summary: Summary) -> list[tuple[str, str]]:
    if summary.target_seconds < 0.5:
        return []
    cost = "" if summary.target_cost is None else f", cost {summary.target_cost:.2f}"
    return [("fine-tunings", f"{summary.target_seconds:.0f} s{cost}")]


def _measured(summary: Summary) -> str:
    text = f"{summary.n_measured}"
    if summary.seconds_per_model is not None:
        text += f", {summary.seconds_per_model:.1f} s each"
    if summary.cost is not None:
        text += f", cost {summary.cost:.2f}"
    if summary.cost_per_model is not None:
        text += f" ({summary.cost_per_model:.3f} each)"
    return text
