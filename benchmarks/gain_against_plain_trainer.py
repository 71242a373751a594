"""A cell of hubbot's against a plain Trainer script: same files, seed and settings; prints JSON.

Each target is prepared once (test, validation and train as `evaluate` has them, train cut to a
label-stratified prefix), then both sides fine-tune all-MiniLM-L6-v2 on those files in turn, A B A
B: hubbot's locked-down child with its recipe gain-minilm@1, and plain_trainer.py, which knows
nothing of hubbot. Scores, the number of equal predictions, whether the saved weights are equal to
the last bit, seconds and memory are printed; medians and the ratio are over the rounds.

    python benchmarks/gain_against_plain_trainer.py --data-dir DATA [--target rte] [--target irony]
        [--max-train 1000] [--epochs 3] [--seed 0] [--rounds 2]

DATA holds glue/rte, tweet_eval/irony or tweet_eval/emotion as Parquet files.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.data.prepared import LABEL, write_target
from hubbot.data.splitting import cut_ends
from hubbot.demo.contents import ARCHITECTURE, base_folder
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.run import ChildLimits, run_cell
from hubbot.probing.rows import stratified_prefix
from hubbot.schema import GainProtocol, Target

PLAIN = Path(__file__).with_name("plain_trainer.py")
TARGETS = {
    "rte": ("glue/rte", ("sentence1", "sentence2"), ("entailment", "not_entailment")),
    "irony": ("tweet_eval/irony", ("text",), ("non_irony", "irony")),
    "emotion": ("tweet_eval/emotion", ("text",), ("anger", "joy", "optimism", "sadness")),
}
"""Folder, text columns and class names."""


def prepare(name: str, data_dir: Path, folder: Path, protocol: GainProtocol) -> Target:
    """Where there is no test split, the validation split is it and train gives up its ends."""
    place, columns, labels = TARGETS[name]
    found = {path.stem: pq.read_table(path) for path in (data_dir / place).glob("*.parquet")}
    if "test" not in found:
        kept, cut = cut_ends(found["train"].num_rows)
        found["test"] = found["validation"]
        found["validation"] = found["train"].take(cut)
        found["train"] = found["train"].take(kept)
    numbers = found["train"][LABEL].to_numpy()
    found["train"] = found["train"].take(
        stratified_prefix(numbers, protocol.max_train or len(numbers))
    )
    names = ("text", "text_pair")[: len(columns)]
    tables = {
        role: pa.table(
            {**{n: table[c] for n, c in zip(names, columns, strict=True)}, LABEL: table[LABEL]}
        )
        for role, table in found.items()
    }
    return write_target(
        name,
        tables,  # type: ignore[arg-type]  # roles are plain strings here
        label_names=labels,
        metric="accuracy",
        source=str(place),
        licence="",
        split_rule="as evaluate has it",
        folder=folder,
    )


def digest(folder: Path) -> str:
    """Return a digest of every saved tensor's name, shape, type and bytes."""
    found = hashlib.sha256()
    for name, tensor in sorted(load_file(folder / "model.safetensors").items()):
        found.update(f"{name} {tensor.shape} {tensor.dtype}".encode())
        found.update(tensor.tobytes())
    return found.hexdigest()


def ours(
    target: Target, protocol: GainProtocol, seed: int, work: Path, saved: Path
) -> dict[str, Any]:
    recipe = replace(protocol.recipe, max_epochs=protocol.epochs or protocol.recipe.max_epochs)
    job = FinetuneJob(
        model=ARCHITECTURE,
        folder=base_folder(),
        weights_files=("model.safetensors",),
        model_type=get_architecture(ARCHITECTURE).model_type,
        allow_bin=False,
        target=target.name,
        splits=target.splits,
        is_pair=target.is_pair,
        label_names=target.label_names,
        metric=target.metric,
        recipe=recipe,
        max_train=None,  # the prepared file is cut already
        seed=seed,
        work_dir=work,
        save_to=saved,
        device="cpu",
    )
    begun = time.monotonic()
    output = run_cell(job, limits=ChildLimits())
    labels = pq.read_table(target.splits["test"].path)[LABEL].to_numpy()
    return {
        "accuracy": 100 * float(np.mean(output.predictions == labels)),
        "predictions": output.predictions.tolist(),
        "weights": digest(saved),
        "train_seconds": output.seconds["train"],
        "all_seconds": round(time.monotonic() - begun, 1),
        "peak_memory_gb": output.peak_memory_gb,
        "rows_at_a_time": output.rows_at_a_time,
    }


def plain(target: Target, protocol: GainProtocol, seed: int, saved: Path) -> dict[str, Any]:
    recipe = protocol.recipe
    files = [str(target.splits[role].path) for role in ("train", "validation", "test")]
    options = {
        "--seed": seed,
        "--epochs": protocol.epochs or recipe.max_epochs,
        "--learning-rate": recipe.learning_rate,
        "--batch-size": recipe.batch_size,
        "--max-length": recipe.max_length,
        "--weight-decay": recipe.weight_decay,
        "--warmup-share": recipe.warmup_share,
        "--patience": recipe.patience,
        "--threshold": recipe.threshold,
        "--save-to": saved,
    }
    given = [str(part) for option in options.items() for part in option]
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(base_folder()), *files, *given],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {
        "weights": digest(saved),
        "all_seconds": round(time.monotonic() - begun, 1),
    }


def compare(name: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    protocol = gain_protocol_of(ARCHITECTURE, max_train=given.max_train, epochs=given.epochs)
    target = prepare(name, given.data_dir, folder / name, protocol)
    sides: dict[str, list[dict[str, Any]]] = {"hubbot": [], "plain": []}
    for turn in range(given.rounds):
        with tempfile.TemporaryDirectory(dir=folder) as saved:
            one, other = Path(saved) / "hubbot", Path(saved) / "plain"
            sides["hubbot"].append(ours(target, protocol, given.seed, folder / "work", one))
            sides["plain"].append(plain(target, protocol, given.seed, other))
        print(f"{name}: round {turn + 1} of {given.rounds} done", file=sys.stderr, flush=True)
    return {
        "target": name,
        "protocol": protocol.identifier,
        "seed": given.seed,
        **agreement(sides["hubbot"], sides["plain"]),
        **medians(sides["hubbot"], sides["plain"]),
        **sides,
    }


def agreement(hubbot: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Take predictions and digests out of the runs and say which of them are equal."""
    predictions = [[np.array(run.pop("predictions")) for run in side] for side in (hubbot, others)]
    weights = [[run.pop("weights") for run in side] for side in (hubbot, others)]
    first, second = (side[0] for side in predictions)
    return {
        "n_test": len(first),
        "equal_predictions": int((first == second).sum()),
        "equal_weights": weights[0][0] == weights[1][0],
        "repeats_itself": {
            name: all((run == runs[0]).all() for run in runs) and len(set(digests)) == 1
            for name, runs, digests in zip(("hubbot", "plain"), predictions, weights, strict=True)
        },
    }


def medians(hubbot: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return median seconds of both sides, hubbot first, and their ratio."""
    found: dict[str, Any] = {}
    for key in ("train_seconds", "all_seconds"):
        ours, theirs = (statistics.median(run[key] for run in runs) for runs in (hubbot, others))
        found[f"median_{key}"] = [round(ours, 1), round(theirs, 1), round(ours / theirs, 2)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    parser.add_argument("--max-train", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in given.target or ("rte", "irony"):
            print(json.dumps(compare(name, given, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
