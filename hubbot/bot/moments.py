"""Moments that a user names, as the Hub writes them."""

from datetime import UTC, datetime

from hubbot.errors import SettingsError
from hubbot.printable import printable


def moment_of(text: str) -> str:
    """Return a moment as the Hub writes it; empty for ``all``.

    Args:
        text: A day (``2026-11-01``) or a moment, ISO 8601; without a zone it is UTC.

    Raises:
        SettingsError: If it is none.

    >>> moment_of("2026-11-01")
    '2026-11-01T00:00:00.000Z'
    """
    if text.strip().lower() == "all":
        return ""
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        utc = zoned.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"--since {printable(text)!r} is no moment; expected a day such as 2026-11-01, ISO "
            "8601, or all"
        ) from error
    return utc.replace("+00:00", "Z")


def past_moment_of(text: str) -> str:
    """Return a moment as ``moment_of`` does, one in the future refused.

    Args:
        text: A day or a moment, or ``all``.

    Raises:
        SettingsError: If it is none, or has not come yet by this machine's clock.
    """
    moment = moment_of(text)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if moment > now:
        raise SettingsError(
            f"--since {printable(text)} lies in the future; it is {now[:16]} UTC by this machine's "
            "clock; expected a day or moment before, or all"
        )
    return moment
