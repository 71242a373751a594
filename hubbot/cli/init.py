"""``hubbot init``."""

from pathlib import Path
from typing import Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import note, print_json, print_text


def init_command(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File to write; hubbot.toml, or what HUBBOT_CONFIG names.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a settings file that says of every setting what it means, its default switched off.

    No token is written. What is there already is kept unless --force is given.

    Example: hubbot init --out hubbot.toml
    """
    from hubbot.initialising import list_sections, write_settings
    from hubbot.settings_file import config_file

    path = out or config_file()
    write_settings(path, replace=force)
    if as_json:
        names = [
            ".".join(filter(None, (section.name, setting.name)))
            for section in list_sections()
            for setting in section.settings
        ]
        print_json({"file": str(path), "settings": names})
    else:
        print_text(str(path))
    note(
        "next: say under [bot] who runs it (operator, contact), set HUBBOT_WRITE_TOKEN in the "
        "environment, then `hubbot doctor`"
    )
