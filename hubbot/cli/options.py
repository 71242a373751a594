"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

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


def settings_of(device: str | None = None, data_dir: Path | None = None) -> Settings:
    """Read the settings, with the flags of a command over file and environment."""
    flags: dict[str, Any] = {"data_dir": data_dir}
    if device is not None:
        flags["probe"] = {"device": device}
    return load_settings(**flags)
