"""GitHub's git interface: references, blobs, trees, commits."""

import base64
import binascii
import re
from typing import Any

from starlette.responses import JSONResponse, Response

from hubbot.localhub import github_changes, github_shapes
from hubbot.localhub.github_answers import (
    GithubCall,
    GithubRefusal,
    Handler,
    invalid,
    not_found,
    require,
)
from hubbot.localhub.github_objects import FOLDER_MODE, Commit, Entry
from hubbot.localhub.github_state import Repository

_MODES = ("100644", "100755", FOLDER_MODE, "160000", "120000")
_HEADS = "refs/heads/"
_NAME = re.compile(
    r"(?!.*(\.\.|//|@\{|\.lock$|/$))[^\s~^:?*\[\\\x00-\x1f/.][^\s~^:?*\[\\\x00-\x1f]*"
)


def get_reference(call: GithubCall) -> Response:
    """GET git/ref/heads/BRANCH."""
    repo = readable(call)
    return JSONResponse(github_shapes.reference(call, repo, _branch(repo, call.param("ref"))))


def get_branch(call: GithubCall) -> Response:
    """GET branches/BRANCH."""
    repo = readable(call)
    name = call.param("ref")
    if name not in repo.branches:
        raise GithubRefusal(404, "Branch not found")
    head = github_shapes.full_commit(call, repo, call.state.head(repo, name))
    return JSONResponse({"name": name, "commit": head, "protected": False})


def create_reference(call: GithubCall) -> Response:
    """POST git/refs."""
    repo = require(call, "write", "contents")
    ref, oid = call.text("ref"), call.text("sha")
    not_empty(repo)
    name = ref.removeprefix(_HEADS)
    if not ref.startswith(_HEADS) or not _NAME.fullmatch(name):
        raise GithubRefusal(422, f"{ref} is not a valid ref name.")
    if name in repo.branches:
        raise GithubRefusal(422, "Reference already exists")
    if any(name.startswith(f"{old}/") or old.startswith(f"{name}/") for old in repo.branches):
        raise GithubRefusal(422, "Reference update failed")
    if call.store(repo).commit(oid) is None:
        raise GithubRefusal(422, "Object does not exist")
    call.state.move(repo, name, oid)
    return JSONResponse(github_shapes.reference(call, repo, name), 201)


def update_reference(call: GithubCall) -> Response:
    """PATCH git/refs/heads/BRANCH; without ``force`` only forwards."""
    repo = require(call, "write", "contents")
    oid, store = call.text("sha"), call.store(repo)
    name = call.param("ref").removeprefix("heads/")
    if name not in repo.branches:
        raise GithubRefusal(422, "Reference does not exist")
    if store.commit(oid) is None:
        raise GithubRefusal(422, "Object does not exist")
    if call.json().get("force") is not True and repo.branches[name] not in store.history(oid):
        raise GithubRefusal(422, "Update is not a fast forward")
    call.state.move(repo, name, oid)
    return JSONResponse(github_shapes.reference(call, repo, name))


def delete_reference(call: GithubCall) -> Response:
    """DELETE git/refs/heads/BRANCH."""
    repo = require(call, "write", "contents")
    name = call.param("ref").removeprefix("heads/")
    if name not in repo.branches:
        raise GithubRefusal(422, "Reference does not exist")
    github_changes.delete_branch(call.state, repo, name, call.login)
    return Response(status_code=204)


def create_blob(call: GithubCall) -> Response:
    """POST git/blobs."""
    repo = require(call, "write", "contents")
    not_empty(repo)
    oid = call.store(repo).add("blob", content_of(call.json()))
    url = f"{github_shapes.address(call, repo)}/git/blobs/{oid}"
    return JSONResponse({"sha": oid, "url": url}, 201)


def get_blob(call: GithubCall) -> Response:
    """GET git/blobs/SHA."""
    repo = readable(call)
    oid = call.param("sha")
    content = call.store(repo).read(oid, "blob")
    if content is None:
        raise not_found()
    text = base64.encodebytes(content).decode()
    url = f"{github_shapes.address(call, repo)}/git/blobs/{oid}"
    shape = {"sha": oid, "size": len(content), "encoding": "base64", "content": text, "url": url}
    return JSONResponse(shape)


def get_tree(call: GithubCall) -> Response:
    """GET git/trees/SHA; a commit or branch stands for its tree, a long list is cut off."""
    repo = readable(call)
    store, name = call.store(repo), call.param("sha")
    commit = store.commit(repo.branches.get(name, name))
    oid = name if commit is None else commit.tree
    level = store.tree(oid)
    if level is None:
        raise not_found()
    entries = store.walk(oid) if call.query("recursive") else level
    return JSONResponse(_tree_shape(call, repo, oid, entries))


def create_tree(call: GithubCall) -> Response:
    """POST git/trees: entries over ``base_tree``."""
    repo = require(call, "write", "contents")
    not_empty(repo)
    store, body = call.store(repo), call.json()
    files: dict[str, Entry] = {}
    if "base_tree" in body:
        base = str(body["base_tree"])
        commit = store.commit(base)
        base = base if commit is None else commit.tree
        if store.tree(base) is None:
            raise GithubRefusal(422, "base_tree is not a valid tree oid")
        files = store.files(base)
    entries = body.get("tree")
    if not isinstance(entries, list) or not entries:
        raise GithubRefusal(422, "Invalid tree info")
    for entry in entries:
        _put(call, repo, files, entry)
    oid = store.add_files(files)
    return JSONResponse(_tree_shape(call, repo, oid, store.tree(oid) or {}), 201)


