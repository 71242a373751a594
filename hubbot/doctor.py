"""What is missing on this machine, found out one small check at a time."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubbot.catalog.architectures import load_architectures
from hubbot.catalog.datasets import load_datasets
from hubbot.catalog.revisions import Revisions, write_revisions
from hubbot.doctoring import machine, own_files, remote
from hubbot.doctoring.finding import Finding, isolated
from hubbot.errors import RemoteError
from hubbot.extras import EXTRAS
from hubbot.measurement import Report, hub_api, no_report
from hubbot.settings import Settings

__all__ = ["Finding", "Pinned", "examine", "pin_revisions"]

_GONE = ("not_found", "revision_not_found", "gated", "disabled", "unauthorised", "forbidden")
"""Kinds of refusal that concern one data set, not the connection."""


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Run every check of this machine, the settings, the Hub and GitHub; none stops the others.

    Args:
        settings: Read once.
    """
    return tuple(_examine(settings))


def _examine(settings: Settings) -> Iterator[Finding]:
    yield isolated("python", machine.python)
    for extra in EXTRAS:
        yield isolated(f"extra {extra}", functools.partial(machine.extra, extra))
    yield isolated("versions", lambda: machine.versions(machine.lock_file()))
    yield isolated("device", lambda: machine.device(settings))
    yield isolated("sandbox", machine.sandbox)
    yield isolated("disk", lambda: machine.disk(settings))
    yield isolated("settings", own_files.settings_file)
    yield isolated("environment", own_files.environment)
    yield isolated("strangers", lambda: own_files.manners(settings))
    yield isolated("bot settings", lambda: own_files.bot(settings))
    yield isolated("ledger", lambda: own_files.ledger(settings))
    yield from remote.hub(settings)
    yield isolated("github", lambda: remote.github(settings), advice=remote.GITHUB_ADVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What ``doctor --datasets`` resolved."""

    models: Mapping[str, str]
    """Commits of the base models by Hub id."""
    datasets: Mapping[str, str]
    """Commits of the data sets by Hub id."""
    missing: Mapping[str, str]
    """Data sets that the Hub does not hand out, and why; not in the lock."""


def pin_revisions(path: Path, settings: Settings, *, report: Report = no_report) -> Pinned:
    """Resolve the commits of all base models and data sets of the catalog, and write the lock.

    Args:
        path: Lock file.
        settings: Token and time limit.
        report: Told how many are resolved.

    Returns:
        What was written, and the data sets that are gone: some were withdrawn by their owners.

    Raises:
        RemoteError: If the Hub cannot be asked, or lacks a base model; nothing is written then.
    """
    from hubbot.hub.cards import head_of
    from hubbot.hub.datasets import resolve_dataset

    api = hub_api(settings)
    models = [entry.hub_id for entry in load_architectures()]
    # Several entries share a repository; all of them read the same branch of it.
    branches = {spec.hub_id: spec.hub_revision or None for spec in load_datasets()}
    total = len(models) + len(branches)
    heads: dict[str, str] = {}
    commits: dict[str, str] = {}
    missing: dict[str, str] = {}
    for index, hub_id in enumerate(models, start=1):
        heads[hub_id] = head_of(hub_id, api=api)
        report("resolving revisions", index, total)
    for index, (hub_id, branch) in enumerate(branches.items(), start=len(models) + 1):
        try:
            commits[hub_id] = resolve_dataset(hub_id, branch, api=api)
        except RemoteError as error:
            if error.kind not in _GONE:
                raise
            missing[hub_id] = str(error)
        report("resolving revisions", index, total)
    write_revisions(path, Revisions(models=heads, datasets=commits))
    return Pinned(models=heads, datasets=commits, missing=missing)
