"""``hubbot rank``."""

import csv
import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import note, points, print_json, print_table, print_text
from hubbot.errors import SettingsError
from hubbot.printable import printable

if TYPE_CHECKING:
    from hubbot.gains.expected_loss import LossReport
    from hubbot.gains.ranking import RankedModel, Ranking

_DEFAULT_TOP = 20
_WIDE = 120
"""Columns that a terminal needs for every column of the ranking."""
_NUMBERS = ("measured", "from LP", "LP")


def rank_command(
    architecture: Annotated[
        str, typer.Argument(metavar="ARCHITECTURE", help="Such as roberta-base.")
    ],
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=0,
            help=f"Lines to print, {_DEFAULT_TOP} unless told; 0 for all. With --loss: how many "
            "models are fine-tuned.",
        ),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print every line.")] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="ID", help="Such as apache-2.0.")
    ] = None,
    max_parameters: Annotated[
        int | None,
        typer.Option("--max-parameters", metavar="N", min=1, help="Greatest number of weights."),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="CODE", help="Such as en.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="NAME",
            help="Where numbers come from: model-recycling-2023, hubbot, or the file's name.",
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.csv",
            help="More models: columns architecture, model and lp_accuracy, lp_gain or "
            "measured_gain (points); optional protocol, quick_rte, quick_cb, quick_mrpc, "
            "quick_cola, parameters, licence, language, weights_digest.",
        ),
    ] = None,
    loss: Annotated[
        bool,
        typer.Option(
            "--loss",
            help="Instead: what is lost by fine-tuning only the first 1, 3, 5 or 10 (or --top N).",
        ),
    ] = False,
) -> None:
    """Rank the known models of an architecture by the gain to expect from starting there.

    Example: hubbot rank roberta-base --top 5
    """
    if as_json and as_csv:
        raise SettingsError("--json and --csv together; give one of them")
    if loss:
        if any(
            value is not None for value in (licence, max_parameters, language, source, from_file)
        ):
            raise SettingsError(
                "--loss is computed over all published gains; leave out the filters and --from"
            )
        if show_all or top == 0:
            raise SettingsError("--loss of all models is 0; give --top N, or neither")
        _losses(architecture, top, as_json=as_json, as_csv=as_csv)
        return
    _keep_to_one_thread()
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.filters import Filters
    from hubbot.records.ranked import rank_models
    from hubbot.settings import load_settings

    filters = Filters(
        licence=licence, max_parameters=max_parameters, language=language, source=source
    )
    settings = load_settings()
    ranking, notices = rank_models(
        architecture,
        records_dir=settings.records_dir,
        table=from_file,
        filters=filters,
        calibrations=load_calibrations(settings.calibrations_file),
    )
    for notice in notices:
        note(notice)
    shown = ranking.lines(None if show_all or top == 0 else top or _DEFAULT_TOP)
    if as_json:
        print_json(shown)
    elif as_csv:
        _print_csv(ranking.architecture, shown)
    else:
        _print(ranking, shown)


def _keep_to_one_thread() -> None:
    # Matrices of a few hundred rows: starting threads takes longer than multiplying them, several
    # times so on a busy machine. It is read when numpy is first imported, so only then it is set.
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _print(ranking: "Ranking", shown: "Sequence[RankedModel]") -> None:
    ranked = [line for line in shown if line.rank is not None]
    others = [line for line in shown if line.rank is None]
    level = f"{100 * ranking.level:.0f} %"
    if ranked:
        title = f"{ranking.architecture}: expected gain over the base model, points over 36 targets"
        if sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE:
            narrow = ("rank", "band", "gain", level, "model")
            print_table(title, narrow, [_narrow_cells(line) for line in ranked])
        else:
            header = ("model", "rank", "band", "gain", level, *_NUMBERS, "about it")
            print_table(title, header, [_cells(line) for line in ranked])
        for sentence in ranking.reading():
            print_text(sentence)
    if others:
        print_table(
            f"{ranking.architecture}: no estimate, by LP accuracy",
            ("model", "LP", "LP gain", "about it", "why"),
            [_cells_without(line) for line in others],
        )
    for reason, count in ranking.refused().items():
        print_text(f"Not ranked: {count} model{'' if count == 1 else 's'}; {reason}.")


