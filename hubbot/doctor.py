"""What is missing on this machine, found out one small check at a time."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hubbot import __version__
from hubbot.catalog.architectures import load_architectures
from hubbot.catalog.datasets import load_datasets
from hubbot.catalog.revisions import Revisions, write_revisions
from hubbot.errors import HubbotError, RemoteError
from hubbot.extras import EXTRAS, install_command, missing_modules
from hubbot.measurement import Report, hub_api, no_report
from hubbot.settings import Settings

_GONE = ("not_found", "revision_not_found", "gated", "disabled", "unauthorised", "forbidden")
"""Kinds of refusal that concern one data set, not the connection."""

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check."""

    check: str
    """Its name."""
    status: Status
    """``warning``: something optional is missing; ``problem``: a command will fail."""
    found: str
    """What was found."""
    advice: str
    """What to do; empty where all is well."""


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Run every check of this machine and of the Hub's account.

    Args:
        settings: Read once.
    """
    return tuple(_examine(settings))


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        check="python",
        status="ok",
        found=f"{platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"hubbot {__version__}",
        advice="",
    )
    for extra in EXTRAS:
        yield _extra(extra)
    yield _device()
    yield _guard()
    yield _disk(settings)
    yield from _hub(settings)


def _extra(extra: str) -> Finding:
    missing = missing_modules(extra)
    if missing:
        return Finding(
            check=f"extra {extra}",
            status="warning",
            found=f"missing: {', '.join(missing)}",
            advice=install_command(extra),
        )
    versions = ", ".join(f"{name} {_version(name)}" for name in EXTRAS[extra][:4])
    return Finding(check=f"extra {extra}", status="ok", found=versions, advice="")


def _version(module: str) -> str:
    try:
        return version(module.replace("_", "-"))
    except PackageNotFoundError:
        return "?"


def _device() -> Finding:
    if find_spec("torch") is None:
        return Finding(check="device", status="warning", found="torch is missing", advice="")
    from hubbot.probing.devices import describe_devices

    names = describe_devices()
    if names:
        return Finding(check="device", status="ok", found=", ".join(names), advice="")
    return Finding(
        check="device",
        status="warning",
        found="no CUDA device: probing runs on the CPU in float32",
        advice="fine for small models or --max-train; the full probe wants a GPU",
    )


def _guard() -> Finding:
    if sys.platform == "linux":
        found = "Linux: a kernel filter and a hook cut the probing child off the network"
        return Finding(check="sandbox", status="ok", found=found, advice="")
    return Finding(
        check="sandbox",
        status="warning",
        found=f"{sys.platform}: the child's network is cut by a hook alone",
        advice="probe strangers' models on Linux, where the kernel cuts it too",
    )


def _disk(settings: Settings) -> Finding:
    folder = settings.cache_dir
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 2**30
    wanted = settings.download.min_free_gb + settings.download.max_gb
    is_enough = free_gb >= wanted
    return Finding(
        check="disk",
        status="ok" if is_enough else "problem",
        found=f"{free_gb:.1f} GiB free for {settings.cache_dir}",
        advice=""
        if is_enough
        else f"free space, or lower download.max_gb: {wanted:.1f} GiB are asked for",
    )


def _hub(settings: Settings) -> Iterator[Finding]:
    def who(*, is_writing: bool) -> str:
        from hubbot.hub.accounts import can_write, who_am_i

        account = who_am_i(hub_api(settings, is_writing=is_writing))
        if account.is_anonymous:
            return "no token: public models can be read, nothing can be sent"
        may = "may write" if can_write(account) else "may only read"
        return f"{account.name}, {may} (token role: {account.role or 'unknown'})"

    yield _try("token for reading", lambda: who(is_writing=False))
    yield _try("token for writing", lambda: who(is_writing=True))


def _try(check: str, call: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, status="ok", found=call(), advice="")
    except HubbotError as error:
        return Finding(
            check=check,
            status="problem",
            found=str(error),
            advice="check HF_ENDPOINT, the connection and the token",
        )


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
