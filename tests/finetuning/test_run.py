"""Cells in real child processes: what comes back, and what is said when nothing does."""

import contextlib
import json
import os
import pickle
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from hubbot.errors import CheckpointError, IntegrityError, ProbeError, SettingsError
from hubbot.finetuning.job import FinetuneJob, TrainingProgress
from hubbot.finetuning.outputs import read_output
from hubbot.finetuning.run import ChildLimits, run_cell, sweep, within_machine
from hubbot.probing.cache import read_arrays, write_arrays

LIMITS = ChildLimits(timeout_s=120)


def children() -> list[int]:
    """Return the children of this process that are locked down (pytest has others)."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "hubbot.probing.lockdown" in process.cmdline():
                found.append(process.pid)
    return found


def left_over(job: FinetuneJob) -> list[str]:
    return [path.name for path in job.work_dir.iterdir()]


def test_a_cell_comes_back_whole_and_its_checkpoint_is_saved_as_authors_do(
    job: FinetuneJob, tmp_path: Path
) -> None:
    seen: list[TrainingProgress] = []
    job = replace(job, save_to=tmp_path / "deep" / "saved")
    output = run_cell(job, limits=LIMITS, on_progress=seen.append)

    assert output.predictions.shape == (24,)
    assert output.predictions.dtype == np.int64
    assert (output.n_train, output.steps, output.epochs) == (60, 16, 2.0)
    assert output.best_step in (8, 16)
    assert output.rows_at_a_time == 8
    assert output.device == "cpu"
    assert output.dtype == "float32"
    assert output.versions["torch"] == torch.__version__
    assert set(output.versions) == {"torch", "transformers", "accelerate"}
    assert set(output.seconds) == {"load", "tokenize", "train", "test"}
    assert 0.1 < output.peak_memory_gb < 4
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["load", "tokenize", "train", "validate", "test", "save"]
    assert left_over(job) == []

    assert job.save_to is not None
    assert [path.name for path in job.save_to.parent.iterdir()] == ["saved"]
    names = {path.name for path in job.save_to.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    config = json.loads((job.save_to / "config.json").read_text())
    assert config["id2label"] == {"0": "cat", "1": "dog", "2": "bird"}
    assert config["architectures"] == ["BertForSequenceClassification"]
    classify: Any = hf.pipeline("text-classification", model=str(job.save_to), device="cpu")
    told = [answer["label"] for answer in classify(_texts(job), truncation=True)]
    assert told == [job.label_names[label] for label in output.predictions]


def _texts(job: FinetuneJob) -> list[str]:
    import pyarrow.parquet as pq

    texts: list[str] = pq.read_table(job.splits["test"].path)["text"].to_pylist()
    return texts


def test_refusals_of_the_child_arrive_as_they_were_raised(job: FinetuneJob) -> None:
    weights = job.folder / "model.safetensors"
    tensors = load_file(weights)
    tensors["bert.embeddings.LayerNorm.bias"].fill_(float("nan"))
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(IntegrityError, match=r"someone/model: tensor .* holds NaN") as raised:
        run_cell(job, limits=LIMITS)
    assert raised.value.check == "finite features"
    assert left_over(job) == []
    assert children() == []


def test_a_pickle_with_code_is_refused_inside_the_child(job: FinetuneJob, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    torch.save({"a": Evil()}, job.folder / "pytorch_model.bin")
    job = replace(job, weights_files=("pytorch_model.bin",), allow_bin=True)
    with pytest.raises(CheckpointError, match="asks for more than tensors and was not run"):
        run_cell(job, limits=LIMITS)
    assert not marker.exists()


def test_a_killed_child_is_a_failed_cell_and_leaves_nothing(
    job: FinetuneJob, tmp_path: Path
) -> None:
    recipe = replace(job.recipe, max_epochs=10_000, patience=10_000)
    job = replace(job, recipe=recipe, save_to=tmp_path / "saved")

    def kill(progress: TrainingProgress) -> None:
        if progress.stage == "train" and progress.done:
            for pid in children():
                psutil.Process(pid).kill()

    with pytest.raises(
        ProbeError,
        match=r"first-words: the fine-tuning child was killed by signal SIGKILL in stage",
    ):
        run_cell(job, limits=LIMITS, on_progress=kill)
    assert children() == []
    assert left_over(job) == []
    assert not (tmp_path / "saved").exists()


def test_an_interrupt_ends_the_child_and_leaves_nothing(job: FinetuneJob) -> None:
    def interrupt(progress: TrainingProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(job, limits=LIMITS, on_progress=interrupt)
    assert children() == []
    assert left_over(job) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ChildLimits(timeout_s=0.3), r"did not finish within 0\.3 s.*raise finetune\.timeout_s"),
        (ChildLimits(memory_gb=0.05), r"than the 0\.05 GiB allowed.*raise finetune\.memory_gb"),
    ],
)
def test_a_limit_reached_names_the_setting_to_raise(
    limits: ChildLimits, message: str, job: FinetuneJob
) -> None:
    with pytest.raises(ProbeError, match=message) as raised:
        run_cell(job, limits=limits)
    assert str(raised.value).startswith("someone/model on first-words: the fine-tuning child")
    assert children() == []


@pytest.mark.slow
def test_a_child_that_outgrows_its_memory_begins_anew_with_fewer_rows(
    kit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide = {"hidden_size": 128, "num_attention_heads": 128, "num_hidden_layers": 1}
    checkpoint = kit.build(tmp_path / "model", **wide, max_position_embeddings=300)
    target = kit.write(tmp_path / "data", n_train=8, n_validation=3, n_test=4, longest=900)
    job = kit.job(checkpoint, target, tmp_path / "work", max_length=300, max_epochs=1)
    rows: list[int] = []

    def on_progress(progress: TrainingProgress) -> None:
        if progress.stage == "train" and progress.done == 0:
            rows.append(progress.rows_at_a_time)

    output = run_cell(job, limits=ChildLimits(memory_gb=1.3), on_progress=on_progress)
    assert rows[0] == 8
    assert len(rows) > 1
    assert rows == [8 >> place for place in range(len(rows))]
    told = [record.getMessage() for record in caplog.records if "memory ran out" in record.message]
    assert len(told) == len(rows) - 1
    assert "with 8 rows at a time; it begins anew with 4" in told[0]
    assert output.rows_at_a_time == rows[-1]
    assert output.steps == 1


def test_a_checkpoint_too_large_to_save_names_the_setting_to_raise(
    job: FinetuneJob, tmp_path: Path
) -> None:
    job = replace(job, save_to=tmp_path / "saved")
    message = r"^someone/model on first-words: a file in .* beyond .*; raise finetune\.file_gb"
    with pytest.raises(ProbeError, match=message):
        run_cell(job, limits=replace(LIMITS, file_gb=2e-5))
    assert not (tmp_path / "saved").exists()
    assert left_over(job) == []


def test_a_folder_that_holds_something_is_not_overwritten(job: FinetuneJob, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingsError, match=r"mine: holds something already; .*name another"):
        run_cell(replace(job, save_to=tmp_path / "mine"), limits=LIMITS)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_folders_that_cannot_be_written_are_told_of_before_any_training(
    job: FinetuneJob, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SettingsError, match=r"file/cells: cannot be written .*cache_dir"):
        run_cell(replace(job, work_dir=tmp_path / "file" / "cells"), limits=LIMITS)
    seen: list[TrainingProgress] = []
    with pytest.raises(SettingsError, match=r"file/mine: cannot be written .*name another folder$"):
        run_cell(
            replace(job, save_to=tmp_path / "file" / "mine"),
            limits=LIMITS,
            on_progress=seen.append,
        )
    assert seen == []


def test_the_parent_s_side_imports_no_torch() -> None:
    code = """
