"""JSON shapes of the Hub's answers."""

import hashlib
import html
from collections.abc import Collection
from typing import Any

from hubbot.localhub import metadata
from hubbot.localhub.answers import Refusal
from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.cards import as_list
from hubbot.localhub.state import (
    MAIN,
    Commit,
    Discussion,
    Event,
    HubState,
    RepoKind,
    Repository,
    Tree,
    iso,
)

_BRIEF = (
    *("_id", "id", "modelId", "private", "likes", "downloads", "tags"),
    *("pipeline_tag", "library_name", "createdAt"),
)
_ALWAYS = ("_id", "id")
_FULL = ("author", "sha", "lastModified", "gated", "disabled", "siblings")

# fmt: off
_EXPANDABLE: dict[RepoKind, tuple[str, ...]] = {
    "models": (
        "author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt",
        "disabled", "downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference",
        "inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token",
        "model-index", "pipeline_tag", "private", "resourceGroup", "safetensors", "sha",
        "siblings", "spaces", "tags", "transformersInfo", "trendingScore", "usedStorage",
        "widgetData",
    ),
    "datasets": (
        "author", "cardData", "citation", "createdAt", "description", "disabled", "downloads",
        "downloadsAllTime", "gated", "lastModified", "likes", "mainSize", "paperswithcode_id",
        "private", "resourceGroup", "sha", "siblings", "tags", "trendingScore", "usedStorage",
    ),
}
# fmt: on
"""Keys that can be asked for, as the client's documentation of ``expand`` names them."""


def repository(
    state: HubState, repo: Repository, commit: Commit, *, with_blobs: bool = False
) -> dict[str, Any]:
    """Describe a repository at a commit with every key there is.

    Args:
        state: State.
        repo: Repository.
        commit: Commit whose files are described.
        with_blobs: Whether ``siblings`` carry size and digests.
    """
    header = metadata.card_data(state, commit)
    is_model = repo.kind == "models"
    config = state.read_json(commit, "config.json") if is_model else {}
    shape: dict[str, Any] = {
        "_id": hashlib.sha256(f"{repo.kind}/{repo.id}".encode()).hexdigest()[:24],
        "id": repo.id,
        "author": repo.namespace or None,
        "sha": commit.oid,
        "createdAt": iso(repo.created),
        "lastModified": iso(repo.head.date),
        "private": repo.is_private,
        "gated": repo.gated,
        "disabled": repo.is_disabled,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "trendingScore": 0,
        "tags": metadata.tags(repo.kind, commit.tree, header, config),
        "cardData": header or None,
        "siblings": [sibling(path, entry, with_blobs) for path, entry in commit.tree.items()],
        "usedStorage": sum(entry.size for entry in commit.tree.values()),
    }
    if is_model:
        shape |= _model_keys(state, repo, commit, header, config)
    return {key: value for key, value in shape.items() if value is not None}


def _model_keys(
    state: HubState,
    repo: Repository,
    commit: Commit,
    header: dict[str, Any],
    config: dict[str, Any],
) -> dict[str, Any]:
    return {
        "modelId": repo.id,
        "library_name": metadata.library_name(header, config),
        "pipeline_tag": metadata.pipeline_tag(header, config),
        "config": metadata.config_summary(config) or None,
        "transformersInfo": metadata.transformers_info(config),
        "safetensors": metadata.safetensors_summary(state, commit),
        "model-index": header.get("model-index"),
        "baseModels": base_models(header),
        "spaces": [],
    }


