"""Rate limits as the Hub counts them: fixed windows per account and bucket."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Bucket = Literal["api", "resolvers", "pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests per window and account; the defaults are a free account's.

    Source: the Hub's documentation of rate limits (September 2025).
    """

    api: int = 1000
    resolvers: int = 5000
    pages: int = 200
    window_s: int = 300


def bucket_of(path: str) -> Bucket:
    """Return which allowance a path counts against."""
    if path.startswith("/api/"):
        return "api"
    return "resolvers" if "/resolve/" in path or "/info/lfs/" in path else "pages"


class Counter:
    """Counts requests; without limits it lets everything through and says nothing."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Start without limits."""
        self.limits: RateLimits | None = None
        self._clock = clock
        self._counts: dict[tuple[str, Bucket, int], int] = {}

    def clear(self) -> None:
        """Forget limits and counts."""
        self.limits = None
        self._counts.clear()

    def take(self, account: str, path: str) -> tuple[bool, list[tuple[str, str]]]:
        """Count a request.

        Returns:
            Whether it is within the limit, and the headers of its answer.
        """
        # GitHub counts by itself, see github_answers.
        if self.limits is None or path.startswith("/github/"):
            return True, []
        bucket, window_s = bucket_of(path), self.limits.window_s
        quota: int = getattr(self.limits, bucket)
        now = self._clock().timestamp()
        window = int(now // window_s)
        key = (account, bucket, window)
        self._counts[key] = used = self._counts.get(key, 0) + 1
        left = max(0, quota - used)
        reset_s = int((window + 1) * window_s - now) + 1
        headers = [
            ("RateLimit", f'"{bucket}";r={left};t={reset_s}'),
            ("RateLimit-Policy", f'"fixed window";"{bucket}";q={quota};w={window_s}'),
        ]
        return used <= quota, headers
