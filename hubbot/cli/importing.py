"""``hubbot import``: raw published results made into hubbot's tables."""

from pathlib import Path
from typing import Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import print_json, print_pairs, print_table, print_text

import_app = typer.Typer(
    help="Make hubbot's tables from published results.", no_args_is_help=True, rich_markup_mode=None
)


@import_app.callback()
def _group() -> None:
    """Make hubbot's tables from published results."""


@import_app.command("model-recycling")
def import_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder with models_tested.csv and pretrained_scores.csv, or the first of them.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Where to write; files there are replaced."),
    ] = Path("model_recycling_2023"),
    as_json: AsJson = False,
) -> None:
    """Rebuild the packaged tables from the raw files of the model-recycling project.

    Every row is checked by hubbot's own rules; flag columns of the file are not read. The tables
    are written to a folder of yours; hubbot itself keeps reading the packaged ones, and says
    whether they are the same.

    Example: hubbot import model-recycling downloads/model-recycling --out tables
    """
    from hubbot.gains.findings import RULES
    from hubbot.gains.importing import differing_files, import_model_recycling, write_tables

    imported = import_model_recycling(path)
    write_tables(imported, out)
    differing = differing_files(imported)
    if as_json:
        print_json(
            {
                "out": str(out),
                "files": list(imported.files),
                "models": imported.n_models,
                "with_lp": imported.n_with_lp,
                "usable": imported.n_usable,
                "counts": imported.report.counts,
                "differ_from_packaged": differing,
            }
        )
        return
    print_pairs(
        [
            ("written to", str(out)),
            ("files", ", ".join(imported.files)),
            ("models", str(imported.n_models)),
            ("with a measured LP", str(imported.n_with_lp)),
            ("usable (LP and mean gain)", str(imported.n_usable)),
        ]
    )
    print_table(
        "What the checks found",
        ("rule", "findings"),
        ((f"{rule}: {RULES[rule]}", str(n)) for rule, n in imported.report.counts.items()),
    )
    if differing:
        print_text(f"These differ from the tables packaged with hubbot: {', '.join(differing)}")
    else:
        print_text("The tables packaged with hubbot are the same, byte for byte.")
