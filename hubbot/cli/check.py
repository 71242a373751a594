"""``hubbot check``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import print_json, print_table, print_text
from hubbot.gains.findings import RULES, Report

_FOUND = 3
"""Exit code where something was found."""


def check_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Columns model, architecture and lp_accuracy (the last two optional), and one per "
            "target; or the published layout.",
        ),
    ],
    sizes: Annotated[
        Path | None,
        typer.Option(
            "--sizes",
            metavar="FILE",
            help="CSV with target,test_size: adds to the known test sets, or replaces them. An "
            "empty size: the score is no accuracy.",
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", min=1, help="Runs that every score is the mean of.")
    ] = 1,
    units: Annotated[
        Literal["points", "fractions"] | None,
        typer.Option(
            "--units",
            help="What the file's scores are; points, but for the published layout (fractions).",
            show_default=False,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="COLUMN", help="A column without scores; repeatable."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Findings shown of each rule.")] = 5,
    show_all: Annotated[bool, typer.Option("--all", help="Show every finding.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for numbers in a results table that do not add up.

    Columns in the wrong order, scores that no test set of that size gives, probes that learned
    nothing, missing values written as 0, copied and duplicate rows, gains that no model reaches.

    Exit code 0 where nothing is found, 3 where something is.

    Example: hubbot check results.csv --sizes sizes.csv
    """
    from hubbot.gains.published import load_known_levels, load_test_sizes
    from hubbot.gains.score_table import read_scores, read_sizes
    from hubbot.gains.table_checks import check_table

    table = read_scores(file, load_test_sizes(), units=units, ignore=ignore or ())
    own_sizes = read_sizes(sizes) if sizes else {}
    report = check_table(table, load_known_levels(), sizes=own_sizes, n_runs=runs)
    if as_json:
        print_json(
            {
                "file": str(file),
                "rows": report.n_rows,
                "columns_checked": report.columns,
                "test_sizes": report.sizes,
                "not_checked": report.not_checked,
                "findings": report.findings,
                "counts": report.counts,
            }
        )
    else:
        _print(str(file), report, None if show_all else top)
    if report.findings:
        raise typer.Exit(_FOUND)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _print(file: str, report: Report, top: int | None) -> None:
    size = f"{_counted(report.n_rows, 'row')}, {_counted(len(report.columns), 'column')}"
    if report.findings:
        print_table(
            f"{file}: {size}",
            ("rule", "findings", "rows"),
            (
                (f"{rule}: {RULES[rule]}", str(count), str(report.rows_with(rule)))
                for rule, count in report.counts.items()
            ),
        )
    else:
        print_text(f"{file}: {size}: nothing found")
    for rule in report.counts:
        found = [finding for finding in report.findings if finding.rule == rule]
        for finding in found[:top]:
            place = f", {finding.column}" if finding.column else ""
            print_text(f"line {finding.line}, {finding.row}{place}: {rule}: {finding.message}")
        if top is not None and len(found) > top:
            print_text(f"... and {len(found) - top} more of {rule} (--all shows them)")
    for gap in report.not_checked:
        print_text(f"not checked: {gap.rule} of {gap.what}: {gap.reason}")