def base_models(header: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a card's header says about base models; None where it names none."""
    bases = as_list(header.get("base_model"))
    relation = header.get("base_model_relation", "finetune")
    models = [{"id": base} for base in bases]
    return {"relation": relation, "models": models} if bases else None


def check_expand(kind: RepoKind, keys: list[str]) -> list[str]:
    """Return keys that are asked for.

    Raises:
        Refusal: 400 if one is unknown.
    """
    known = _EXPANDABLE[kind]
    for key in keys:
        if key not in known:
            raise Refusal(400, f'"expand" must be one of {", ".join(known)}, not {key!r}')
    return keys


def select(
    shape: dict[str, Any], *, expand: Collection[str] = (), extra: Collection[str] = ()
) -> dict[str, Any]:
    """Keep the keys that a list answers: those asked for, or the brief ones and some more."""
    keys = {*_ALWAYS, *expand} if expand else {*_BRIEF, *extra}
    return {key: value for key, value in shape.items() if key in keys}


def list_extras(*, full: bool, card: bool, config: bool) -> set[str]:
    """Return the keys that the list parameters of these names add."""
    return {
        *(_FULL if full else ()),
        *(("cardData",) if card else ()),
        *(("config",) if config else ()),
    }


def sibling(path: str, entry: FileEntry, with_blobs: bool) -> dict[str, Any]:
    """Describe a file as model info does."""
    shape: dict[str, Any] = {"rfilename": path}
    if with_blobs:
        shape |= {"size": entry.size, "blobId": entry.oid}
        if entry.is_lfs:
            shape["lfs"] = {
                "sha256": entry.sha256,
                "size": entry.size,
                "pointerSize": entry.pointer_size,
            }
    return shape


def tree_file(path: str, entry: FileEntry) -> dict[str, Any]:
    """Describe a file as tree and paths-info do."""
    shape: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.is_lfs:
        shape["lfs"] = {
            "oid": entry.sha256,
            "size": entry.size,
            "pointerSize": entry.pointer_size,
        }
    return shape


def tree_folder(path: str, tree: Tree) -> dict[str, Any]:
    """Describe a folder as tree and paths-info do."""
    inside = sorted(
        (name, entry.oid) for name, entry in tree.items() if name.startswith(f"{path}/")
    )
    oid = hashlib.sha256(repr(inside).encode()).hexdigest()[:40]
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def folders(tree: Tree) -> list[str]:
    """Return the folders of a tree, at every depth."""
    found = set()
    for path in tree:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return sorted(found)


def last_commit(repo: Repository, start: Commit, path: str) -> dict[str, Any]:
    """Describe the commit that last changed a file or folder."""

    def content(commit: Commit) -> list[tuple[str, FileEntry]]:
        inside = f"{path}/"
        return [
            item for item in commit.tree.items() if item[0] == path or item[0].startswith(inside)
        ]

    history = repo.history(start)
    changed = history[0]
    for older, newer in zip([*history[1:], None], history, strict=True):
        changed = newer
        if older is None or content(older) != content(newer):
            break
    return {"id": changed.oid, "title": changed.title, "date": iso(changed.date)}


def commit(value: Commit) -> dict[str, Any]:
    """Describe a commit as the list of commits does."""
    return {
        "id": value.oid,
        "title": value.title,
        "message": value.description,
        "date": iso(value.date),
        "authors": [{"user": value.author}],
    }


def refs(repo: Repository, *, with_pull_requests: bool) -> dict[str, Any]:
    """Describe branches, conversions, tags and pull requests."""

    def under(prefix: str) -> list[dict[str, str]]:
        found = sorted(name for name in repo.refs if name.startswith(prefix))
        return [
            {"name": name.removeprefix(prefix), "ref": name, "targetCommit": repo.refs[name]}
            for name in found
        ]

    shape: dict[str, Any] = {
        "branches": under("refs/heads/"),
        "converts": under("refs/convert/"),
        "tags": under("refs/tags/"),
    }
    if with_pull_requests:
        shape["pullRequests"] = under("refs/pr/")
    return shape


def discussion(repo: Repository, value: Discussion) -> dict[str, Any]:
    """Describe a discussion as the list does."""
    return {
        "num": value.num,
        "title": value.title,
        "status": value.status,
        "isPullRequest": value.is_pull_request,
        "author": {"name": value.author},
        "createdAt": iso(value.created),
        "numComments": sum(event.type == "comment" for event in value.events),
        "repo": {"name": repo.id, "type": repo.kind.removesuffix("s")},
    }


def details(
    repo: Repository, value: Discussion, *, diff: str, conflicts: list[str]
) -> dict[str, Any]:
    """Describe a discussion with its events; a pull request with its diff, too."""
    shape = discussion(repo, value) | {"events": [event(item) for item in value.events]}
    if value.is_pull_request:
        changes = {"base": MAIN}
        if value.merge_commit is not None:
            changes["mergeCommitId"] = value.merge_commit
        shape |= {"changes": changes, "diff": diff, "filesWithConflicts": conflicts}
    return shape


def event(value: Event) -> dict[str, Any]:
    """Describe an event."""
    return {
        "id": value.id,
        "type": value.type,
        "createdAt": iso(value.created),
        "author": {"name": value.author},
        "data": value.data,
    }


def comment_data(text: str, author: str, moment: str) -> dict[str, Any]:
    """Return the data of a comment event."""
    latest = {
        "raw": text,
        "html": f"<p>{html.escape(text)}</p>",
        "updatedAt": moment,
        "author": {"name": author},
    }
    return {"edited": False, "hidden": False, "latest": latest, "history": [], "numEdits": 0}
