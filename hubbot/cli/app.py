"""The ``hubbot`` program: its commands and the options that all share."""

from typing import Annotated

import typer

from hubbot import __version__
from hubbot.cli.analyse import analyse_command
from hubbot.cli.bot import bot_command, discover_command, run_command, status_command
from hubbot.cli.cards import annotate_command, show_command
from hubbot.cli.check import check_command
from hubbot.cli.deciding import recommend_command, sensitivity_command
from hubbot.cli.demo import demo_command
from hubbot.cli.doctor import doctor_command
from hubbot.cli.evaluate import evaluate_command, finetune_command
from hubbot.cli.importing import import_app
from hubbot.cli.init import init_command
from hubbot.cli.numbers import calibrate_command, predict_command
from hubbot.cli.output import set_up_logging
from hubbot.cli.probe import probe_command
from hubbot.cli.rank import rank_command
from hubbot.cli.shards import collect_command, plan_command

app = typer.Typer(
    name="hubbot",
    help=(
        "Which checkpoint on the Hugging Face Hub should I start fine-tuning from, and is it "
        "worth leaving the plain pretrained one?"
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"hubbot {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is done.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    set_up_logging(is_verbose=verbose)


app.command("probe")(probe_command)
app.command("predict")(predict_command)
app.command("rank")(rank_command)
app.command("recommend")(recommend_command)
app.command("sensitivity")(sensitivity_command)
app.command("evaluate")(evaluate_command)
app.command("finetune")(finetune_command)
app.command("calibrate")(calibrate_command)
app.command("analyse")(analyse_command)
app.command("annotate")(annotate_command)
app.command("show")(show_command)
app.command("discover")(discover_command)
app.command("run")(run_command)
app.command("bot")(bot_command)
app.command("plan")(plan_command)
app.command("collect")(collect_command)
app.command("status")(status_command)
app.command("demo")(demo_command)
app.command("init")(init_command)
app.command("doctor")(doctor_command)
app.command("check")(check_command)
app.add_typer(import_app, name="import")
