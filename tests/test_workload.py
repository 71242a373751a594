"""How far a run of fine-tunings is, in rows."""

from pathlib import Path

import pytest

from hubbot.catalog.gain_protocols import get_gain_protocol
from hubbot.schema import DataSplit, SplitName, Target
from hubbot.workload import TASK, Workload, rows_of

SIZES: dict[SplitName, int] = {"train": 100, "validation": 30, "test": 60}
TARGET = Target(
    name="mine",
    splits={
        role: DataSplit(path=Path(role), digest=role, n_rows=n_rows, split=role, revision="")
        for role, n_rows in SIZES.items()
    },
    is_pair=False,
    label_names=("no", "yes"),
    metric="accuracy",
    source="",
    licence="",
    split_rule="",
)


@pytest.mark.parametrize(
    ("protocol", "rows"),
    [
        ("gain-minilm@1", 10 * (100 + 10) + 20),
        ("gain-minilm@1+epochs2", 2 * (100 + 10) + 20),
        ("gain-minilm@1+train40+epochs1", 40 + 10 + 20),
        ("gain-minilm@1+train400+epochs1", 100 + 10 + 20),
    ],
)
def test_a_fine_tuning_costs_its_training_rows_and_a_third_of_those_answered(
    protocol: str, rows: int
) -> None:
    assert rows_of(TARGET, get_gain_protocol(protocol)) == rows


def test_what_was_done_never_goes_back_and_ends_at_the_whole() -> None:
    told: list[tuple[str, int, int]] = []
    workload = Workload(lambda *step: told.append(step))
    for key, rows in (("short", 100), ("long", 300), ("short", 100)):
        workload.expect(key, rows)
    workload.move("short", 0.5)
    workload.finish("short")
    workload.move("unknown", 0.5)
    workload.move("long", 0.5)
    workload.finish("long")
    workload.finish("long")
    assert told == [(TASK, done, 400) for done in (50, 100, 250, 400)]


def test_nothing_is_told_where_nothing_is_expected() -> None:
    told: list[tuple[str, int, int]] = []
    Workload(lambda *step: told.append(step)).finish("found in the ledger")
    assert told == []
