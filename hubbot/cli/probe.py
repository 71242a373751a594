"""``hubbot probe``."""

from pathlib import Path
from typing import Annotated

import typer

from hubbot.cli.options import AsJson, DataDir, Device, MaxTrain, settings_of
from hubbot.cli.output import points, print_json, print_pairs
from hubbot.cli.progress import Reporter
from hubbot.cli.shards import work_off_list
from hubbot.errors import SettingsError
from hubbot.schema import DEFAULT_HEAD, ProbeResult


def probe_command(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Hub id, id@revision, or a folder.")
    ] = None,
    list_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="LIST", help="Work off a list of `hubbot plan` instead."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="DIR", help="Folder for the results of --from."),
    ] = None,
    max_train: MaxTrain = None,
    device: Device = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure the linear probe of a checkpoint: accuracy on MNLI, and the gain over its base model.

    Example: hubbot probe textattack/roberta-base-MNLI --max-train 20000
    """
    from hubbot.pipeline import probe

    settings = settings_of(device, data_dir)
    if model is None and list_file is None:
        raise SettingsError(
            "Missing argument 'MODEL': expected a Hub id or a folder, or --from LIST with "
            "--results DIR"
        )
    if list_file is not None or model is None:
        if list_file is None or results is None or model is not None or max_train is not None:
            raise SettingsError(
                "expected a MODEL, or --from LIST with --results DIR (whose size the plan sets)"
            )
        work_off_list(list_file, results, settings, as_json=as_json)
        return
    if results is not None:
        raise SettingsError("--results goes with --from LIST")
    with Reporter() as report:
        result = probe(model, max_train=max_train, settings=settings, report=report)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _print(result: ProbeResult) -> None:
    pairs = [
        ("model", f"{result.model} at {result.revision[:12] or 'local folder'}"),
        ("architecture", f"{result.architecture} (base model {result.base_model})"),
        ("protocol", f"{result.protocol}: {result.n_train} training, {result.n_test} test rows"),
    ]
    for head, accuracy in result.lp_accuracy.items():
        interval = result.lp_accuracy_interval[head]
        pairs.append((f"LP accuracy ({head})", f"{points(accuracy, interval)} points"))
        if result.lp_gain is not None and result.lp_gain_interval is not None:
            gain = points(result.lp_gain[head], result.lp_gain_interval[head], signed=True)
            pairs.append((f"LP(m, MNLI) ({head})", f"{gain} points"))
    if "no_gain" in result.details:
        pairs.append(("LP(m, MNLI)", f"none: {result.details['no_gain']}"))
    flags = result.details.get("flags")
    if flags:
        pairs.append(("flags", ", ".join(flags)))
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items())
    pairs.append(("seconds", f"{seconds} on {result.device}"))
    print_pairs(pairs)
    if result.lp_gain_interval is not None and result.model != result.base_model:
        low, high = result.lp_gain_interval[DEFAULT_HEAD]
        verdict = "differs from" if low > 0 or high < 0 else "cannot be told from"
        typer.echo(f"The probe's 95 % interval: this checkpoint {verdict} its base model.")
