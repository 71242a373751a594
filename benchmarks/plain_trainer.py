"""Fine-tune a checkpoint with transformers' Trainer and nothing else, and print its test accuracy.

The other side of gain_against_plain_trainer.py: written from transformers' documentation, without
hubbot. Three Parquet files with the columns text, label (class numbers) and, for pairs, text_pair:

    python benchmarks/plain_trainer.py MODEL_FOLDER train.parquet validation.parquet test.parquet \
        --seed 0 --epochs 3 --learning-rate 1e-4 --batch-size 32 --max-length 128

Needs transformers, accelerate, torch, pyarrow and numpy. Prints one JSON document: accuracy (test
rows labelled correctly, in points), the predicted classes, the seconds training took, and the most
memory the process ever held, GiB, as Linux counts it.
"""

import argparse
import json
import math
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of the checkpoint")
    parser.add_argument("train", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--warmup-share", type=float, default=0.06)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--threshold", type=float, default=0.001, help="points")
    parser.add_argument("--save-to", type=Path, help="folder for the fine-tuned checkpoint")
    return parser.parse_args()


def read(path: Path, tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    columns = pq.read_table(path).to_pydict()
    texts = [columns[name] for name in ("text", "text_pair") if name in columns]
    encoded = tokenizer(*texts, truncation=True, max_length=max_length)
    rows = [
        dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)
    ]
    return [row | {"labels": label} for row, label in zip(rows, columns["label"], strict=True)]


def accuracy(outcome: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(outcome.predictions.argmax(axis=-1) == outcome.label_ids))}


def peak_memory_gb() -> float:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return round(int(found[1]) / 2**20, 3) if found else math.nan


def main() -> None:
    given = parse()
    set_seed(given.seed)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    paths = (given.train, given.validation, given.test)
    train, validation, test = (read(path, tokenizer, given.max_length) for path in paths)
    n_classes = 1 + max(row["labels"] for rows in (train, validation, test) for row in rows)
    model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=n_classes)
    steps = given.epochs * math.ceil(len(train) / given.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=given.epochs,
                learning_rate=given.learning_rate,
                weight_decay=given.weight_decay,
                warmup_steps=math.ceil(given.warmup_share * steps),
                per_device_train_batch_size=given.batch_size,
                per_device_eval_batch_size=given.batch_size,
                seed=given.seed,
                eval_strategy="epoch",
                save_strategy="epoch",
                save_total_limit=1,
                save_only_model=True,
                load_best_model_at_end=True,
                metric_for_best_model="accuracy",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
            callbacks=[EarlyStoppingCallback(given.patience, given.threshold / 100)],
        )
        trainer.remove_callback(PrinterCallback)
        begun = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - begun
        outcome = trainer.predict(test)
    if given.save_to:
        trainer.save_model(str(given.save_to))
    predicted = outcome.predictions.argmax(axis=-1)
    found = {
        "accuracy": 100 * float(np.mean(predicted == outcome.label_ids)),
        "predictions": predicted.tolist(),
        "train_seconds": round(seconds, 1),
        "peak_memory_gb": peak_memory_gb(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
