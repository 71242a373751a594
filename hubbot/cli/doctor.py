"""``hubbot doctor``."""

from typing import Annotated

import typer

from hubbot.cli.options import AsJson, settings_of
from hubbot.cli.output import note, print_json, print_pairs
from hubbot.cli.progress import Reporter


def doctor_command(
    datasets: Annotated[
        bool,
        typer.Option(
            "--datasets",
            help="Resolve the commits of the catalog's models and data sets into a lock file.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is missing on this machine: packages, device, disk, the Hub's account.

    Example: hubbot doctor --json
    """
    from hubbot.doctor import examine, pin_revisions

    settings = settings_of()
    if datasets:
        with Reporter() as report:
            pinned = pin_revisions(settings.revisions_file, settings, report=report)
        note(f"written to {settings.revisions_file}")
        if as_json:
            print_json(pinned)
        else:
            print_pairs([*pinned.models.items(), *pinned.datasets.items()])
        for reason in pinned.missing.values():
            note(f"not pinned: {reason}")
        if pinned.missing:
            raise typer.Exit(1)
        return
    findings = examine(settings)
    if as_json:
        print_json(findings)
    else:
        print_pairs(
            (
                f"[{item.status}] {item.check}",
                item.found + (f" -> {item.advice}" if item.advice else ""),
            )
            for item in findings
        )
    if any(item.status == "problem" for item in findings):
        raise typer.Exit(1)
