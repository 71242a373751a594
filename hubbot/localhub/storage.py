"""The state on disk, to be read afterwards and loaded again.

``accounts.json``: tokens, organisations, renames; ``repos/<kind>/<id with -- for />.json``: one
repository with commits, refs and discussions; ``blobs/ab/abcd…``: contents by SHA-256;
``listed.jsonl``: models known by their list item only; ``requests.jsonl``: the request log.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.state import Caller, Commit, Discussion, Event, HubState, RepoKind, Repository

_VERSION = 1


class Storage:
    """Writes what changed since the last time."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``."""
        self._folder = folder
        self._written: dict[Path, bytes] = {}

    def save(self, state: HubState) -> None:
        """Write accounts and the repositories touched; files of deleted ones go.

        Each file is written beside its place and moved there, and a file is deleted last, so that
        whatever moment the process is killed at, all files are whole.
        """
        self._write(self._folder / "accounts.json", _accounts(state))
        gone = []
        for kind, repo_id in sorted(state.unsaved):
            repo, path = state.repositories.get((kind, repo_id)), self._file(kind, repo_id)
            if repo is None:
                gone.append(path)
            else:
                self._write(path, _repository(repo))
        for path in gone:
            path.unlink(missing_ok=True)
            self._written.pop(path, None)
        state.unsaved.clear()

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        text = json.dumps(value, indent=1, default=_encode).encode()
        digest = hashlib.sha256(text).digest()
        if self._written.get(path) != digest:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(text)
            draft.replace(path)
            self._written[path] = digest

    def load(self, state: HubState) -> None:
        """Fill an empty state from the folder; an empty folder leaves it empty.

        Raises:
            ValueError: If the folder was written by another version.
        """
        state.listed.load()
        path = self._folder / "accounts.json"
        if not path.exists():
            return
        accounts = json.loads(path.read_text(encoding="utf-8"))
        if accounts["version"] != _VERSION:
            found = accounts["version"]
            raise ValueError(
                f"{path}: expected version {_VERSION}, found {found}; use a new folder"
            )
        state.tokens = {
            token: Caller(item["name"], item["role"]) for token, item in accounts["tokens"].items()
        }
        state.organisations = accounts["organisations"]
        state.renames = {(kind, old): new for kind, old, new in accounts["renames"]}
        for file in sorted(self._folder.glob("repos/*/*.json")):
            repo = _read_repository(json.loads(file.read_text(encoding="utf-8")))
            state.repositories[repo.kind, repo.id] = repo
        _settle_renames(state)

    def clear(self) -> None:
        """Delete what was written, and nothing else."""
        for name in ("repos", "blobs"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / "accounts.json").unlink(missing_ok=True)
        self._written.clear()

    def _file(self, kind: RepoKind, repo_id: str) -> Path:
        return self._folder / "repos" / kind / f"{repo_id.replace('/', '--')}.json"


def _settle_renames(state: HubState) -> None:
    """Finish a renaming that was noted when the process was killed, or take it back."""
    for (kind, old), new in list(state.renames.items()):
        repo = state.repositories.get((kind, old))
        if repo is None:
            continue
        if (kind, new) in state.repositories:
            state.delete(repo)
        else:
            del state.renames[kind, old]
            for key, target in list(state.renames.items()):
                if key[0] == kind and target == new:
                    state.renames[key] = old


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__}")


def _accounts(state: HubState) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "tokens": {token: asdict(caller) for token, caller in state.tokens.items()},
        "organisations": state.organisations,
        "renames": [[kind, old, new] for (kind, old), new in state.renames.items()],
    }


def _repository(repo: Repository) -> dict[str, Any]:
    shape = asdict(repo)
    shape["commits"] = [asdict(commit) for commit in repo.commits.values()]
    shape["discussions"] = [asdict(value) for value in repo.discussions.values()]
    return shape


def _read_repository(shape: dict[str, Any]) -> Repository:
    commits = [_read_commit(item) for item in shape.pop("commits")]
    discussions = [_read_discussion(item) for item in shape.pop("discussions")]
    return Repository(
        **{**shape, "created": datetime.fromisoformat(shape["created"])},
        commits={commit.oid: commit for commit in commits},
        discussions={value.num: value for value in discussions},
    )


def _read_commit(shape: dict[str, Any]) -> Commit:
    tree = {path: FileEntry(**entry) for path, entry in shape["tree"].items()}
    return Commit(**{**shape, "tree": tree, "date": datetime.fromisoformat(shape["date"])})


def _read_discussion(shape: dict[str, Any]) -> Discussion:
    events = [
        Event(**{**item, "created": datetime.fromisoformat(item["created"])})
        for item in shape["events"]
    ]
    created = datetime.fromisoformat(shape["created"])
    return Discussion(**{**shape, "events": events, "created": created})
