"""Which checkpoint to start from on one's own data, within a budget (Where to start?, §8).

Validation rows choose, test rows report: they are never the same, and no decision looks at a test
score. One seed of one checkpoint is one fine-tuning of the budget, the base model's included; cells
that the ledger holds already are counted too, so that the answer does not hang on what was run
before.
"""

import logging
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubbot.candidates import Candidate, candidates_of, licence_of, within_reach
from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, measure_cells
from hubbot.comparing import compare
from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.measurement import Checkpoint, Report, no_report, obtain_base
from hubbot.outcomes import Recommendation, Search, Tried
from hubbot.schema import GainProtocol, Target
from hubbot.settings import Settings, load_settings
from hubbot.targets import Columns, OnData, catalog_entry, ignore_data, read_target

if TYPE_CHECKING:
    from hubbot.records.cells import Cell

logger = logging.getLogger(__name__)

_SPENT = "fine-tunings of the budget"
"""Task that is reported; the search may end before."""

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
    goes down the ranking.

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
        HubbotError: The kind says what else happened; finished cells stay in the ledger.
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
        trials = _Trials(bench=bench, target=target, seeds=seeds, budget=budget)
        is_worth_it = trials.first(base, reachable)
        if is_worth_it:
            rest = trials.one_by_one if search == "ranking" else trials.by_halves
            rest(reachable)
    again = _arguments(dataset, columns or Columns(), protocol, settings)
    return _answer(
        trials, is_worth_it=is_worth_it, search=search, is_named=bool(candidates), again=again
    )


@dataclass(slots=True, kw_only=True)
class _Trial:
    """One checkpoint tried."""

    candidate: Candidate | None
    """None for the base model."""
    checkpoint: Checkpoint
    cells: "tuple[Cell, ...]" = ()

    @property
    def validation(self) -> float:
        """Mean score on validation, points."""
        return sum(cell.validation_score for cell in self.cells) / len(self.cells)


@dataclass(slots=True, kw_only=True)
class _Trials:
    """Everything tried so far; the base model comes first."""

    bench: Bench
    target: Target
    seeds: int
    budget: int
    tried: list[_Trial] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    """Models passed over: a copy is not tried twice, and the base model's gains nothing."""

    @property
    def base(self) -> _Trial:
        return self.tried[0]

    @property
    def left(self) -> int:
        """Fine-tunings that the budget still pays for."""
        return self.budget - sum(len(trial.cells) for trial in self.tried)

    def first(self, base: Checkpoint, reachable: "Iterator[tuple[Candidate, Checkpoint]]") -> bool:
        """Try the base model and the first candidate; say whether to go on."""
        self.tried.append(_Trial(candidate=None, checkpoint=base))
        trial = self._next(reachable)
        for one in self.tried:
            self._run(one, self.seeds)
        return trial is not None and self._gains_more_than_luck(trial)

    def one_by_one(self, reachable: "Iterator[tuple[Candidate, Checkpoint]]") -> None:
        """Go down the ranking, all seeds each, as far as the budget pays."""
        while self.left >= self.seeds:
            trial = self._next(reachable)
            if trial is None:
                return
            self._run(trial, self.seeds)

    def by_halves(self, reachable: "Iterator[tuple[Candidate, Checkpoint]]") -> None:
        """Give one seed to many, one more to the better half, until few have all seeds."""
        alive: list[_Trial] = []
        while self.left >= 1 and _cost_of_halving(len(alive) + 1, self.seeds) <= self._room(alive):
            trial = self._next(reachable)
            if trial is None:
                break
            self._run(trial, 1)
            alive.append(trial)
        n_seeds = 1
        while alive and n_seeds < self.seeds:
            alive.sort(key=lambda trial: -trial.validation)
            alive = alive[: math.ceil(len(alive) / 2)]
            n_seeds += 1
            for trial in alive:
                self._run(trial, n_seeds)

    def _room(self, alive: Sequence[_Trial]) -> int:
        return self.left + sum(len(trial.cells) for trial in alive)

    def _next(self, reachable: "Iterator[tuple[Candidate, Checkpoint]]") -> _Trial | None:
        known = {trial.checkpoint.local.weights_digest for trial in self.tried}
        for candidate, checkpoint in reachable:
            if checkpoint.local.weights_digest in known:
                self.copies.append(checkpoint.local.model)
                logger.warning(
                    "passed over: %s holds the very weights of a model tried before",
                    checkpoint.local.model,
                )
                continue
            trial = _Trial(candidate=candidate, checkpoint=checkpoint)
            self.tried.append(trial)
            return trial
        return None

    def _run(self, trial: _Trial, n_seeds: int) -> None:
        before = self.budget - self.left - len(trial.cells)
        done: list[Cell] = []

        def on_cell(cell: "Cell") -> None:
            done.append(cell)
            if len(done) > len(trial.cells):
                self.bench.report(_SPENT, before + len(done), self.budget)

        trial.cells = measure_cells(
            self.bench, trial.checkpoint, self.target, range(n_seeds), on_cell=on_cell
        )

    def _gains_more_than_luck(self, trial: _Trial) -> bool:
        """Return whether validation gains more than the standard error of its mean."""
        pairs = zip(trial.cells, self.base.cells, strict=True)
        gains = [own.validation_score - other.validation_score for own, other in pairs]
        mean = sum(gains) / len(gains)
        if len(gains) == 1:
            return mean > 0
        variance = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
        return mean > math.sqrt(variance / len(gains))

    def best(self) -> _Trial:
        """Return the best on validation among those with all seeds; the base model on a tie."""
        complete = [trial for trial in self.tried if len(trial.cells) == self.seeds]
        return max(complete, key=lambda trial: trial.validation)  # the first of equals


