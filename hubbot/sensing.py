"""Is a target worth intertraining: base model against one strong one (Where to start?, §8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot import __version__
from hubbot.annotating import refuse
from hubbot.candidates import candidates_of, within_reach
from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.datasets import find_dataset
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, Columns, measure_cells, read_target
from hubbot.errors import SettingsError
from hubbot.evaluating import SEEDS, compare
from hubbot.extras import require_extra
from hubbot.measurement import Checkpoint, Report, is_folder, no_report, obtain_base
from hubbot.outcomes import Sensed, SensedSize
from hubbot.schema import DatasetAnnotation, SensitivityNote, Target
from hubbot.settings import Settings, load_settings

if TYPE_CHECKING:
    from hubbot.records.ledger import Ledger


def sensitivity(
    dataset: str,
    *,
    architecture: str,
    model: str | None = None,
    seeds: int = SEEDS,
    sizes: Sequence[int | None] = (None,),
    epochs: int | None = None,
    to_see: float = 0.5,
    columns: Columns | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
) -> Sensed:
    """Tell whether fine-tuning on a data set gains from starting at a strong intermediate model.

    Args:
        dataset: Name in the catalog, Hub id, file or folder.
        architecture: Name in the catalog, Hub id or older alias.
        model: The strong model; None for the top of the ranking that can be had.
        seeds: How many, counted from 0.
        sizes: Training rows to try; None for all of them.
        epochs: Passes instead of the recipe's; None for the recipe's.
        to_see: Difference, points, worth seeing: the verdict says how many seeds it takes.
        columns: What the user says of a data set of their own.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.

    Returns:
        The verdict at the largest size, and the gain at each.

    Raises:
        HubbotError: The kind says what happened; finished cells stay in the ledger.
    """
    from hubbot.records.ledger import Ledger

    require_extra("finetune", purpose="fine-tuning")
    settings = settings or load_settings()
    entry = get_architecture(architecture)
    ordered = sorted(set(sizes), key=lambda size: float("inf") if size is None else size)
    if not ordered:
        raise SettingsError("no training sizes; expected numbers of rows, or all")
    target = read_target(dataset, gain_protocol_of(entry.name, epochs=epochs), settings, columns)
    ordered = _possible(ordered, target)
    named = () if model is None else (model,)
    choices = candidates_of(entry.name, settings, named=named)
    candidate, strong = next(within_reach(choices, entry.name, settings, report=report))
    # A copy of the base model is compared like any other: it shows what no difference looks like.
    base = obtain_base(entry, settings, report=report)
    with Ledger(settings.ledger_file) as ledger:
        work = _Work(
            target=target,
            strong=strong,
            base=base,
            seeds=seeds,
            settings=settings,
            epochs=epochs,
            to_see=to_see,
            report=report,
        )
        found = tuple(work.at(size, ledger) for size in ordered)
    last = found[-1]
    hub_id, config = _home(dataset, columns)
    return Sensed(
        dataset=target.name,
        source=target.source,
        hub_id=hub_id,
        config=config,
        data_revision=target.splits["test"].revision,
        architecture=entry.name,
        base_model=base.local.model,
        model=strong.local.model,
        revision=strong.local.revision,
        rank=candidate.rank,
        protocol=last.protocol,
        gain=last.gain,
        interval=last.interval,
        se=last.se,
        p_value=last.p_value,
        verdict=last.verdict,
        seeds=seeds,
        metric=target.metric,
        n_test=target.splits["test"].n_rows,
        sizes=found,
        split_rule=target.split_rule,
        notes=target.notes,
    )


def _home(dataset: str, columns: Columns | None) -> tuple[str, str | None]:
    """Return Hub id and configuration of a data set; no id for files of one's own."""
    is_own = columns is not None and columns != Columns()
    spec = None if is_own else find_dataset(dataset)
    if spec is not None:
        return spec.hub_id, spec.config
    if Path(dataset).expanduser().exists():
        return "", None
    return dataset, columns.config if columns else None


