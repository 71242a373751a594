"""Routes that read files: tree, paths-info, resolve."""

from typing import Any
from urllib.parse import parse_qs

from starlette.responses import FileResponse, JSONResponse, Response

from hubbot.localhub import shapes
from hubbot.localhub.access import find_commit, find_repository, require_files
from hubbot.localhub.answers import Call, Handler, Refusal, page
from hubbot.localhub.state import Commit, Repository

_MAX_EXPANDED_PAGE = 50


def tree(call: Call) -> Response:
    """GET /api/T/R/tree/REV[/PATH]."""
    repo = find_repository(call)
    commit = find_commit(call, repo)
    folder = call.param("path").strip("/")
    prefix = f"{folder}/" if folder else ""
    names = [*commit.tree, *shapes.folders(commit.tree)]
    names = sorted(name for name in names if name.startswith(prefix))
    if folder and not names:
        raise _no_entry(commit, folder)
    if not call.flag("recursive"):
        names = [name for name in names if "/" not in name.removeprefix(prefix)]
    expand = call.flag("expand")
    size = min(call.state.page_size, _MAX_EXPANDED_PAGE) if expand else call.state.page_size
    chosen, headers = page(call, names, size)
    return JSONResponse([_item(repo, commit, name, expand) for name in chosen], headers=headers)


def paths_info(call: Call) -> Response:
    """POST /api/T/R/paths-info/REV, form-encoded; missing paths are left out."""
    repo = find_repository(call)
    commit = find_commit(call, repo)
    if call.request.headers.get("content-type", "").startswith("application/json"):
        body = call.json()
        paths, expand = [str(path) for path in body.get("paths", [])], body.get("expand") is True
    else:
        form = parse_qs(call.body.decode("utf-8", "replace"))
        paths = form.get("paths", [])
        expand = form.get("expand", ["false"])[0].lower() in {"1", "true"}
    known = {*commit.tree, *shapes.folders(commit.tree)}
    wanted = [path.strip("/") for path in paths]
    return JSONResponse([_item(repo, commit, path, expand) for path in wanted if path in known])


def _item(repo: Repository, commit: Commit, path: str, expand: bool) -> dict[str, Any]:
    entry = commit.tree.get(path)
    if entry is None:
        shape = shapes.tree_folder(path, commit.tree)
    else:
        shape = shapes.tree_file(path, entry)
    if expand:
        shape["lastCommit"] = shapes.last_commit(repo, commit, path)
    return shape


def resolve(call: Call) -> Response:
    """GET and HEAD /R/resolve/REV/PATH: the bytes, for files in LFS too.

    The Hub redirects those to other hosts; a redirect to this same origin would have to carry the
    headers again, so the answer is 200 with the digest in ``X-Linked-Etag``.
    """
    repo = find_repository(call)
    require_files(call, repo)
    commit = find_commit(call, repo)
    path = call.param("path")
    entry = commit.tree.get(path)
    if entry is None:
        raise _no_entry(commit, path)
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.etag}"',
        # Other people's files must not run in the browser of someone who looks at the demo.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if entry.is_lfs:
        headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
    blob = call.state.blobs.path(entry.sha256)
    media_type = "application/octet-stream" if entry.is_lfs else "text/plain; charset=utf-8"
    return FileResponse(blob, headers=headers, media_type=media_type)


def _no_entry(commit: Commit, path: str) -> Refusal:
    return Refusal(
        404,
        f"Entry not found: {path}",
        code="EntryNotFound",
        headers={"X-Repo-Commit": commit.oid},
    )


_R = "/api/{kind:kind}/{repo:repo}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _R + "/tree/{revision:revision}", tree),
    ("GET", _R + "/tree/{revision:revision}/{path:file}", tree),
    ("POST", _R + "/paths-info/{revision:revision}", paths_info),
    ("GET", "/{kind:prefix}/{repo:repo}/resolve/{revision:revision}/{path:file}", resolve),
    ("GET", "/{repo:repo}/resolve/{revision:revision}/{path:file}", resolve),
]
