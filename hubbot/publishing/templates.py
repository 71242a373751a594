"""The wording: Jinja2 templates, found in the wheel or in the checkout."""

import functools
from pathlib import Path
from typing import Any

import jinja2

import hubbot
from hubbot.errors import SettingsError
from hubbot.publishing.markdown import code, escape

_PACKAGE = Path(hubbot.__file__).parent


def template_folder(package: Path = _PACKAGE) -> Path:
    """Return the folder of the templates.

    Args:
        package: Folder of the hubbot package.

    Raises:
        SettingsError: If neither place has them.
    """
    candidates = (package / "_templates", package.parent / "cards" / "templates")
    for folder in candidates:
        if (folder / "section.md.j2").is_file():
            return folder
    places = " and ".join(str(folder) for folder in candidates)
    raise SettingsError(f"no templates in {places}; install hubbot again")


def render(name: str, **values: Any) -> str:
    r"""Return a rendered template, lines ended by ``\n``, none at its end.

    Values are untrusted: templates pass each through ``escape`` or ``code``.
    """
    return _environment(template_folder()).get_template(name).render(values).strip("\n")


@functools.cache
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - made for HTML; Markdown has the filters below
    )
    environment.filters["md"] = escape
    environment.filters["code"] = code
    return environment