def check_can_send(
    dataset: str,
    *,
    model: str | None,
    columns: Columns | None,
    settings: Settings,
    confirm: Callable[[str], bool] = refuse,
) -> DatasetAnnotation | None:
    """Find out before hours of fine-tuning whether the outcome could be brought to a card.

    Args:
        dataset: As for ``sensitivity``.
        model: As for ``sensitivity``.
        columns: As for ``sensitivity``.
        settings: Tokens, opt-out list, and who runs the bot.
        confirm: Asked once, with a sentence, before writing to somebody else's repository.

    Returns:
        The outcome for a data set that is left alone; None where nothing speaks against it.

    Raises:
        SettingsError: If the data set or the model is not on the Hub.
        HubbotError: If a note could not be sent: no token, one that only reads, nobody agreed.
    """
    from hubbot.annotating_datasets import check_dataset_card

    hub_id, _ = _home(dataset, columns)
    if not hub_id:
        raise SettingsError(
            f"{dataset} is a file of your own and has no card; leave --send out, or name a data "
            "set by its Hub id"
        )
    if model is not None and is_folder(model):
        raise SettingsError(
            f"--with {model} is a folder, which readers of a card cannot get; name a checkpoint by "
            "its Hub id, or leave --send out"
        )
    return check_dataset_card(hub_id, settings=settings, send=True, confirm=confirm)


def publish_sensed(found: Sensed, *, settings: Settings, send: bool) -> DatasetAnnotation:
    """Propose what was found to the data set's card by pull request, or show what that would be.

    Args:
        found: From ``sensitivity``.
        settings: Tokens, opt-out list, and who runs the bot.
        send: Whether to write to the Hub; ``check_can_send`` has asked for consent.

    Raises:
        HubbotError: As ``publish_dataset_note``.
    """
    from hubbot.annotating_datasets import publish_dataset_note
    from hubbot.gains.paired import LEVEL

    note = SensitivityNote(
        dataset=found.hub_id,
        revision=found.data_revision,
        target=found.dataset,
        config=found.config,
        architecture=found.architecture,
        base_model=found.base_model,
        intermediate_model=found.model,
        intermediate_revision=found.revision,
        gain=found.gain,
        interval=found.interval,
        level=LEVEL,
        se=found.se,
        seeds=found.seeds,
        n_test=found.n_test,
        metric=found.metric,
        protocol=found.protocol,
        verdict=found.verdict,
        date=datetime.now(tz=UTC).date(),
        hubbot_version=__version__,
    )
    return publish_dataset_note(note, settings=settings, send=send, confirm=lambda _: True)


def _possible(sizes: Sequence[int | None], target: Target) -> list[int | None]:
    """Return sizes below the number of rows; those at or above it are all of them."""
    n_rows = target.splits["train"].n_rows
    kept: list[int | None] = [size for size in sizes if size is not None and size < n_rows]
    return kept if len(kept) == len(sizes) else [*kept, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the sizes of one run share."""

    target: Target
    strong: Checkpoint
    base: Checkpoint
    seeds: int
    settings: Settings
    epochs: int | None
    to_see: float
    report: Report

    def at(self, size: int | None, ledger: "Ledger") -> SensedSize:
        """Measure both models at one training size."""
        from hubbot.gains.sensitivity import judge

        protocol = gain_protocol_of(
            self.strong.architecture.name, max_train=size, epochs=self.epochs
        )
        bench = Bench(settings=self.settings, protocol=protocol, ledger=ledger, report=self.report)
        others = measure_cells(bench, self.base, self.target, range(self.seeds))
        own = measure_cells(bench, self.strong, self.target, range(self.seeds))
        paired = compare(self.target, own, others)
        told = judge(paired, to_see=self.to_see)
        return SensedSize(
            n_train=int(own[0].details["n_train"]),
            protocol=protocol.identifier,
            gain=told.gain,
            interval=told.interval,
            se=told.se,
            p_value=told.p_value,
            verdict=told.verdict,
            score=paired.score,
            base_score=paired.base_score,
            seeds_needed=told.seeds_needed,
            least_visible=told.least_visible,
        )
