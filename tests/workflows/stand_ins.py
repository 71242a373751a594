"""What stands in for GitHub's own actions: copies of files.

Each does what the real one documents for the inputs that this repository's workflows use, and
refuses the others.
"""

import fnmatch
import os
import re
import shutil
from collections.abc import Mapping, Set
from pathlib import Path

from tests.workflows.machine import Action, ActionError, Machine, UnsupportedError

Given = Mapping[str, str]


class Storage:
    """Checkout, artifacts of one run, and the cache that outlives it."""

    def __init__(self, source: Path, artifacts: Path, cache: Path) -> None:
        """Take the folder that checkout copies, and those for artifacts and for the cache."""
        self.source, self.artifacts, self.cache = source, artifacts, cache
        for folder in (artifacts, cache):
            folder.mkdir(parents=True, exist_ok=True)

    def actions(self) -> dict[str, Action]:
        """Return the stand-ins by the names of the actions."""
        return {
            "actions/checkout": self.check_out,
            "actions/setup-python": set_up_python,
            "actions/upload-artifact": self.upload,
            "actions/download-artifact": self.download,
            "actions/cache/restore": self.restore,
            "actions/cache/save": self.save,
        }

    def check_out(self, machine: Machine, given: Given) -> Given:
        """Copy the repository into the workspace."""
        _only(given, {"persist-credentials", "fetch-depth"})
        shutil.copytree(self.source, machine.workspace, dirs_exist_ok=True)
        return {}

    def upload(self, machine: Machine, given: Given) -> Given:
        """Keep a file, or what lies in a folder, under a name that is given once."""
        _only(given, {"name", "path", "if-no-files-found", "overwrite", "retention-days"})
        path, kept = _inside(machine, given["path"]), self.artifacts / given["name"]
        root = path.parent if path.is_file() else path
        # As with the real one, what is hidden is left out.
        files = [
            file
            for file in ([path] if path.is_file() else sorted(path.rglob("*")))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(root).parts)
        ]
        if not files:
            if given.get("if-no-files-found", "warn") == "error":
                raise ActionError(f"no files were found at {given['path']}")
            return {}
        if kept.exists():
            if given.get("overwrite") != "true":
                raise ActionError(f"an artifact named {given['name']} exists already")
            shutil.rmtree(kept)
        for file in files:
            target = kept / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return {}

    def download(self, machine: Machine, given: Given) -> Given:
        """Copy one artifact into the folder, or each that fits into a folder of its name.

        As with the real one since its version 5, one that fits alone gets no folder of its own,
        and that none fits is no error.
        """
        _only(given, {"name", "pattern", "path"})
        target = _inside(machine, given.get("path", "."))
        if "name" in given:
            found = self.artifacts / given["name"]
            if not found.is_dir():
                raise ActionError(f"there is no artifact named {given['name']}")
            shutil.copytree(found, target, dirs_exist_ok=True)
            return {}
        patterns = _alternatives(given["pattern"])
        fitting = [
            found
            for found in sorted(self.artifacts.iterdir())
            if any(fnmatch.fnmatchcase(found.name, pattern) for pattern in patterns)
        ]
        for found in fitting:
            place = target if len(fitting) == 1 else target / found.name
            shutil.copytree(found, place, dirs_exist_ok=True)
        return {}

    def restore(self, machine: Machine, given: Given) -> Given:
        """Copy the entry with the key, else the newest one whose key begins as asked."""
        _only(given, {"path", "key", "restore-keys"})
        entries = sorted(self.cache.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
        for prefix in given.get("restore-keys", "").split():
            fitting = [entry for entry in entries if entry.name.startswith(prefix)]
            exact = [entry for entry in entries if entry.name == given["key"]]
            if exact or fitting:
                found = (exact or fitting)[-1]
                shutil.copytree(found, _inside(machine, given["path"]), dirs_exist_ok=True)
                return {"cache-hit": "true" if exact else "false", "cache-matched-key": found.name}
        return {"cache-hit": "", "cache-matched-key": ""}

    def save(self, machine: Machine, given: Given) -> Given:
        """Keep a folder under a key; a key is never written twice."""
        _only(given, {"path", "key"})
        folder, entry = _inside(machine, given["path"]), self.cache / given["key"]
        if folder.is_dir() and not entry.exists():
            shutil.copytree(folder, entry)
            os.utime(entry)  # its age is that of the entry, not of what it holds
        return {}


def set_up_python(machine: Machine, given: Given) -> Given:
    """Leave the interpreter that the test put on PATH."""
    _only(given, {"python-version"})
    if shutil.which("python", path=machine.environment["PATH"]) is None:
        raise ActionError(f"there is no python on {machine.environment['PATH']}")
    return {}


def _alternatives(pattern: str) -> list[str]:
    """Return the patterns that one with braces stands for, ``{a,b}*`` for ``a*`` and ``b*``."""
    match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", pattern)
    if match is None:
        return [pattern]
    return [f"{match[1]}{inner}{match[3]}" for inner in match[2].split(",")]


def _only(given: Given, understood: Set[str]) -> None:
    unknown = set(given) - understood
    if unknown:
        raise UnsupportedError(f"inputs {sorted(unknown)} of an action are not understood")


def _inside(machine: Machine, path: str) -> Path:
    """Return a path of the workspace; no pattern, no list and nothing outside is understood."""
    found = (machine.workspace / path).resolve()
    if any(sign in path for sign in "*?\n") or not found.is_relative_to(machine.workspace):
        raise UnsupportedError(f"path {path!r} of an action is not understood")
    return found
