"""The embedded GitHub on disk, below ``github/`` in the Hub's folder.

``accounts.json``: tokens and Apps; ``<owner>--<name>/repository.json``: branches, pull requests,
labels; ``<owner>--<name>/objects/``: git's objects.
"""

import json
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from hubbot.localhub.github_state import (
    App,
    GithubState,
    Installation,
    Label,
    PullRequest,
    Repository,
    Token,
)

_VERSION = 1
_MOMENTS = ("created", "updated", "merged", "closed")


class GithubStorage:
    """Writes what changed since the last time."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``."""
        self._folder = folder
        self._written: dict[Path, str] = {}

    def save(self, state: GithubState) -> None:
        """Write accounts and repositories."""
        files = {self._folder / "accounts.json": _accounts(state)}
        for repo in state.repositories.values():
            name = repo.full_name.replace("/", "--")
            files[self._folder / name / "repository.json"] = asdict(repo)
        for path, value in files.items():
            text = json.dumps(value, indent=1, default=_encode)
            if self._written.get(path) != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft = path.with_suffix(".new")
                draft.write_text(text, encoding="utf-8")
                draft.replace(path)
                self._written[path] = text

    def load(self, state: GithubState) -> None:
        """Fill an empty state from the folder; an empty folder leaves it empty.

        Raises:
            ValueError: If the folder was written by another version.
        """
        path = self._folder / "accounts.json"
        if not path.exists():
            return
        accounts = json.loads(path.read_text(encoding="utf-8"))
        if accounts["version"] != _VERSION:
            raise ValueError(
                f"{path}: expected version {_VERSION}, found {accounts['version']}; "
                "use a new folder"
            )
        state.issued = accounts["issued"]
        state.tokens = {text: _token(shape) for text, shape in accounts["tokens"].items()}
        state.apps = {app.id: app for app in map(_app, accounts["apps"])}
        for file in sorted(self._folder.glob("*/repository.json")):
            repo = _repository(json.loads(file.read_text(encoding="utf-8")))
            state.repositories[repo.full_name] = repo

    def clear(self) -> None:
        """Delete what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._written.clear()


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__}")


def _accounts(state: GithubState) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "issued": state.issued,
        "tokens": {text: asdict(token) for text, token in state.tokens.items()},
        "apps": [asdict(app) for app in state.apps.values()],
    }


def _moments(shape: dict[str, Any], *names: str) -> dict[str, Any]:
    read = {name: datetime.fromisoformat(shape[name]) for name in names if shape.get(name)}
    return {**shape, **read}


def _token(shape: dict[str, Any]) -> Token:
    return Token(**_moments(shape, "expires"))


def _app(shape: dict[str, Any]) -> App:
    installations = tuple(
        Installation(**{**item, "repositories": tuple(item["repositories"])})
        for item in shape["installations"]
    )
    return App(**{**shape, "installations": installations})


def _repository(shape: dict[str, Any]) -> Repository:
    pulls = [PullRequest(**_moments(item, *_MOMENTS)) for item in shape.pop("pulls").values()]
    labels = {key: Label(**item) for key, item in shape.pop("labels").items()}
    return Repository(
        **_moments(shape, "created"),
        pulls={pull.number: pull for pull in pulls},
        labels=labels,
    )
