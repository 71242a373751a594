"""Real MiniLM on real sentences: hubbot's cell against a plain Trainer script without hubbot."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

import hubbot
from hubbot.data.prepared import write_target
from hubbot.demo.contents import base_folder
from hubbot.finetuning.run import ChildLimits, run_cell
from hubbot.schema import Target

SAMPLE = Path(hubbot.__file__).parent / "data" / "samples" / "multi_nli" / "train.parquet"
PLAIN = Path(__file__).parents[2] / "benchmarks" / "plain_trainer.py"
GENRES = ("fiction", "government", "telephone")
RECIPE: dict[str, Any] = {
    "learning_rate": 3e-4,
    "weight_decay": 0.01,
    "warmup_share": 0.06,
    "batch_size": 32,
    "max_epochs": 3,
    "patience": 3,
    "max_length": 16,
}


def genres(folder: Path) -> Target:
    """Tell a sentence's genre: 192 rows to train on, 64 to choose and 128 to test."""
    table = pq.read_table(SAMPLE)
    table = table.filter(pc.is_in(table["genre"], pa.array(GENRES)))
    labels = pc.index_in(table["genre"], pa.array(GENRES)).cast(pa.int64())
    rows = pa.table({"text": table["premise"], "label": labels})
    return write_target(
        "genres",
        {"train": rows[:192], "validation": rows[192:256], "test": rows[256:384]},
        label_names=GENRES,
        metric="accuracy",
        source="MultiNLI",
        licence="",
        split_rule="",
        folder=folder,
    )


def plain(target: Target, folder: Path) -> dict[str, Any]:
    options = {
        "--seed": 1,
        "--epochs": RECIPE["max_epochs"],
        "--learning-rate": RECIPE["learning_rate"],
        "--batch-size": RECIPE["batch_size"],
        "--max-length": RECIPE["max_length"],
        "--save-to": folder,
    }
    files = [str(target.splits[role].path) for role in ("train", "validation", "test")]
    given = [str(part) for option in options.items() for part in option]
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(base_folder()), *files, *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_plain_script_knows_nothing_of_hubbot() -> None:
    tree = ast.parse(PLAIN.read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    assert not [name for name in names if name and name.startswith("hubbot")]


@pytest.mark.slow
def test_a_cell_is_what_a_plain_trainer_makes_and_repeats_itself(kit: Any, tmp_path: Path) -> None:
    target = genres(tmp_path / "data")
    outputs = []
    for name in ("first", "second"):
        job = kit.job(
            base_folder(), target, tmp_path / "work", seed=1, save_to=tmp_path / name, **RECIPE
        )
        outputs.append(run_cell(job, limits=ChildLimits(timeout_s=300)))
    theirs = plain(target, tmp_path / "plain")

    output, labels = outputs[0], pq.read_table(target.splits["test"].path)["label"].to_numpy()
    accuracy = 100 * float(np.mean(output.predictions == labels))
    assert accuracy > 45  # a guess: 33; both sides must have learned something to be compared
    assert output.best_step > output.steps // RECIPE["max_epochs"]  # looks lie behind the weights
    assert accuracy == pytest.approx(theirs["accuracy"], abs=0.5)
    assert output.predictions.tolist() == theirs["predictions"]

    np.testing.assert_array_equal(output.predictions, outputs[1].predictions)
    weights = [
        load_file(tmp_path / name / "model.safetensors") for name in ("first", "second", "plain")
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
        assert torch.equal(tensor, weights[2][name]), name
