"""A commented ``hubbot.toml``, made from the settings themselves, so that it never lags behind."""

import ast
import functools
import inspect
import itertools
import json
import os
import re
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from hubbot import __version__
from hubbot.errors import SettingsError
from hubbot.publishing.templates import render
from hubbot.settings import Settings
from hubbot.settings_values import kinds_of, section_of, variable_of

_WIDTH = 96
"""Letters of a comment's line, without the ``# `` in front."""

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as the file shows it."""

    name: str
    """Key in its section."""
    variable: str
    """Variable of the environment that says the same."""
    comment: tuple[str, ...]
    """What it means, by line."""
    value: str
    """Its default in TOML; empty for a secret."""
    allowed: str
    """What it may be, as the end of a line; empty where its kind says enough."""
    is_secret: bool
    """It is a token, and never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the file."""

    name: str
    """Its name; empty for the settings above all tables."""
    comment: tuple[str, ...]
    """What it is about, by line."""
    settings: tuple[Setting, ...]
    """Those in it."""


def settings_text() -> str:
    """Return the commented settings file, with every setting's default switched off."""
    return render("hubbot.toml.j2", version=__version__, sections=list_sections()) + "\n"


def write_settings(path: Path, *, replace: bool = False) -> None:
    """Write the commented settings file.

    Args:
        path: Where; its folder must be there.
        replace: Whether a file that is there is replaced, in one step.

    Raises:
        SettingsError: If one is there already, or none can be written there.
    """
    text = settings_text()
    try:
        # A link stays one: what it leads to is replaced.
        target = path.resolve() if replace else path
        if replace and target.exists():
            _replace(target, text)
        else:
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except FileExistsError as error:
        raise SettingsError(
            f"{path} is there already and is left as it is; give --force to replace it, or "
            "another name with --out"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written ({error.strerror or error}); name another file with --out"
        ) from error


def _replace(path: Path, text: str) -> None:
    """Put a file in another's place, so that a full disk leaves the old one whole."""
    if not path.is_file():
        raise IsADirectoryError(None, "it is no file")
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def list_sections() -> tuple[Section, ...]:
    """Return the tables of the settings file; the first one is above all tables."""
    return tuple(_sections(Settings, ()))


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Section]:
    meanings = _meanings(model)
    below = []
    settings = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            below.append((section, (*path, name)))
            continue
        settings.append(_setting((*path, name), field, meanings[name]))
    comment = inspect.getdoc(model) or ""
    yield Section(name=".".join(path), comment=_lines(comment), settings=tuple(settings))
    for section, its_path in below:
        yield from _sections(section, its_path)


def _setting(path: tuple[str, ...], field: FieldInfo, meaning: str) -> Setting:
    is_secret = SecretStr in kinds_of(field.annotation)
    default = field.get_default(call_default_factory=True, validated_data={})
    return Setting(
        name=path[-1],
        variable=variable_of(path),
        comment=_lines(meaning),
        value="" if is_secret else to_toml(default),
        allowed=_allowed(field),
        is_secret=is_secret,
    )


@functools.cache
def _meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the text that stands below each field of a class, as the style guide asks for it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    body: Sequence[ast.stmt] = tree.body if isinstance(tree, ast.ClassDef) else ()
    found = {}
    for field, below in itertools.pairwise(body):
        match (field, below):
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _lines(text: str) -> tuple[str, ...]:
    plain = " ".join(text.replace("``", "").split())
    plain = re.sub(r"\bNone\b", to_toml(None), plain)
    return tuple(textwrap.wrap(plain, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _allowed(field: FieldInfo) -> str:
    """Return the values that a setting may have, as the end of a line."""
    words = [
        f"{word} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    if get_origin(field.annotation) is Literal:
        words.append("one of " + ", ".join(to_toml(name) for name in get_args(field.annotation)))
    return f"; {', '.join(words)}" if words else ""


def to_toml(value: Any) -> str:
    r"""Return a value as TOML writes it; ``"none"`` where nothing is set.

    Args:
        value: A default of the settings.

    Source:
        TOML 1.0, "String": basic strings escape as JSON does, and DEL too.

    >>> to_toml(None), to_toml(("a", 'b"')), to_toml(True), to_toml(21600)
    ('"none"', '["a", "b\\""]', 'true', '21600')
    """
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    if isinstance(value, Path):
        value = _from_home(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _from_home(path: Path) -> str:
    """Shorten a path below the home folder, so that the file fits another account too."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
