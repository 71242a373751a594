"""Settings of the bot that would end a pass late, found before it begins anything.

What each setting may be by itself is checked where the settings are read; here it is compared with
the catalog, with the other settings and with what the token may do.
"""

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial

from hubbot.annotating import links_of
from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.datasets import find_dataset, get_dataset
from hubbot.errors import RemoteError, SettingsError
from hubbot.extras import require_extra
from hubbot.measurement import hub_api
from hubbot.printable import printable
from hubbot.settings import GithubSettings, Settings

logger = logging.getLogger(__name__)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_REFUSALS = {"unauthorised", "forbidden"}
"""Kinds of refusal that say something of the token, and nothing of the moment."""


def check_bot_settings(settings: Settings, *, is_sending: bool) -> None:
    """Refuse settings that would be found wrong only after everything is measured.

    Args:
        settings: Sections ``bot`` and ``github``, and the token for writing.
        is_sending: Whether pull requests are to be opened; then the Hub is asked, once, whether the
            token may.

    Raises:
        SettingsError: If one is wrong; names it, what was found and the nearest that is right.
        RemoteError: If the token is refused or may not write. A Hub that cannot be asked now says
            nothing of the token; whoever needs it later finds out.
    """
    wrong = wrong_settings(settings, is_sending=is_sending)
    if wrong:
        more = f" ({len(wrong) - 1} more: `hubbot doctor` has them all)" if wrong[1:] else ""
        raise SettingsError(wrong[0] + more)
    if is_sending:
        _check_token(settings)


def wrong_settings(settings: Settings, *, is_sending: bool = False) -> tuple[str, ...]:
    """Return what is wrong with the settings of the bot, a sentence each; no network.

    Args:
        settings: Sections ``bot`` and ``github``.
        is_sending: Whether pull requests are to be opened.
    """
    return tuple(_wrong(settings, is_sending))


def _wrong(settings: Settings, is_sending: bool) -> Iterator[str]:
    bot = settings.bot
    for name in bot.architectures:
        yield from _refused(partial(get_architecture, name), "bot.architectures")
    for name in bot.watch:
        yield from _refused(partial(_check_watched, name), "bot.watch")
    yield from _refused(lambda: targets_of(bot.evaluate_targets), "bot.evaluate_targets")
    # These name the setting themselves.
    yield from _refused(lambda: links_of(settings))
    yield from _github(settings.github)
    missing = [name for name in ("operator", "contact") if not getattr(bot, name).strip()]
    if is_sending and bot.strangers and missing:
        yield (
            "bot.strangers is on: pull requests to strangers say who runs the bot and where to "
            f"complain; set {' and '.join(missing)} under [bot] in hubbot.toml"
        )


def _refused(check: Callable[[], object], key: str = "") -> Iterator[str]:
    try:
        check()
    except SettingsError as error:
        yield f"{key}: {error}" if key else str(error)


def _check_watched(name: str) -> None:
    if find_dataset(name) is None and not _HUB_ID.fullmatch(name.strip()):
        get_dataset(name)  # has the nearest names


def _github(github: GithubSettings) -> Iterator[str]:
    if not github.repository:
        return
    yield from _refused(lambda: require_extra("github", purpose="filing scores on GitHub"))
    where = f"github.repository is {printable(github.repository)}"
    has_token = github.token is not None and bool(github.token.get_secret_value().strip())
    has_part = github.app_id is not None or github.private_key_file is not None
    if has_token and github.app_id is not None:
        yield f"{where}: github.token and github.app_id are both set; keep one of them"
    elif not has_token and github.app_id is None:
        missing = "github.app_id" if has_part else "a token"
        yield (
            f"{where}, but {missing} is not set; set HUBBOT_GITHUB__TOKEN, or both github.app_id "
            "and github.private_key_file, or leave the repository out"
        )
    elif not has_token and github.private_key_file is None:
        yield f"{where}: github.app_id is set without github.private_key_file; name the PEM file"
    elif not has_token and github.private_key_file and not github.private_key_file.is_file():
        yield (
            f"{where}: github.private_key_file names {github.private_key_file}, which is no file; "
            "name the App's PEM file"
        )


def _check_token(settings: Settings) -> None:
    from hubbot.hub.accounts import check_may_write, who_am_i
    from hubbot.hub.client import Backoff

    # The steps that need the account ask again, and patiently.
    backoff = Backoff(attempts=2, first_s=0.5, longest_s=3.0)
    try:
        account = who_am_i(hub_api(settings, is_writing=True), backoff=backoff)
    except RemoteError as error:
        if error.kind in _REFUSALS:
            raise
        logger.warning("whether the token may write is not known yet: %s", error)
        return
    check_may_write(account, "--send")
