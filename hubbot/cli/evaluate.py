"""``hubbot evaluate`` and ``hubbot finetune``."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hubbot.cli.gain_options import (
    AsWritten,
    Config,
    Epochs,
    GainMaxTrain,
    LabelColumn,
    MaxRows,
    Regression,
    Seeds,
    TestFile,
    TextColumns,
    ValidationFile,
    columns_of,
    tell_data,
)
from hubbot.cli.options import AsJson, DataDir, Device, parse_sizes, settings_of
from hubbot.cli.output import note, points, print_json, print_table, print_text
from hubbot.cli.progress import Reporter
from hubbot.errors import SettingsError
from hubbot.outcomes import Evaluation, TargetGain
from hubbot.targets import Columns


def evaluate_command(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Hub id, id@revision, or a folder.")
    ] = None,
    targets: Annotated[
        str,
        typer.Option(
            "--targets",
            metavar="GROUP",
            help="general, nli, twitter, site36, quick, or names of data sets; commas between.",
        ),
    ] = "quick",
    seeds: Seeds = 5,
    max_train: GainMaxTrain = None,
    epochs: Epochs = None,
    as_written: AsWritten = False,
    sample_low: Annotated[
        int,
        typer.Option(
            "--sample-low",
            metavar="N",
            min=0,
            help="Measure N random models of low LP too, so that calibrations see the whole range.",
        ),
    ] = 0,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="DATASET",
            help="Instead of MODEL: fine-tune the base model on this data set first.",
        ),
    ] = None,
    source_sizes: Annotated[
        str,
        typer.Option(
            "--source-sizes", metavar="N,N,all", help="Rows of the source, such as 50,200,800,all."
        ),
    ] = "all",
    architecture: Annotated[
        str | None, typer.Option("--architecture", "-a", metavar="NAME", help="With --source.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE.{png,svg}", help="With --source: draw the gain over its sizes."
        ),
    ] = None,
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
    """Measure the gain of a checkpoint over its base model, by fine-tuning both on each target.

    Example: hubbot evaluate textattack/roberta-base-MNLI --targets quick --seeds 3
    """
    columns = columns_of(text_column, label_column, config, validation, test, regression, max_rows)
    settings = settings_of(device, data_dir)

    def on_target(name: str, gain: TargetGain | str) -> None:
        note(f"{name}: {gain if isinstance(gain, str) else _gain(gain)}")

    how: dict[str, Any] = {
        "targets": targets,
        "seeds": seeds,
        "max_train": max_train,
        "epochs": epochs,
        "settings": settings,
        "on_data": tell_data,
        "on_target": on_target,
    }
    if source is not None:
        if model is not None or architecture is None or as_written or sample_low:
            raise SettingsError(
                "--source goes with --architecture, and without MODEL, --as-written and "
                "--sample-low"
            )
        how["columns"] = columns
        _sources(source, architecture, parse_sizes(source_sizes), how, plot=plot, as_json=as_json)
        return
    if model is None:
        raise SettingsError("name a MODEL, or a data set to train one on (--source DATASET)")
    if architecture is not None or source_sizes != "all" or plot is not None:
        raise SettingsError(
            "--architecture, --source-sizes and --plot go with --source, not with MODEL"
        )
    if columns != Columns():
        raise SettingsError(
            "--text-column, --label-column, --config, --validation, --test, --regression and "
            "--max-rows tell how to read a --source of your own; targets are the catalog's"
        )
    from hubbot.evaluating import evaluate_with_sample

    with Reporter() as report:
        found, *sampled = evaluate_with_sample(
            model, sample_low, as_written=as_written, report=report, **how
        )
    if as_json:
        print_json(_plain(found, sampled))
    else:
        for one in (found, *sampled):
            _print(one)
    if found.gains and not found.record:
        note(f"{model}: no score record is kept of a folder; put it on the Hub for one")
    if len(sampled) < sample_low:
        note(f"{len(sampled)} of {sample_low} models of low LP could be measured")
    if len(sampled) < sample_low or any(one.failed for one in (found, *sampled)):
        raise typer.Exit(1)


def _plain(found: Evaluation, sampled: Sequence[Evaluation]) -> dict[str, Any]:
    plain = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return plain | ({"sampled": list(sampled)} if sampled else {})


def _sources(
    source: str,
    architecture: str,
    sizes: Sequence[int | None],
    how: dict[str, Any],
    *,
    plot: Path | None,
    as_json: bool,
) -> None:
    from hubbot.gains.pictures.draw import check_plot_path, draw_gain_by_source_size
    from hubbot.sources import evaluate_source

    if plot is not None:
        check_plot_path(plot)
    with Reporter() as report:
        found = evaluate_source(
            source, architecture=architecture, sizes=sizes, report=report, **how
        )
    if as_json:
        print_json({"sizes": list(found)})
    else:
        print_table(
            f"{found[0].source} as a source: average gain over "
            f"{len(found[0].evaluation.gains)} target(s), points",
            ("rows of the source", "average gain", "standard error", "saved in"),
            (
                (
                    str(one.n_train),
                    points(one.evaluation.avg_gain, signed=True),
                    points(one.evaluation.avg_gain_se),
                    one.folder,
                )
                for one in found
            ),
        )
    if plot is not None:
        draw_gain_by_source_size(found, plot)
        note(f"wrote {plot}")
    if any(one.evaluation.failed for one in found):
        raise typer.Exit(1)


def _gain(gain: TargetGain) -> str:
    told = f"{points(gain.gain, gain.interval, signed=True)} points, {gain.seeds} seed(s)"
    return f"{told} ({'; '.join(gain.flags)})" if gain.flags else told


def _has_one_seed(found: Evaluation) -> bool:
    return all(gain.seeds == 1 for gain in found.gains.values())


def _print(found: Evaluation) -> None:
    if found.gains:
        _print_gains(found)
    if found.avg_gain is not None:
        se = "" if found.avg_gain_se is None else f" ± {found.avg_gain_se:.2f} (standard error)"
        print_text(
            f"Average over {len(found.gains)} target(s): {points(found.avg_gain, signed=True)}{se}"
        )
    for name, gain in found.gains.items():
        for sentence in (gain.split_rule, *gain.notes):
            print_text(f"{name}: {sentence}")
        for flag in gain.flags:
            print_text(f"Warning: {flag}")
    for name, reason in found.failed.items():
        print_text(f"{name}: no gain: {reason}")


def _print_gains(found: Evaluation) -> None:
    print_table(
        f"{found.model}: gain over {found.base_model}, {found.protocol}; points, 95 % intervals"
        + (" over test rows alone" if _has_one_seed(found) else ""),
        ("target", "gain", "95 %", "this checkpoint", "base model", "seeds", "train", "test"),
        (
            (
                name,
                points(gain.gain, signed=True),
                points(gain.gain, gain.interval, signed=True).split(" ", 1)[1],
                points(gain.score),
                points(gain.base_score),
                str(gain.seeds),
                str(gain.n_train),
                str(gain.n_test),
            )
            for name, gain in found.gains.items()
        ),
    )


def finetune_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Hub id, id@revision, or a folder.")
    ],
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="Name in the catalog, Hub id, file or folder."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where it is saved.")],
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
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
    """Fine-tune a checkpoint on a data set by its architecture's recipe and save it.

    Example: hubbot finetune ibm/ColD-Fusion my_data.csv --out my-model
    """
    from hubbot.keeping import finetune

    columns = columns_of(text_column, label_column, config, validation, test, regression, max_rows)
    with Reporter() as report:
        found = finetune(
            model,
            dataset,
            out=out,
            seed=seed,
            max_train=max_train,
            epochs=epochs,
            columns=columns,
            settings=settings_of(device, data_dir),
            report=report,
            on_data=tell_data,
        )
    if as_json:
        print_json(found)
        return
    for sentence in (found.split_rule, *found.notes):
        print_text(sentence)
    print_text(
        f"saved {found.out}: {found.metric} {points(found.score)} points on {found.n_test} test "
        f"rows ({found.n_train} training rows, seed {found.seed}, {found.protocol})"
    )
