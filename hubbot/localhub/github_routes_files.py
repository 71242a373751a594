"""GitHub's files and comparisons: what stands under a path, and what a branch adds."""

import base64
from typing import Any

from starlette.responses import JSONResponse, Response

from hubbot.localhub import github_shapes
from hubbot.localhub.github_answers import GithubCall, GithubRefusal, Handler, not_found, require
from hubbot.localhub.github_objects import Entry
from hubbot.localhub.github_routes_git import commit_of, content_of, readable
from hubbot.localhub.github_state import Repository

_MOST_FILES = 300
"""Files of a comparison that are listed."""


def get_contents(call: GithubCall) -> Response:
    """GET contents/PATH: a file, or the list of a folder."""
    repo = readable(call)
    store, path = call.store(repo), call.param("path").strip("/")
    commit = commit_of(call, repo, call.query("ref") or repo.default_branch)
    walked = store.walk(commit.tree)
    if path in walked and walked[path].kind == "blob":
        return JSONResponse(_file_shape(call, repo, path, walked[path]))
    inside = f"{path}/"
    found = {
        name: entry
        for name, entry in walked.items()
        if name.startswith(inside) and "/" not in name.removeprefix(inside)
    }
    if not found:
        raise not_found()
    return JSONResponse([_file_shape(call, repo, *item) for item in found.items()])


def put_contents(call: GithubCall) -> Response:
    """PUT contents/PATH: one file, one commit; ``sha`` names the file that is replaced."""
    repo = require(call, "write", "contents")
    store, path, body = call.store(repo), call.param("path"), call.json()
    branch = str(body.get("branch") or repo.default_branch)
    if branch not in repo.branches:
        raise GithubRefusal(404, f"Branch {branch} not found")
    files = store.files(call.state.head(repo, branch).tree)
    known = files.get(path)
    if known is not None and "sha" not in body:
        raise GithubRefusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if "sha" in body and (known is None or body["sha"] != known.oid):
        raise GithubRefusal(409, f"{path} does not match {body['sha']}")
    call.text("content")
    content = content_of({**body, "encoding": "base64"})
    files[path] = Entry("100644", store.add("blob", content))
    made = call.state.commit(repo, branch, files, author=call.login, message=call.text("message"))
    shape = {
        "content": _file_shape(call, repo, path, files[path]),
        "commit": github_shapes.commit(call, repo, made),
    }
    return JSONResponse(shape, 201 if known is None else 200)


def compare(call: GithubCall) -> Response:
    """GET compare/BASE...HEAD: what HEAD adds since the two parted."""
    repo = readable(call)
    store = call.store(repo)
    left, dots, right = call.param("ref").partition("...")
    if not dots:
        raise not_found()
    base, head = commit_of(call, repo, left), commit_of(call, repo, right)
    origin = store.merge_base(base.oid, head.oid)
    if origin is None:
        raise GithubRefusal(404, f"No common ancestor between {left} and {right}.")
    start = commit_of(call, repo, origin)
    ahead = [oid for oid in store.history(head.oid) if oid not in store.history(base.oid)]
    behind = [oid for oid in store.history(base.oid) if oid not in store.history(head.oid)]
    status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    commits = [github_shapes.full_commit(call, repo, commit_of(call, repo, oid)) for oid in ahead]
    return JSONResponse(
        {
            "url": f"{github_shapes.address(call, repo)}/compare/{left}...{right}",
            "status": status.get((bool(ahead), bool(behind)), "identical"),
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "base_commit": github_shapes.full_commit(call, repo, base),
            "merge_base_commit": github_shapes.full_commit(call, repo, start),
            "commits": list(reversed(commits)),
            "files": _changed(store.files(start.tree), store.files(head.tree)),
        }
    )


def _changed(old: dict[str, Entry], new: dict[str, Entry]) -> list[dict[str, Any]]:
    names = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    shapes = []
    for path in names[:_MOST_FILES]:
        status = "removed" if path not in new else "modified" if path in old else "added"
        entry = new.get(path) or old[path]
        shapes.append({"filename": path, "status": status, "sha": entry.oid})
    return shapes


def _file_shape(call: GithubCall, repo: Repository, path: str, entry: Entry) -> dict[str, Any]:
    content = call.store(repo).read(entry.oid, "blob")
    shape: dict[str, Any] = {
        "type": "file" if content is not None else "dir",
        "path": path,
        "name": path.rpartition("/")[2],
        "sha": entry.oid,
        "size": len(content or b""),
        "url": f"{github_shapes.address(call, repo)}/contents/{path}",
    }
    if content is not None:
        shape |= {"encoding": "base64", "content": base64.encodebytes(content).decode()}
    return shape


_R = "/repos/{owner}/{repo}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _R + "/contents/{path:file}", get_contents),
    ("PUT", _R + "/contents/{path:file}", put_contents),
    ("GET", _R + "/compare/{ref:file}", compare),
]
