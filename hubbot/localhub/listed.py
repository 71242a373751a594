"""Models known by their list item only: no files, no history.

The items lie in ``listed.jsonl``, one a line; the last line of an id counts. In memory there is
one :class:`Entry` each, so that 100,000 of them take tens of megabytes.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a list filters and sorts by."""

    id: str
    """``namespace/name`` or a bare name."""
    tags: tuple[str, ...]
    """Tags, library and task."""
    modified: float
    """``lastModified``, seconds since 1970."""
    created: float
    """``createdAt``, seconds since 1970."""
    downloads: int
    """Number shown."""
    likes: int
    """Number shown."""
    trending: float
    """Score shown."""
    is_private: bool
    """Listed for its owners only."""
    is_gated: bool
    """Whatever the kind of gate."""
    is_hidden: bool = False
    """Listed for nobody."""
    offset: int = -1
    """Where its line begins in ``listed.jsonl``; -1 for a repository."""
    length: int = 0
    """Bytes of that line."""

    @property
    def namespace(self) -> str:
        """Owner; empty for a bare name."""
        return self.id.rpartition("/")[0]


def entry_of(item: Mapping[str, Any], *, offset: int = -1, length: int = 0) -> Entry:
    """Return what lists need of an item with all keys."""
    words = [*item["tags"], item.get("library_name"), item.get("pipeline_tag")]
    # Most tags are those of thousands of other models; one text each is kept.
    tags = tuple(dict.fromkeys(sys.intern(word) for word in words if isinstance(word, str)))
    return Entry(
        id=item["id"],
        tags=tags,
        modified=datetime.fromisoformat(item["lastModified"]).timestamp(),
        created=datetime.fromisoformat(item["createdAt"]).timestamp(),
        downloads=item["downloads"],
        likes=item["likes"],
        trending=item["trendingScore"],
        is_private=bool(item["private"]),
        is_gated=bool(item["gated"]),
        offset=offset,
        length=length,
    )


class ListedModels:
    """The items on disk and their entries in memory."""

    def __init__(self, path: Path) -> None:
        """Use ``path``, which is made with the first item."""
        self._path = path
        self._entries: dict[str, Entry] = {}
        self.generation = 0
        """Counts changes, so that others know when their view is old."""

    def __contains__(self, repo_id: str) -> bool:
        """Tell whether a model of this id is listed."""
        return repo_id in self._entries

    def __len__(self) -> int:
        """Return how many models are listed."""
        return len(self._entries)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, in the order in which their ids were first added."""
        return iter(self._entries.values())

    def entry(self, repo_id: str) -> Entry | None:
        """Return the entry of a model; None where it is not listed."""
        return self._entries.get(repo_id)

    def find(self, repo_id: str) -> dict[str, Any] | None:
        """Return the item of a model; None where it is not listed."""
        entry = self._entries.get(repo_id)
        return None if entry is None else self.read([entry])[0]

    def read(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Return the items of entries, in their order."""
        if not entries:
            return []  # There may be no file yet.
        items = []
        with self._path.open("rb") as file:
            for entry in entries:
                file.seek(entry.offset)
                items.append(json.loads(file.read(entry.length)))
        return items

    def add(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Append items, each with all keys; one of a known id replaces it. Returns their number."""
        count = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.generation += 1
        with self._path.open("ab") as file:
            offset = file.seek(0, 2)
            for item in items:
                line = json.dumps(item, separators=(",", ":")).encode() + b"\n"
                entry = entry_of(item, offset=offset, length=len(line))
                file.write(line)
                self._entries[entry.id] = entry
                offset += len(line)
                count += 1
        return count

    def load(self) -> None:
        """Read the entries back; a line that broke off when its writer was killed goes."""
        if not self._path.exists():
            return
        offset = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                item = json.loads(line)
                self._entries[item["id"]] = entry_of(item, offset=offset, length=len(line))
                offset += len(line)
        if offset < self._path.stat().st_size:
            with self._path.open("r+b") as file:
                file.truncate(offset)
        self.generation += 1

    def clear(self) -> None:
        """Forget all items, on disk too."""
        self._entries.clear()
        self.generation += 1
        self._path.unlink(missing_ok=True)
