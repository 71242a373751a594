"""``hubbot sensitivity`` and ``hubbot recommend``."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from hubbot.cli.cards import SAYS, ask
from hubbot.cli.gain_options import (
    Config,
    Epochs,
    GainMaxTrain,
    LabelColumn,
    MaxRows,
    Regression,
    TestFile,
    TextColumns,
    ValidationFile,
    columns_of,
    tell_data,
)
from hubbot.cli.options import AsJson, DataDir, Device, parse_sizes, settings_of
from hubbot.cli.output import (
    note,
    points,
    print_diff,
    print_json,
    print_pairs,
    print_table,
    print_text,
)
from hubbot.cli.progress import Reporter
from hubbot.errors import IntegrityError, SettingsError
from hubbot.outcomes import Recommendation, Search, Sensed, Tried
from hubbot.schema import DatasetAnnotation

Dataset = Annotated[
    str, typer.Argument(metavar="DATASET", help="Name in the catalog, Hub id, file or folder.")
]
Architecture = Annotated[
    str,
    typer.Option("--architecture", "-a", metavar="NAME", help="Such as roberta-base."),
]


def sensitivity_command(
    dataset: Dataset,
    architecture: Architecture,
    model: Annotated[
        str | None,
        typer.Option(
            "--with", metavar="MODEL", help="Strong model; the top of the ranking by default."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="K", min=1, max=100)] = 5,
    sizes: Annotated[
        str,
        typer.Option(
            "--sizes", metavar="N,N,all", help="Training rows to try, such as 50,200,800,all."
        ),
    ] = "all",
    epochs: Epochs = None,
    to_see: Annotated[
        float,
        typer.Option("--to-see", metavar="POINTS", help="Difference worth seeing."),
    ] = 0.5,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.{png,svg}", help="Draw the gain over the sizes."),
    ] = None,
    send: Annotated[
        bool,
        typer.Option(
            "--send", help="Open or update one pull request on the data-set card with the outcome."
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before writing to a stranger's repository.")
    ] = False,
    text_column: TextColumns = None,
    label_column: LabelColumn = "",
    config: Config = None,
    validation: ValidationFile = None,
    test: TestFile = None,
    regression: Regression = None,
    max_rows: MaxRows = 200_000,
    device: Device = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a data set gains from intertraining at all, by one strong intermediate model.

    Example: hubbot sensitivity rte --architecture roberta-base --sizes 200,800,all
    """
    from hubbot.gains.pictures.draw import check_plot_path, draw_gain_by_size
    from hubbot.sensing import check_can_send, publish_sensed, sensitivity

    if yes and not send:
        raise SettingsError("--yes goes with --send: without it nothing is written")
    if plot is not None:
        check_plot_path(plot)
    columns = columns_of(text_column, label_column, config, validation, test, regression, max_rows)
    settings = settings_of(device, data_dir)
    card = None
    if send:
        card = check_can_send(
            dataset,
            model=model,
            columns=columns,
            settings=settings,
            confirm=lambda question: yes or ask(question),
        )
        if card is not None:  # it is measured all the same; who does not want that stops
            _tell(card)
    with Reporter() as report:
        found = sensitivity(
            dataset,
            architecture=architecture,
            model=model,
            seeds=seeds,
            sizes=parse_sizes(sizes),
            epochs=epochs,
            to_see=to_see,
            columns=columns,
            settings=settings,
            report=report,
            on_data=tell_data,
        )
    is_left_alone = card is not None
    if not as_json:
        _print_sensed(found)
    try:
        if plot is not None:
            draw_gain_by_size(found, plot)
            note(f"wrote {plot}")
        if not is_left_alone:
            card = publish_sensed(found, settings=settings, send=send)
    finally:
        if as_json:  # hours were spent on it, whatever became of the card
            print_json(_with_card(found, card))
    if card is None or is_left_alone:
        return
    if card.diff and not as_json:
        print_diff(card.diff)
    _tell(card)
    if send and found.flags:
        raise typer.Exit(IntegrityError.exit_code)


def _with_card(found: Sensed, card: DatasetAnnotation | None) -> dict[str, Any]:
    plain = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return plain | {"card": card}


def _tell(outcome: DatasetAnnotation) -> None:
    """Say what became of the card, on standard error: the result is the sensitivity."""
    reason = f" ({outcome.reason})" if outcome.reason else ""
    note(f"{outcome.dataset}: {SAYS[outcome.action]}{reason}")
    if outcome.url:
        note(outcome.url)


