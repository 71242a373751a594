"""Sources at several sizes: is more source data a better start (Where to start?, Figure 3)?"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, files_digest, train
from hubbot.evaluating import (
    SEEDS,
    OnTarget,
    evaluate_checkpoint,
    ignore_target,
)
from hubbot.extras import require_extra
from hubbot.keeping import write_minimal_card
from hubbot.measurement import Checkpoint, Report, no_report, obtain, obtain_base
from hubbot.outcomes import SourceSize
from hubbot.schema import GainProtocol, Target
from hubbot.settings import Settings, load_settings
from hubbot.targets import Columns, OnData, ignore_data, possible_sizes, read_target, target_digest

_COMPLETE = "README.md"
"""Written last, so that a folder without it was never finished."""


def evaluate_source(
    source: str,
    *,
    architecture: str,
    sizes: Sequence[int | None],
    targets: str = "quick",
    seeds: int = SEEDS,
    max_train: int | None = None,
    epochs: int | None = None,
    columns: Columns | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    on_data: OnData = ignore_data,
    on_target: OnTarget = ignore_target,
) -> tuple[SourceSize, ...]:
    """Fine-tune the base model on a source at several sizes, and measure the gain of each.

    Args:
        source: Data set of the catalog, Hub id, file or folder.
        architecture: Name in the catalog, Hub id or older alias.
        sizes: Rows of the source to train on; None for all.
        targets: Groups and names of the catalog, separated by commas.
        seeds: Of the targets; the source is trained with seed 0 alone.
        max_train: Training rows of each target; None for all.
        epochs: Passes over a target instead of the recipe's; the source keeps the recipe's.
        columns: What the user says of a source of their own.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of the data as they are ready: what was guessed, left out, and how they were
            split, before hours are spent.
        on_target: Told of each target as it is done.

    Returns:
        One value a size, ascending.

    Raises:
        HubbotError: The kind says what happened; finished sources and cells are kept.
    """
    from hubbot.records.ledger import Ledger

    require_extra("finetune", purpose="fine-tuning")
    settings = settings or load_settings()
    targets_of(targets)
    entry = get_architecture(architecture)
    data = read_target(source, "as-run", settings, columns)
    on_data(data)
    protocol = gain_protocol_of(entry.name, max_train=max_train, epochs=epochs)
    recipes = {
        size: gain_protocol_of(entry.name, max_train=size) for size in possible_sizes(sizes, data)
    }
    base = obtain_base(entry, settings, report=report)
    found = []
    with Ledger(settings.ledger_file) as ledger:
        for size, recipe in recipes.items():
            bench = Bench(settings=settings, protocol=recipe, ledger=ledger, report=report)
            checkpoint = _trained(bench, base, data, settings, report)
            evaluation = evaluate_checkpoint(
                checkpoint,
                protocol,
                targets=targets,
                seeds=seeds,
                settings=settings,
                report=report,
                on_target=on_target,
                is_recorded=False,
            )
            found.append(
                SourceSize(
                    source=data.name,
                    n_train=data.splits["train"].n_rows if size is None else size,
                    folder=str(checkpoint.local.folder),
                    evaluation=evaluation,
                )
            )
    return tuple(found)


def _trained(
    bench: Bench, base: Checkpoint, data: Target, settings: Settings, report: Report
) -> Checkpoint:
    """Return the source model, trained now or by an earlier run."""
    from hubbot.records.cells import CellKey

    folder = _folder(bench.protocol, base, data, settings)
    key = CellKey(
        weights_digest=base.local.weights_digest,
        target_digest=target_digest(data),
        protocol=f"{bench.protocol.identifier} (kept)",  # no cell's: those keep no weights
        seed=0,
        files_digest=files_digest(base),
    )
    # Two runs at once would train it twice, and one would find the other's folder in its way.
    with bench.ledger.claimed(key):
        if not (folder / _COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            train(bench, base, data, 0, save_to=folder)
            write_minimal_card(folder, base.architecture)
    return obtain(str(folder), settings, report=report)


def _folder(protocol: GainProtocol, base: Checkpoint, data: Target, settings: Settings) -> Path:
    weights = f"{base.local.weights_digest} {files_digest(base)}"
    parts = (weights, target_digest(data), protocol.identifier)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    rows = "all" if protocol.max_train is None else str(protocol.max_train)
    name = "".join(letter if letter.isalnum() else "-" for letter in data.name)[:40]
    return settings.cache_dir / "sources" / f"{name}-{rows}-{digest}"