def _narrow_cells(line: "RankedModel") -> list[str]:
    model, rank, band, gain, interval, *_, about = _cells(line)
    return [rank, band, gain, interval, f"{model}\n{about}" if about else model]


def _cells(line: "RankedModel") -> list[str]:
    low, high = line.interval or (0.0, 0.0)
    return [
        line.model,
        str(line.rank),
        "-" if line.band is None else str(line.band),
        points(line.gain, signed=True),
        "" if line.knowledge == "base" else f"{low:+.2f} to {high:+.2f}",
        points(line.measured_gain, signed=True),
        points(line.predicted_gain, signed=True),
        points(line.lp_accuracy),
        "; ".join((*line.flags, *_quick(line), *_names(line))),
    ]


def _cells_without(line: "RankedModel") -> list[str]:
    flags = "; ".join((*line.flags, *_names(line)))
    lp_gain = points(line.lp_gain, signed=True)
    return [line.model, points(line.lp_accuracy), lp_gain, flags, line.note]


def _quick(line: "RankedModel") -> tuple[str, ...]:
    return ("four targets measured",) if line.knowledge == "quick" else ()


def _names(line: "RankedModel") -> tuple[str, ...]:
    return (f"also {', '.join(line.also_known_as)}",) if line.also_known_as else ()


def _print_csv(architecture: str, lines: "Sequence[RankedModel]") -> None:
    from hubbot.gains.ranking import RankedModel

    names = [field.name for field in dataclasses.fields(RankedModel)]
    place = names.index("interval")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    # With the architecture in it, other commands take the table as it is.
    header = [*names[:place], "interval_low", "interval_high", *names[place + 1 :]]
    writer.writerow(["architecture", *header])
    for line in lines:
        cells: list[object] = [architecture]
        for name in names:
            value = getattr(line, name)
            if name == "interval":
                cells += ("", "") if value is None else value
            elif isinstance(value, str | tuple):
                text = value if isinstance(value, str) else ";".join(value)
                cells.append(printable(text, limit=None))
            else:
                cells.append(value)
        writer.writerow(cells)


def _losses(architecture: str, top: int | None, *, as_json: bool, as_csv: bool) -> None:
    from hubbot.catalog.architectures import get_architecture
    from hubbot.gains.expected_loss import TOPS, ExpectedLoss, published_losses

    name = get_architecture(architecture).name
    report = published_losses(name, tops=TOPS if top is None else (top,))
    if report is None:
        raise SettingsError(
            f"no published model of {name} has measured gains on the 36 targets, so no loss can be "
            "computed; those of your own go through `hubbot analyse FILE.csv`"
        )
    if as_json:
        print_json(report)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(ExpectedLoss)])
        writer.writerows(dataclasses.astuple(line) for line in report.losses)
    else:
        _print_losses(report)


def _print_losses(report: "LossReport") -> None:
    from hubbot.gains.expected_loss import ORDERS

    print_table(
        f"{report.architecture}: points lost by fine-tuning only the first models instead of all "
        f"{report.n_models}, over {report.n_targets} targets",
        ("order by", "first", "mean loss", "in true gains", "greatest", "targets losing over 1"),
        [
            [
                ORDERS[line.order],
                str(line.top),
                points(line.mean),
                points(line.corrected),
                points(line.greatest),
                f"{100 * line.share_above_one:.0f} %",
            ]
            for line in report.losses
        ],
    )
    print_text(
        "Mean, greatest and share are as measured. The best of so many single runs is a lucky one, "
        "so a good order loses less than they say: in true gains, the seed noise is taken out."
    )
    for sentence in report.notes:
        print_text(sentence)