def _cost_of_halving(n: int, seeds: int) -> int:
    """Return the fine-tunings that halving n checkpoints takes."""
    cost, alive = n, n
    for _ in range(seeds - 1):
        alive = math.ceil(alive / 2)
        cost += alive
    return cost


def _answer(
    trials: _Trials, *, is_worth_it: bool, search: Search, is_named: bool, again: str
) -> Recommendation:
    target, best = trials.target, trials.best() if is_worth_it else trials.base
    told = tuple(_told(trials, trial) for trial in trials.tried)
    chosen = told[trials.tried.index(best)]
    n_tried = len(trials.tried) - 1
    loss, loss_note = _expected_loss(best.checkpoint.architecture.name, n_tried, is_named=is_named)
    return Recommendation(
        dataset=target.name,
        architecture=best.checkpoint.architecture.name,
        choice=best.checkpoint.local.model,
        revision=best.checkpoint.local.revision,
        is_base=best is trials.base,
        gain=chosen.gain,
        interval=chosen.interval,
        licence=chosen.licence,
        verdict=_verdict(best, chosen, is_worth_it=is_worth_it, n_tried=n_tried),
        command=f"hubbot finetune {shlex.quote(_name_of(best))} {again} --out my-model",
        tried=told,
        search=search,
        spent=sum(len(trial.cells) for trial in trials.tried),
        budget=trials.budget,
        expected_loss=loss,
        expected_loss_note=loss_note,
        protocol=trials.bench.protocol.identifier,
        split_rule=target.split_rule,
        notes=target.notes,
    )


def _told(trials: _Trials, trial: _Trial) -> Tried:
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
    )


def _verdict(best: _Trial, chosen: Tried, *, is_worth_it: bool, n_tried: int) -> str:
    if not n_tried:
        return (
            "start from the pretrained model: every checkpoint that can be had holds its very "
            "weights"
        )
    if not is_worth_it:
        return (
            "start from the pretrained model: the first checkpoint tried does not gain more on "
            "validation than chance explains, so others are not worth trying"
        )
    if chosen.is_base:
        return (
            f"start from the pretrained model: none of {n_tried} checkpoints was better on "
            "validation"
        )
    low, high = chosen.interval
    doubt = "" if low > 0 else ", which may still be chance"
    if high < 0:
        doubt = ": validation and test disagree, so try more seeds before you rely on it"
    return (
        f"start from {best.checkpoint.local.model}, the best on validation: {chosen.gain:+.1f} "
        f"points on the test rows ({low:+.1f} to {high:+.1f}) over the pretrained model{doubt}"
    )


def _name_of(best: _Trial) -> str:
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


def _expected_loss(architecture: str, n_tried: int, *, is_named: bool) -> tuple[float | None, str]:
    """Return what trying only so many loses on average, as the published gains have it."""
    from hubbot.gains.expected_loss import published_losses

    if is_named:
        return None, "the checkpoints were named by hand, and nothing says what others would gain"
    report = published_losses(architecture, tops=(max(n_tried, 1),))
    if report is None:
        return None, f"no published gains of {architecture} say what trying only some loses"
    line = report.losses[0]
    return line.corrected, (
        f"points lost on average over {report.n_targets} published targets by trying the first "
        f"{n_tried} of {report.n_models} models instead of all, seed noise taken out"
    )
