"""Who may see, read and change what; every refusal carries the Hub's code and text."""

from collections.abc import Mapping
from typing import Any, NoReturn, cast
from urllib.parse import quote

from hubbot.localhub.answers import Call, Refusal
from hubbot.localhub.state import MAIN, Caller, Commit, RepoKind, Repository

DISABLED = "Access to this resource is disabled."
NEEDS_CREATE_PR = "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request"


def find_repository(call: Call) -> Repository:
    """Return the repository of the path, if the caller may know of it.

    Raises:
        Refusal: 307 where it was renamed; 404 (401 without token) where it does not exist or is
            someone else's private one; 403 where the Hub switched it off.
    """
    kind = cast(RepoKind, call.param("kind", "models"))
    name = call.param("repo")
    repo = call.state.repositories.get((kind, name))
    if repo is None and (kind, name) in call.state.renames:
        _redirect(call, name, call.state.renames[kind, name])
    if repo is None:
        _refuse_listed(call)
    if repo is None or (repo.is_private and not call.state.may_write(repo, call.caller)):
        # Without a token the Hub does not tell missing from private: 401 for both.
        if call.caller is None:
            raise Refusal(401, "Invalid username or password.", code="RepoNotFound")
        raise Refusal(404, "Repository not found", code="RepoNotFound")
    if repo.is_disabled:
        raise Refusal(403, DISABLED)
    if call.request.method not in {"GET", "HEAD"}:
        call.state.touch(repo)
    return repo


def find_listed(call: Call) -> dict[str, Any] | None:
    """Return the item of the path's model if it has nothing else and the caller may know of it.

    Raises:
        Refusal: 403 where the Hub switched it off.
    """
    name = call.param("repo")
    item = call.state.listed.find(name) if call.param("kind", "models") == "models" else None
    if item is None or item.get("deleted"):
        return None
    if item["private"] and not call.state.owns(name.rpartition("/")[0], call.caller):
        return None
    if item["disabled"]:
        raise Refusal(403, DISABLED)
    return item


def require_revision(call: Call, item: Mapping[str, Any]) -> None:
    """Refuse revisions of a listed model other than its newest.

    Raises:
        Refusal: 404 RevisionNotFound.
    """
    name = call.param("revision", "main")
    is_hash = len(name) >= 7 and str(item["sha"]).startswith(name)
    if name not in {"main", MAIN} and not is_hash:
        raise Refusal(404, f"Invalid rev id: {name}", code="RevisionNotFound")


def _refuse_listed(call: Call) -> None:
    """Answer for a listed model as for a repository whose files are gone."""
    item = find_listed(call)
    if item is None:
        return
    if "/resolve/" in call.request.url.path:
        repo = Repository(kind="models", id=item["id"], created=call.state.clock())
        repo.gated = item["gated"]
        require_files(call, repo)
    raise Refusal(
        404,
        f"Entry not found: {call.param('path') or item['id']}",
        code="EntryNotFound",
        headers={"X-Repo-Commit": str(item["sha"])},
    )


def _redirect(call: Call, old: str, new: str) -> NoReturn:
    path = call.request.scope["path"].replace(f"/{quote(old)}", f"/{quote(new)}", 1)
    query = call.request.url.query
    target = f"{path}?{query}" if query else path
    raise Refusal(307, f"Moved to {new}", headers={"Location": target})


def find_commit(call: Call, repo: Repository, revision: str | None = None) -> Commit:
    """Return the commit a revision names.

    Args:
        call: Call.
        repo: Repository.
        revision: Branch, ref or hash; None takes it from the path (main by default).

    Raises:
        Refusal: 404 RevisionNotFound.
    """
    name = revision or call.param("revision", "main")
    commit = repo.resolve(name)
    if commit is None:
        raise Refusal(404, f"Invalid rev id: {name}", code="RevisionNotFound")
    return commit


def require_files(call: Call, repo: Repository) -> None:
    """Refuse file contents behind a gate.

    Raises:
        Refusal: 403 GatedRepo; 401 without a token.
    """
    caller = call.caller
    if not repo.gated or call.state.may_write(repo, caller):
        return
    if caller is not None and caller.name in repo.approved:
        return
    noun = repo.kind.removesuffix("s")
    message = f"Access to {noun} {repo.id} is restricted"
    if caller is None:
        raise Refusal(401, f"{message}. You must be authenticated to access it.", code="GatedRepo")
    raise Refusal(403, f"{message} and you are not in the authorized list.", code="GatedRepo")


def require_writer(call: Call) -> Caller:
    """Return the caller, who may write somewhere.

    Raises:
        Refusal: 401 without a token, 403 with one for reading.
    """
    if call.caller is None:
        raise Refusal(401, "Invalid username or password.")
    if call.caller.role != "write":
        raise Refusal(403, "This token can only read; a token with write permission is needed")
    return call.caller


def require_owner(call: Call, repo: Repository) -> Caller:
    """Return the caller, who may change this repository.

    Raises:
        Refusal: 401 or 403.
    """
    caller = require_writer(call)
    if not call.state.may_write(repo, caller):
        raise Refusal(403, "You don't have the required permissions to perform this action")
    return caller


def require_discussions(repo: Repository) -> None:
    """Refuse where the owner switched discussions off.

    Raises:
        Refusal: 403. The text is ours: the Hub's own was not seen.
    """
    if repo.has_discussions_disabled:
        raise Refusal(403, "Discussions and pull requests are disabled for this repository")
