"""Gradients, schedule and optimiser of one training, against torch used by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from hubbot.finetuning.batches import Collator, RowNumbers, decided, predict
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.loading import load_classifier
from hubbot.finetuning.rows import Examples, read_texts, tokenise
from hubbot.finetuning.training import (
    MeanOverBatch,
    arguments,
    autocast,
    batch_loss,
    make_steady,
    train,
)
from hubbot.probing.encoder import load_tokenizer

CPU = torch.device("cpu")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def examples(job: FinetuneJob) -> Examples:
    rows = read_texts(job, "train")
    return tokenise(load_tokenizer(job), rows, job=job, on_rows=lambda done: None)


class Gradients(TrainerCallback):
    """Takes a copy of the gradients before each step of the optimiser."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        grads = {n: p.grad.clone() for n, p in kwargs["model"].named_parameters()}
        self.steps.append(grads)


def gradients(job: FinetuneJob, rows_at_a_time: int) -> list[dict[str, torch.Tensor]]:
    """Train without moving: the gradients of all steps are those of the start."""
    model, rows, seen = load_classifier(job), examples(job), Gradients()
    still = replace(job, recipe=replace(job.recipe, learning_rate=0.0))
    settings = arguments(still, rows.n_rows, CPU, rows_at_a_time)
    settings.max_grad_norm = 0.0
    MeanOverBatch(
        model=model,
        args=settings,
        train_dataset=RowNumbers(rows.n_rows),
        data_collator=Collator(rows, model),
        compute_loss_func=batch_loss,
        callbacks=[seen],
    ).train()
    return seen.steps


@pytest.mark.parametrize("family", ["bert", "distilbert", "t5"])
@pytest.mark.parametrize("is_regression", [False, True])
def test_gradients_are_of_the_mean_over_the_whole_batch_however_it_is_cut(
    family: str, is_regression: bool, kit: Any, tmp_path: Path
) -> None:
    off = {"dropout_rate": 0.0} if family == "t5" else NO_DROPOUT
    if family == "distilbert":
        off = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    folder = kit.build(tmp_path / "model", family, **off)
    target = kit.write(tmp_path / "data", n_train=44, is_regression=is_regression)
    job = kit.job(folder, target, tmp_path, batch_size=32, max_epochs=1)
    whole, parts = gradients(job, 32), gradients(job, 8)
    assert len(whole) == len(parts) == 2  # 32 rows, then 12: a part of 8 and one of 4
    for one, other in zip(whole, parts, strict=True):
        for name, gradient in one.items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_the_gradient_of_an_only_batch_is_what_the_model_s_own_loss_gives(
    kit: Any, tmp_path: Path
) -> None:
    folder = kit.build(tmp_path / "model", **NO_DROPOUT)
    job = kit.job(
        folder, kit.write(tmp_path / "data", n_train=32), tmp_path, batch_size=32, max_epochs=1
    )
    rows, model = examples(job), load_classifier(job).train()
    model(**Collator(rows, model)(range(32))).loss.backward()
    for found in (gradients(job, 32)[0], gradients(job, 4)[0]):
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


def trained(job: FinetuneJob, rows_at_a_time: int, score: float = 0.0) -> dict[str, torch.Tensor]:
    make_steady(CPU)
    model, scores = load_classifier(job), iter([score + look for look in range(100)])
    train(
        model,
        examples(job),
        job,
        device=CPU,
        rows_at_a_time=rows_at_a_time,
        look=lambda: next(scores),
        on_step=lambda done: None,
    )
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_weights_after_training_agree_however_the_batch_is_cut(kit: Any, tmp_path: Path) -> None:
    folder = kit.build(tmp_path / "model", **NO_DROPOUT)
    target = kit.write(tmp_path / "data", n_train=104)
    job = kit.job(folder, target, tmp_path, batch_size=32, max_epochs=3)
    before, whole, parts = load_classifier(job).state_dict(), trained(job, 32), trained(job, 8)
    for name, tensor in whole.items():
        if name.endswith("key.bias"):
            continue  # softmax does not feel it: its gradient is rounding, which Adam scales up
        moved = (tensor - before[name]).abs().max()
        assert (parts[name] - tensor).abs().max() < 0.02 * moved + 1e-7, name


def test_training_is_the_same_to_the_last_bit_with_the_same_seed(job: FinetuneJob) -> None:
    first, second, other = (trained(replace(job, seed=seed), 8) for seed in (7, 7, 8))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert not torch.equal(
        first["bert.encoder.layer.0.output.dense.weight"],
        other["bert.encoder.layer.0.output.dense.weight"],
    )


def test_the_weights_of_the_best_look_stay(job: FinetuneJob) -> None:
    model, scores = load_classifier(job), iter([50.0, 60.0, 40.0, 55.0])
    seen: list[dict[str, torch.Tensor]] = []

    def look() -> float:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(scores)

    found = train(
        model,
        examples(job),
        replace(job, recipe=replace(job.recipe, max_epochs=4)),
        device=CPU,
        rows_at_a_time=8,
        look=look,
        on_step=lambda done: None,
    )
    assert (found.best_step, found.steps, found.validation_score) == (16, 32, 60.0)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, seen[1][name]), name
    assert not torch.equal(seen[3]["classifier.weight"], seen[1]["classifier.weight"])


def test_steps_are_those_of_adamw_with_warm_up_and_linear_decay(kit: Any, tmp_path: Path) -> None:
    """Every batch is the whole split, so that the order of the rows does not matter."""
    folder = kit.build(tmp_path / "model", **NO_DROPOUT)
    target = kit.write(tmp_path / "data", n_train=12)
    job = kit.job(
        folder,
        target,
        tmp_path,
        batch_size=12,
        max_epochs=8,
        warmup_share=0.25,
        weight_decay=0.1,
        patience=99,
    )
    found, model, rows = trained(job, 12), load_classifier(job), examples(job)
    decayed = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    )
    model.train()
    for factor in (0.0, 0.5, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * factor
        optimiser.zero_grad()
        model(**Collator(rows, model)(range(12))).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    for name, tensor in model.state_dict().items():
        if not name.endswith("key.bias"):
            torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=5e-6, msg=name)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2", "modernbert", "mpnet", "t5"])
def test_predictions_do_not_depend_on_how_rows_are_batched(
    family: str, kit: Any, tmp_path: Path
) -> None:
    job = kit.job(kit.build(tmp_path / "model", family), kit.write(tmp_path / "data"), tmp_path)
    rows, model = examples(job), load_classifier(job)

    def logits(budget: int) -> np.ndarray[Any, Any]:
        return predict(
            model,
            rows,
            Collator(rows, model),
            tokens_at_a_time=budget,
            autocast=autocast(CPU),
            on_rows=lambda done: None,
        )

    one_by_one = np.concatenate(
        [model(**Collator(rows, model)([row])).logits.detach().numpy() for row in range(60)]
    )
    for budget in (1, 50, 10_000):
        np.testing.assert_allclose(logits(budget), one_by_one, atol=1e-5)


def test_decisions_are_the_largest_logit_or_the_number_itself() -> None:
    logits = np.array([[0.1, 0.9], [2.0, 1.0]], dtype=np.float32)
    assert decided(logits, is_regression=False).tolist() == [1, 0]
    assert decided(logits[:, :1], is_regression=True).tolist() == pytest.approx([0.1, 2.0])
