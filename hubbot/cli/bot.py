"""``hubbot discover``, ``run``, ``bot`` and ``status``."""

import datetime
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from hubbot.cli.options import AsJson, DataDir, Device, settings_of
from hubbot.cli.output import (
    note,
    print_diff,
    print_json,
    print_json_list,
    print_pairs,
    print_table,
    print_text,
)
from hubbot.cli.progress import Reporter

Architectures = Annotated[
    list[str] | None,
    typer.Option(
        "--architecture",
        "-a",
        metavar="NAME",
        help="Look for this architecture only; may be repeated.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="List what was changed since this day or moment, or all; else since the last look.",
    ),
]
Send = Annotated[bool, typer.Option("--send", help="Open pull requests; else a dry run.")]
Minutes = Annotated[
    float | None,
    typer.Option("--budget-minutes", metavar="N", min=0, help="Begin nothing new after N minutes."),
]
MaxModels = Annotated[
    int | None, typer.Option("--max-models", metavar="N", min=0, help="Measure at most N.")
]
MaxPulls = Annotated[
    int | None,
    typer.Option(
        "--max-pull-requests", metavar="N", min=0, help="Open at most N on cards in a pass."
    ),
]

_MOST_SHOWN = 50
"""Checkpoints of a table, where no number is asked for."""


def discover_command(
    architecture: Architectures = None,
    since: Since = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Print the N most valuable only.")
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--new", help="Print only what is still to be measured.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the Hub's new checkpoints per architecture, and say which are left out and why.

    Example: hubbot discover --architecture roberta-base --since 2026-11-01 --limit 20
    """
    from hubbot.bot.discovering import discover
    from hubbot.bot.found import found_models
    from hubbot.bot.moments import past_moment_of

    settings = settings_of()
    names = tuple(architecture or ())
    moment = "" if since is None else past_moment_of(since)
    with Reporter() as report:
        found = discover(architectures=names, since=since, settings=settings, report=report)
    # One more than is shown, to know whether there are more.
    most = limit if as_json or limit is not None else _MOST_SHOWN + 1
    models = found_models(
        settings=settings, architectures=names, since=moment, limit=most, only_new=only_new
    )
    if as_json:
        print_json_list(models)
    else:
        _print_some(
            "Checkpoints, the most valuable first",
            ("model", "architecture", "modified", "downloads", "state", "why"),
            (
                (
                    one.model,
                    one.architecture or "?",
                    one.modified[:10],
                    f"{one.downloads}",
                    one.state,
                    one.why_skipped or one.why_included or "",
                )
                for one in models
            ),
            most=limit or _MOST_SHOWN,
        )
    _tell(found)


def _print_some(
    title: str, header: Sequence[str], rows: Iterator[Sequence[str]], *, most: int
) -> None:
    """Print the first rows: a table is laid out as a whole, and there may be 100,000."""
    print_table(title, header, islice(rows, most), wide=("model", "why"))
    if next(rows, None) is not None:
        note(f"only the first {most} are shown; --json prints all")


def _tell(found: Any) -> None:
    from hubbot.bot.discovering import told
    from hubbot.bot.summary import fate_of, partition_of

    left = "" if found.calls_left is None else f"; {found.calls_left} calls left in this window"
    counts = told(found)
    note(f"listed {found.listed} on {found.pages} pages: {partition_of(counts)}{left}")
    note(f"of the new and the known: {fate_of(counts)}")
    for name, number in sorted(found.skipped.items()):
        note(f"  left out, {name}: {number}")
    for problem in found.problems:
        note(f"  {problem}")
    for query, why in found.incomplete.items():
        note(f"  not listed to its end: {query}: {why}")
    if found.incomplete:
        raise typer.Exit(1)


def run_command(
    architecture: Architectures = None,
    since: Since = None,
    minutes: Minutes = None,
    max_models: MaxModels = None,
    max_pull_requests: MaxPulls = None,
    discovers: Annotated[
        bool, typer.Option("--discover/--no-discover", help="Look through the Hub's list first.")
    ] = True,
    send: Send = False,
    device: Device = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Do one pass: find new checkpoints, measure them, bring them to cards, file the scores.

    Without --send nothing is written to the Hub or GitHub. Kill it anywhere, run it again.

    Example: hubbot run --architecture roberta-base --max-models 20 --budget-minutes 120
    """
    from hubbot.bot.one_pass import budget_of, run
    from hubbot.bot.scheduling import ending_on_sigterm

    settings = settings_of(device, data_dir)
    budget = budget_of(
        settings,
        minutes=minutes,
        max_models=max_models,
        max_pull_requests=max_pull_requests,
    )
    with ending_on_sigterm(), Reporter() as report:
        summary = run(
            architectures=tuple(architecture or ()),
            budget=budget,
            send=send,
            discovers=discovers,
            since=since,
            settings=settings,
            report=report,
            on_card=_ignore if as_json else _print_card,
            on_end=partial(_print_summary, as_json=as_json),
        )
    if summary.n_failed or summary.problems:
        raise typer.Exit(1)


def _ignore(done: Any) -> None:
    """Print nothing: standard output is one JSON document."""


def _print_card(done: Any) -> None:
    if done.diff or done.url:
        name = getattr(done, "model", None) or done.dataset
        said = f"{name}: {done.action} {done.url or ''}".rstrip()
        print_text(f"{said}; {done.reason}" if done.reason else said)
    if done.diff:
        print_diff(done.diff)


def _print_summary(summary: Any, *, as_json: bool) -> None:
    from hubbot.bot.summary import lines_of

    if as_json:
        print_json(summary)
    else:
        print_pairs(lines_of(summary))


def bot_command(
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="Time between two passes: 30m, 6h, 1d.")
    ],
    architecture: Architectures = None,
    minutes: Minutes = None,
    max_models: MaxModels = None,
    max_pull_requests: MaxPulls = None,
    passes: Annotated[
        int | None, typer.Option("--passes", metavar="N", min=1, help="End after N passes.")
    ] = None,
    health_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON that tells how it goes; else beside the ledger."),
    ] = None,
    send: Send = False,
    device: Device = None,
    data_dir: DataDir = None,
) -> None:
    """Run a pass now and then every so often; one bot at a time, ended by Ctrl-C or SIGTERM.

    Example: hubbot bot --every 6h --send
    """
    from hubbot.bot.one_pass import budget_of
    from hubbot.bot.scheduling import bot

    settings = settings_of(device, data_dir)
    budget = budget_of(
        settings,
        minutes=minutes,
        max_models=max_models,
        max_pull_requests=max_pull_requests,
    )
    with Reporter() as report:
        bot(
            every,
            architectures=tuple(architecture or ()),
            budget=budget,
            send=send,
            health_file=health_file,
            most_passes=passes,
            settings=settings,
            report=report,
            on_pass=partial(_print_summary, as_json=False),
        )


