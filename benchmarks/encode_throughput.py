"""Rows per second through the encoder for several batch sizes, run in turn; medians and ratios.

    python benchmarks/encode_throughput.py MODEL_FOLDER PARQUET [--rows 2000] [--rounds 5]

Tokenisation and model loading are not counted. "one-by-one" is a plain loop without batches, what
length-sorted batches of a token budget are to be compared with.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import AutoModel, AutoTokenizer

from hubbot.probing.encoder import Encoder, pick_device
from hubbot.probing.features import cut_batches, device_name
from hubbot.probing.pooling import pad, padding_id, pooled_vectors
from hubbot.probing.rows import Rows
from hubbot.probing.tokens import Tokens, tokenize


def encode_all(encoder: Encoder, tokens: Tokens, budget: int, device: torch.device) -> float:
    """Return the seconds one pass takes."""
    order = (-tokens.lengths).argsort(kind="stable")
    started = time.perf_counter()
    for rows in cut_batches(order, tokens.lengths, budget):
        batch = pad(tokens, rows, pad_id=padding_id(encoder.config), device=device)
        pooled_vectors(encoder, batch, "first").cpu()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--budgets", type=int, nargs="+", default=[1, 1024, 2048, 4096, 8192, 16384, 32768]
    )
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    device = pick_device(given.device)
    table = pq.read_table(given.data).slice(0, given.rows)
    texts = tuple(table[name].to_pylist() for name in ("premise", "hypothesis"))
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    rows = Rows(texts=texts, labels=table["label"].to_numpy())
    tokens = tokenize(tokenizer, rows, max_length=128, on_rows=lambda done: None)
    model: Any = AutoModel.from_pretrained(given.model).eval().to(device)
    encoder = Encoder(model=model, config=model.config, n_embeddings=0)
    encode_all(encoder, tokens, given.budgets[-1], device)  # warm up
    taken: dict[int, list[float]] = {budget: [] for budget in given.budgets}
    for _ in range(given.rounds):  # in turn, so that a slow moment of the machine hits all alike
        for budget in given.budgets:
            taken[budget].append(encode_all(encoder, tokens, budget, device))
    medians = {budget: statistics.median(seconds) for budget, seconds in taken.items()}
    for budget, seconds in medians.items():
        print(
            json.dumps(
                {
                    "tokens_per_batch": budget if budget > 1 else "one-by-one",
                    "rows_per_second": round(given.rows / seconds, 1),
                    "ratio_to_first": round(medians[given.budgets[0]] / seconds, 2),
                    "rounds": given.rounds,
                    "device": device_name(device),
                    "threads": torch.get_num_threads(),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