def _print_sensed(found: Sensed) -> None:
    rank = "" if found.rank is None else f", rank {found.rank}"
    print_pairs(
        [
            ("data set", f"{found.dataset} ({found.source})"),
            ("strong model", f"{found.model}{rank}"),
            ("base model", found.base_model),
            ("gain", f"{points(found.gain, found.interval, signed=True)} points, 95 %"),
            ("p-value", f"{found.p_value:.3g}"),
            ("seeds, test rows", f"{found.seeds}, {found.n_test}"),
            ("protocol", found.protocol),
        ]
    )
    if len(found.sizes) > 1:
        print_table(
            f"{found.metric}, points",
            ("training rows", "gain", "95 %", found.model, "base model"),
            (
                (
                    str(size.n_train),
                    points(size.gain, signed=True),
                    points(size.gain, size.interval, signed=True).split(" ", 1)[1],
                    points(size.score),
                    points(size.base_score),
                )
                for size in found.sizes
            ),
        )
    for sentence in (found.split_rule, *found.notes, *found.flags):
        print_text(sentence)
    print_text(f"{found.dataset}: {found.verdict}")


def recommend_command(
    dataset: Dataset,
    architecture: Architecture,
    budget: Annotated[
        int,
        typer.Option(
            "--budget", metavar="K", min=2, help="Fine-tunings, the base model's included."
        ),
    ],
    seeds: Annotated[int, typer.Option("--seeds", metavar="S", min=1, max=100)] = 3,
    search: Annotated[
        str, typer.Option("--search", metavar="HOW", help="ranking or halving.")
    ] = "ranking",
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate", metavar="MODEL", help="Try these instead of the ranking, in order."
        ),
    ] = None,
    max_train: GainMaxTrain = None,
    epochs: Epochs = None,
    text_column: TextColumns = None,
    label_column: LabelColumn = "",
    config: Config = None,
    validation: ValidationFile = None,
    test: TestFile = None,
    regression: Regression = None,
    max_rows: MaxRows = 200_000,
    device: Device = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say which checkpoint to start from on your own data, and whether it is worth it.

    Example: hubbot recommend my_data.csv --architecture roberta-base --budget 12
    """
    from hubbot.recommending import recommend

    columns = columns_of(text_column, label_column, config, validation, test, regression, max_rows)
    with Reporter() as report:
        found = recommend(
            dataset,
            architecture=architecture,
            budget=budget,
            seeds=seeds,
            search=_search(search),
            candidates=tuple(candidate or ()),
            max_train=max_train,
            epochs=epochs,
            columns=columns,
            settings=settings_of(device, data_dir),
            report=report,
            on_data=tell_data,
        )
    if as_json:
        print_json(found)
    else:
        _print_recommendation(found)


def _search(text: str) -> Search:
    if text == "ranking":
        return "ranking"
    if text == "halving":
        return "halving"
    raise SettingsError(f"--search {text}: expected ranking or halving")


def _print_recommendation(found: Recommendation) -> None:
    print_table(
        f"{found.dataset}, {found.protocol}: {found.spent} of {found.budget} fine-tunings",
        ("tried", "rank", "seeds", "validation", "test", "gain on test", "licence"),
        (
            (
                one.model,
                "-" if one.rank is None else str(one.rank),
                str(one.seeds),
                points(one.validation_score),
                points(one.score),
                "-" if one.is_base else _gain(one),
                one.licence or "unknown",
            )
            for one in found.tried
        ),
    )
    flags = (f"{one.model}: {flag}" for one in found.tried for flag in one.flags)
    for sentence in (found.split_rule, *found.notes, *flags):
        print_text(sentence)
    for model, reason in found.failed.items():
        print_text(f"{model}: not measured: {reason}")
    loss = "" if found.expected_loss is None else f"{points(found.expected_loss)} "
    print_text(f"Expected loss: {loss}{found.expected_loss_note}.")
    print_text(f"{found.dataset}: {found.verdict}.")
    print_text(f"Next: {found.command}")


def _gain(one: Tried) -> str:
    alone = " (1 seed: over rows alone)" if one.seeds == 1 else ""
    return f"{points(one.gain, one.interval, signed=True)}{alone}"
