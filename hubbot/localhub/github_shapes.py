"""What the embedded GitHub's objects look like in JSON; the keys that clients read."""

from typing import Any

from hubbot.localhub.github_answers import GithubCall
from hubbot.localhub.github_changes import merged_files
from hubbot.localhub.github_objects import Commit
from hubbot.localhub.github_state import Label, PullRequest, Repository, stamp


def user(call: GithubCall, login: str) -> dict[str, Any]:
    """Return an account."""
    kind = "Bot" if login.endswith("[bot]") else "User"
    return {"login": login, "type": kind, "url": f"{call.base_url}/users/{login}"}


def address(call: GithubCall, repo: Repository) -> str:
    """Return the address of a repository in the interface."""
    return f"{call.base_url}/repos/{repo.full_name}"


def page_of(call: GithubCall, repo: Repository) -> str:
    """Return the address of a repository's page for people."""
    return f"{call.base_url}/{repo.full_name}"


def repository(call: GithubCall, repo: Repository) -> dict[str, Any]:
    """Return a repository; ``permissions`` is of the account, whatever its token may.

    An App's account has no role, so that GitHub names none, however much its token may.
    """
    shape: dict[str, Any] = {
        "id": 1 + list(call.state.repositories).index(repo.full_name),
        "name": repo.full_name.partition("/")[2],
        "full_name": repo.full_name,
        "owner": user(call, repo.owner),
        "private": repo.is_private,
        "url": address(call, repo),
        "html_url": page_of(call, repo),
        "default_branch": repo.default_branch,
        "created_at": stamp(repo.created),
    }
    if call.token is not None:
        is_person = call.token.installation is None
        role = call.state.role(repo, call.login) if is_person else None
        shape["permissions"] = {
            "admin": role == "admin",
            "maintain": role == "admin",
            "push": role in {"admin", "push"},
            "triage": role in {"admin", "push"},
            "pull": is_person,
        }
    return shape


def commit(call: GithubCall, repo: Repository, made: Commit) -> dict[str, Any]:
    """Return a commit as the git interface does."""
    root = f"{address(call, repo)}/git"
    person = {
        "name": made.author,
        "email": f"{made.author}@users.noreply.github.com",
        "date": stamp(made.date),
    }
    return {
        "sha": made.oid,
        "url": f"{root}/commits/{made.oid}",
        "author": person,
        "committer": person,
        "message": made.message,
        "tree": {"sha": made.tree, "url": f"{root}/trees/{made.tree}"},
        "parents": [{"sha": oid, "url": f"{root}/commits/{oid}"} for oid in made.parents],
    }


def full_commit(call: GithubCall, repo: Repository, made: Commit) -> dict[str, Any]:
    """Return a commit as the repository interface does, around that of the git interface."""
    inner = commit(call, repo, made)
    return {
        "sha": made.oid,
        "url": f"{address(call, repo)}/commits/{made.oid}",
        "commit": inner,
        "author": user(call, made.author),
        "parents": inner["parents"],
    }


def reference(call: GithubCall, repo: Repository, branch: str) -> dict[str, Any]:
    """Return a branch as a git reference."""
    root, oid = f"{address(call, repo)}/git", repo.branches[branch]
    target = {"type": "commit", "sha": oid, "url": f"{root}/commits/{oid}"}
    name = f"refs/heads/{branch}"
    return {"ref": name, "url": f"{root}/{name}", "object": target}


def label(call: GithubCall, repo: Repository, value: Label) -> dict[str, Any]:
    """Return a label."""
    return {
        "name": value.name,
        "color": value.color,
        "description": value.description,
        "url": f"{address(call, repo)}/labels/{value.name}",
    }


def pull(
    call: GithubCall, repo: Repository, value: PullRequest, *, full: bool = False
) -> dict[str, Any]:
    """Return a pull request; only the full shape says whether it can be merged."""
    root = address(call, repo)
    shape = {
        "number": value.number,
        "state": value.state,
        "title": value.title,
        "body": value.body,
        "user": user(call, value.author),
        "url": f"{root}/pulls/{value.number}",
        "issue_url": f"{root}/issues/{value.number}",
        "html_url": f"{page_of(call, repo)}/pull/{value.number}",
        "head": _end(call, repo, value.head, value.head_oid),
        "base": _end(call, repo, value.base, value.base_oid),
        "draft": False,
        "labels": [label(call, repo, repo.labels[name.lower()]) for name in value.labels],
        "created_at": stamp(value.created),
        "updated_at": stamp(value.updated),
        "closed_at": None if value.closed is None else stamp(value.closed),
        "merged_at": None if value.merged is None else stamp(value.merged),
        "merge_commit_sha": value.merge_commit,
    }
    if full:
        conflicts: tuple[str, ...] = ()
        if value.state == "open":
            conflicts = merged_files(call.store(repo), value.base_oid, value.head_oid)[1]
        shape["merged"] = value.merged is not None
        shape["mergeable"] = not conflicts if value.state == "open" else None
        shape["mergeable_state"] = "dirty" if conflicts else "clean"
    return shape


def _end(call: GithubCall, repo: Repository, branch: str, oid: str) -> dict[str, Any]:
    return {
        "ref": branch,
        "sha": oid,
        "label": f"{repo.owner}:{branch}",
        "user": user(call, repo.owner),
        "repo": repository(call, repo),
    }
