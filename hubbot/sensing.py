"""Is a target worth intertraining: base model against one strong one (Where to start?, §8)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hubbot import __version__
from hubbot.annotating import refuse
from hubbot.candidates import candidates_of, within_reach
from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, expect_cells, measure_cells, measure_first
from hubbot.comparing import check_cells, compare
from hubbot.data.own_tables import is_local
from hubbot.errors import CardError, IntegrityError, RemoteError, SettingsError
from hubbot.evaluating import SEEDS
from hubbot.extras import require_extra
from hubbot.measurement import Checkpoint, Report, is_folder, no_report, obtain_base
from hubbot.outcomes import Sensed, SensedSize
from hubbot.schema import DatasetAnnotation, SensitivityNote, Target
from hubbot.settings import Settings, load_settings
from hubbot.targets import Columns, OnData, catalog_entry, ignore_data, possible_sizes, read_target
from hubbot.workload import Workload

if TYPE_CHECKING:
    from hubbot.records.cells import Cell


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
    on_data: OnData = ignore_data,
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
        on_data: Told of the data as they are ready: what was guessed, left out, and how they were
            split, before hours are spent.

    Returns:
        The verdict at the largest size, and the gain at each.

    Raises:
        HubbotError: The kind says what happened; finished cells stay in the ledger.
    """
    from hubbot.records.ledger import Ledger

    require_extra("finetune", purpose="fine-tuning")
    settings = settings or load_settings()
    entry = get_architecture(architecture)
    if not 0 < to_see <= 100:  # also refuses NaN
        raise SettingsError(f"--to-see {to_see}: expected a difference above 0, up to 100 points")
    target = read_target(dataset, "as-run", settings, columns)
    on_data(target)
    protocols = [
        gain_protocol_of(entry.name, max_train=size, epochs=epochs)
        for size in possible_sizes(sizes, target)
    ]
    named = () if model is None else (model,)
    choices = candidates_of(entry.name, settings, named=named)
    candidate, strong = next(within_reach(choices, entry.name, settings, report=report))
    # A copy of the base model is compared like any other: it shows what no difference looks like.
    trains = settings.finetune.trains
    base = obtain_base(entry, settings, report=report, needs_weights=trains)
    workload = Workload(report)
    with Ledger(settings.ledger_file) as ledger:
        benches = [
            Bench(settings=settings, protocol=one, ledger=ledger, report=report, workload=workload)
            for one in protocols
        ]
        for bench in benches:
            for one in (base, strong):
                expect_cells(bench, one, target, range(seeds))
        found = [_at(bench, target, strong, base, range(seeds), to_see=to_see) for bench in benches]
    return _sensed(
        target,
        _home(dataset, columns),
        strong=strong,
        base=base,
        rank=candidate.rank,
        seeds=seeds,
        sizes=tuple(found),
    )


def _sensed(
    target: Target,
    home: tuple[str, str | None],
    *,
    strong: Checkpoint,
    base: Checkpoint,
    rank: int | None,
    seeds: int,
    sizes: tuple[SensedSize, ...],
) -> Sensed:
    """Put the answer together; the largest size speaks for all."""
    last = sizes[-1]
    return Sensed(
        dataset=target.name,
        source=target.source,
        hub_id=home[0],
        config=home[1],
        data_revision=target.splits["test"].revision,
        architecture=strong.architecture.name,
        base_model=base.local.model,
        model=strong.local.model,
        revision=strong.local.revision,
        rank=rank,
        protocol=last.protocol,
        gain=last.gain,
        interval=last.interval,
        se=last.se,
        p_value=last.p_value,
        verdict=last.verdict,
        seeds=seeds,
        metric=target.metric,
        n_test=target.splits["test"].n_rows,
        sizes=sizes,
        split_rule=target.split_rule,
        notes=target.notes,
        flags=last.flags,
        label_column=target.label_column,
        text_columns=target.text_columns,
        is_sampled=not (target.is_catalog or target.is_whole),
    )


