"""Options that several commands share."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from hubbot.errors import SettingsError
from hubbot.settings import Settings, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
MaxTrain = Annotated[
    int | None,
    typer.Option(
        "--max-train",
        metavar="N",
        min=30,
        help="Train the heads on N rows only; the protocol is then called lp-mnli@N.",
    ),
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", metavar="DEVICE")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Read Parquet files <dataset>/<split>.parquet from here instead of the Hub.",
    ),
]


_SIZE = re.compile(r"[1-9][0-9]{0,8}")


def settings_of(device: str | None = None, data_dir: Path | None = None) -> Settings:
    """Read the settings, with the flags of a command over file and environment."""
    flags: dict[str, Any] = {"data_dir": data_dir}
    if device is not None:
        flags["probe"] = {"device": device}
    return load_settings(**flags)


def parse_sizes(text: str) -> tuple[int | None, ...]:
    """Return training sizes; None stands for all rows.

    Raises:
        SettingsError: If a part is neither a whole number above 0 nor ``all``.

    >>> parse_sizes("50,200,all")
    (50, 200, None)
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part != "all" and not _SIZE.fullmatch(part):
            raise SettingsError(
                f"sizes {text}: {part!r} is not a number of rows; expected numbers and all, "
                "such as 50,200,800,all"
            )
    if not parts:
        raise SettingsError("no sizes are given; expected numbers and all, such as 50,200,all")
    return tuple(None if part == "all" else int(part) for part in parts)
