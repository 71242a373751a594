"""Reading the catalog's TOML files and naming the nearest entry when one is not there."""

import difflib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from hubbot.errors import SettingsError


@cache
def read_table(file: str) -> dict[str, dict[str, Any]]:
    """Read one catalog file, once per process.

    Args:
        file: Name of a TOML file beside this module.

    Returns:
        Its tables by name. Shared between callers: not to be changed.
    """
    text = resources.files("hubbot.catalog").joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> SettingsError:
    """Return the error for a name that the catalog does not have, with the nearest ones.

    Args:
        kind: What was asked for, such as ``architecture``.
        name: The name as given.
        known: All names that would have been found.
    """
    names = sorted(set(known))
    by_fold = {candidate.casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.strip().casefold(), list(by_fold), n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(repr(by_fold[match]) for match in near) + "?"
    else:
        hint = "known: " + ", ".join(names)
    return SettingsError(f"unknown {kind} {name!r}; {hint}")
