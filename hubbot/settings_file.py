"""The settings file and the environment's names: read, and their mistakes put into words."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from hubbot.errors import SettingsError
from hubbot.settings_values import LEVEL, PREFIX, kinds_of, leaves, section_of, variable_of

_OTHER_VARIABLES = frozenset({"HUBBOT_CONFIG", "HUBBOT_CHANNEL", "HUBBOT_NETWORK_GUARD"})
"""Names the file; the other two are how hubbot talks to its own children."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_KINDS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a table",
}

_WORDS = {
    "a valid string": "text",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid tuple": "a list",
    "expected greater": "expected a number greater",
    "expected less": "expected a number less",
}


def config_file() -> Path:
    """Return where the settings file is, or would be."""
    return Path(os.environ.get("HUBBOT_CONFIG") or "hubbot.toml")


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return what a settings file says; nothing where there is none.

    Args:
        path: File; a byte order mark at its start, as some editors write one, does no harm.

    Raises:
        SettingsError: If it is asked for by HUBBOT_CONFIG and missing, cannot be read, is not
            UTF-8 or not TOML.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if os.environ.get("HUBBOT_CONFIG"):
            raise SettingsError(
                f"HUBBOT_CONFIG names {path}, which does not exist; correct or unset it"
            ) from error
        if path.is_symlink():
            raise SettingsError(
                f"{path} is a link to {path.readlink()}, which does not exist; mend or remove it"
            ) from error
        return {}
    except IsADirectoryError as error:
        raise SettingsError(
            f"{path} is a folder, expected a settings file; move it away, or name another with "
            "HUBBOT_CONFIG"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror or error}); make it readable, or name "
            "another with HUBBOT_CONFIG"
        ) from error
    try:
        return tomllib.loads(_decode(content, path))
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deeply for a settings file") from error
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise SettingsError(f"{path} is not TOML: {error}; mend that line") from error


def _decode(content: bytes, path: Path) -> str:
    if content.startswith(_UTF_16):
        raise SettingsError(f"{path} is UTF-16, expected UTF-8; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}: line {line} is not UTF-8 (byte 0x{content[error.start]:02x}); save the file "
            "as UTF-8"
        ) from error


def explain(
    error: ValidationError, settings: type[BaseModel], *, flags: Mapping[str, Any], path: Path
) -> str:
    """Return what is wrong with the settings, each mistake with the place it was made in.

    Args:
        error: What reading them ended with.
        settings: Their class.
        flags: Values of the command line.
        path: The settings file.
    """
    lines = []
    for item in error.errors():
        location = item["loc"]
        where = ".".join(str(part) for part in location)
        if item["type"] == "extra_forbidden":
            said = f"unknown setting {where!r}{_nearest(location, settings)}"
        else:
            expected = _expected(item["type"], item["msg"], where)
            said = f"setting {where!r}: {expected} ({_found(item['input'], location, settings)})"
        lines.append(_origin(location, flags, path) + said)
    return "; ".join(lines)


def _expected(kind: str, message: str, where: str) -> str:
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"expected a table, begun by the line [{where}]"
    if kind == "string_pattern_mismatch":
        return "expected text that matches " + message.partition("pattern ")[2]
    message = message.removeprefix("Value error, ").replace("Input should be", "expected", 1)
    for pydantic, plain in _WORDS.items():
        message = message.replace(pydantic, plain)
    return message


def _found(value: Any, location: tuple[int | str, ...], settings: type[BaseModel]) -> str:
    """Tell what stands there: plain values themselves, anything else (and secrets) by its kind."""
    kind = _KINDS.get(type(value).__name__, f"a {type(value).__name__}")
    is_plain = isinstance(value, str | int | float) and not _is_secret(location, settings)
    return f"found {_toml(value)}" if is_plain else f"found {kind}"


def _toml(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _is_secret(location: tuple[int | str, ...], settings: type[BaseModel]) -> bool:
    """Return whether a token may stand there: at its own place, or where its section should be."""
    model = settings
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            return False
        section = section_of(field.annotation)
        if section is None:
            return SecretStr in kinds_of(field.annotation)
        model = section
    return any(SecretStr in kinds_of(field.annotation) for field in model.model_fields.values())


def _origin(location: tuple[int | str, ...], flags: Mapping[str, Any], path: Path) -> str:
    """Return where a value comes from, as the beginning of a message; a flag says so itself."""
    value: Any = flags
    for part in location:
        if not isinstance(value, Mapping) or part not in value:
            break
        value = value[part]
    else:
        return ""
    given = {name.upper(): name for name in os.environ}
    for length in range(len(location), 0, -1):
        name = variable_of(tuple(str(part) for part in location[:length]))
        below = (one for one in given if one.startswith(name + LEVEL))
        at = name if name in given else next(below, None) if length == len(location) else None
        if at is not None:
            return f"{given[at]} in the environment: "
    return f"{path}: "


def _nearest(location: tuple[int | str, ...], settings: type[BaseModel]) -> str:
    """Return the name that was meant: one of the same section, else the same one elsewhere."""
    model = settings
    for part in location[:-1]:
        section = section_of(model.model_fields[str(part)].annotation)
        if section is None:
            return ""
        model = section
    wrong = str(location[-1])
    close = _closest(wrong, model.model_fields)
    if close is None:
        homes = {path[-1]: ".".join(path) for path, _ in leaves(settings)}
        known = _closest(wrong, homes)
        close = homes[known] if known is not None else None
    return f"; did you mean {close!r}?" if close is not None else "; see `hubbot init`"


def _closest(wrong: str, names: Mapping[str, Any]) -> str | None:
    by_folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(wrong.casefold(), list(by_folded), n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def unknown_variables(settings: type[BaseModel]) -> Mapping[str, str]:
    """Return the variables of the environment that look like settings and are none.

    They are told of, not refused: another program may use the same beginning. Below a section
    (``HUBBOT_PROBE__DEVISE``) a wrong name is an error, as in the file.

    Args:
        settings: Class of the settings.

    Returns:
        By name, what was probably meant; empty text where nothing is near. Never their values.
    """
    known = {variable_of(path) for path, _ in leaves(settings)}
    sections = {
        variable_of((name,))
        for name, field in settings.model_fields.items()
        if section_of(field.annotation) is not None
    }
    unknown = {}
    for name in sorted(os.environ):
        upper = name.upper()
        is_ours = upper in known | sections | _OTHER_VARIABLES
        is_refused = upper.partition(LEVEL)[0] in sections and LEVEL in upper
        if upper.startswith(PREFIX) and not is_ours and not is_refused:
            near = _closest(upper, dict.fromkeys(known | _OTHER_VARIABLES))
            unknown[name] = near or ""
    return unknown


def advice_on(name: str, near: str) -> str:
    """Return what to say of a variable that is no setting.

    Args:
        name: The variable.
        near: What was probably meant; empty where nothing is near.
    """
    hint = f"did you mean {near}?" if near else "`hubbot init` lists those that are"
    return f"{name} in the environment is no setting of hubbot's and is left alone; {hint}"
