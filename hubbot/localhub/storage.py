"""The state on disk, to be read afterwards and loaded again.

``accounts.json``: tokens, organisations, renames; ``repos/<kind>/<id with -- for />.json``: one
repository with commits, refs and discussions; ``blobs/ab/abcd…``: contents by SHA-256;
``requests.jsonl``: the request log.
"""

import json
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.state import Caller, Commit, Discussion, Event, HubState, Repository

_VERSION = 1


class Storage:
    """Writes what changed since the last time."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``."""
        self._folder = folder
        self._written: dict[Path, str] = {}

    def save(self, state: HubState) -> None:
        """Write accounts and repositories; files of deleted repositories go."""
        files = {self._folder / "accounts.json": _accounts(state)}
        for repo in state.repositories.values():
            files[self._file(repo)] = _repository(repo)
        for path, value in files.items():
            text = json.dumps(value, indent=1, default=_encode)
            if self._written.get(path) != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft = path.with_suffix(".new")
                draft.write_text(text, encoding="utf-8")
                draft.replace(path)
                self._written[path] = text
        for path in set(self._written) - set(files):
            path.unlink(missing_ok=True)
            del self._written[path]

    def load(self, state: HubState) -> None:
        """Fill an empty state from the folder; an empty folder leaves it empty.

        Raises:
            ValueError: If the folder was written by another version.
        """
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

    def clear(self) -> None:
        """Delete what was written, and nothing else."""
        for name in ("repos", "blobs"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / "accounts.json").unlink(missing_ok=True)
        self._written.clear()

    def _file(self, repo: Repository) -> Path:
        return self._folder / "repos" / repo.kind / f"{repo.id.replace('/', '--')}.json"


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
