"""Run a module in a child that has no network, no token and bounded resources."""

import json
import logging
import os
import selectors
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import hubbot
from hubbot.errors import ProbeError
from hubbot.probing.job import ChildLimits

logger = logging.getLogger(__name__)

GIB = 1024**3

# Everything else stays behind, tokens above all.
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
)
_POLL_S = 0.2
_MESSAGE_BYTES = 1 << 20
_STDERR_LINES = 40


class MemoryLimitError(ProbeError):
    """The child used more memory than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How messages speak of a child and of what helps it."""

    child: str
    """What it is called."""
    late: str
    """What to do when it ran out of time."""
    greedy: str
    """What to do when it used too much memory."""


PROBING = Wording(
    child="the probing child",
    late="finished rows stay in the cache, run again to go on, or raise probe.timeout_s",
    greedy="lower probe.tokens_per_batch or raise probe.memory_gb",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a child ended of its own accord."""

    code: int
    """Exit status; minus the number of the signal that killed it."""
    stderr: str
    """Last lines it wrote to standard error."""


def run_child(
    arguments: Sequence[str],
    *,
    limits: ChildLimits,
    on_message: Callable[[Mapping[str, Any]], None],
    wording: Wording = PROBING,
) -> Ended:
    """Run ``python ARGUMENTS`` locked down and hand over its messages as they come.

    Args:
        arguments: ``-m MODULE ARG...`` or ``-c CODE ARG...``.
        limits: What the child may use.
        on_message: Called with each JSON object the child writes on a line of its channel.
        wording: For messages.

    Returns:
        How the child ended. Whatever happens, it and its children are gone by then.

    Raises:
        ProbeError: If it was killed for its time or (MemoryLimitError) for its memory; the message
            names the setting.
    """
    with tempfile.TemporaryDirectory(prefix="hubbot-child-") as home:
        confinement = {"file_bytes": int(limits.file_gb * GIB), "parent": os.getpid()}
        command = [sys.executable, "-P", "-m", "hubbot.probing.lockdown", json.dumps(confinement)]
        process = subprocess.Popen(  # noqa: S603 - our own module, arguments as a list
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=child_environment(Path(home)),
            start_new_session=True,
        )
        try:
            return _Watch(process, limits, on_message, wording).until_it_ends()
        finally:
            _kill_group(process)


def child_environment(home: Path) -> dict[str, str]:
    """Return the whole environment of a child whose home is the empty folder ``home``."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return environment | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "HF_HOME": str(home / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONPATH": os.pathsep.join(_import_roots()),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _import_roots() -> list[str]:
    """Return folders the child would not find by itself: a checkout, the user's own packages."""
    root = str(Path(hubbot.__file__).resolve().parent.parent)
    roots = [] if root in site.getsitepackages() else [root]
    personal = site.getusersitepackages()
    return [*roots, personal] if personal in sys.path else roots


class _Watch:
    """Reads a child's two pipes and keeps an eye on clock and memory."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        limits: ChildLimits,
        on_message: Callable[[Mapping[str, Any]], None],
        wording: Wording,
    ) -> None:
        self._process = process
        self._limits = limits
        self._wording = wording
        self._on_message = on_message
        self._deadline = time.monotonic() + limits.timeout_s
        self._channel = b""
        self._stderr: deque[bytes] = deque([b""], maxlen=_STDERR_LINES)
        self._selector = selectors.DefaultSelector()
        for pipe, reader in (
            (process.stdout, self._read_channel),
            (process.stderr, self._read_log),
        ):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ, reader)

    def until_it_ends(self) -> Ended:
        with self._selector:
            while self._selector.get_map():
                for key, _ in self._selector.select(timeout=_POLL_S):
                    self._read(key)
                self._check_limits()
                if self._process.poll() is not None and not self._selector.select(timeout=0):
                    break  # a grandchild may hold the pipes open
        while self._process.poll() is None:
            self._check_limits()
            time.sleep(_POLL_S / 10)
        tail = b"\n".join(self._stderr).decode(errors="replace").strip()
        return Ended(code=self._process.returncode, stderr=tail)

    def _read(self, key: selectors.SelectorKey) -> None:
        pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]  # registered above as a pipe
        chunk = os.read(pipe.fileno(), 65_536)
        if chunk:
            key.data(chunk)
        else:
            self._selector.unregister(pipe)

    def _read_channel(self, chunk: bytes) -> None:
        *lines, self._channel = (self._channel + chunk).split(b"\n")
        if len(self._channel) > _MESSAGE_BYTES:
            raise ProbeError(
                f"{self._wording.child} wrote a message without end; please report this"
            )
        for line in lines:
            message = json.loads(line)
            if isinstance(message, dict):
                self._on_message(message)

    def _read_log(self, chunk: bytes) -> None:
        first, *others = chunk.split(b"\n")
        self._stderr[-1] = (self._stderr[-1] + first)[-_MESSAGE_BYTES:]
        self._stderr.extend(others)

    def _check_limits(self) -> None:
        if time.monotonic() > self._deadline:
            raise ProbeError(
                f"{self._wording.child} did not finish within {self._limits.timeout_s:g} s and "
                f"was stopped; {self._wording.late}"
            )
        used = _resident_bytes(self._process.pid)
        if used > self._limits.memory_gb * GIB:
            raise MemoryLimitError(
                f"{self._wording.child} used {used / GIB:.2f} GiB of memory, more than the "
                f"{self._limits.memory_gb:g} GiB allowed, and was stopped; {self._wording.greedy}"
            )


def _resident_bytes(pid: int) -> int:
    import psutil  # of the probe extra; reading settings and jobs does without

    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill the child and everything it started; it leads a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all gone (macOS says the latter)
        logger.debug("child %d had already ended", process.pid)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
