"""``hubbot predict``."""

from typing import Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import points, print_json, print_pairs, print_text
from hubbot.schema import Prediction


def predict_command(
    architecture: Annotated[
        str, typer.Option("--architecture", "-a", help="Such as roberta-base.", metavar="NAME")
    ],
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
    as_json: AsJson = False,
) -> None:
    """Predict the gain of fine-tuning from a checkpoint, from its linear probe.

    Example: hubbot predict --architecture roberta-base --lp-accuracy 72.5
    """
    from hubbot.pipeline import predict

    prediction = predict(architecture, lp_accuracy=lp_accuracy, lp_gain=lp_gain, protocol=protocol)
    if as_json:
        print_json(prediction)
    else:
        _print(prediction)


def _print(prediction: Prediction) -> None:
    if prediction.gain is None:
        print_text(f"No predicted gain for {prediction.architecture}: {prediction.note}")
        return
    level = f"{100 * prediction.level:.0f} % interval"
    print_pairs(
        [
            ("architecture", prediction.architecture),
            ("predicted gain", f"{points(prediction.gain, signed=True)} points"),
            (level, points(prediction.gain, prediction.interval, signed=True).split(" ", 1)[1]),
            ("probability that it is positive", f"{prediction.probability_positive:.2f}"),
            ("calibration", f"{prediction.calibration}, {prediction.n} models"),
            ("average over", prediction.target_group),
        ]
    )
    print_text(prediction.note)
