"""Options of the commands that fine-tune: which rows, which columns, how often."""

from typing import Annotated

import typer

from hubbot.cli.output import note
from hubbot.schema import Target
from hubbot.targets import Columns

Seeds = Annotated[int, typer.Option("--seeds", metavar="K", min=1, max=100, help="Seeds 0 to K-1.")]
GainMaxTrain = Annotated[
    int | None,
    typer.Option(
        "--max-train",
        metavar="N",
        min=2,
        help="Fine-tune on N rows only; the protocol's name then says so.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        metavar="E",
        min=1,
        max=1000,
        help="Passes over the rows instead of the recipe's; the protocol's name then says so.",
    ),
]
AsWritten = Annotated[
    bool,
    typer.Option(
        "--as-written",
        help="Cut hidden tests from train, as the papers' text says, instead of taking the "
        "official validation split.",
    ),
]
TextColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--text-column",
        "--text-columns",
        metavar="NAME",
        help="Text column; twice for pairs, or a comma between. Guessed where not given.",
    ),
]
LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="NAME", help="Label column. Guessed as well.")
]
Config = Annotated[
    str | None, typer.Option("--config", metavar="NAME", help="Configuration of a Hub data set.")
]
ValidationFile = Annotated[
    str | None,
    typer.Option(
        "--validation", metavar="FILE", help="File (on the Hub: split) that serves as validation."
    ),
]
TestFile = Annotated[
    str | None,
    typer.Option("--test", metavar="FILE", help="File (on the Hub: split) that serves as test."),
]
Regression = Annotated[
    bool | None,
    typer.Option("--regression/--no-regression", help="Whether labels are numbers or classes."),
]
MaxRows = Annotated[
    int,
    typer.Option(
        "--max-rows", metavar="N", help="Rows of each split that are used at most; others are not."
    ),
]


def columns_of(
    text: list[str] | None,
    label: str,
    config: str | None,
    validation: str | None,
    test: str | None,
    is_regression: bool | None,
    max_rows: int,
) -> Columns:
    """Put together what a user says of a data set; commas in names are seen to with the data."""
    return Columns(
        text=tuple(item for item in text or () if item.strip(" ,")),
        label=label,
        config=config,
        validation=validation,
        test=test,
        is_regression=is_regression,
        max_rows=max_rows,
    )


def tell_data(target: Target) -> None:
    """Say on standard error what the data are, while there is time to stop."""
    for sentence in (target.split_rule, *target.notes):
        note(f"{target.name}: {sentence}")