def _home(dataset: str, columns: Columns | None) -> tuple[str, str | None]:
    """Return Hub id and configuration of a data set; no id for files of one's own."""
    spec = catalog_entry(dataset, columns)
    if spec is not None:
        return spec.hub_id, spec.config
    if is_local(dataset):
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
        SettingsError: If the data set or the model is not read from the Hub.
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
    if settings.data_dir is not None and catalog_entry(dataset, columns) is not None:
        raise SettingsError(
            f"{dataset} would be read from {settings.data_dir}, and a card names the revision of "
            "the data behind a number; leave --data-dir (HUBBOT_DATA_DIR) out, or leave --send out"
        )
    return check_dataset_card(hub_id, settings=settings, send=True, confirm=confirm)


def publish_sensed(found: Sensed, *, settings: Settings, send: bool) -> DatasetAnnotation | None:
    """Propose what was found to the data set's card by pull request, or show what that would be.

    Args:
        found: From ``sensitivity``.
        settings: Tokens, opt-out list, and who runs the bot.
        send: Whether to write to the Hub; ``check_can_send`` has asked for consent. Without it
            nothing that is in the way is an error.

    Returns:
        What was or would be done; None where the data were not read from the Hub, whose card then
        cannot name their revision.

    Raises:
        HubbotError: As ``publish_dataset_note``, where it is to be sent.
    """
    from hubbot.annotating_datasets import publish_dataset_note

    if not (found.hub_id and found.data_revision):
        return None
    if found.flags:
        return _not_proposed(found, f"not fit for a card: {'; '.join(found.flags)}")
    try:
        return publish_dataset_note(
            _note(found), settings=settings, send=send, confirm=lambda _: True
        )
    except (CardError, RemoteError, SettingsError) as error:
        if send:
            raise
        return _not_proposed(found, str(error))


def _not_proposed(found: Sensed, reason: str) -> DatasetAnnotation:
    return DatasetAnnotation(
        dataset=found.hub_id, action="skipped", reason=reason, url=None, diff=""
    )


def _note(found: Sensed) -> SensitivityNote:
    """Return what a card says of the outcome."""
    from hubbot.gains.paired import LEVEL

    return SensitivityNote(
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
        label_column=found.label_column,
        text_columns=",".join(found.text_columns),
        n_train=found.sizes[-1].n_train if found.is_sampled else None,
    )


def _at(
    bench: Bench,
    target: Target,
    strong: Checkpoint,
    base: Checkpoint,
    seeds: Sequence[int],
    *,
    to_see: float,
) -> SensedSize:
    """Measure both models at one training size."""
    from hubbot.gains.measured_checks import BASE_LEARNED_NOTHING
    from hubbot.gains.sensitivity import judge

    measure_first(bench, strong, target, seeds[0])
    others = measure_cells(bench, base, target, seeds)
    own = measure_cells(bench, strong, target, seeds)
    flags = _flags(bench, target, own, others)
    paired = compare(target, own, others)
    told = judge(paired, to_see=to_see)
    verdict = told.verdict
    if f"{BASE_LEARNED_NOTHING} on {target.name}" in flags:
        verdict = (
            f"{verdict}; the pretrained model learned nothing from these rows (a guess is as "
            "good), so more rows or epochs may say otherwise"
        )
    return SensedSize(
        n_train=int(own[0].details["n_train"]),
        protocol=bench.protocol.identifier,
        gain=told.gain,
        interval=told.interval,
        se=told.se,
        p_value=told.p_value,
        verdict=verdict,
        score=paired.score,
        base_score=paired.base_score,
        seeds_needed=told.seeds_needed,
        least_visible=told.least_visible,
        flags=flags,
    )


def _flags(
    bench: Bench, target: Target, own: "Sequence[Cell]", base: "Sequence[Cell]"
) -> tuple[str, ...]:
    """Return words of warning.

    The base model's own weights are answered for, unlike in ``evaluate``: they show what no
    difference looks like. It says nothing of the data, though.
    """
    try:
        return check_cells(bench, target, own, base)
    except IntegrityError as error:
        if error.check != "same-weights":
            raise
        return ("the strong model holds the base model's weights",)
