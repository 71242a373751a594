"""What is missing on this machine, found out one small check at a time."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hubbot import __version__
from hubbot.catalog.architectures import load_architectures
from hubbot.catalog.datasets import load_datasets
from hubbot.catalog.revisions import Revisions, write_revisions
from hubbot.errors import HubbotError
from hubbot.extras import EXTRAS, install_command, missing_modules
from hubbot.measurement import Report, hub_api, no_report
from hubbot.settings import Settings

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


def pin_revisions(path: Path, settings: Settings, *, report: Report = no_report) -> Revisions:
    """Resolve the commits of all base models and data sets of the catalog, and write the lock.

    Args:
        path: Lock file.
        settings: Token and time limit.
        report: Told how many are resolved.

    Returns:
        What was written.

    Raises:
        RemoteError: If the Hub cannot be asked for one of them; nothing is written then.
    """
    from hubbot.hub.cards import head_of
    from hubbot.hub.datasets import resolve_dataset

    api = hub_api(settings)
    models = [entry.hub_id for entry in load_architectures()]
    datasets = [spec.hub_id for spec in load_datasets()]
    commits = {}
    for index, hub_id in enumerate([*models, *datasets], start=1):
        is_model = index <= len(models)
        commits[hub_id] = (
            head_of(hub_id, api=api) if is_model else resolve_dataset(hub_id, None, api=api)
        )
        report("resolving revisions", index, len(models) + len(datasets))
    revisions = Revisions(
        models={name: commits[name] for name in models},
        datasets={name: commits[name] for name in datasets},
    )
    write_revisions(path, revisions)
    return revisions