import sys
import hubbot.finetuning.run, hubbot.finetuning.job, hubbot.finetuning.child
print(sorted({"torch", "transformers", "accelerate", "huggingface_hub"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_job_survives_the_journey_as_json(job: FinetuneJob, tmp_path: Path) -> None:
    job = replace(job, max_train=9, save_to=tmp_path / "saved", rows_at_a_time=4)
    assert FinetuneJob.from_json(job.to_json()) == job


def leave(job: FinetuneJob, predictions: np.ndarray[Any, Any]) -> None:
    """Leave a result as the child does."""
    names = FinetuneOutputNames - {"predictions"}
    write_arrays(job.work_dir / "cell.npz", {"predictions": predictions}, dict.fromkeys(names, 0))


FinetuneOutputNames = {
    *("predictions", "validation_score", "steps", "best_step", "epochs", "train_loss", "n_train"),
    *("rows_at_a_time", "truncated_share", "seconds", "peak_memory_gb", "device", "dtype"),
    "versions",
}


@pytest.mark.parametrize(
    "predictions",
    [
        np.zeros(23, dtype=np.int64),
        np.zeros((24, 1), dtype=np.int64),
        np.zeros(24, dtype=np.float64),
        np.full(24, 3, dtype=np.int64),
        np.full(24, -1, dtype=np.int64),
    ],
)
def test_predictions_that_cannot_be_are_not_taken_from_the_child(
    predictions: np.ndarray[Any, Any], job: FinetuneJob
) -> None:
    leave(job, np.zeros(24, dtype=np.int64))
    assert read_output(job.work_dir, job).predictions.tolist() == [0] * 24
    leave(job, predictions)
    with pytest.raises(ProbeError, match=r"expected 24 predictions of the target's kind"):
        read_output(job.work_dir, job)


def test_a_result_that_is_a_pickle_is_not_read(job: FinetuneJob) -> None:
    (job.work_dir / "cell.npz").write_bytes(pickle.dumps({"predictions": [0] * 24}))
    with pytest.raises(ProbeError, match="left no result"):
        read_output(job.work_dir, job)
    assert read_arrays(job.work_dir / "cell.npz") is None


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = platform.node()
    for name in (
        f"cell-{host}-{ended.pid}-abc",
        f"cell-{host}-{os.getpid()}-abc",
        f"cell-elsewhere-{ended.pid}-abc",
        "mine",
    ):
        (tmp_path / name / "saved").mkdir(parents=True)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"cell-{host}-{os.getpid()}-abc", f"cell-elsewhere-{ended.pid}-abc", "mine"]
    )


def test_no_more_memory_is_allowed_than_the_machine_has() -> None:
    total = psutil.virtual_memory().total / 1024**3
    assert within_machine(ChildLimits(memory_gb=1e6)).memory_gb < total
    assert within_machine(ChildLimits(memory_gb=0.1)) == ChildLimits(memory_gb=0.1)
