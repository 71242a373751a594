"""MNLI accuracy of transformers' own classifier, frozen up to the pooler; prints JSON.

A second opinion on the ``head`` probe that shares no code with hubbot:
BertForSequenceClassification with its encoder frozen, pooler and classifier trained by torch's
AdamW on label-stratified MNLI pairs, tested on the matched split. The frozen encoder's outputs are
computed once, since they cannot change; pooler, dropout and classifier are the model's own modules.

    python benchmarks/head_against_transformers.py MODEL_FOLDER DATA_FOLDER [--max-train 4000]

DATA_FOLDER holds train.parquet, validation_mismatched.parquet (chooses the epoch) and
validation_matched.parquet (tested), with columns premise, hypothesis, label.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import AutoTokenizer, BertForSequenceClassification


def read(path: Path) -> list[tuple[str, str, int]]:
    columns = pq.read_table(path).to_pydict()
    return list(zip(columns["premise"], columns["hypothesis"], columns["label"], strict=True))


def first_of_each_label(
    rows: list[tuple[str, str, int]], wanted: int
) -> list[tuple[str, str, int]]:
    """Take the first rows of each label in proportion to its share, file order kept."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row[2]].append(place)
    exact = {label: len(mine) * wanted / len(rows) for label, mine in places.items()}
    counts = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (counts[label] - exact[label], label))
    for label in by_remainder[: wanted - sum(counts.values())]:
        counts[label] += 1
    kept = sorted(place for label, mine in places.items() for place in mine[: counts[label]])
    return [rows[place] for place in kept]


@torch.no_grad()
def first_token_states(
    model: Any, tokenizer: Any, rows: list[tuple[str, str, int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the frozen encoder; the pooler looks at the first token only."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    states = torch.empty(len(rows), model.config.hidden_size)
    for start in range(0, len(rows), 32):
        places = order[start : start + 32]
        encoded = tokenizer(
            [rows[i][0] for i in places],
            [rows[i][1] for i in places],
            truncation="longest_first",
            max_length=128,
            padding=True,
            return_tensors="pt",
        )
        hidden = model.bert(**encoded).last_hidden_state
        states[places] = hidden[:, 0]
    return states, torch.tensor([row[2] for row in rows])


def logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Apply the model's own pooler, dropout and classifier."""
    return model.classifier(model.dropout(model.bert.pooler(states[:, None])))


def train_and_test(folder: Path, seed: int, splits: dict[str, Any], epochs: int) -> float:
    torch.manual_seed(seed)
    model = BertForSequenceClassification.from_pretrained(folder, num_labels=3)
    for parameter in model.bert.embeddings.parameters():
        parameter.requires_grad = False
    for parameter in model.bert.encoder.parameters():
        parameter.requires_grad = False
    model.dropout.p = 0.1
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0)
    states, labels = splits["train"]
    steps = epochs * -(-len(labels) // 256)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    best, tested = -1.0, 0.0
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(labels)).split(256):
            loss = torch.nn.functional.cross_entropy(logits(model, states[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            chosen, final = (
                (logits(model, splits[name][0]).argmax(1) == splits[name][1]).float().mean().item()
                for name in ("validation", "test")
            )
        if chosen > best:
            best, tested = chosen, final
    return 100 * tested


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--max-train", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    started = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    frozen = BertForSequenceClassification.from_pretrained(given.model, num_labels=3).eval()
    rows = {
        "train": first_of_each_label(read(given.data / "train.parquet"), given.max_train),
        "validation": read(given.data / "validation_mismatched.parquet"),
        "test": read(given.data / "validation_matched.parquet"),
    }
    splits = {name: first_token_states(frozen, tokenizer, rows[name]) for name in rows}
    accuracies = [train_and_test(given.model, seed, splits, given.epochs) for seed in given.seeds]
    print(
        json.dumps(
            {
                "accuracies": accuracies,
                "mean": sum(accuracies) / len(accuracies),
                "n_train": len(rows["train"]),
                "n_test": len(rows["test"]),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
