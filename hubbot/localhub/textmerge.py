"""Three-way merge and git-style diffs of trees, without git."""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any

from hubbot.localhub.blobs import FileEntry, lfs_pointer
from hubbot.localhub.state import Tree

_CONTEXT = 3

OpCode = tuple[str, int, int, int, int]
"""As ``difflib.SequenceMatcher.get_opcodes`` gives them."""

Change = tuple[int, int, list[str]]
"""Lines ``start`` to ``end`` of the base are replaced by these."""


def split_lines(text: str) -> list[str]:
    """Split after line feeds only, as git does, keeping them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def merge_text(base: str, ours: str, theirs: str) -> str | None:
    """Merge two descendants of a text.

    Changes that overlap or touch each other conflict unless they are the same, as in git.

    Returns:
        The merged text, or None on conflict.
    """
    lines = split_lines(base)
    changes = sorted(_changes(lines, split_lines(ours)) + _changes(lines, split_lines(theirs)))
    merged: list[str] = []
    position = 0
    last: Change | None = None
    for change in changes:
        if change == last:
            continue
        start, end, replacement = change
        if last is not None and start <= last[1]:
            return None
        merged += lines[position:start] + replacement
        position, last = end, change
    return "".join(merged + lines[position:])


def _changes(base: list[str], other: list[str]) -> list[Change]:
    codes = _opcodes(base, other)
    return [(low, high, other[a:b]) for tag, low, high, a, b in codes if tag != "equal"]


def _opcodes(old: list[str], new: list[str]) -> list[OpCode]:
    """Compare lines; what both begin and end with is cut off first, so that long cards are fast."""
    shortest = min(len(old), len(new))
    start = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    rest = shortest - start
    end = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    matcher = difflib.SequenceMatcher(
        None, old[start : len(old) - end], new[start : len(new) - end]
    )
    codes: list[OpCode] = [("equal", 0, start, 0, start)]
    for tag, *bounds in matcher.get_opcodes():
        low, high, other_low, other_high = (bound + start for bound in bounds)
        codes.append((tag, low, high, other_low, other_high))
    codes.append(("equal", len(old) - end, len(old), len(new) - end, len(new)))
    return [code for code in codes if code[1] < code[2] or code[3] < code[4]]


def merge_trees(
    base: Tree,
    ours: Tree,
    theirs: Tree,
    *,
    read: Callable[[FileEntry], bytes],
    write: Callable[[str, bytes], FileEntry],
) -> tuple[dict[str, FileEntry], list[str]]:
    """Merge two descendants of a tree.

    Args:
        base: Tree both come from.
        ours: Tree of the main branch.
        theirs: Tree of the pull request.
        read: Gives an entry's content.
        write: Keeps a merged content as the file of a path.

    Returns:
        The merged tree, and the paths in conflict, which hold ``ours`` in it.
    """
    merged: dict[str, FileEntry] = {}
    conflicts: list[str] = []
    for path in sorted({*base, *ours, *theirs}):
        old, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine == old:
            chosen = other
        elif other in (old, mine):
            chosen = mine
        else:
            text = _merge_entries(old, mine, other, read)
            chosen = mine if text is None else write(path, text)
            conflicts += [path] if text is None else []
        if chosen is not None:
            merged[path] = chosen
    return merged, conflicts


def _merge_entries(
    base: FileEntry | None,
    ours: FileEntry | None,
    theirs: FileEntry | None,
    read: Callable[[FileEntry], bytes],
) -> bytes | None:
    texts: list[str] = []
    for entry in (base, ours, theirs):
        if entry is None or entry.is_lfs:
            return None
        # Undecodable bytes survive the round trip; they only must not be split.
        texts.append(read(entry).decode("utf-8", "surrogateescape"))
    merged = merge_text(*texts)
    return None if merged is None else merged.encode("utf-8", "surrogateescape")


def diff_trees(old: Tree, new: Tree, read: Callable[[FileEntry], bytes]) -> str:
    """Return the unified diff between two trees in git's layout."""
    paths = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    return "".join(_diff_file(path, old.get(path), new.get(path), read) for path in paths)


def _diff_file(
    path: str, old: FileEntry | None, new: FileEntry | None, read: Callable[[FileEntry], bytes]
) -> str:
    before, after = (b"" if entry is None else _git_content(entry, read) for entry in (old, new))
    head = f"diff --git a/{path} b/{path}\n"
    if old is None:
        head += "new file mode 100644\n"
    if new is None:
        head += "deleted file mode 100644\n"
    oids = [entry.oid[:7] if entry else "0" * 7 for entry in (old, new)]
    head += f"index {oids[0]}..{oids[1]}{' 100644' if old and new else ''}\n"
    if b"\0" in before + after:
        return head + f"Binary files a/{path} and b/{path} differ\n"
    head += f"--- {'/dev/null' if old is None else f'a/{path}'}\n"
    head += f"+++ {'/dev/null' if new is None else f'b/{path}'}\n"
    hunks = _hunks(*(split_lines(text.decode("utf-8", "replace")) for text in (before, after)))
    return head + "".join(hunks)


class _Compared(difflib.SequenceMatcher[str]):
    """Groups a comparison that was made elsewhere into hunks."""

    def __init__(self, codes: list[OpCode]) -> None:
        super().__init__()
        self._codes = codes

    def get_opcodes(self) -> Any:
        return list(self._codes)


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    for group in _Compared(_opcodes(old, new)).get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, low, high, other_low, other_high in group:
            if tag == "equal":
                yield from (_line(" ", line) for line in old[low:high])
            else:
                yield from (_line("-", line) for line in old[low:high])
                yield from (_line("+", line) for line in new[other_low:other_high])


def _range(low: int, high: int) -> str:
    """Write a range as unified diffs do: an empty one names the line before it."""
    count = high - low
    start = low + 1 if count else low
    return f"{start}" if count == 1 else f"{start},{count}"


def _line(sign: str, line: str) -> str:
    return sign + line + ("" if line.endswith("\n") else "\n\\ No newline at end of file\n")


def _git_content(entry: FileEntry, read: Callable[[FileEntry], bytes]) -> bytes:
    return lfs_pointer(entry.sha256, entry.size) if entry.is_lfs else read(entry)
