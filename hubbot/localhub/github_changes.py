"""What happens to pull requests and branches of the embedded GitHub. No HTTP here."""

from collections.abc import Callable

from hubbot.localhub.github_objects import Entry, ObjectStore
from hubbot.localhub.github_state import EventKind, GithubState, PullRequest, Repository
from hubbot.localhub.textmerge import merge_text


def add_event(state: GithubState, pull: PullRequest, kind: EventKind, actor: str) -> None:
    """Note what was done to a pull request, by whom and when."""
    pull.updated = state.clock()
    pull.events.append({"event": kind, "actor": actor, "created": pull.updated.isoformat()})


def close(state: GithubState, pull: PullRequest, actor: str) -> None:
    """Close a pull request; nothing where it is closed already."""
    if pull.state == "closed":
        return
    pull.state, pull.closed = "closed", state.clock()
    add_event(state, pull, "closed", actor)


def reopen(state: GithubState, repo: Repository, pull: PullRequest, actor: str) -> None:
    """Open a closed pull request again.

    Raises:
        ValueError: If it was merged, or its branch is gone.
    """
    if pull.merged is not None or pull.head not in repo.branches:
        raise ValueError(f"#{pull.number} was merged, or its branch is gone")
    if pull.state == "closed":
        pull.state, pull.closed = "open", None
        pull.head_oid, pull.base_oid = repo.branches[pull.head], repo.branches[pull.base]
        add_event(state, pull, "reopened", actor)


def delete_branch(state: GithubState, repo: Repository, branch: str, actor: str) -> None:
    """Delete a branch, which closes what is proposed from it or for it."""
    del repo.branches[branch]
    for pull in repo.pulls.values():
        if branch in (pull.head, pull.base):
            close(state, pull, actor)
        if branch == pull.head:
            add_event(state, pull, "head_ref_deleted", actor)


def merge(state: GithubState, repo: Repository, pull: PullRequest, actor: str) -> str:
    """Merge a pull request with a merge commit and return its name.

    Raises:
        ValueError: If it is not open, or conflicts.
    """
    files, conflicts = merged_files(state.objects(repo), pull.base_oid, pull.head_oid)
    if pull.state == "closed" or conflicts:
        found = "it is closed" if pull.state == "closed" else f"conflicts in {conflicts}"
        raise ValueError(f"#{pull.number} cannot be merged: {found}")
    proposed = pull.head_oid
    made = state.commit(
        repo,
        pull.base,
        files,
        author=actor,
        message=f"Merge pull request #{pull.number} from {repo.owner}/{pull.head}",
        parents=(pull.base_oid, proposed),
    )
    pull.merged, pull.merge_commit = state.clock(), made.oid
    add_event(state, pull, "merged", actor)
    close(state, pull, actor)
    return made.oid


def merged_files(
    store: ObjectStore, base: str, head: str
) -> tuple[dict[str, Entry], tuple[str, ...]]:
    """Merge two commits.

    Args:
        store: Objects of the repository.
        base: Commit that is merged into; its files stand where the two conflict.
        head: Commit that is merged.

    Returns:
        All files, and the paths in conflict.
    """
    origin = store.merge_base(base, head)
    old, ours, theirs = (
        {} if oid is None else store.files(_tree(store, oid)) for oid in (origin, base, head)
    )
    merged: dict[str, Entry] = {}
    conflicts = []
    for path in sorted({*old, *ours, *theirs}):
        before, mine, other = old.get(path), ours.get(path), theirs.get(path)
        chosen = other if mine == before else mine
        if mine != before and other not in (before, mine):
            text = _merged_text(store, before, mine, other)
            chosen = mine if text is None else Entry("100644", store.add("blob", text))
            conflicts += [path] if text is None else []
        if chosen is not None:
            merged[path] = chosen
    return merged, tuple(conflicts)


def _tree(store: ObjectStore, oid: str) -> str:
    commit = store.commit(oid)
    if commit is None:
        raise KeyError(f"no commit {oid}")
    return commit.tree


def _merged_text(store: ObjectStore, *entries: Entry | None) -> bytes | None:
    read: Callable[[Entry], bytes] = lambda entry: store.read(entry.oid, "blob") or b""  # noqa: E731
    if any(entry is None for entry in entries):
        return None
    texts = [read(entry).decode("utf-8", "surrogateescape") for entry in entries if entry]
    merged = merge_text(*texts)
    return None if merged is None else merged.encode("utf-8", "surrogateescape")
