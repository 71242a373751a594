"""Which checkpoint to start from on one's own data, within a budget (Where to start?, §8).

Validation rows choose, test rows report: they are never the same, and no decision looks at a test
score. One seed of one checkpoint is one fine-tuning of the budget, the base model's included; cells
that the ledger holds already are counted too, so that the answer does not hang on what was run
before.
"""

import shlex
from collections.abc import Sequence

from hubbot.candidates import candidates_of, licence_of, within_reach
from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench
from hubbot.comparing import compare
from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.gains.measured_checks import BASE_LEARNED_NOTHING
from hubbot.measurement import Report, no_report, obtain_base
from hubbot.outcomes import Recommendation, Search, Tried
from hubbot.schema import GainProtocol
from hubbot.settings import Settings, load_settings
from hubbot.targets import Columns, OnData, catalog_entry, ignore_data, read_target
from hubbot.trials import Trial, Trials

SEEDS = 3
"""Seeds of each checkpoint unless told: enough to see that a first gain is more than luck."""


def recommend(
    dataset: str,
    *,
    architecture: str,
    budget: int,
    seeds: int = SEEDS,
    search: Search = "ranking",
    candidates: Sequence[str] = (),
    max_train: int | None = None,
    epochs: int | None = None,
    columns: Columns | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    on_data: OnData = ignore_data,
) -> Recommendation:
    """Say which checkpoint to start from on a data set, and whether to leave the base model at all.

    The top of the ranking is tried first; where it does not gain more on validation than its own
    standard error, the answer is the base model and the budget is spared. Otherwise the search
    goes down the ranking. A checkpoint that cannot be fine-tuned, or whose answers do not pass the
    integrity gate, is told of and passed over.

    Args:
        dataset: Name in the catalog, Hub id, file or folder.
        architecture: Name in the catalog, Hub id or older alias.
        budget: Fine-tunings, the base model's included.
        seeds: Of each checkpoint, counted from 0.
        search: ``ranking`` tries one after another with all seeds; ``halving`` tries more of them
            with one seed and gives more seeds to the better half, and so on.
        candidates: Models to try instead of the ranking, in this order.
        max_train: Training rows of the label-stratified prefix; None for all.
        epochs: Passes instead of the recipe's; None for the recipe's.
        columns: What the user says of a data set of their own.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of the data as they are ready: what was guessed, left out, and how they were
            split, before hours are spent.

    Raises:
        SettingsError: If the budget does not pay for the base model and one checkpoint.
        HubbotError: If the data or the base model cannot be used, or none of the first
            checkpoints; the kind says what happened. Finished cells stay in the ledger.
    """
    from hubbot.records.ledger import Ledger

    require_extra("finetune", purpose="fine-tuning")
    if budget < 2 * seeds:
        raise SettingsError(
            f"a budget of {budget} fine-tunings does not pay for the base model and one "
            f"checkpoint with {seeds} seed(s) each; expected {2 * seeds} or more, or fewer --seeds"
        )
    settings = settings or load_settings()
    entry = get_architecture(architecture)
    protocol = gain_protocol_of(entry.name, max_train=max_train, epochs=epochs)
    target = read_target(dataset, protocol.split_rule, settings, columns)
    on_data(target)
    known = candidates_of(entry.name, settings, named=candidates)
    with Ledger(settings.ledger_file) as ledger:
        bench = Bench(settings=settings, protocol=protocol, ledger=ledger, report=report)
        base = obtain_base(entry, settings, report=report)
        reachable = within_reach(known, entry.name, settings, report=report)
        trials = Trials(bench=bench, target=target, seeds=seeds, budget=budget)
        is_worth_it = trials.first(base, reachable)
        if is_worth_it:
            rest = trials.one_by_one if search == "ranking" else trials.by_halves
            rest(reachable)
    again = _arguments(dataset, columns or Columns(), protocol, settings)
    return _answer(
        trials, is_worth_it=is_worth_it, search=search, is_named=bool(candidates), again=again
    )


def _answer(
    trials: Trials, *, is_worth_it: bool, search: Search, is_named: bool, again: str
) -> Recommendation:
    target, best = trials.target, trials.best() if is_worth_it else trials.base
    told = tuple(_told(trials, trial) for trial in trials.tried)
    chosen = told[trials.tried.index(best)]
    loss, loss_note = None, "nothing was chosen from the ranking"
    if best is not trials.base:
        loss, loss_note = _expected_loss(trials, search=search, is_named=is_named)
    return Recommendation(
        dataset=target.name,
        architecture=best.checkpoint.architecture.name,
        choice=best.checkpoint.local.model,
        revision=best.checkpoint.local.revision,
        is_base=best is trials.base,
        gain=chosen.gain,
        interval=chosen.interval,
        licence=chosen.licence,
        verdict=_verdict(trials, chosen, is_worth_it=is_worth_it),
        command=f"hubbot finetune {shlex.quote(_name_of(best))} {again} --out my-model",
        tried=told,
        failed=dict(trials.failed),
        search=search,
        spent=trials.budget - trials.left,
        budget=trials.budget,
        expected_loss=loss,
        expected_loss_note=loss_note,
        protocol=trials.bench.protocol.identifier,
        split_rule=target.split_rule,
        notes=target.notes,
    )


