"""One cell inside the child: load, tokenise, train, look, test, save."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from hubbot.errors import ProbeError
from hubbot.finetuning.batches import Collator, decided, predict
from hubbot.finetuning.job import SAVED, FinetuneJob, FinetuneOutput, Stage, TrainingProgress
from hubbot.finetuning.loading import as_encoder, load_classifier
from hubbot.finetuning.memory import (
    fewer_rows,
    first_rows,
    is_out_of_memory,
    peak_memory_gb,
    release,
)
from hubbot.finetuning.metric import Numbers, points
from hubbot.finetuning.rows import (
    Examples,
    Texts,
    check_ends,
    read_texts,
    tokenise,
    without_ends,
)
from hubbot.finetuning.training import Trained, autocast, is_bf16, make_steady, train
from hubbot.probing.encoder import check_vocabulary, load_tokenizer, pick_device
from hubbot.probing.features import check_positions, device_name
from hubbot.probing.job import SPLITS
from hubbot.probing.tensors import short
from hubbot.schema import SplitName

Report = Callable[[TrainingProgress], None]

_REPORT_S = 0.25


def fine_tune(job: FinetuneJob, *, on_progress: Report) -> FinetuneOutput:
    """Fine-tune the checkpoint on the target and predict the test rows.

    Args:
        job: Files, recipe and seed.
        on_progress: Called as it gets on, not too often.

    Raises:
        CheckpointError: If the checkpoint cannot or must not be loaded.
        DatasetError: If a split does not hold what the job says.
        IntegrityError: If a weight is NaN or infinite.
        ProbeError: If training diverges, or memory does not suffice for one row at a time.
        SettingsError: If the device is not there.
    """
    return _Cell(job, on_progress).run()


class _Cell:
    """What is loaded once and used until the cell is done."""

    def __init__(self, job: FinetuneJob, on_progress: Report) -> None:
        self._job = job
        self._on_progress = on_progress
        self._device = visible_device(job.device)
        self._rows_at_a_time = 0
        self._reported_at = 0.0
        self._model: Any = None
        self._seconds: dict[str, float] = {}

    def run(self) -> FinetuneOutput:
        make_steady(self._device)
        texts = {split: read_texts(self._job, split) for split in SPLITS}
        with self._timed("load"):
            tokenizer = load_tokenizer(self._job)
            self._model = load_classifier(self._job)
        with self._timed("tokenize"):
            examples = self._tokenised(tokenizer, texts)
        self._check(tokenizer, examples)
        trained, predictions = self._fitting(examples)
        if self._job.save_to is not None:
            self._save(tokenizer)
        return FinetuneOutput(
            predictions=predictions,
            validation_score=trained.validation_score,
            steps=trained.steps,
            best_step=trained.best_step,
            epochs=trained.epochs,
            train_loss=trained.train_loss,
            n_train=examples["train"].n_rows,
            rows_at_a_time=self._rows_at_a_time,
            truncated_share={
                split: one.tokens.n_truncated / one.n_rows for split, one in examples.items()
            },
            seconds={name: round(value, 3) for name, value in self._seconds.items()},
            peak_memory_gb=round(peak_memory_gb(self._device), 3),
            device=device_name(self._device),
            dtype="bfloat16" if is_bf16(self._device) else "float32",
            versions={name: version(name) for name in ("torch", "transformers", "accelerate")},
        )

    def _tokenised(
        self, tokenizer: Any, texts: dict[SplitName, Texts]
    ) -> dict[SplitName, Examples]:
        """Turn all texts into tokens; they are dropped as they are done."""
        total, before = sum(len(one.labels) for one in texts.values()), 0

        def on_rows(done: int) -> None:
            self._report("tokenize", before + done, total)

        examples: dict[SplitName, Examples] = {}
        for split in SPLITS:
            rows = texts.pop(split)
            if self._model.config.is_encoder_decoder:
                rows = without_ends(rows, tokenizer)
            examples[split] = tokenise(tokenizer, rows, job=self._job, on_rows=on_rows)
            before += len(rows.labels)
        return examples

    def _check(self, tokenizer: Any, examples: Mapping[SplitName, Examples]) -> None:
        """Check tokenizer against model before hours are spent."""
        encoder = as_encoder(self._model)
        for one in examples.values():
            check_vocabulary(self._job, tokenizer, encoder, one.tokens.largest_id)
            check_positions(self._job, encoder, one.tokens)
            if self._model.config.is_encoder_decoder:
                check_ends(self._job, one, self._model.config.eos_token_id)

    def _fitting(self, examples: Mapping[SplitName, Examples]) -> tuple[Trained, Numbers]:
        """Train with fewer rows at a time, from the start, until memory suffices."""
        batch_size = self._job.recipe.batch_size
        self._rows_at_a_time = first_rows(
            batch_size=batch_size,
            longest=examples["train"].longest,
            device=self._device,
            most=self._job.rows_at_a_time,
        )
        while True:
            try:
                return self._train_and_test(examples)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                told = short(error)
            # Out of the except block, so that the error no longer holds on to what failed.
            if self._rows_at_a_time == 1:
                raise ProbeError(
                    f"{self._job.model} on {self._job.target}: out of memory with one row at a "
                    f"time ({told}); use a machine with more memory"
                )
            self._rows_at_a_time = fewer_rows(batch_size, self._rows_at_a_time)
            self._model = None
            release(self._device)
            self._model = load_classifier(self._job)

    def _train_and_test(self, examples: Mapping[SplitName, Examples]) -> tuple[Trained, Numbers]:
        recipe, validation = self._job.recipe, examples["validation"]
        steps = -(-examples["train"].n_rows // recipe.batch_size) * recipe.max_epochs

        def look() -> float:
            predicted = self._predicted("validate", validation, budget)
            return points(self._job.metric, predicted, validation.labels)

        budget = self._rows_at_a_time * examples["train"].longest
        with self._timed("train"):
            self._report("train", 0, steps)
            trained = train(
                self._model,
                examples["train"],
                self._job,
                device=self._device,
                rows_at_a_time=self._rows_at_a_time,
                look=look,
                on_step=lambda done: self._report("train", done, steps),
            )
        with self._timed("test"):
            return trained, self._predicted("test", examples["test"], budget)

    def _predicted(self, stage: Stage, examples: Examples, budget: int) -> Numbers:
        logits = predict(
            self._model,
            examples,
            Collator(examples, self._model),
            tokens_at_a_time=budget,
            autocast=autocast(self._device),
            on_rows=lambda done: self._report(stage, done, examples.n_rows),
        )
        self._check_finite(logits)
        return decided(logits, is_regression=self._job.is_regression)

    def _check_finite(self, logits: NDArray[np.float32]) -> None:
        if not np.isfinite(logits).all():
            raise ProbeError(
                f"{self._job.model} on {self._job.target}: training with seed {self._job.seed} "
                f"diverged (its predictions are NaN or infinite at a learning rate of "
                f"{self._job.recipe.learning_rate:g}); nothing is recorded"
            )

    def _save(self, tokenizer: Any) -> None:
        """Save as an author would: weights, configuration with label names, tokenizer."""
        self._report("save", 0, 1)
        folder = self._job.work_dir / SAVED
        try:
            self._model.save_pretrained(folder)
        except SafetensorError as error:
            raise system_error(error) from error
        tokenizer.save_pretrained(folder)
        self._report("save", 1, 1)

    @contextmanager
    def _timed(self, name: Stage) -> Iterator[None]:
        """Add the seconds of a stage up, those of a failed try included."""
        if name == "load":
            self._report(name, 0, 0)
        begun = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - begun

    def _report(self, stage: Stage, done: int, total: int) -> None:
        now = time.monotonic()
        if done in (0, total) or now - self._reported_at > _REPORT_S:
            self._reported_at = now
            self._on_progress(
                TrainingProgress(
                    stage=stage, done=done, total=total, rows_at_a_time=self._rows_at_a_time
                )
            )


def system_error(error: SafetensorError) -> OSError:
    """Return what the system refused: safetensors tells it in words alone (a full disk, say)."""
    found = re.search(r"os error (\d+)", str(error))
    if found is None:
        return OSError(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1])))


def visible_device(name: str) -> torch.device:
    """Return the device to train on; of several GPUs the child was shown only the one asked for.

    Raises:
        SettingsError: If there is no such device here.
    """
    if name.startswith("cuda") and torch.cuda.device_count() == 1:
        return torch.device("cuda", 0)
    device = pick_device(name)
    return torch.device("cuda", 0) if device == torch.device("cuda") else device
