"""``hubbot plan`` and ``collect``, and ``probe --from``: several runners on one list."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hubbot.cli.options import AsJson, settings_of
from hubbot.cli.output import note, print_diff, print_json, print_pairs, print_text
from hubbot.cli.progress import Reporter
from hubbot.settings import Settings


def plan_command(
    shards: Annotated[
        int, typer.Option("--shards", metavar="N", min=1, help="Runners to deal out to.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the work lists.")
    ] = Path("plan"),
    architecture: Annotated[
        list[str] | None,
        typer.Option("--architecture", "-a", metavar="NAME", help="Only these; repeatable."),
    ] = None,
    max_models: Annotated[
        int | None, typer.Option("--max-models", metavar="N", min=0, help="At most N in all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deal what `hubbot discover` found out to several runners, as disjoint work lists.

    With --json, `include` is the matrix of a GitHub Actions job.

    Example: hubbot plan --shards 4 --out plan --json
    """
    from hubbot.bot.shards import plan

    found = plan(
        shards,
        out,
        architectures=tuple(architecture or ()),
        max_models=max_models,
        settings=settings_of(),
    )
    if as_json:
        print_json(found)
        return
    print_pairs(
        [
            ("checkpoints", str(found.models)),
            ("fine-tuned on", f"{found.targets} targets or models"),
            *(
                (f"shard {one.shard}", f"{one.models} and {one.targets}: {out / one.list}")
                for one in found.include
            ),
        ]
    )


def work_off_list(list_file: Path, results: Path, settings: Settings, *, as_json: bool) -> None:
    """Measure what a work list names; ends with exit code 1 where a checkpoint failed."""
    from hubbot.bot.scheduling import ending_on_sigterm
    from hubbot.bot.working_off import work_off

    with ending_on_sigterm(), Reporter() as report:
        worked = work_off(list_file, results, settings=settings, report=report)
    if as_json:
        print_json(worked)
    else:
        print_pairs(
            [
                ("shard", f"{worked.shard} of {worked.plan[:19]}"),
                *((state, str(number)) for state, number in worked.states.items()),
                *(("problem", text) for text in worked.problems),
                ("results", worked.results),
            ]
        )
    if worked.problems or worked.states.get("failed"):
        raise typer.Exit(1)


def collect_command(
    results: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with the results of all shards.")
    ],
    plan_file: Annotated[
        Path, typer.Option("--plan", metavar="FILE", help="plan.json, its lists beside it.")
    ] = Path("plan/plan.json"),
    send: Annotated[
        bool, typer.Option("--send", help="Open pull requests; else a dry run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check what the shards found, keep it, and bring it to cards and to GitHub.

    Exit code 1: a result is missing, was changed or contradicts another; the rest is kept.

    Example: hubbot collect results --plan plan/plan.json --send
    """
    from hubbot.bot.collected import lines_of
    from hubbot.bot.collecting import collect
    from hubbot.bot.scheduling import ending_on_sigterm

    with ending_on_sigterm(), Reporter() as report:
        found = collect(
            results,
            plan_file=plan_file,
            send=send,
            settings=settings_of(),
            report=report,
            on_card=_ignore if as_json else _print_card,
        )
    if as_json:
        print_json(found)
    else:
        for name, value in lines_of(found):
            # A line each: what is folded could begin anew with something that a workflow obeys.
            print_text(f"{name:<22}{value}".rstrip())
    for name, why in found.rejected.items():
        note(f"not taken: {name}: {why}")
    for problem in found.problems:
        note(problem)
    if not found.is_whole:
        raise typer.Exit(1)


def _ignore(done: Any) -> None:
    """Print nothing: standard output is one JSON document."""


def _print_card(done: Any) -> None:
    if done.diff:
        print_diff(done.diff)
