"""The shape of the settings, and how a value that was given is read."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationInfo

PREFIX = "HUBBOT_"
"""Begins every variable of the environment that is a setting."""
LEVEL = "__"
"""Stands between a section and its setting in such a name."""


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return the kinds of value that a setting may have.

    >>> kinds_of(int | None), kinds_of(tuple[str, ...])
    ((<class 'int'>, <class 'NoneType'>), (<class 'tuple'>,))
    """
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in kinds_of(part))
    return (get_origin(annotation) or annotation,)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the class of a section; None for a setting that is none."""
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_section else None


def leaves(
    settings: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the annotation of every setting that is not a section.

    Args:
        settings: Class of the settings or of a section.
        above: Sections around it.
    """
    for name, field in settings.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            yield (*above, name), field.annotation
        else:
            yield from leaves(section, (*above, name))


def variable_of(path: tuple[str, ...]) -> str:
    """Return the variable of the environment that says the same as a setting of the file.

    >>> variable_of(("bot", "max_models"))
    'HUBBOT_BOT__MAX_MODELS'
    """
    return PREFIX + LEVEL.join(path).upper()


def as_meant(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Read what TOML and the environment have no word for, and refuse what only looks right.

    ``none`` where nothing may be set, ``a, b`` for a list, ``~`` for the home folder; a truth
    value is no number, nor the other way round. For ``field_validator("*", mode="before")``.

    Args:
        cls: Class of the settings or of a section.
        value: What was given.
        info: Tells which setting it is.

    Raises:
        ValueError: If it is of the wrong kind.
    """
    kinds = kinds_of(cls.model_fields[str(info.field_name)].annotation)
    if isinstance(value, str) and NoneType in kinds and value.strip().casefold() == "none":
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and bool in kinds:
        raise ValueError("expected true or false")
    if isinstance(value, bool) and bool not in kinds and {int, float} & set(kinds):
        raise ValueError("expected a number")
    if isinstance(value, str) and tuple in kinds:
        return _as_list(value)
    if isinstance(value, str | Path) and Path in kinds:
        return _as_path(value)
    return value


def _as_list(text: str) -> Any:
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError('expected a list: a, b or ["a", "b"]') from error


def _as_path(path: str | Path) -> Path:
    if not str(path).strip():
        raise ValueError("expected a path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~somebody, who has no account here
        raise ValueError("expected a path below a home folder that there is") from error
