"""Faults to order: which requests fail, how, and before or after their effect."""

import re
import threading
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

FaultKind = Literal["status", "drop", "slow", "truncate", "html", "empty"]
When = Literal["before", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way a request goes wrong."""

    kind: FaultKind
    """``status``: an error answer; ``drop``: connection closed without an answer; ``slow``: the
    right answer, late; ``truncate``: the right answer, cut off; ``html``: a page for people, with
    ``status``; ``empty``: ``status`` and not a byte."""
    when: When = "before"
    """Whether the request's effect takes place (``after``) or not; not for slow and truncate."""
    status: int = 503
    """Status of the answer."""
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"
    """Text of the error answer."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of the error answer."""
    seconds: float = 0.0
    """How late a slow answer is."""
    keep_bytes: int = 0
    """Bytes of the body sent before the cut."""

    @property
    def name(self) -> str:
        """Short name for the request log, such as ``status 503 after``."""
        if self.kind == "truncate":
            return self.kind
        if self.kind == "slow":
            return f"slow {self.seconds:g}s"
        number = "" if self.kind == "drop" else f" {self.status}"
        return f"{self.kind}{number} {self.when}"


@dataclass(slots=True)
class _Rule:
    method: str
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None
    skip: int


class Use(TypedDict, total=False):
    """When a rule applies."""

    times: int | None
    """How often; None for ever; once where it is left out."""
    skip: int
    """Fitting requests that pass before it."""


@dataclass(slots=True)
class Faults:
    """The queue of rules; the first one that fits a request is used up by it.

    ``method`` is upper-case or ``*``. ``path`` is a regular expression searched in the decoded
    path with its query, such as ``/commit/main[?]create_pr=1``. ``times`` None
    means for ever; the first ``skip`` fitting requests go through.
    """

    _rules: list[_Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, path: str, fault: Fault, **use: Unpack[Use]) -> None:
        """Queue any fault."""
        times, skip = use.get("times", 1), use.get("skip", 0)
        with self._lock:
            self._rules.append(_Rule(method, re.compile(path), fault, times, skip))

    def fail(
        self,
        method: str,
        path: str,
        status: int = 503,
        *,
        when: When = "before",
        **use: Unpack[Use],
    ) -> None:
        """Answer with an error status, before or after the effect."""
        self.add(method, path, Fault(kind="status", status=status, when=when), **use)

    def limit_rate(
        self,
        method: str,
        path: str,
        *,
        reset_s: int | None = None,
        retry_after_s: int | None = None,
        **use: Unpack[Use],
    ) -> None:
        """Answer 429: with RateLimit headers, with Retry-After, or with neither."""
        headers: list[tuple[str, str]] = []
        if reset_s is not None:
            headers.append(("RateLimit", f'"api";r=0;t={reset_s}'))
            headers.append(("RateLimit-Policy", '"fixed window";"api";q=500;w=300'))
        if retry_after_s is not None:
            headers.append(("Retry-After", str(retry_after_s)))
        fault = Fault(
            kind="status",
            status=429,
            headers=tuple(headers),
            message="We had to rate limit you, try again later",
        )
        self.add(method, path, fault, **use)

    def stale(self, method: str, path: str, **use: Unpack[Use]) -> None:
        """Answer 412 as if the branch had moved."""
        message = "A commit has happened since. Please refresh and try again."
        fault = Fault(kind="status", status=412, message=message)
        self.add(method, path, fault, **use)

    def drop(
        self,
        method: str,
        path: str,
        *,
        when: When = "before",
        **use: Unpack[Use],
    ) -> None:
        """Close the connection without an answer, before or after the effect."""
        self.add(method, path, Fault(kind="drop", when=when), **use)

    def slow(self, method: str, path: str, seconds: float, **use: Unpack[Use]) -> None:
        """Answer rightly, but so many seconds later."""
        self.add(method, path, Fault(kind="slow", seconds=seconds), **use)

    def truncate(self, method: str, path: str, keep_bytes: int, **use: Unpack[Use]) -> None:
        """Promise the whole body, send its first bytes and close the connection."""
        fault = Fault(kind="truncate", keep_bytes=keep_bytes)
        self.add(method, path, fault, **use)

    def html(
        self,
        method: str,
        path: str,
        status: int = 200,
        *,
        when: When = "before",
        **use: Unpack[Use],
    ) -> None:
        """Answer with a page for people, by default as if all were well."""
        fault = Fault(kind="html", status=status, when=when)
        self.add(method, path, fault, **use)

    def empty(
        self,
        method: str,
        path: str,
        status: int = 200,
        *,
        when: When = "before",
        **use: Unpack[Use],
    ) -> None:
        """Answer without a body, by default as if all were well."""
        fault = Fault(kind="empty", status=status, when=when)
        self.add(method, path, fault, **use)

    def take(self, method: str, target: str) -> Fault | None:
        """Return the fault that a request runs into, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.method not in {"*", method} or not rule.pattern.search(target):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self._rules.remove(rule)
                return rule.fault
        return None

    def pending(self) -> int:
        """Return how many rules have not been used up, so that a test can see none is left."""
        with self._lock:
            return len(self._rules)

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()
