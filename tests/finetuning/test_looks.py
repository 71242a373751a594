"""When validation is looked at, which look is kept, and when training stops."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    EarlyStoppingCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from hubbot.finetuning.looks import Looks, steps_between_looks
from hubbot.schema import GainRecipe


def run(
    scores: Sequence[float],
    *,
    every: int = 1,
    patience: int = 99,
    threshold: float = 0.0,
    steps: int | None = None,
) -> tuple[Looks, torch.nn.Linear, list[int]]:
    """Walk through the steps of a training whose only weight is the number of steps taken."""
    model, looked = torch.nn.Linear(1, 1, bias=False), list[int]()
    left, step = iter(scores), 0

    def look() -> float:
        looked.append(step)
        return next(left)

    looks = Looks(look, every=every, patience=patience, threshold=threshold)
    args: Any = None
    control = TrainerControl()
    total = steps or len(scores) * every
    for step in range(1, total + 1):
        model.weight.data.fill_(step)
        state = TrainerState(global_step=step, max_steps=total)
        looks.on_step_end(args, state, control, model=model)
        if control.should_training_stop:
            break
    looks.restore(model)
    return looks, model, looked


@pytest.mark.parametrize(
    ("validate_every", "n_train", "batch_size", "steps"),
    [
        (None, 100, 32, 4),  # an epoch, the last batch of 4 rows included
        (None, 96, 32, 3),
        (12_800, 10**6, 256, 50),
        (12_800, 10, 256, 50),
        (10, 10**6, 256, 1),
    ],
)
def test_looks_come_once_an_epoch_or_after_so_many_rows(
    validate_every: int | None, n_train: int, batch_size: int, steps: int
) -> None:
    recipe: GainRecipe = GainRecipe(
        learning_rate=1e-3,
        weight_decay=0.0,
        warmup_share=0.0,
        batch_size=batch_size,
        max_epochs=1,
        validate_every=validate_every,
        patience=1,
        threshold=0.0,
        max_length=8,
    )
    assert steps_between_looks(recipe, n_train) == steps
    assert steps_between_looks(replace(recipe, validate_every=batch_size), n_train) == 1


def test_the_weights_of_the_best_look_come_back() -> None:
    looks, model, _ = run([50.0, 70.0, 60.0])
    assert (looks.best_step, looks.best_score) == (2, 70.0)
    assert model.weight.item() == 2.0


def test_the_earliest_of_equal_looks_is_kept() -> None:
    looks, model, _ = run([50.0, 70.0, 70.0])
    assert looks.best_step == 2
    assert model.weight.item() == 2.0


def test_looks_come_at_their_steps_and_at_the_last_one() -> None:
    assert run([1.0, 2.0, 3.0, 4.0], every=3, steps=10)[2] == [3, 6, 9, 10]


def test_training_that_ends_before_the_first_look_is_looked_at_once() -> None:
    looks, model, looked = run([42.0], every=50, steps=7)
    assert looked == [7]
    assert (looks.best_step, looks.best_score) == (7, 42.0)
    assert model.weight.item() == 7.0


def test_patience_counts_looks_in_a_row() -> None:
    assert run([50.0, 49.0, 51.0, 50.0, 50.0, 60.0], patience=2)[2] == [1, 2, 3, 4, 5]


def test_creeping_within_the_threshold_does_not_count_but_is_kept() -> None:
    looks, _, looked = run([50.0, 50.5, 51.0, 51.5], patience=2, threshold=1.0)
    assert looked == [1, 2, 3]
    assert looks.best_step == 3


def test_a_negative_correlation_is_a_score_like_any_other() -> None:
    assert run([-30.0, -20.0, -25.0])[0].best_score == -20.0


@given(
    scores=st.lists(st.integers(0, 20).map(float), min_size=1, max_size=25),
    patience=st.integers(1, 4),
    threshold=st.sampled_from([0.0, 0.001, 1.5]),
)
def test_training_stops_where_transformers_would_stop(
    scores: list[float], patience: int, threshold: float
) -> None:
    theirs = EarlyStoppingCallback(patience, threshold)
    args = TrainingArguments(
        output_dir="unused", metric_for_best_model="score", greater_is_better=True, report_to=[]
    )
    state, control = TrainerState(), TrainerControl()
    stopped = 0
    for stopped, score in enumerate(scores, start=1):
        theirs.on_evaluate(args, state, control, metrics={"eval_score": score})
        if state.best_metric is None or score > state.best_metric:
            state.best_metric, state.best_global_step = score, stopped
        if control.should_training_stop:
            break
    looks, _, looked = run(scores, patience=patience, threshold=threshold)
    assert looked[-1] == stopped
    assert looks.best_step == state.best_global_step
