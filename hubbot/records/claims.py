"""Who works on what: a claim names a process, and a process that is gone claims nothing.

A process is told by host, number and start: numbers are used again, and one that was killed cannot
take its claim back.
"""

import os
import socket
import time
from dataclasses import dataclass
from functools import cache

_SAME_START_S = 2.0
"""Seconds by which two readings of one start may differ: it is counted from the machine's boot,
and the clock may have been set meanwhile."""

REFRESH_S = 60.0
"""Seconds between two times that a process says it is still at its cells."""

FAR_CLAIM_S = 1800.0
"""Seconds for which a claim of another host is honoured; whether its process lives cannot be seen
from here. Loading and tokenising large data, which may take minutes, are told of only in steps, and
two hosts' clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that claimed something."""

    host: str
    """Name of the machine, or of the container."""
    pid: int
    """Number of the process there."""
    started: float
    """When that process started, seconds since 1970."""
    since: float
    """When it claimed, or last said that it was still at it, seconds since 1970."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Holder:
    """Return this process as the holder of a claim made now."""
    return Holder(host=_host(), pid=os.getpid(), started=_own_start(os.getpid()), since=time.time())


def is_me(holder: Holder) -> bool:
    """Return whether a claim is this very process's."""
    own = this_process()
    is_same_start = abs(own.started - holder.started) <= _SAME_START_S
    return (own.host, own.pid) == (holder.host, holder.pid) and is_same_start


def is_gone(holder: Holder) -> bool:
    """Return whether the process behind a claim is known to have ended, or is taken to have.

    On this host the process table tells. A claim of another host (a ledger restored from a cache,
    another container on the same disk) counts for ``FAR_CLAIM_S`` after it was refreshed.
    """
    if holder.host != _host():
        return abs(time.time() - holder.since) > FAR_CLAIM_S
    import psutil  # of the probe extra, which whoever fine-tunes has

    try:
        process = psutil.Process(holder.pid)
        # A killed process whose parent has not looked yet still has its number.
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return bool(abs(process.create_time() - holder.started) > _SAME_START_S)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _own_start(pid: int) -> float:
    # By number, so that a fork asks anew.
    import psutil

    return float(psutil.Process(pid).create_time())
