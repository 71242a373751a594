"""Git's objects, named as git names them: blobs, trees and commits of one GitHub repository."""

import hashlib
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Kind = Literal["blob", "tree", "commit"]

FOLDER_MODE = "040000"
"""Mode of a folder as GitHub writes it; inside the object git writes it without the zero."""

_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path stands for."""

    mode: str
    """Six digits, such as ``100644``."""
    oid: str
    """Name of the object, 40 hex digits."""

    @property
    def kind(self) -> str:
        """``tree`` for a folder, ``commit`` for a submodule, else ``blob``."""
        return {FOLDER_MODE: "tree", "160000": "commit"}.get(self.mode, "blob")


Files = Mapping[str, Entry]
"""Files of a whole tree by path, folders left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit."""

    oid: str
    """40 hex digits."""
    tree: str
    """Name of its tree."""
    parents: tuple[str, ...]
    """Names of the commits before; two for a merge."""
    author: str
    """Account."""
    date: datetime
    """When, UTC, whole seconds."""
    message: str
    """Whole message."""


def git_name(kind: Kind, content: bytes) -> str:
    """Return the name git gives an object, 40 hex digits.

    Args:
        kind: Kind of object.
        content: Its bytes, without git's header.
    """
    return hashlib.sha1(_framed(kind, content), usedforsecurity=False).hexdigest()


def _framed(kind: Kind, content: bytes) -> bytes:
    return b"%s %d\0" % (kind.encode(), len(content)) + content


class ObjectStore:
    """Objects below one folder, ``ab/cdef…``, each with git's header before it."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which is made with the first object."""
        self._folder = folder

    # Any object

    def add(self, kind: Kind, content: bytes) -> str:
        """Keep an object and return its name."""
        oid = git_name(kind, content)
        path = self._path(oid)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(_framed(kind, content))
            draft.replace(path)
        return oid

    def read(self, oid: str, kind: Kind) -> bytes | None:
        """Return an object's bytes; None where there is none of this name and kind."""
        if not _OID.fullmatch(oid) or not self._path(oid).is_file():
            return None
        head, _, content = self._path(oid).read_bytes().partition(b"\0")
        return content if head.split(b" ")[0].decode() == kind else None

    def _path(self, oid: str) -> Path:
        return self._folder / oid[:2] / oid[2:]

    # Trees

    def add_tree(self, entries: Mapping[str, Entry]) -> str:
        """Keep one level of a tree and return its name.

        Args:
            entries: By name; git sorts a folder as if its name ended with a slash.
        """
        ordered = sorted(entries.items(), key=lambda item: _sorting_name(*item))
        content = b"".join(
            b"%s %s\0" % (entry.mode.lstrip("0").encode(), name.encode()) + bytes.fromhex(entry.oid)
            for name, entry in ordered
        )
        return self.add("tree", content)

    def tree(self, oid: str) -> dict[str, Entry] | None:
        """Return one level of a tree in git's order; None where there is no such tree."""
        content = self.read(oid, "tree")
        if content is None:
            return None
        entries: dict[str, Entry] = {}
        while content:
            head, _, rest = content.partition(b"\0")
            mode, _, name = head.partition(b" ")
            entries[name.decode()] = Entry(mode.decode().zfill(6), rest[:20].hex())
            content = rest[20:]
        return entries

    def walk(self, oid: str, prefix: str = "") -> dict[str, Entry]:
        """Return all entries below a tree by path, folders included, each before what it holds."""
        found: dict[str, Entry] = {}
        for name, entry in (self.tree(oid) or {}).items():
            found[prefix + name] = entry
            if entry.kind == "tree":
                found |= self.walk(entry.oid, f"{prefix}{name}/")
        return found

    def files(self, oid: str) -> dict[str, Entry]:
        """Return the files below a tree by path."""
        return {path: entry for path, entry in self.walk(oid).items() if entry.kind != "tree"}

    def add_files(self, files: Files) -> str:
        """Keep the trees of a set of files and return the name of the outermost one."""
        level: dict[str, Entry] = {}
        folders: dict[str, dict[str, Entry]] = {}
        for path, entry in files.items():
            name, _, rest = path.partition("/")
            if rest:
                folders.setdefault(name, {})[rest] = entry
            else:
                level[name] = entry
        for name, inner in folders.items():
            level[name] = Entry(FOLDER_MODE, self.add_files(inner))
        return self.add_tree(level)

    # Commits

    def add_commit(
        self, tree: str, parents: tuple[str, ...], *, author: str, message: str, date: datetime
    ) -> Commit:
        """Keep a commit."""
        stamp = f"{author} <{author}@users.noreply.github.com> {int(date.timestamp())} +0000"
        lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents)]
        lines += [f"author {stamp}", f"committer {stamp}", "", message]
        oid = self.add("commit", "\n".join(lines).encode())
        made = self.commit(oid)
        assert made is not None, "it was written a line above"  # noqa: S101 - for the type
        return made

    def commit(self, oid: str) -> Commit | None:
        """Return a commit; None where there is none of this name."""
        content = self.read(oid, "commit")
        if content is None:
            return None
        head, _, message = content.decode().partition("\n\n")
        lines = [line.partition(" ")[::2] for line in head.split("\n")]
        fields = dict(lines)
        author, _, rest = fields["author"].partition(" <")
        return Commit(
            oid=oid,
            tree=fields["tree"],
            parents=tuple(value for name, value in lines if name == "parent"),
            author=author,
            date=datetime.fromtimestamp(int(rest.split()[-2]), UTC),
            message=message,
        )

    def history(self, oid: str) -> list[str]:
        """Return a commit and all before it, nearest first."""
        found: dict[str, None] = {}
        queue = deque([oid])
        while queue:
            name = queue.popleft()
            commit = None if name in found else self.commit(name)
            if commit is not None:
                found[name] = None
                queue.extend(commit.parents)
        return list(found)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the nearest commit before both; None where they have nothing in common."""
        known = set(self.history(other))
        return next((oid for oid in self.history(one) if oid in known), None)


def _sorting_name(name: str, entry: Entry) -> bytes:
    return name.encode() + (b"/" if entry.kind == "tree" else b"")
