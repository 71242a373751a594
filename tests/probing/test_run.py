"""Probes in real child processes: what comes back, and what is said when nothing does."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hubbot.errors import CheckpointError, DatasetError, IntegrityError, ProbeError
from hubbot.probing.job import ChildLimits, ProbeJob, Progress
from hubbot.probing.keys import features_key, read_config
from hubbot.probing.run import run_probe
from hubbot.probing.work import probe
from hubbot.schema import SplitName

LIMITS = ChildLimits(timeout_s=120)


def children() -> list[int]:
    """Return the probing children of this process (pytest has others)."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "hubbot.probing.lockdown" in process.cmdline():
                found.append(process.pid)
    return found


def test_a_probe_comes_back_whole_and_is_not_run_twice(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, max_train=21, n_train=60)
    seen: list[Progress] = []
    first = run_probe(job, limits=LIMITS, on_progress=seen.append)

    assert {head: array.shape for head, array in first.predictions.items()} == {
        "linear": (1, 17),
        "head": (2, 17),
    }
    assert first.n_train == 21
    assert first.pooler_origin == "checkpoint"
    assert first.device == "cpu"
    assert first.dtype == "float32"
    assert first.versions["torch"] == torch.__version__
    assert set(first.seconds) == {"tokenize", "encode", "head"}
    assert len(first.best_epochs) == 2
    assert first.from_cache == {"tokens": False, "features": False, "heads": False}
    assert "hook" in first.network_guard
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["load", "tokenize", "encode", "head"]
    last = {p.split: (p.done, p.total) for p in seen if p.stage == "encode"}
    assert last == {"train": (21, 21), "validation": (12, 12), "test": (17, 17)}

    seen.clear()
    second = run_probe(job, limits=LIMITS, on_progress=seen.append)
    assert seen == []
    assert second.from_cache == {"tokens": True, "features": True, "heads": True}
    for head, array in first.predictions.items():
        np.testing.assert_array_equal(second.predictions[head], array)
    assert replace(second, from_cache={}, predictions={}) == replace(
        first, from_cache={}, predictions={}
    )
    check_linear_against_scikit_learn(job, first.predictions["linear"][0], first.l2)


def check_linear_against_scikit_learn(job: ProbeJob, predicted: Any, l2: float | None) -> None:
    assert l2 is not None
    train, test = (features(job, split).astype(np.float64) for split in ("train", "test"))
    labels = pq.read_table(job.splits["train"].path)["label"].to_numpy()[:21]
    scaler = StandardScaler().fit(train)
    reference = LogisticRegression(C=1 / (2 * l2 * 21), tol=1e-10, max_iter=20_000)
    reference.fit(scaler.transform(train), labels)
    np.testing.assert_array_equal(reference.predict(scaler.transform(test)), predicted)


def test_a_killed_run_goes_on_where_it_was(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, n_train=4_000, tokens_per_batch=1)
    job = replace(job, recipe=replace(job.recipe, batch_size=1_000))
    started: list[float] = []

    def kill_midway(progress: Progress) -> None:
        if progress.stage == "encode" and progress.done:
            started.append(time.monotonic())
            if started[-1] - started[0] > 1.5:
                for pid in children():
                    psutil.Process(pid).kill()

    with pytest.raises(ProbeError, match=r"killed by signal SIGKILL in stage encode train \d+"):
        run_probe(job, limits=LIMITS, on_progress=kill_midway)
    assert children() == []

    seen: list[Progress] = []
    quick = replace(job, tokens_per_batch=4_096)
    run_probe(quick, limits=LIMITS, on_progress=seen.append)
    encoded = [p for p in seen if p.stage == "encode" and p.split == "train"]
    assert 0 < encoded[0].cached < 4_000
    assert encoded[0].done == encoded[0].cached
    assert not [p for p in seen if p.stage == "tokenize" and p.split == "train"]

    whole = replace(quick, cache_dir=tmp_path / "whole")
    probe(whole, guard="none", on_progress=lambda progress: None)
    np.testing.assert_allclose(features(quick, "train"), features(whole, "train"), atol=1e-5)


def features(job: ProbeJob, split: SplitName) -> Any:
    name = features_key(job, split, read_config(job.folder))
    return np.load(job.cache_dir / "features" / f"{name}.npy")


