"""``hubbot predict`` and ``hubbot calibrate``: numbers from numbers."""

from pathlib import Path
from typing import Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import (
    note,
    points,
    print_json,
    print_json_line,
    print_pairs,
    print_table,
    print_text,
)
from hubbot.errors import SettingsError
from hubbot.gains.calibration import PUBLISHED
from hubbot.schema import CalibrationSummary, Prediction
from hubbot.settings import load_settings

_QUICK_HELP = "Score after fine-tuning on {}, points."


def predict_command(
    architecture: Annotated[
        str | None,
        typer.Option("--architecture", "-a", help="Such as roberta-base.", metavar="NAME"),
    ] = None,
    lp_accuracy: Annotated[
        float | None,
        typer.Option("--lp-accuracy", help="Accuracy of the linear probe, points (0 to 100)."),
    ] = None,
    lp_gain: Annotated[
        float | None,
        typer.Option("--lp-gain", help="LP(m, MNLI): accuracy minus the base model's, points."),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            help="Protocol of the probe: the published scale, paper, lp-mnli or lp-mnli@N.",
        ),
    ] = "model-recycling-2023",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="ID",
            help="The checkpoint's name: one that says MNLI, fusion or a special domain counts.",
        ),
    ] = None,
    quick_rte: Annotated[
        float | None, typer.Option("--quick-rte", help=_QUICK_HELP.format("RTE"))
    ] = None,
    quick_cb: Annotated[
        float | None, typer.Option("--quick-cb", help=_QUICK_HELP.format("CB"))
    ] = None,
    quick_mrpc: Annotated[
        float | None, typer.Option("--quick-mrpc", help=_QUICK_HELP.format("MRPC"))
    ] = None,
    quick_cola: Annotated[
        float | None,
        typer.Option("--quick-cola", help=_QUICK_HELP.format("CoLA (accuracy)")),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.csv",
            help="Predict for each row: columns architecture, lp_accuracy or lp_gain, and where "
            "known protocol, model, quick_rte, quick_cb, quick_mrpc, quick_cola. Prints one JSON "
            "line per row, in the same order.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.{png,svg}",
            help="Draw LP against gain for the architecture, with the 90 % band.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the gain of fine-tuning from a checkpoint, from its linear probe.

    Examples: hubbot predict --architecture roberta-base --lp-accuracy 72.5;
    hubbot predict --from checkpoints.csv
    """
    quick = {"rte": quick_rte, "cb": quick_cb, "mrpc": quick_mrpc, "cola": quick_cola}
    given = {target: score for target, score in quick.items() if score is not None}
    if table is not None:
        one = (architecture, lp_accuracy, lp_gain, model, plot, *given.values())
        if any(value is not None for value in one) or protocol != "model-recycling-2023":
            raise SettingsError(
                "--from takes everything from the file's columns; leave out the options of a "
                "single prediction"
            )
        _predict_table(table)
        return
    if architecture is None:
        raise SettingsError(
            "name the architecture (--architecture roberta-base), or give a table (--from FILE.csv)"
        )
    if plot is not None and lp_accuracy is None and lp_gain is None:
        if as_json or model is not None or given:
            raise SettingsError(
                "--plot without --lp-accuracy or --lp-gain draws the calibration alone; leave out "
                "--json, --model and --quick-*, or give the LP"
            )
        _plot(architecture, plot)
        return
    from hubbot.numbers import predict

    prediction = predict(
        architecture,
        lp_accuracy=lp_accuracy,
        lp_gain=lp_gain,
        protocol=protocol,
        model=model,
        quick=given,
    )
    if plot is not None:
        _plot(architecture, plot, prediction, (lp_accuracy, lp_gain), model)
    if as_json:
        print_json(prediction)
    else:
        _print(prediction)


def _plot(
    architecture: str,
    path: Path,
    prediction: Prediction | None = None,
    lps: tuple[float | None, float | None] = (None, None),
    model: str | None = None,
) -> None:
    from hubbot.gains.pictures.draw import Marked
    from hubbot.numbers import find_calibration, plot_lp_against_gain

    lp, lp_gain = lps
    base_lp = find_calibration(architecture).scale.base_lp
    if lp_gain is not None and base_lp is not None:
        lp = base_lp + lp_gain  # where the prediction stands, whatever the probe's own accuracy
    marked = []
    if (
        prediction is not None
        and prediction.gain is not None
        and prediction.interval is not None
        and lp is not None
        and not prediction.quick_targets
    ):
        marked.append(
            Marked(
                name=model or "this checkpoint",
                lp=lp,
                gain=prediction.gain,
                interval=prediction.interval,
            )
        )
    plot_lp_against_gain(architecture, path, marked=marked)
    note(f"wrote {path}")


def _predict_table(path: Path) -> None:
    from hubbot.numbers import predict_table

    n_wrong = 0
    for answer in predict_table(path):
        n_wrong += bool(answer.error)
        print_json_line(answer.plain())
        if answer.error:
            note(f"hubbot: {path}, line {answer.line}: {answer.error}")
    if n_wrong:
        note(f"hubbot: {n_wrong} row(s) are wrong and have no gain; see above")
        raise typer.Exit(1)


def calibrate_command(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.json",
            help="Write all of it there; by default your own calibrations alone are written, to "
            "where predictions look for them.",
        ),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            metavar="FOLDER",
            help="Score records <architecture>/<owner>--<model>.yaml; by default hubbot's own.",
        ),
    ] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Fit and print, write nothing.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.{png,svg}",
            help="Cross-validate (a minute) and draw nominal against achieved coverage.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Refit the calibrations from the published results and from measured gains on record.

    Example: hubbot calibrate --dry-run
    """
    from hubbot.numbers import calibrate

    found = calibrate(out=out, records=records, is_dry=is_dry, plot=plot)
    if not is_dry:
        _tell_written(found, out)
    if as_json:
        print_json(found)
        return
    print_table(
        "Calibrations",
        ("architecture", "protocol", "targets", "knows", "n", "form", "RMSE", "line's", "mean's"),
        [
            (
                item.architecture,
                item.protocol,
                item.target_group,
                item.knows,
                str(item.n),
                item.form or "-",
                points(item.rmse),
                points(item.rmse_line),
                points(item.rmse_constant),
            )
            for item in found
            if item.form
        ],
    )
    _print_refused([item for item in found if not item.form])


def _tell_written(items: list[CalibrationSummary], out: Path | None) -> None:
    if out is not None:
        note(f"wrote {out}")
    elif any(item.form and item.protocol != PUBLISHED for item in items):
        note(f"wrote your own calibrations to {load_settings().calibrations_file}")
    else:
        note(
            "nothing was written: no record of yours makes a calibration, and the published ones "
            "come with hubbot (--out FILE writes them)"
        )


def _print_refused(items: list[CalibrationSummary]) -> None:
    for item in items:
        print_text(
            f"No calibration for {item.architecture}, {item.protocol}, {item.target_group}: "
            f"{item.reason}."
        )
    print_text(
        "RMSE: root mean squared error, points, half from leaving out one model, half from leaving "
        "out all models of an account; beside it that of a straight line, and of the mean gain. It "
        "is the least over what was tried: benchmarks/calibration.py shows what new models show."
    )


def _chance(probability: float | None) -> str:
    if probability is None:
        return "-"
    return "over 0.99" if probability > 0.99 else f"{max(probability, 0.01):.2f}"


def _print(prediction: Prediction) -> None:
    if prediction.gain is None:
        print_text(f"{prediction.architecture}: {prediction.note}")
        return
    level = f"{100 * prediction.level:.0f} % interval"
    pairs = [
        ("architecture", prediction.architecture),
        ("predicted gain", f"{points(prediction.gain, signed=True)} points"),
        (level, points(prediction.gain, prediction.interval, signed=True).split(" ", 1)[1]),
        ("probability that it is positive", _chance(prediction.probability_positive)),
        (
            "calibration",
            f"{prediction.calibration}, {prediction.n} models, form: {prediction.form}",
        ),
        ("average over", prediction.target_group),
    ]
    if prediction.flags:
        pairs.append(("taken into account", ", ".join(prediction.flags)))
    print_pairs(pairs)
    print_text(prediction.note)
