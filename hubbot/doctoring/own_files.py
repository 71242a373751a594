"""What the user keeps: the settings file, the environment, the bot's manners, the ledger."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from hubbot.bot.checking import wrong_settings
from hubbot.doctoring.finding import Finding, fine, problem, warning
from hubbot.records.ledger_look import look_at_ledger
from hubbot.settings import Settings
from hubbot.settings_file import config_file, read_settings_file, unknown_variables
from hubbot.settings_values import kinds_of, leaves, variable_of


def settings_file() -> Finding:
    """Tell which settings file is read, and whether a token stands in it.

    A file that is not valid ends every command before this, with the reason.
    """
    path = config_file()
    if not path.exists():
        found = f"no {path} in {Path.cwd()}: defaults, environment and flags hold"
        return fine("settings", found, "`hubbot init` writes one that says what there is to set")
    values = read_settings_file(path)
    secrets = [
        one
        for one, annotation in leaves(Settings)
        if SecretStr in kinds_of(annotation) and _at(values, one) is not None
    ]
    n_set = sum(1 for _ in _set(values))
    if secrets:
        names = ", ".join(".".join(one) for one in secrets)
        variables = " and ".join(variable_of(one) for one in secrets)
        return warning(
            "settings",
            f"{path.absolute()} is valid ({n_set} set), and holds {names}",
            f"set {variables} in the environment instead; make a new token if others could read "
            "the file",
        )
    return fine("settings", f"{path.absolute()} is valid ({n_set} set)")


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = values
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _set(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _set(value)
        else:
            yield name


def environment() -> Finding:
    """Look for variables that look like settings of hubbot's and are none."""
    unknown = unknown_variables(Settings)
    if not unknown:
        return fine("environment", "every HUBBOT_ variable is a setting of hubbot's")
    told = [f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items()]
    return warning(
        "environment",
        f"no settings of hubbot's, and left alone: {', '.join(told)}",
        "correct or unset them, unless they are another program's",
    )


def manners(settings: Settings) -> Finding:
    """Tell whom pull requests may be opened to, and whether they would say by whom.

    Args:
        settings: The bot's part of them.
    """
    bot = settings.bot
    missing = [name for name in ("operator", "contact") if not getattr(bot, name).strip()]
    if not bot.strangers:
        return fine("strangers", "only the repositories of one's own account (bot.strangers)")
    if missing:
        return problem(
            "strangers",
            f"bot.strangers is on, bot.{' and bot.'.join(missing)} not set",
            "say who runs the bot and where to complain; pull requests carry both",
        )
    return fine(
        "strangers",
        f"pull requests in the name of {bot.operator} ({bot.contact}), at most "
        f"{bot.max_pull_requests_per_day} a day and {bot.max_open_per_owner} open per owner",
    )


def bot(settings: Settings) -> Finding:
    """Compare the bot's settings with the catalog and each other, as a pass does.

    Args:
        settings: Sections ``bot`` and ``github``.
    """
    wrong = wrong_settings(settings)
    if wrong:
        return problem(
            "bot settings", "; and ".join(wrong), "run and bot refuse them before they begin"
        )
    return fine("bot settings", "names, groups and addresses are such as can be used")


def ledger(settings: Settings) -> Finding:
    """Look whether the ledger opens, can be written, and what it holds.

    Args:
        settings: Where it is.
    """
    path = settings.ledger_file
    look = look_at_ledger(path)
    if look.version == 0:
        return fine("ledger", f"none at {path} yet; the first command that needs it begins it")
    size = f"{look.size_bytes / 2**20:.1f} MiB"
    if look.version < look.newest_version:
        return fine(
            "ledger",
            f"{path}: version {look.version}, {size}",
            f"it is brought to version {look.newest_version} when it is next used; an older "
            "hubbot cannot read it from then on",
        )
    rows = ", ".join(f"{count} {name}" for name, count in look.rows.items())
    return fine("ledger", f"{path}: version {look.version}, writable, {size}; {rows}")
