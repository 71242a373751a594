"""``hubbot annotate`` and ``hubbot show``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hubbot.cli.options import AsJson, DataDir, Device, MaxTrain, settings_of
from hubbot.cli.output import note, points, print_diff, print_json, print_pairs, print_text
from hubbot.cli.progress import Reporter
from hubbot.errors import CardError, SettingsError
from hubbot.schema import Annotation

SAYS = {
    "would-open": "Dry run: nothing was written. A pull request would be opened; add --send.",
    "would-update": "Dry run: nothing was written. The open pull request would be updated; "
    "add --send.",
    "opened": "Pull request opened.",
    "updated": "The open pull request was updated.",
    "unchanged": "Nothing to do: the scores stand there already.",
    "skipped": "Left alone.",
}


def annotate_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Hub id, or id@revision.")],
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Use this score record; measure nothing."),
    ] = None,
    untrusted: Annotated[
        bool,
        typer.Option(
            "--untrusted",
            help="The record is from a machine that is not trusted: take its numbers, if they "
            "hold, and make the rest anew.",
        ),
    ] = False,
    send: Annotated[
        bool, typer.Option("--send", help="Open or update the pull request (default: dry run).")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before writing to a stranger's repository.")
    ] = False,
    max_train: MaxTrain = None,
    device: Device = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Probe a checkpoint, predict its gain and propose both to its card by one pull request.

    Example: hubbot annotate me/my-roberta --send
    """
    from hubbot.pipeline import annotate

    if untrusted and record is None:
        raise SettingsError("--untrusted speaks of a record: add --record FILE")
    settings = settings_of(device, data_dir)
    with Reporter() as report:
        outcome = annotate(
            model,
            record=record,
            is_trusted=not untrusted,
            max_train=max_train,
            send=send,
            confirm=lambda question: yes or ask(question),
            settings=settings,
            report=report,
        )
    if as_json:
        print_json(outcome)
    else:
        _print(outcome)


def ask(question: str) -> bool:
    """Ask on a terminal; elsewhere nobody has agreed."""
    if not sys.stdin.isatty():
        return False
    return typer.confirm(question, err=True)


def _print(outcome: Annotation) -> None:
    if outcome.diff:
        print_diff(outcome.diff)
        print_text("")
    reason = f" ({outcome.reason})" if outcome.reason else ""
    print_text(f"{outcome.model}: {SAYS[outcome.action]}{reason}")
    if outcome.url:
        print_text(outcome.url)


def show_command(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Hub id, id@revision, or a folder with README.md."),
    ],
    is_dataset: Annotated[
        bool, typer.Option("--dataset", help="MODEL is the Hub id of a data set.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the scores back from a model's card, or a data set's.

    Example: hubbot show me/my-roberta --json
    """
    from hubbot.pipeline import show

    if is_dataset:
        _show_dataset(model, as_json=as_json)
        return

    record = show(model, settings=settings_of())
    if as_json:
        print_json(record)
        return
    pairs = []
    for key, value in record.items():
        if isinstance(value, dict):
            pairs += [(f"{key} ({name})", _cell(item)) for name, item in value.items()]
        elif value not in (None, "", [], ()):
            pairs.append((key, _cell(value)))
    print_pairs(pairs)
    note("Points throughout; intervals of accuracies and LP gains are 95 % ones.")


def _show_dataset(dataset: str, *, as_json: bool) -> None:
    from hubbot.annotating_datasets import read_dataset_notes

    name, notes = read_dataset_notes(dataset, settings_of())
    if not notes:
        raise CardError(
            f"{name}: its card holds no notes of hubbot's; `hubbot sensitivity {name} "
            "--architecture NAME --send` proposes one"
        )
    if as_json:
        print_json({"dataset": name, "notes": notes})
        return
    for found in notes:
        sampled = "" if found.n_train is None else f"{found.n_train} sampled training rows"
        read = {"label": found.label_column, "text": found.text_columns, "rows": sampled}
        print_pairs(
            [
                ("target", found.target),
                *((name, value) for name, value in read.items() if value),
                ("architecture", found.architecture),
                ("intermediate model", found.intermediate_model),
                ("base model", found.base_model),
                (
                    "gain",
                    f"{points(found.gain, found.interval, signed=True)} points of {found.metric}, "
                    f"{found.level:.0%}",
                ),
                ("seeds, test rows", f"{found.seeds}, {found.n_test}"),
                ("protocol", found.protocol),
                ("date", found.date.isoformat()),
            ]
        )
        print_text(f"{found.target}: {found.verdict}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return points(value)
    if isinstance(value, list | tuple):
        return " to ".join(_cell(item) for item in value)
    return str(value)
