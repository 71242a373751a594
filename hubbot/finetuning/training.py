"""One training with transformers' Trainer, and the looks at validation that go with it."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from hubbot.finetuning.batches import Collator, RowNumbers
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.looks import Looks, steps_between_looks
from hubbot.finetuning.rows import Examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a training went."""

    steps: int
    """Optimiser steps taken."""
    best_step: int
    """Step after which the best look was."""
    epochs: float
    """Passes over the training rows that were taken."""
    train_loss: float
    """Mean training loss."""
    validation_score: float
    """Score of the best look, points."""


class MeanOverBatch(Trainer):
    """Trainer whose loss is the mean over all rows of a batch, however it is cut into parts.

    The classifiers of transformers 5 average over the part they see and take no notice of the
    number of rows that the Trainer hands them, while the Trainer, seeing that they accept it,
    no longer divides by the number of parts: gradients would be summed, eight times too large for
    eight parts. So the loss is taken here, from the logits.
    """

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Count rows; the Trainer counts labels other than -100, which a number may be."""
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return samples, sum(len(part["labels"]) for part in samples)


def batch_loss(outputs: Any, labels: Tensor, num_items_in_batch: int | None = None) -> Tensor:
    """Return this part's share of the batch's mean loss.

    Args:
        outputs: The model's, with ``logits`` of shape (n, n_outputs).
        labels: Shape (n,): int64 classes (cross entropy), or float32 (squared error).
        num_items_in_batch: Rows of the whole batch; None for n.
    """
    logits = outputs["logits"].float()
    if labels.is_floating_point():
        loss = functional.mse_loss(logits.squeeze(-1), labels)
    else:
        loss = functional.cross_entropy(logits, labels)
    n_rows = len(labels)
    whole = n_rows if num_items_in_batch is None else int(num_items_in_batch)
    return loss if whole == n_rows else loss * (n_rows / whole)


class _Steps(TrainerCallback):
    """Passes the Trainer's steps on."""

    def __init__(self, on_step: Callable[[int], None]) -> None:
        self._on_step = on_step

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self._on_step(state.global_step)


def is_bf16(device: torch.device) -> bool:
    """Return whether training runs in bfloat16 where that is safe (autocast)."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return the precision predictions are made in: the training's."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16(device))


def make_steady(device: torch.device) -> None:
    """Switch off what trades digits for speed; on a CPU, also what is not the same every time."""
    torch.set_float32_matmul_precision("highest")  # no TF32
    torch.backends.cudnn.allow_tf32 = False
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, hides nothing here


def train(
    model: Any,
    train_rows: Examples,
    job: FinetuneJob,
    *,
    device: torch.device,
    rows_at_a_time: int,
    look: Callable[[], float],
    on_step: Callable[[int], None],
) -> Trained:
    """Train the model and leave it with the weights of the best look.

    AdamW (weight decay on all but biases and norms), gradients clipped at norm 1, a linear
    schedule with warm-up: the Trainer's own. The order of the rows depends on the seed alone, not
    on ``rows_at_a_time``; with dropout the masks do depend on it.

    Args:
        model: Fresh from ``load_classifier``; changed in place and moved to the device.
        train_rows: Training rows.
        job: Recipe, seed and folder.
        device: Where to train.
        rows_at_a_time: Rows of one pass; a divisor of the recipe's batch.
        look: Returns the score on validation, points.
        on_step: Called with the number of steps done.
    """
    recipe = job.recipe
    looks = Looks(
        look,
        every=steps_between_looks(recipe, train_rows.n_rows),
        patience=recipe.patience,
        threshold=recipe.threshold,
    )
    trainer = MeanOverBatch(
        model=model,
        args=arguments(job, train_rows.n_rows, device, rows_at_a_time),
        train_dataset=RowNumbers(train_rows.n_rows),
        data_collator=Collator(train_rows, model),
        compute_loss_func=batch_loss,
        callbacks=[_Steps(on_step), looks],
    )
    trainer.remove_callback(PrinterCallback)
    outcome = trainer.train()
    looks.restore(model)
    return Trained(
        steps=trainer.state.global_step,
        best_step=looks.best_step,
        epochs=float(trainer.state.epoch or 0.0),
        train_loss=float(outcome.training_loss),
        validation_score=looks.best_score,
    )


def arguments(
    job: FinetuneJob, n_train: int, device: torch.device, rows_at_a_time: int
) -> TrainingArguments:
    """Return the Trainer's settings for one cell.

    Args:
        job: Recipe, seed and folder.
        n_train: Training rows.
        device: Where to train.
        rows_at_a_time: Rows of one pass; a divisor of the recipe's batch.
    """
    recipe = job.recipe
    steps = -(-n_train // recipe.batch_size) * recipe.max_epochs
    return TrainingArguments(
        output_dir=str(job.work_dir),
        num_train_epochs=recipe.max_epochs,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(steps * recipe.warmup_share),
        per_device_train_batch_size=rows_at_a_time,
        gradient_accumulation_steps=recipe.batch_size // rows_at_a_time,
        seed=job.seed,
        bf16=is_bf16(device),
        use_cpu=device.type == "cpu",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device.type == "cuda",
    )
