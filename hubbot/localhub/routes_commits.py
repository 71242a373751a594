"""Routes that write files: preupload, LFS, commit."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import JSONResponse, Response

from hubbot.localhub import changes
from hubbot.localhub.access import (
    NEEDS_CREATE_PR,
    find_commit,
    find_repository,
    require_discussions,
    require_writer,
)
from hubbot.localhub.answers import Call, Handler, Refusal
from hubbot.localhub.blobs import FileEntry, goes_to_lfs
from hubbot.localhub.cards import check_card
from hubbot.localhub.state import MAIN, Caller, Commit, Discussion, RepoKind, Repository

STALE = "A commit has happened since. Please refresh and try again."
_MAX_FILES = 256


def _require_right(call: Call, repo: Repository, ref: str) -> Caller:
    """Return the caller, who may commit to ``ref`` or open a pull request as asked for."""
    caller = require_writer(call)
    if call.flag("create_pr"):
        require_discussions(repo)
        return caller
    value = _pull_request(repo, ref)
    if value is not None:
        require_discussions(repo)
        if value.author != caller.name and not call.state.may_write(repo, caller):
            raise Refusal(403, "You may not write to someone else's pull request")
        if value.status not in {"open", "draft"}:
            raise Refusal(403, f"Pull request {value.num} is {value.status}")
    elif not call.state.may_write(repo, caller):
        raise Refusal(403, NEEDS_CREATE_PR)
    return caller


def _pull_request(repo: Repository, ref: str) -> Discussion | None:
    values = repo.discussions.values()
    return next((value for value in values if value.is_pull_request and value.ref == ref), None)


def preupload(call: Call) -> Response:
    """POST /api/T/R/preupload/REV."""
    repo = find_repository(call)
    commit = find_commit(call, repo)
    _require_right(call, repo, call.param("revision"))
    files = _items(call, "files")
    return JSONResponse({"files": [_upload_mode(commit, file) for file in files]})


def _items(call: Call, name: str) -> list[dict[str, Any]]:
    items = call.json().get(name, [])
    is_valid = isinstance(items, list) and all(isinstance(item, dict) for item in items)
    if not is_valid or len(items) > _MAX_FILES:
        raise Refusal(400, f'"{name}" must be an array of at most {_MAX_FILES} objects')
    return cast(list[dict[str, Any]], items)


def _size(item: dict[str, Any]) -> int:
    size = item.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise Refusal(400, f'"size" must be a number of bytes, not {size!r}')
    return size


def _upload_mode(commit: Commit, file: dict[str, Any]) -> dict[str, Any]:
    path = str(file.get("path"))
    sample = _decode(str(file.get("sample") or ""))
    is_lfs = goes_to_lfs(path, _size(file), sample)
    shape: dict[str, Any] = {
        "path": path,
        "uploadMode": "lfs" if is_lfs else "regular",
        "shouldIgnore": False,
    }
    entry = commit.tree.get(path)
    if entry is not None:
        shape["oid"] = entry.etag
    return shape


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"Invalid base64: {error}") from error


def lfs_batch(call: Call) -> Response:
    """POST /R.git/info/lfs/objects/batch."""
    repo = find_repository(call)
    require_writer(call)
    objects = []
    for item in _items(call, "objects"):
        shape: dict[str, Any] = {"oid": str(item.get("oid")), "size": _size(item)}
        if not call.state.blobs.has(shape["oid"]):
            shape["actions"] = {
                "upload": {"href": f"{call.base_url}/lfs-upload/{shape['oid']}"},
                "verify": {"href": f"{call.base_url}/{repo.url_path}.git/info/lfs/objects/verify"},
            }
        objects.append(shape)
    return JSONResponse({"transfer": "basic", "objects": objects})


def lfs_verify(call: Call) -> Response:
    """POST /R.git/info/lfs/objects/verify."""
    find_repository(call)
    require_writer(call)
    body = call.json()
    oid, blobs = str(body.get("oid")), call.state.blobs
    if not blobs.has(oid) or blobs.path(oid).stat().st_size != _size(body):
        raise Refusal(404, f"Object {oid} was not uploaded")
    return JSONResponse({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A commit as sent."""

    summary: str
    description: str
    parent: str | None
    lines: list[tuple[str, dict[str, Any]]]


def _read_order(call: Call) -> _Order:
    try:
        items = [json.loads(line) for line in call.body.splitlines() if line.strip()]
        lines = [(str(item["key"]), dict(item["value"])) for item in items]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, f"Invalid NDJSON: {error}") from error
    headers = [value for key, value in lines if key == "header"]
    if len(headers) != 1 or not headers[0].get("summary"):
        raise Refusal(400, "A commit needs one header with a summary")
    return _Order(
        summary=str(headers[0]["summary"]),
        description=str(headers[0].get("description") or ""),
        parent=str(headers[0]["parentCommit"]) if headers[0].get("parentCommit") else None,
        lines=[(key, value) for key, value in lines if key != "header"],
    )