def test_two_runs_at_once_share_the_work_and_agree(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    seen: list[list[Progress]] = [[], []]
    with ThreadPoolExecutor() as pool:
        both = [
            pool.submit(run_probe, job, limits=LIMITS, on_progress=mine.append) for mine in seen
        ]
        first, second = (one.result() for one in both)
    for head, array in first.predictions.items():
        np.testing.assert_array_equal(second.predictions[head], array)
    worked = ["encode" in {progress.stage for progress in mine} for mine in seen]
    assert sorted(worked) == [False, True]


def test_an_interrupt_ends_the_child_and_loses_nothing(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("distilbert", tmp_path)

    def interrupt(progress: Progress) -> None:
        if progress.stage == "head":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_probe(job, limits=LIMITS, on_progress=interrupt)
    assert children() == []
    output = run_probe(job, limits=LIMITS)
    assert output.from_cache == {"tokens": True, "features": True, "heads": False}


def test_a_probe_needs_no_more_than_five_packages(zoo: Any, tmp_path: Path) -> None:
    """torch, transformers, numpy, pyarrow and safetensors; what they can do without is missing."""
    job_file = tmp_path / "job.json"
    job_file.write_text(zoo.job("t5", tmp_path).to_json())
    code = f"""
import json, os, sys
for name in ("pydantic", "datasets", "evaluate", "pandas", "sklearn", "scipy", "psutil", "rich"):
    sys.modules[name] = None
os.environ.update(HUBBOT_CHANNEL="2", HUBBOT_NETWORK_GUARD="none")
from pathlib import Path
from hubbot.probing.child import main
assert main(Path({str(job_file)!r})) == 0
print(json.dumps(sorted(name for name in sys.modules if name.startswith("hubbot"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ours = json.loads(done.stdout.splitlines()[-1])
    outside = {name for name in ours if not name.startswith("hubbot.probing")}
    assert outside == {"hubbot", "hubbot.errors", "hubbot.schema"}


def test_the_parent_s_side_imports_no_torch(tmp_path: Path) -> None:
    code = """
import sys
import hubbot.probing.run, hubbot.probing.job, hubbot.probing.sandbox
print(sorted({"torch", "transformers", "huggingface_hub", "safetensors"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ChildLimits(timeout_s=0.3), r"did not finish within 0\.3 s.*raise probe\.timeout_s"),
        (ChildLimits(memory_gb=0.05), r"more than the 0\.05 GiB allowed.*raise probe\.memory_gb"),
        (ChildLimits(file_gb=1e-6), r"grew beyond the allowed size; raise probe\.file_gb"),
    ],
)
def test_a_limit_reached_names_the_setting_to_raise(
    limits: ChildLimits, message: str, zoo: Any, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=message) as raised:
        run_probe(zoo.job("bert", tmp_path), limits=limits)
    assert "someone/bert" in str(raised.value)
    assert children() == []


def test_refusals_of_the_child_arrive_as_they_were_raised(zoo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nan"
    shutil.copytree(zoo.folder("bert"), folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.bias"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(IntegrityError, match="holds NaN") as raised:
        run_probe(zoo.job("bert", tmp_path, folder=folder), limits=LIMITS)
    assert raised.value.check == "finite features"


def test_a_pickle_with_code_is_refused_inside_the_child(zoo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    shutil.copytree(zoo.folder("bert"), folder)
    marker = tmp_path / "ran"
    script = (
        "import os, sys, torch\n"
        "class Evil:\n"
        f"    def __reduce__(self): return os.system, ('touch {marker}',)\n"
        f"torch.save({{'a': Evil()}}, {str(folder / 'pytorch_model.bin')!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    job = replace(
        zoo.job("bert", tmp_path, folder=folder),
        weights_files=("pytorch_model.bin",),
        allow_bin=True,
    )
    with pytest.raises(CheckpointError, match="asks for more than tensors and was not run"):
        run_probe(job, limits=LIMITS)
    assert not marker.exists()


def test_one_class_in_training_is_a_failed_probe(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    table = pq.read_table(job.splits["train"].path)
    alike = table.set_column(
        table.column_names.index("label"), "label", [np.ones(len(table), dtype=np.int64)]
    )
    pq.write_table(alike, job.splits["train"].path)
    with pytest.raises(ProbeError, match="all 30 training labels are class 1"):
        run_probe(job, limits=LIMITS)


def test_a_broken_data_set_is_named(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    job.splits["train"].path.unlink()
    with pytest.raises(DatasetError, match="not readable as Parquet"):
        run_probe(job, limits=LIMITS)


def test_a_checkpoint_without_configuration_needs_no_child(zoo: Any, tmp_path: Path) -> None:
    job = replace(zoo.job("bert", tmp_path), folder=tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        run_probe(job, limits=LIMITS)


def test_a_job_survives_the_journey_as_json(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, max_train=9)
    assert ProbeJob.from_json(job.to_json()) == job
