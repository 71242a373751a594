"""Fine-tuning a checkpoint once, to keep it."""

from pathlib import Path

from hubbot.catalog.architectures import find_architecture
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, train
from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.measurement import Report, no_report, obtain
from hubbot.outcomes import FineTuned
from hubbot.schema import Architecture
from hubbot.settings import Settings, load_settings
from hubbot.targets import Columns, OnData, ignore_data, read_labels, read_target, score_of


def write_minimal_card(folder: Path, architecture: Architecture, start: str = "") -> None:
    """Say what a saved checkpoint was trained from: its shape alone may fit several models.

    Args:
        folder: Where it is saved.
        architecture: Always named: by another start alone it may not be recognised again.
        start: Hub id of the checkpoint that it was trained from; empty for the architecture's.
    """
    lines = [f"base_model: {architecture.hub_id}"]
    if start and find_architecture(start) != architecture:
        lines = ["base_model:", f"- {start}", f"- {architecture.hub_id}"]
        lines.append("base_model_relation: finetune")  # two without it are taken for a merge
    text = "\n".join(["---", *lines, "---", ""])
    (folder / "README.md").write_text(text, encoding="utf-8")


def finetune(
    model: str,
    dataset: str,
    *,
    out: Path,
    seed: int = 0,
    max_train: int | None = None,
    epochs: int | None = None,
    columns: Columns | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    on_data: OnData = ignore_data,
) -> FineTuned:
    """Fine-tune a checkpoint by its architecture's recipe and save it as its author would.

    Args:
        model: Hub id, ``id@revision``, or a folder.
        dataset: Name in the catalog, Hub id, file or folder.
        out: Folder to save into; must not exist, or be empty.
        seed: Decides the head's first weights, dropout and the order of the rows.
        max_train: Training rows of the label-stratified prefix; None for all.
        epochs: Passes instead of the recipe's; None for the recipe's.
        columns: What the user says of a data set of their own.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of the data as they are ready: what was guessed, left out, and how they were
            split, before hours are spent.

    Raises:
        HubbotError: The kind says what happened.
    """
    from hubbot.records.ledger import Ledger

    require_extra("finetune", purpose="fine-tuning")
    settings = settings or load_settings()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} exists and is not an empty folder; name another one")
    # The data first: a misspelt file is told before gigabytes are fetched.
    target = read_target(dataset, "as-run", settings, columns)
    on_data(target)
    checkpoint = obtain(model, settings, report=report)
    protocol = gain_protocol_of(checkpoint.architecture.name, max_train=max_train, epochs=epochs)
    with Ledger(settings.ledger_file) as ledger:
        bench = Bench(settings=settings, protocol=protocol, ledger=ledger, report=report)
        output = train(bench, checkpoint, target, seed, save_to=out)
    # A folder's name is no start that a reader could get.
    start = checkpoint.local.model if checkpoint.local.revision else ""
    write_minimal_card(out, checkpoint.architecture, start)
    return FineTuned(
        model=checkpoint.local.model,
        revision=checkpoint.local.revision,
        dataset=target.name,
        out=str(out),
        protocol=protocol.identifier,
        seed=seed,
        metric=target.metric,
        score=score_of(target, output.predictions, read_labels(target)),
        validation_score=output.validation_score,
        n_train=output.n_train,
        n_test=target.splits["test"].n_rows,
        seconds=dict(output.seconds),
        split_rule=target.split_rule,
        notes=target.notes,
    )
