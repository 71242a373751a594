"""Results of checks, each of which stands alone."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hubbot.errors import HubbotError

logger = logging.getLogger(__name__)

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check."""

    check: str
    """Its name."""
    status: Status
    """``warning``: something optional is missing; ``problem``: a command will fail."""
    found: str
    """What was found."""
    advice: str
    """What to do; empty where all is well."""


def fine(check: str, found: str, advice: str = "") -> Finding:
    """Return that all is well, with a hint where there is one."""
    return Finding(check=check, status="ok", found=found, advice=advice)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return that something optional is missing."""
    return Finding(check=check, status="warning", found=found, advice=advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """Return that a command will fail."""
    return Finding(check=check, status="problem", found=found, advice=advice)


def isolated(check: str, look: Callable[[], Finding], *, advice: str = "") -> Finding:
    """Run one check; whatever it raises is its finding, so that the others are still made.

    Args:
        check: Its name.
        look: Makes the finding.
        advice: What to do where it ends with an error of ours, which mostly says so itself.
    """
    try:
        return look()
    except HubbotError as error:
        return problem(check, str(error), advice)
    except Exception as error:
        logger.exception("the check of %s failed", check)
        return problem(
            check,
            f"the check itself failed with {type(error).__name__}: {error}",
            "what it looks at is in an odd state; please report it with the lines above",
        )