def _told(trials: Trials, trial: Trial) -> Tried:
    n_seeds = len(trial.cells)
    paired = None
    if trial is not trials.base:
        paired = compare(trials.target, trial.cells, trials.base.cells[:n_seeds])
    return Tried(
        model=trial.checkpoint.local.model,
        rank=trial.candidate.rank if trial.candidate else None,
        is_base=trial is trials.base,
        seeds=n_seeds,
        validation_score=trial.validation,
        score=sum(cell.score for cell in trial.cells) / n_seeds,
        gain=0.0 if paired is None else paired.gain,
        interval=(0.0, 0.0) if paired is None else paired.interval,
        licence=licence_of(trial.candidate, trial.checkpoint)
        if trial.candidate
        else trial.checkpoint.architecture.licence,
        flags=trial.flags,
    )


def _verdict(trials: Trials, chosen: Tried, *, is_worth_it: bool) -> str:
    n_tried = len(trials.tried) - 1
    if not n_tried:
        if trials.failed:
            return "start from the pretrained model: no checkpoint that was tried could be measured"
        return "start from the pretrained model: no checkpoint that can be had differs from it"
    blind = _blind(trials)
    if not is_worth_it:
        if blind:
            return (
                f"no answer: {blind}, and the first checkpoint tried does no better on validation; "
                "give more rows or more epochs"
            )
        return f"start from the pretrained model: {_not_worth_it(trials)}; the search ends here"
    if chosen.is_base:
        return (
            f"start from the pretrained model: none of {n_tried} checkpoints was better on "
            "validation"
        )
    low, high = chosen.interval
    return (
        f"start from {chosen.model}, the best on validation: {chosen.gain:+.1f} points on the "
        f"test rows ({low:+.1f} to {high:+.1f}) over the pretrained model"
        + "; ".join(["", *_doubts(trials, chosen), *([blind] if blind else [])])
    )


def _blind(trials: Trials) -> str:
    """Return that the base model learned nothing, which makes any gain over it hard to read."""
    flag = f"{BASE_LEARNED_NOTHING} on {trials.target.name}"
    if not any(flag in trial.flags for trial in trials.tried):
        return ""
    return "the pretrained model learned nothing from these rows (a guess is as good)"


def _not_worth_it(trials: Trials) -> str:
    mean, error = trials.validation_gain(trials.tried[1])
    if mean <= 0:
        return "the first checkpoint tried is no better on validation"
    return (
        f"the first checkpoint tried gains {mean:+.1f} on validation, no more than its standard "
        f"error of {error:.1f} ({trials.seeds} seeds; more of them might tell)"
    )


def _doubts(trials: Trials, chosen: Tried) -> list[str]:
    """Say what the reader of a gain should keep in mind."""
    low, high = chosen.interval
    doubts = []
    if high < 0:
        doubts.append("validation and test disagree, so try more seeds before you rely on it")
    elif low <= 0:
        doubts.append("it may still be chance")
    if chosen.seeds == 1:
        doubts.append("1 seed, whose own noise is not in the interval")
    n_choices = len(trials.complete()) - 1
    if n_choices > 1:
        # Rows differ, runs do not: a lucky run is lucky on validation and test.
        doubts.append(f"the best of {n_choices} is likely to have been lucky, so expect less")
    return doubts


def _name_of(best: Trial) -> str:
    """Return what makes ``hubbot finetune`` start from the very same weights."""
    local = best.checkpoint.local
    if local.revision:
        return f"{local.model}@{local.revision}"
    return best.candidate.model if best.candidate is not None else local.model


def _arguments(dataset: str, columns: Columns, protocol: GainProtocol, settings: Settings) -> str:
    """Return the arguments by which ``hubbot finetune`` reads the same data in the same way."""
    # A column's name may begin with a dash, and a file's: --name=value is read whatever it holds.
    words = [dataset] + [f"--text-column={name}" for name in columns.text]
    given = {
        "label-column": columns.label,
        "config": columns.config,
        "validation": columns.validation,
        "test": columns.test,
        "max-rows": columns.max_rows if columns.max_rows != Columns().max_rows else None,
        "max-train": protocol.max_train,
        "epochs": protocol.epochs,
    }
    if settings.data_dir is not None and catalog_entry(dataset, columns) is not None:
        given["data-dir"] = str(settings.data_dir)
    words += [f"--{name}={value}" for name, value in given.items() if value not in (None, "")]
    if columns.is_regression is not None:
        words.append("--regression" if columns.is_regression else "--no-regression")
    return shlex.join(words)


def _expected_loss(trials: Trials, *, search: Search, is_named: bool) -> tuple[float | None, str]:
    """Return what trying only so many loses on average, as the published gains have it."""
    from hubbot.gains.expected_loss import ORDERS, published_losses

    architecture, n_tried = trials.base.checkpoint.architecture.name, len(trials.tried) - 1
    if is_named:
        return None, "the checkpoints were named by hand, and nothing says what others would gain"
    if search == "halving":
        return None, "nothing published says what halving loses"
    report = published_losses(architecture, tops=(n_tried,))
    if report is None:
        return None, f"no published gains of {architecture} say what trying only some loses"
    line = report.losses[0]
    return line.corrected, (
        f"points lost on average over {report.n_targets} published targets by trying {n_tried} of "
        f"the {report.n_models} models whose gains are published (ordered by "
        f"{ORDERS[line.order]}) instead of all, seed noise taken out"
    )
