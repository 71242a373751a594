"""The folder of the scores on GitHub: read at a commit, changed by one commit."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from github.GitCommit import GitCommit
from github.GithubObject import NotSet
from github.GitTree import GitTree
from github.InputGitTreeElement import InputGitTreeElement

from hubbot.errors import RemoteError
from hubbot.hub.github_client import Connection

_MOST_FILES = 100
"""Files sent in one call."""

_MOST_LETTERS = 500_000
"""Characters sent in one call."""

Changes = Mapping[str, str | None]
"""Name of a blob on GitHub by path; None deletes the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the repository holds at one commit."""

    commit: GitCommit
    """The commit."""
    files: Mapping[str, str]
    """Names of the blobs in the folder of the scores, by path in the repository."""
    around: Mapping[str, str]
    """Names of what stands beside that folder and beside the folders above it, by path."""

    @property
    def sha(self) -> str:
        """Name of the commit, 40 hex digits."""
        return self.commit.sha


def blob_name(text: str) -> str:
    """Return git's name of a file's content, 40 hex digits.

    Args:
        text: Content, UTF-8 once written.

    >>> blob_name("")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    content = text.encode()
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def checked_path(path: str) -> str:
    """Return a path, if it stays inside the folder of the scores.

    Args:
        path: Relative to that folder.

    Raises:
        ValueError: If it may lead out of it.
    """
    parts = path.split("/")
    if "\\" in path or any(part.lower() in {"", ".", "..", ".git"} for part in parts):
        raise ValueError(f"expected a path inside the folder of the scores, found {path!r}")
    return path


def take_snapshot(where: Connection, sha: str, folder: str) -> Snapshot:
    """Read the folder at a commit, in a few calls whatever else the repository holds.

    Args:
        where: The repository.
        sha: Commit.
        folder: Folder of the scores.

    Raises:
        RemoteError: If the commit is not there, or the folder is something else than a folder.
    """
    commit = where.ask("the commit", lambda: where.repository.get_git_commit(sha).complete())
    name, prefix = where.ask("the commit", lambda: commit.tree.sha), ""
    around: dict[str, str] = {}
    for part in folder.split("/"):
        level = _level(where, name, prefix)
        around |= {path: oid for path, (_, oid) in level.items() if path != prefix + part}
        prefix += part
        kind, name = level.get(prefix, ("tree", ""))
        if kind != "tree":
            raise RemoteError(
                f"{prefix} in {where.name} is a file, expected a folder; "
                "name another one in github.folder",
                kind="invalid",
            )
        prefix += "/"
        if not name:
            break
    files = dict(_below(where, name, prefix)) if name else {}
    return Snapshot(commit=commit, files=files, around=around)


def _level(where: Connection, name: str, prefix: str) -> dict[str, tuple[str, str]]:
    """Return kind and name of what one folder holds, by path."""
    tree = _tree(where, name, recursive=False)
    return {prefix + item.path: (item.type, item.sha) for item in tree.tree}


def _below(where: Connection, name: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield path and name of each file below a folder; folder by folder where it is too long."""
    tree = _tree(where, name, recursive=True)
    if not tree.truncated:
        yield from ((prefix + item.path, item.sha) for item in tree.tree if item.type == "blob")
        return
    for path, (kind, oid) in _level(where, name, prefix).items():
        if kind == "tree":
            yield from _below(where, oid, f"{path}/")
        elif kind == "blob":
            yield path, oid


def _tree(where: Connection, name: str, *, recursive: bool) -> GitTree:
    def read() -> GitTree:
        wanted = True if recursive else NotSet
        tree = where.repository.get_git_tree(name, recursive=wanted)
        # An answer that is no tree reads as an empty one, and all files would be sent again.
        if not isinstance(tree.raw_data.get("tree"), list):
            raise ValueError("no tree in the answer")
        return tree

    return where.ask("the files", read)


def read_text(where: Connection, name: str) -> str:
    """Return the content of a blob; what is no UTF-8 in it is replaced.

    Args:
        where: The repository.
        name: Name of the blob.
    """

    def read() -> str:
        return base64.b64decode(where.repository.get_git_blob(name).content).decode(
            "utf-8", "replace"
        )

    return where.ask("a file", read)


def write_commit(
    where: Connection,
    *,
    base: GitCommit,
    parents: list[GitCommit],
    texts: Mapping[str, str],
    names: Changes,
    message: str,
) -> GitCommit:
    """Make one commit, which is on no branch yet.

    Done twice it leaves a commit that nothing points to and that GitHub clears away, so it is
    repeated like a call that reads. Texts go inside the tree rather than as blobs of their own:
    GitHub bounds how many writes an account may make in an hour.

    Args:
        where: The repository.
        base: Commit whose files are changed.
        parents: Commits before the new one.
        texts: New contents by path in the repository.
        names: Other changes.
        message: Message of the commit.
    """
    tree = base.tree
    for part in _parts(texts, names):
        start = tree

        def put(part: list[InputGitTreeElement] = part, start: GitTree = start) -> GitTree:
            made = where.repository.create_git_tree(part, start)
            if not made.sha:
                raise ValueError("no tree in the answer")
            return made

        tree = where.ask("the files", put, needs="contents: write")

    def make() -> GitCommit:
        made = where.repository.create_git_commit(message, tree, parents)
        if not made.sha:
            raise ValueError("no commit in the answer")
        return made

    return where.ask("a commit", make, needs="contents: write")


def _parts(texts: Mapping[str, str], names: Changes) -> Iterator[list[InputGitTreeElement]]:
    part: list[InputGitTreeElement] = []
    letters = 0
    for path in sorted({*texts, *names}):
        text = texts.get(path)
        size = 0 if text is None else len(text)
        if part and (len(part) >= _MOST_FILES or letters + size > _MOST_LETTERS):
            yield part
            part, letters = [], 0
        if text is None:
            part.append(InputGitTreeElement(path, "100644", "blob", sha=names[path]))
        else:
            part.append(InputGitTreeElement(path, "100644", "blob", content=text))
        letters += size
    if part:
        yield part
