"""Routes: who am I, repositories, refs and commits."""

import re
from typing import Any, cast

from starlette.responses import JSONResponse, Response

from hubbot.localhub import list_items, shapes
from hubbot.localhub.access import (
    find_commit,
    find_listed,
    find_repository,
    require_files,
    require_owner,
    require_revision,
    require_writer,
)
from hubbot.localhub.answers import Call, Handler, Refusal, page
from hubbot.localhub.blobs import LFS_PATTERNS
from hubbot.localhub.cards import check_card
from hubbot.localhub.state import MAIN, RESERVED_NAMES, RepoKind, Repository

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_GATES: dict[object, Any] = {False: False, "auto": "auto", "manual": "manual"}


def whoami(call: Call) -> Response:
    """GET /api/whoami-v2."""
    caller = call.caller
    if caller is None:
        raise Refusal(401, "Invalid username or password.")
    organisations = call.state.organisations
    token = {"displayName": f"{caller.name}'s token", "role": caller.role}
    return JSONResponse(
        {
            "type": "user",
            "id": f"{caller.name}-id",
            "name": caller.name,
            "fullname": caller.name,
            "orgs": [
                {"type": "org", "name": name, "roleInOrg": members[caller.name]}
                for name, members in organisations.items()
                if caller.name in members
            ],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def create(call: Call) -> Response:
    """POST /api/repos/create."""
    caller = require_writer(call)
    body = call.json()
    kind = cast(RepoKind, f"{body.get('type') or 'model'}s")
    name = str(body.get("name") or "")
    owner = str(body.get("organization") or caller.name)
    if kind not in {"models", "datasets"} or not _is_name(name):
        raise Refusal(400, f"Invalid repository: type {kind!r}, name {name!r}")
    if not call.state.owns(owner, call.caller):
        raise Refusal(403, f'You don\'t have the rights to create a {kind[:-1]} under "{owner}"')
    repo = Repository(kind=kind, id=f"{owner}/{name}", created=call.state.clock())
    repo.is_private = body.get("visibility") == "private" or body.get("private") is True
    url = f"{call.base_url}/{repo.url_path}"
    if call.state.is_taken(kind, repo.id):
        message = f"You already created this {kind[:-1]} repo"
        raise Refusal(409, message, body={"url": url})
    attributes = "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in LFS_PATTERNS)
    blobs = call.state.blobs
    entry = blobs.entry(".gitattributes", blobs.add(attributes.encode()), is_lfs=False)
    tree = {".gitattributes": entry}
    call.state.repositories[kind, repo.id] = repo
    call.state.renames.pop((kind, repo.id), None)
    call.state.add_commit(repo, MAIN, tree, title="initial commit", author=caller.name)
    return JSONResponse({"url": url, "name": repo.id, "id": repo.id})


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in RESERVED_NAMES


def delete(call: Call) -> Response:
    """DELETE /api/repos/delete."""
    caller = require_writer(call)
    body = call.json()
    kind = cast(RepoKind, f"{body.get('type') or 'model'}s")
    repo_id = f"{body.get('organization') or caller.name}/{body.get('name')}"
    repo = call.state.repositories.get((kind, repo_id))
    if repo is None:
        raise Refusal(404, "Repository not found", code="RepoNotFound")
    require_owner(call, repo)
    call.state.delete(repo)
    return Response(status_code=200)


def move(call: Call) -> Response:
    """POST /api/repos/move."""
    require_writer(call)
    body = call.json()
    kind = cast(RepoKind, f"{body.get('type') or 'model'}s")
    old, new = str(body.get("fromRepo")), str(body.get("toRepo"))
    repo = call.state.repositories.get((kind, old))
    if repo is None:
        raise Refusal(404, "Repository not found", code="RepoNotFound")
    require_owner(call, repo)
    owner, _, name = new.rpartition("/")
    if not _is_name(name) or not call.state.owns(owner, call.caller):
        raise Refusal(403, f"You may not move {old} to {new!r}")
    if call.state.is_taken(kind, new):
        raise Refusal(409, f"{new} exists")
    call.state.rename(repo, new)
    return Response(status_code=200)


def settings(call: Call) -> Response:
    """PUT /api/T/R/settings."""
    repo = find_repository(call)
    require_owner(call, repo)
    body = call.json()
    if "gated" in body:
        if body["gated"] not in _GATES:
            raise Refusal(400, '"gated" must be "auto", "manual" or false')
        repo.gated = _GATES[body["gated"]]
    if "visibility" in body or "private" in body:
        repo.is_private = body.get("visibility") == "private" or body.get("private") is True
    if "discussionsDisabled" in body:
        repo.has_discussions_disabled = body["discussionsDisabled"] is True
    return JSONResponse({"private": repo.is_private, "gated": repo.gated})


def info(call: Call) -> Response:
    """GET /api/T/R[/revision/REV]."""
    kind, with_blobs = cast(RepoKind, call.param("kind", "models")), call.flag("blobs")
    expand = shapes.check_expand(kind, call.expand())
    item = find_listed(call)
    if item is not None:
        require_revision(call, item)
        shape = list_items.shape(item, with_blobs=with_blobs)
    else:
        repo = find_repository(call)
        shape = shapes.repository(call.state, repo, find_commit(call, repo), with_blobs=with_blobs)
    return JSONResponse(shapes.select(shape, expand=expand) if expand else shape)


def refs(call: Call) -> Response:
    """GET /api/T/R/refs."""
    repo = find_repository(call)
    return JSONResponse(shapes.refs(repo, with_pull_requests=call.flag("include_prs")))


def commits(call: Call) -> Response:
    """GET /api/T/R/commits/REV."""
    repo = find_repository(call)
    history = repo.history(find_commit(call, repo))
    chosen, headers = page(call, history, call.state.page_size)
    headers["X-Total-Count"] = str(len(history))
    return JSONResponse([shapes.commit(value) for value in chosen], headers=headers)


def create_ref(call: Call) -> Response:
    """POST /api/T/R/branch/NAME and /tag/REV."""
    repo = find_repository(call)
    require_owner(call, repo)
    body = call.json()
    if call.param("what") == "tag":
        name, start = f"refs/tags/{body.get('tag')}", call.param("revision")
    else:
        branch = call.param("revision")
        name = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
        start = str(body.get("startingPoint") or "main")
    if name in repo.refs:
        raise Refusal(409, f"Reference already exists: {name}")
    repo.refs[name] = find_commit(call, repo, start).oid
    return Response(status_code=201)


def delete_ref(call: Call) -> Response:
    """DELETE /api/T/R/branch/NAME and /tag/NAME."""
    repo = find_repository(call)
    require_owner(call, repo)
    name, what = call.param("revision"), call.param("what")
    prefix = "refs/tags/" if what == "tag" else "refs/heads/"
    ref = f"{prefix}{name.removeprefix(prefix)}"
    if ref == MAIN:
        raise Refusal(400, "The main branch cannot be deleted")
    if ref not in repo.refs:
        raise Refusal(404, f"Reference not found: {ref}", code="RevisionNotFound")
    del repo.refs[ref]
    return Response(status_code=200)


def auth_check(call: Call) -> Response:
    """GET /api/T/R/auth-check[/write]."""
    repo = find_repository(call)
    require_files(call, repo)
    if call.request.url.path.endswith("/write"):
        require_owner(call, repo)
    return Response(status_code=200)


def validate_yaml(call: Call) -> Response:
    """POST /api/validate-yaml."""
    body = call.json()
    kind: RepoKind = "datasets" if body.get("repoType") == "dataset" else "models"
    errors, warnings = check_card(str(body.get("content", "")), kind)
    shape = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    return JSONResponse(shape, 400 if errors else 200)


_R = "/api/{kind:kind}/{repo:repo}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/repos/create", create),
    ("POST", "/api/repos/move", move),
    ("DELETE", "/api/repos/delete", delete),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("GET", _R, info),
    ("GET", _R + "/revision/{revision:revision}", info),
    ("PUT", _R + "/settings", settings),
    ("GET", _R + "/refs", refs),
    ("GET", _R + "/commits/{revision:revision}", commits),
    ("POST", _R + "/{what:what}/{revision:revision}", create_ref),
    ("DELETE", _R + "/{what:what}/{revision:revision}", delete_ref),
    ("GET", _R + "/auth-check", auth_check),
    ("GET", _R + "/auth-check/write", auth_check),
]