def status_command(
    models: Annotated[
        bool, typer.Option("--models", help="List checkpoints with their states; all with --json.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the ledger holds: checkpoints by state, pull requests, the last pass.

    Example: hubbot status --json
    """
    from hubbot.bot.status import read_status, rows_of

    settings = settings_of()
    if models:
        rows = rows_of(settings)
        if as_json:
            print_json_list(rows)
            return
        _print_some(
            "Checkpoints, the most valuable first",
            ("model", "architecture", "state", "why", "seconds", "pull request"),
            (
                (
                    row.model,
                    row.architecture or "?",
                    row.state,
                    f"{row.code}: {row.reason}" if row.code else row.reason,
                    f"{row.seconds:.0f}",
                    row.url,
                )
                for row in rows
            ),
            most=_MOST_SHOWN,
        )
        return
    status = read_status(settings)
    if as_json:
        print_json(status)
        return
    print_pairs(
        [
            ("ledger", str(status.ledger)),
            ("checkpoints", f"{sum(status.checkpoints.values())}"),
            *((f"  {name}", str(number)) for name, number in status.checkpoints.items()),
            ("at work on", ", ".join(status.claimed) or "nothing"),
            *((f"pull requests {name}", str(n)) for name, n in status.pull_requests.items()),
            ("opened within a day", str(status.opened_within_a_day)),
            *((f"sensitivities {name}", str(n)) for name, n in status.sensitivities.items()),
            *((f"opted out: {name}", why) for name, why in status.opt_outs.items()),
            ("last pass", _last(status.last_pass)),
        ]
    )


def _last(last: Any) -> str:
    if not last:
        return "none"
    begun = datetime.datetime.fromtimestamp(last["begun"], tz=datetime.UTC)
    end = "not ended (killed, or at work)" if last["ended"] is None else "ended"
    stopped = (
        f"; ended early: {last['summary']['stopped']}" if last["summary"].get("stopped") else ""
    )
    return f"{last['number']}, begun {begun.isoformat(timespec='seconds')}, {end}{stopped}"
