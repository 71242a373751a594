"""One claim of a paper beside what the data give, and when the two count as the same."""

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["agrees", "close", "partly", "differs", "only here", "not recomputable"]
"""``agrees``: the same within the rounding of the printed figure, or the statement holds.
``close``: not the same digits, but within what the note gives as a reason. ``partly``: holds for a
part of the data, or in a weaker form. ``differs``: does not follow from the data at hand. ``only
here``: the paper gives no figure. ``not recomputable``: the data are not published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of a paper, recomputed."""

    claim: str
    """What is claimed."""
    where: str
    """Paper, section, table or figure."""
    published: float | str | None
    """As printed; None where the paper gives no figure."""
    recomputed: float | str | None
    """By hubbot, from the data; None where they are not published."""
    difference: float | None
    """Recomputed minus published; None where one of them is no number."""
    verdict: Verdict
    """How the two compare."""
    note: str
    """What was computed, and where a difference comes from as far as it could be found out."""


def numeric(
    claim: str,
    where: str,
    published: float,
    recomputed: float,
    *,
    digits: int,
    verdict: Verdict | None = None,
    is_cut: bool = False,
    note: str = "",
) -> Claim:
    """Compare two numbers.

    Args:
        claim: What is claimed.
        where: Its place.
        published: As printed.
        recomputed: By hubbot.
        digits: Decimals that are printed.
        verdict: Where they differ by more than the rounding; None for ``differs``.
        is_cut: Whether the paper cuts its figures instead of rounding them.
        note: What was computed, and the reason of a difference.
    """
    same = agrees(published, recomputed, digits=digits, is_cut=is_cut)
    return Claim(
        claim=claim,
        where=where,
        published=published,
        recomputed=recomputed,
        difference=recomputed - published,
        verdict="agrees" if same else verdict or "differs",
        note=note,
    )


def agrees(published: float, recomputed: float, *, digits: int, is_cut: bool = False) -> bool:
    """Return whether a number is the printed one within its rounding.

    Args:
        published: As printed.
        recomputed: By hubbot, in full.
        digits: Decimals that are printed.
        is_cut: Whether further decimals were cut off; a thousandth is allowed on top, because the
            cells that a mean is taken of are rounded themselves.

    >>> agrees(0.66, 0.6579, digits=2), agrees(-0.37, -0.3774, digits=2)
    (True, False)
    >>> agrees(-0.37, -0.3774, digits=2, is_cut=True)
    True
    """
    unit = 10.0**-digits
    if not is_cut:
        return abs(recomputed - published) <= unit / 2 + 1e-9
    further = math.copysign(1.0, published) * (recomputed - published)
    return -0.001 <= further <= unit + 0.001


def stated(
    claim: str,
    where: str,
    published: str,
    recomputed: str,
    verdict: Verdict,
    *,
    note: str = "",
) -> Claim:
    """Return a claim in words.

    Args:
        claim: What is claimed.
        where: Its place.
        published: What the paper says.
        recomputed: What the data say.
        verdict: How the two compare.
        note: The reason.
    """
    return Claim(
        claim=claim,
        where=where,
        published=published,
        recomputed=recomputed,
        difference=None,
        verdict=verdict,
        note=note,
    )


def without_data(claim: str, where: str, published: float | str, reason: str) -> Claim:
    """Return a claim whose data nobody has published.

    Args:
        claim: What is claimed.
        where: Its place.
        published: As printed.
        reason: What is missing.
    """
    return Claim(
        claim=claim,
        where=where,
        published=published,
        recomputed=None,
        difference=None,
        verdict="not recomputable",
        note=reason,
    )


def only_here(claim: str, where: str, recomputed: float | str, *, note: str = "") -> Claim:
    """Return a number that the paper does not give.

    Args:
        claim: What was computed.
        where: The table it was computed from.
        recomputed: By hubbot.
        note: How.
    """
    return Claim(
        claim=claim,
        where=where,
        published=None,
        recomputed=recomputed,
        difference=None,
        verdict="only here",
        note=note,
    )
