"""Commit hashes that ``doctor --datasets`` resolved online, kept in a lock file of TOML.

The catalog itself holds no hash that nobody verified; where it is silent, the lock decides, and
without a lock the head of the main branch on first use.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubbot.errors import SettingsError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """Pinned commits by Hub id."""

    models: Mapping[str, str]
    """Base models."""
    datasets: Mapping[str, str]
    """Data sets."""


def read_revisions(path: Path) -> Revisions:
    """Read the lock file; empty where there is none.

    Args:
        path: Written by ``write_revisions``.

    Raises:
        SettingsError: If the file is not what ``doctor --datasets`` writes.
    """
    if not path.exists():
        return Revisions(models={}, datasets={})
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        kinds = {kind: dict(table.get(kind, {})) for kind in ("models", "datasets")}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path} is not a lock file of revisions: {error}; delete it and run "
            "`hubbot doctor --datasets` again"
        ) from error
    for hub_id, commit in [item for kind in kinds.values() for item in kind.items()]:
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise SettingsError(
                f"{path}: {hub_id!r} should have a full commit hash (40 hex digits), found "
                f"{commit!r}; run `hubbot doctor --datasets` again"
            )
    return Revisions(**kinds)


def write_revisions(path: Path, revisions: Revisions) -> None:
    """Write the lock file, sorted, whole or not at all.

    Args:
        path: Where to.
        revisions: Full commit hashes.
    """
    lines = ["# Written by `hubbot doctor --datasets`; commits read from the Hub.", ""]
    for kind, table in (("models", revisions.models), ("datasets", revisions.datasets)):
        lines.append(f"[{kind}]")
        lines += [f'"{hub_id}" = "{commit}"' for hub_id, commit in sorted(table.items())]
        lines.append("")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    partial.write_text("\n".join(lines), encoding="utf-8")
    partial.replace(path)
