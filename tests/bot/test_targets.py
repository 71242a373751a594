"""The budget of a pass ends between two fine-tunings, never inside one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbot.bot.targets import BudgetSpent, counting
from hubbot.bot.workplace import Budget, Workplace
from hubbot.records.pass_rows import BotLedger
from hubbot.settings import Settings


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    settings = Settings(ledger_file=tmp_path / "ledger.sqlite")
    with BotLedger(settings.ledger_file) as ledger:
        yield Workplace(ledger=ledger, settings=settings, budget=Budget(minutes=1.0), number=1)


def test_a_fine_tuning_that_was_begun_is_finished_and_no_other_is_begun(work: Workplace) -> None:
    report = counting(work)
    report("me/x on rte, seed 0: load", 0, 1)
    work.begun -= 120  # two minutes later
    report("me/x on rte, seed 0: train", 5, 10)
    report("all fine-tunings (rows)", 10, 100)
    with pytest.raises(BudgetSpent, match="the budget of 1 minutes is spent"):
        report("me/x on rte, seed 1: load", 0, 1)


def test_while_the_budget_lasts_everything_is_told_on(work: Workplace) -> None:
    told: list[str] = []
    work.report = lambda task, done, total: told.append(task)
    report = counting(work)
    tasks = [f"me/x on rte, seed {seed}: load" for seed in range(3)]
    for task in tasks:
        report(task, 0, 1)
    assert told == tasks
