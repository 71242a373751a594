"""The request log: what every client really sent."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_READING_POSTS = ("/api/validate-yaml", "/preupload/", "/paths-info/", "/info/lfs/objects/")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request and what became of it."""

    method: str
    """Upper-case."""
    path: str
    """Decoded, so that ``refs/pr/1`` reads as such."""
    query: tuple[tuple[str, str], ...]
    """Decoded, in order; names may repeat."""
    user: str | None
    """Account of the token; None without one or with a wrong one."""
    status: int | None
    """Status of the answer; None where the connection was dropped."""
    fault: str | None
    """The injected fault, such as ``status 503 after``."""
    body: Any
    """Parsed JSON; a list of the lines for NDJSON; None for other bodies."""
    headers: Mapping[str, str]
    """``user-agent``, ``range`` and whether a token was sent (``authorization``: yes or no)."""

    @property
    def is_write(self) -> bool:
        """Whether the request asks for a change (also where it was refused)."""
        reads = any(part in self.path for part in _READING_POSTS)
        return self.method not in {"GET", "HEAD", "OPTIONS"} and not reads

    @property
    def target(self) -> str:
        """Path with query, as fault rules see it."""
        return target_of(self.path, self.query)


def target_of(path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Join path and query, decoded."""
    text = "&".join(f"{key}={value}" for key, value in query)
    return f"{path}?{text}" if text else path


class RequestLog:
    """Records in memory and, line by line, in a file."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``, which is made with the first record."""
        self._path = path
        self._records: list[RequestRecord] = []
        self._lock = threading.Lock()

    def append(self, record: RequestRecord) -> None:
        """Keep a record."""
        with self._lock:
            self._records.append(record)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record)) + "\n")

    def records(self) -> tuple[RequestRecord, ...]:
        """Return all records since the start or the last clearing."""
        with self._lock:
            return tuple(self._records)

    def clear(self) -> None:
        """Forget all records, on disk too."""
        with self._lock:
            self._records.clear()
            self._path.unlink(missing_ok=True)
