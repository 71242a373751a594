"""What happens to repositories: commits, pull requests, merges. No HTTP here."""

from typing import Any, Literal

from hubbot.localhub import shapes
from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.state import (
    MAIN,
    Commit,
    Discussion,
    Event,
    HubState,
    Repository,
    Status,
    Tree,
    iso,
)
from hubbot.localhub.textmerge import diff_trees, merge_trees

EventType = Literal["comment", "status-change", "commit", "title-change"]


def add_event(
    state: HubState, value: Discussion, type_: EventType, author: str, data: dict[str, Any]
) -> Event:
    """Append an event to a discussion."""
    event = Event(
        id=state.new_id(24, type_), type=type_, created=state.clock(), author=author, data=data
    )
    value.events.append(event)
    return event


def comment(state: HubState, value: Discussion, author: str, text: str) -> Event:
    """Append a comment."""
    data = shapes.comment_data(text, author, iso(state.clock()))
    return add_event(state, value, "comment", author, data)


def open_discussion(
    state: HubState,
    repo: Repository,
    *,
    title: str,
    description: str,
    author: str,
    fork: Commit | None = None,
    status: Status = "open",
) -> Discussion:
    """Open a discussion; a pull request where ``fork`` is given."""
    value = Discussion(
        num=max(repo.discussions, default=0) + 1,
        title=title,
        status=status,
        author=author,
        created=state.clock(),
        is_pull_request=fork is not None,
        fork=fork.oid if fork is not None else "",
    )
    repo.discussions[value.num] = value
    comment(state, value, author, description)
    if fork is not None:
        repo.refs[value.ref] = fork.oid
    return value


def commit_to(
    state: HubState,
    repo: Repository,
    ref: str,
    tree: Tree,
    *,
    title: str,
    description: str = "",
    author: str,
) -> Commit:
    """Put a commit on a branch, or on a pull request, whose history then shows it."""
    made = state.add_commit(repo, ref, tree, title=title, description=description, author=author)
    for value in repo.discussions.values():
        if value.is_pull_request and value.ref == ref:
            add_event(state, value, "commit", author, {"subject": title, "oid": made.oid})
    return made


def set_status(state: HubState, value: Discussion, status: Status, author: str) -> None:
    """Change the status and note it in the history."""
    value.status = status
    add_event(state, value, "status-change", author, {"status": status})


def set_title(state: HubState, value: Discussion, title: str, author: str) -> None:
    """Change the title and note it in the history."""
    add_event(state, value, "title-change", author, {"from": value.title, "to": title})
    value.title = title


def diff(state: HubState, repo: Repository, value: Discussion) -> str:
    """Return a pull request's unified diff against the commit it starts from."""
    if not value.is_pull_request:
        return ""
    head = repo.commits[repo.refs[value.ref]]
    return diff_trees(repo.commits[value.fork].tree, head.tree, _reader(state))


def merge_result(
    state: HubState, repo: Repository, value: Discussion
) -> tuple[dict[str, FileEntry], list[str]]:
    """Try a merge into the main branch; return the tree and the paths in conflict."""

    def write(path: str, content: bytes) -> FileEntry:
        return state.blobs.entry(path, state.blobs.add(content), is_lfs=False)

    head = repo.commits[repo.refs[value.ref]]
    base = repo.commits[value.fork]
    return merge_trees(base.tree, repo.head.tree, head.tree, read=_reader(state), write=write)


def conflicts(state: HubState, repo: Repository, value: Discussion) -> list[str]:
    """Return the paths in which an unfinished pull request conflicts with the main branch."""
    if not value.is_pull_request or value.status == "merged":
        return []
    return merge_result(state, repo, value)[1]


def merge(state: HubState, repo: Repository, value: Discussion, author: str) -> Commit:
    """Merge a pull request as one commit.

    Raises:
        ValueError: If it is not an open pull request, or conflicts.
    """
    if not value.is_pull_request or value.status != "open":
        raise ValueError(f"#{value.num} of {repo.id} is not an open pull request")
    tree, clashes = merge_result(state, repo, value)
    if clashes:
        raise ValueError(f"#{value.num} of {repo.id} conflicts with main in {', '.join(clashes)}")
    made = state.add_commit(
        repo,
        MAIN,
        tree,
        title=f"{value.title} (#{value.num})",
        description=value.description,
        author=author,
    )
    value.merge_commit = made.oid
    set_status(state, value, "merged", author)
    return made


def _reader(state: HubState) -> Any:
    return lambda entry: state.blobs.read(entry.sha256)
