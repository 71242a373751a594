"""Fine-tune a checkpoint for classification with transformers' Trainer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging as transformers_logging


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How one fine-tuning is run."""

    epochs: int
    """Passes over the rows."""
    learning_rate: float
    """Peak of the linear schedule."""
    batch_size: int
    """Rows per step."""
    max_length: int
    """Tokens after which a text, or a pair, is cut, longest side first."""
    seed: int
    """Decides the head's first weights, dropout and the order of the rows."""


class _Rows(torch.utils.data.Dataset[dict[str, object]]):
    """Tokenised rows as the Trainer reads them."""

    def __init__(self, encoded: dict[str, list[list[int]]], labels: Sequence[int]) -> None:
        self._encoded, self._labels = encoded, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, object]:
        row: dict[str, object] = {name: values[index] for name, values in self._encoded.items()}
        return row | {"labels": self._labels[index]}


class _Report(TrainerCallback):
    """Pass the Trainer's steps on."""

    def __init__(self, on_step: Callable[[int, int], None]) -> None:
        self._on_step = on_step

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        self._on_step(state.global_step, state.max_steps)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing its own bars beside ours; its settings are put back."""
    level = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if had_bars:
            transformers_logging.enable_progress_bar()


def fine_tune(
    base: Path,
    out: Path,
    *,
    texts: Sequence[tuple[str, ...]],
    labels: Sequence[int],
    label_names: Sequence[str],
    recipe: TrainingRecipe,
    on_step: Callable[[int, int], None] | None = None,
) -> float:
    """Fine-tune a checkpoint and save it as its author would: weights, config, tokenizer.

    Args:
        base: Folder of the checkpoint to start from.
        out: Folder to save into.
        texts: One tuple of one or two texts a row.
        labels: Class number of each row, 0 .. len(label_names) - 1.
        label_names: Class names in label order, written to config.json.
        recipe: Training settings.
        on_step: Called with steps done and steps in all.

    Returns:
        Mean training loss.
    """
    with _quiet():
        return _fine_tune(base, out, texts, labels, label_names, recipe, on_step)


def _fine_tune(
    base: Path,
    out: Path,
    texts: Sequence[tuple[str, ...]],
    labels: Sequence[int],
    label_names: Sequence[str],
    recipe: TrainingRecipe,
    on_step: Callable[[int, int], None] | None,
) -> float:
    set_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        base,
        local_files_only=True,
        num_labels=len(label_names),
        id2label=dict(enumerate(label_names)),
        label2id={name: index for index, name in enumerate(label_names)},
    )
    columns = [list(column) for column in zip(*texts, strict=True)]
    encoded = tokenizer(*columns, truncation=True, max_length=recipe.max_length)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out),
            num_train_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            per_device_train_batch_size=recipe.batch_size,
            seed=recipe.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
        ),
        train_dataset=_Rows(dict(encoded), list(labels)),
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[_Report(on_step)] if on_step else [],
    )
    trainer.remove_callback(PrinterCallback)
    outcome = trainer.train()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return float(outcome.training_loss)
