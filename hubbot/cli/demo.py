"""``hubbot demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import note, points, print_diff, print_json, print_table, print_text
from hubbot.cli.progress import Reporter

if TYPE_CHECKING:
    from hubbot.demo.run import DemoRow, DemoSummary


def demo_command(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Leave the Hub's folder there to explore."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the Hub running at the end, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option("--port", help="Port of the Hub; 0: a free one.")] = 0,
    mnli_pairs: Annotated[
        int, typer.Option(min=64, max=9_000, help="Pairs the MNLI model is fine-tuned on.")
    ] = 3_000,
    genre_texts: Annotated[
        int, typer.Option(min=64, max=2_500, help="Sentences the other model is fine-tuned on.")
    ] = 1_000,
    probe_pairs: Annotated[
        int, typer.Option(min=200, max=8_000, help="Training pairs of the probe.")
    ] = 4_000,
    as_json: AsJson = False,
) -> None:
    """Watch real models being probed and their cards receive pull requests, all on this machine.

    Example: hubbot demo --keep /tmp/hubbot-demo --serve
    """
    from hubbot.demo.contents import DemoSize
    from hubbot.demo.run import demo_hub, run_demo

    size = DemoSize(mnli_pairs=mnli_pairs, genre_texts=genre_texts, probe_pairs=probe_pairs)
    with demo_hub(keep, port=port) as (hub, work):
        with Reporter() as report:
            summary = run_demo(hub, work, size=size, say=note, progress=report)
        if as_json:
            print_json({"models": summary.models, "base": summary.base, "seconds": summary.seconds})
        else:
            _print(summary)
        if keep is not None:
            note(f"Everything is left in {work}.")
        if serve:
            note(f"The Hub keeps running at {hub.url} (look at it in a browser); Ctrl-C stops it.")
            hub.wait()


def _print(summary: "DemoSummary") -> None:
    for row in summary.models:
        print_text(f"\n{row.model}")
        print_diff(row.diff)
    print_text("")
    base = summary.base
    rows = [
        (
            str(base["model"]),
            points(base["lp_accuracy"]["head"], base["lp_accuracy_interval"]["head"]),
            "base model",
            "",
            "",
            "",
        )
    ]
    rows += [
        (
            row.model,
            points(row.lp_accuracy, row.lp_accuracy_interval),
            points(row.lp_gain, row.lp_gain_interval, signed=True),
            points(row.predicted_gain, row.predicted_gain_interval, signed=True)
            if row.predicted_gain is not None
            else "none given",
            row.action,
            row.second_action,
        )
        for row in summary.models
    ]
    header = ("model", "LP accuracy", "LP(m, MNLI)", "predicted gain", "first pass", "second pass")
    print_table("Points; LP with 95 %, predicted gain with 90 % intervals", header, rows)
    for row in summary.models:
        print_text(f"{row.model}: {_verdict(row)}")
        if row.predicted_gain is None:
            print_text(f"    {row.note}")
        print_text(f"    {row.url}")
    print_text(f"\nThe demo took {summary.seconds:.0f} s.")


def _verdict(row: "DemoRow") -> str:
    if row.lp_gain_interval is None:
        return "its scores come from the published table, which gives no interval for LP."
    low, high = row.lp_gain_interval
    if low > 0:
        return "its probe lies above the base model's by more than the interval."
    if high < 0:
        return "its probe lies below the base model's by more than the interval."
    return "its probe cannot be told from the base model's: the interval holds 0."