def create_commit(call: GithubCall) -> Response:
    """POST git/commits; it is on no branch yet."""
    repo = require(call, "write", "contents")
    not_empty(repo)
    store, parents = call.store(repo), call.json().get("parents", [])
    if store.tree(call.text("tree")) is None:
        raise GithubRefusal(422, "Tree SHA does not exist")
    if not isinstance(parents, list) or any(store.commit(str(oid)) is None for oid in parents):
        raise GithubRefusal(422, "Parent SHA does not exist or is not a commit object")
    made = store.add_commit(
        call.text("tree"),
        tuple(parents),
        author=call.login,
        message=call.text("message"),
        date=call.state.clock(),
    )
    return JSONResponse(github_shapes.commit(call, repo, made), 201)


def get_commit(call: GithubCall) -> Response:
    """GET git/commits/SHA."""
    repo = readable(call)
    return JSONResponse(github_shapes.commit(call, repo, commit_of(call, repo, call.param("sha"))))


def readable(call: GithubCall) -> Repository:
    """Return the repository of the path, if the caller may read it and it holds a commit.

    Raises:
        GithubRefusal: As in ``require``; 409 where it is empty.
    """
    repo = require(call, "read", "contents")
    not_empty(repo)
    return repo


def not_empty(repo: Repository) -> None:
    """Refuse a repository without any commit, which has no git interface.

    Raises:
        GithubRefusal: 409.
    """
    if not repo.branches:
        raise GithubRefusal(409, "Git Repository is empty.")


def _branch(repo: Repository, ref: str) -> str:
    name = ref.removeprefix("heads/")
    if name == ref or name not in repo.branches:
        raise not_found()
    return name


def commit_of(call: GithubCall, repo: Repository, name: str) -> Commit:
    """Return the commit of a branch or a hash.

    Raises:
        GithubRefusal: 404 where there is none.
    """
    commit = call.store(repo).commit(repo.branches.get(name, name))
    if commit is None:
        raise not_found()
    return commit


def content_of(body: dict[str, Any]) -> bytes:
    """Return the bytes of a body's ``content``, in the encoding that it names.

    Raises:
        GithubRefusal: 422 where it has none, or not in that encoding.
    """
    text, encoding = body.get("content"), body.get("encoding", "utf-8")
    if not isinstance(text, str) or encoding not in {"utf-8", "base64"}:
        raise invalid("Blob", field="content")
    if encoding == "utf-8":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise GithubRefusal(422, "content is not valid Base64") from error


def _put(call: GithubCall, repo: Repository, files: dict[str, Entry], entry: Any) -> None:
    """Apply one entry of a new tree to a set of files."""
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise GithubRefusal(422, "Invalid tree info")
    path, mode = entry["path"], str(entry.get("mode"))
    if path.startswith("/"):
        raise GithubRefusal(422, "tree.path cannot start with a slash")
    if any(part.lower() in {"", ".", "..", ".git"} for part in path.split("/")):
        raise GithubRefusal(422, "tree.path contains a malformed path component")
    if mode not in _MODES:
        raise GithubRefusal(422, "Must supply a valid tree.mode")
    if ("sha" in entry) == ("content" in entry):
        raise GithubRefusal(422, "Must supply either tree.sha or tree.content")
    below = [name for name in files if name == path or name.startswith(f"{path}/")]
    if entry.get("sha", "") is None and not below:
        raise GithubRefusal(422, "GitRPC::BadObjectState")
    for name in below:
        del files[name]
    files |= _entries(call, repo, path, mode, entry)


def _entries(
    call: GithubCall, repo: Repository, path: str, mode: str, entry: dict[str, Any]
) -> dict[str, Entry]:
    store = call.store(repo)
    if "content" in entry:
        return {path: Entry(mode, store.add("blob", str(entry["content"]).encode()))}
    oid = entry["sha"]
    if oid is None:
        return {}
    if mode == FOLDER_MODE and store.tree(str(oid)) is not None:
        return {f"{path}/{name}": item for name, item in store.files(str(oid)).items()}
    if store.read(str(oid), "blob") is None:
        raise GithubRefusal(422, f"tree.sha {oid} is not a valid blob")
    return {path: Entry(mode, str(oid))}


def _tree_shape(
    call: GithubCall, repo: Repository, oid: str, entries: dict[str, Entry]
) -> dict[str, Any]:
    limit, root = call.state.tree_limit, f"{github_shapes.address(call, repo)}/git"
    shown = [
        {"path": path, "mode": entry.mode, "type": entry.kind, "sha": entry.oid}
        for path, entry in entries.items()
    ]
    return {
        "sha": oid,
        "url": f"{root}/trees/{oid}",
        "tree": shown[:limit],
        "truncated": len(shown) > limit,
    }


_R = "/repos/{owner}/{repo}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _R + "/branches/{ref:file}", get_branch),
    ("GET", _R + "/git/ref/{ref:file}", get_reference),
    ("GET", _R + "/git/refs/{ref:file}", get_reference),
    ("POST", _R + "/git/refs", create_reference),
    ("PATCH", _R + "/git/refs/{ref:file}", update_reference),
    ("DELETE", _R + "/git/refs/{ref:file}", delete_reference),
    ("POST", _R + "/git/blobs", create_blob),
    ("GET", _R + "/git/blobs/{sha}", get_blob),
    ("POST", _R + "/git/trees", create_tree),
    ("GET", _R + "/git/trees/{sha:file}", get_tree),
    ("POST", _R + "/git/commits", create_commit),
    ("GET", _R + "/git/commits/{sha}", get_commit),
]