def commit(call: Call) -> Response:
    """POST /api/T/R/commit/REV, with or without ``create_pr=1``."""
    repo = find_repository(call)
    name = call.param("revision")
    start = find_commit(call, repo)
    caller = _require_right(call, repo, name)
    order = _read_order(call)
    ref = repo.find_ref(name)
    if ref is None:
        raise Refusal(400, f"{name} is not a branch")
    if call.flag("create_pr"):
        if ref != MAIN:
            raise Refusal(400, f"A pull request can be opened against main only, not {name}")
        return _commit_as_pull_request(call, repo, order, caller, start)
    if order.parent is not None and not start.oid.startswith(order.parent):
        raise Refusal(412, STALE)
    tree = _apply(call, start, order)
    made = changes.commit_to(
        call.state,
        repo,
        ref,
        tree,
        title=order.summary,
        description=order.description,
        author=caller.name,
    )
    return JSONResponse(_commit_shape(call, repo, made))


def _commit_as_pull_request(
    call: Call, repo: Repository, order: _Order, caller: Caller, start: Commit
) -> Response:
    # A stale parent is no error here: the pull request starts there, and may conflict.
    fork = start if order.parent is None else find_commit(call, repo, order.parent)
    tree = _apply(call, fork, order)
    value = changes.open_discussion(
        call.state,
        repo,
        title=order.summary,
        description=order.description,
        author=caller.name,
        fork=fork,
    )
    made = changes.commit_to(
        call.state,
        repo,
        value.ref,
        tree,
        title=order.summary,
        description=order.description,
        author=caller.name,
    )
    url = f"{call.base_url}/{repo.url_path}/discussions/{value.num}"
    return JSONResponse(_commit_shape(call, repo, made) | {"pullRequestUrl": url})


def _commit_shape(call: Call, repo: Repository, made: Commit) -> dict[str, Any]:
    return {
        "success": True,
        "commitOid": made.oid,
        "commitUrl": f"{call.base_url}/{repo.url_path}/commit/{made.oid}",
        "hookOutput": "",
    }


def _apply(call: Call, start: Commit, order: _Order) -> dict[str, FileEntry]:
    """Return the tree after a commit; nothing is changed yet."""
    tree = dict(start.tree)
    for key, value in order.lines:
        path = _checked_path(value)
        if key == "file":
            tree[path] = _regular(call, path, value)
        elif key == "lfsFile":
            tree[path] = _linked(call, path, value)
        elif key in {"deletedFile", "deletedFolder", "deletedEntry"}:
            gone = list(_below(tree, path, key))
            if not gone:
                raise Refusal(400, f"Cannot delete {path}: there is no such file")
            for name in gone:
                del tree[name]
        else:
            raise Refusal(400, f"Unknown operation {key!r}")
    return tree


def _checked_path(value: dict[str, Any]) -> str:
    path = str(value.get("path") or "")
    parts = path.rstrip("/").split("/")
    if not path or any(part in {"", ".", "..", ".git"} for part in parts):
        raise Refusal(400, f"Invalid path {path!r}")
    return "/".join(parts)


def _below(tree: dict[str, FileEntry], path: str, key: str) -> Iterator[str]:
    for name in tree:
        if (name == path and key != "deletedFolder") or (
            name.startswith(f"{path}/") and key != "deletedFile"
        ):
            yield name


def _regular(call: Call, path: str, value: dict[str, Any]) -> FileEntry:
    text = str(value.get("content", ""))
    content = _decode(text) if value.get("encoding") == "base64" else text.encode()
    if path == "README.md":
        kind = cast(RepoKind, call.param("kind", "models"))
        errors, _ = check_card(content.decode("utf-8", "replace"), kind)
        if errors:
            raise Refusal(400, "Invalid metadata in README.md: " + "; ".join(errors))
    return call.state.blobs.entry(path, call.state.blobs.add(content), is_lfs=False)


def _linked(call: Call, path: str, value: dict[str, Any]) -> FileEntry:
    sha256 = str(value.get("oid"))
    if not call.state.blobs.has(sha256):
        raise Refusal(400, f"LFS object {sha256} of {path} was not uploaded")
    return call.state.blobs.entry(path, sha256, is_lfs=True)


_R = "/api/{kind:kind}/{repo:repo}"
_LFS = "{repo:repo}.git/info/lfs/objects"

ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", _R + "/preupload/{revision:revision}", preupload),
    ("POST", _R + "/commit/{revision:revision}", commit),
    ("POST", "/{kind:prefix}/" + _LFS + "/batch", lfs_batch),
    ("POST", "/{kind:prefix}/" + _LFS + "/verify", lfs_verify),
    ("POST", "/" + _LFS + "/batch", lfs_batch),
    ("POST", "/" + _LFS + "/verify", lfs_verify),
]
