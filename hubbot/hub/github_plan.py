"""What our branch is to hold, and the commit that brings it there: plain functions, no calls.

All of it compares names of blobs, so that no file has to be read to know whether it differs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hubbot.hub.github_files import Changes

Files = Mapping[str, str]
"""Name of a blob by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one round is to bring about."""

    proposed: Changes
    """What the branch changes once it is done, against the base; None takes a file out."""
    commit: Changes
    """Changes of the one commit, over our branch or, for a merge, over the base."""
    is_needed: bool
    """Whether there is something to commit; a merge may have no changes of its own."""
    is_merge: bool
    """Whether the base becomes a second parent."""
    conflicts: tuple[str, ...]
    """Wanted paths that the base changed as well, in another way."""


def plan(
    *,
    base: Files,
    head: Files | None,
    old: Files,
    given: Files,
    left_out: Collection[str],
    may_merge: bool,
) -> Plan:
    """Work out what the branch is to hold.

    A given file is wanted where it differs from the base; where it does not, nothing is, and the
    branch gets what the base has. What else is on our branch stays proposed, unless the base
    changed that file since: then the newer one stands.

    Args:
        base: The branch that is proposed to.
        head: Our branch; None where it has to be made.
        old: Where the two parted.
        given: Files as they are here.
        left_out: Given files that are not to be proposed.
        may_merge: Whether a merge loses nothing of what stands on our branch.
    """
    ours = base if head is None else head
    old = base if head is None else old
    wanted = _wanted(base, ours, old, given, left_out)
    stale = {path for path, name in wanted.items() if not _leads_to(name, path, base, ours, old)}
    behind = {path for path in stale if base.get(path) != old.get(path)}
    is_merge = bool(behind) and may_merge
    start = base if is_merge else ours
    chosen = wanted.keys() if is_merge else stale
    commit = {path: wanted[path] for path in chosen if wanted[path] != start.get(path)}
    return Plan(
        proposed={path: name for path, name in wanted.items() if name != base.get(path)},
        commit=commit,
        is_needed=bool(commit) or is_merge,
        is_merge=is_merge,
        conflicts=tuple(sorted(path for path in behind if wanted[path] != base.get(path))),
    )


def _wanted(
    base: Files, ours: Files, old: Files, given: Files, left_out: Collection[str]
) -> dict[str, str | None]:
    wanted: dict[str, str | None] = {}
    for path in {*base, *ours}:
        is_base_as_it_was = base.get(path) == old.get(path)
        wanted[path] = ours.get(path) if is_base_as_it_was else base.get(path)
    for path, name in given.items():
        wanted[path] = base.get(path) if path in left_out else name
    return wanted


def _leads_to(name: str | None, path: str, base: Files, ours: Files, old: Files) -> bool:
    """Tell whether merging our branch as it is puts this file onto the base, without a conflict."""
    before, theirs, mine = old.get(path), base.get(path), ours.get(path)
    if mine == before:
        return name == theirs
    return name == mine and theirs in (before, mine)
