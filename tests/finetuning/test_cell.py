"""Whole cells of tiny models, in this process: what is learned, kept and given up."""

import errno
import json
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from safetensors import SafetensorError
from safetensors.torch import load_file

from hubbot.errors import CheckpointError, ProbeError, SettingsError
from hubbot.finetuning.cell import fine_tune, system_error
from hubbot.finetuning.child import explained, one_gpu
from hubbot.finetuning.job import SAVED, FinetuneJob, FinetuneOutput, TrainingProgress


def run(job: FinetuneJob) -> FinetuneOutput:
    return fine_tune(job, on_progress=lambda progress: None)


def labels(job: FinetuneJob) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = pq.read_table(job.splits["test"].path)["label"].to_numpy()
    return found


@pytest.mark.parametrize(
    "family",
    [
        *("bert", "roberta", "distilbert", "albert", "electra", "mpnet"),
        *("deberta-v2", "modernbert", "t5"),
    ],
)
def test_each_family_learns_what_the_first_word_says_and_saves_what_it_learned(
    family: str, kit: Any, tmp_path: Path
) -> None:
    folder = kit.build(tmp_path / "model", family)
    target = kit.write(tmp_path / "data", n_train=120, is_pair=True, longest=3)
    job = kit.job(
        folder,
        target,
        tmp_path / "work",
        learning_rate=5e-3,
        max_epochs=10,
        save_to=tmp_path / "unused",
    )
    output = run(job)
    assert output.predictions.dtype == np.int64
    assert np.mean(output.predictions == labels(job)) > 0.9  # a guess is right on a third
    assert output.validation_score > 90
    told = as_a_user_would(job.work_dir / SAVED, job)
    assert told == [job.label_names[label] for label in output.predictions]


def as_a_user_would(saved: Path, job: FinetuneJob) -> list[str]:
    """Return the labels that transformers alone gives the test rows, one by one."""
    classify: Any = hf.pipeline("text-classification", model=str(saved), device="cpu")
    rows = pq.read_table(job.splits["test"].path, columns=["text", "text_pair"]).to_pylist()
    return [classify(row)["label"] for row in rows]


def test_where_it_lies_and_what_it_is_called_changes_nothing(
    job: FinetuneJob, tmp_path: Path
) -> None:
    shutil.copytree(job.folder, tmp_path / "copy")
    first, second = (
        run(one) for one in (job, replace(job, folder=tmp_path / "copy", model="another"))
    )
    np.testing.assert_array_equal(first.predictions, second.predictions)
    assert (first.train_loss, first.validation_score) == (
        second.train_loss,
        second.validation_score,
    )


def test_a_regression_learns_numbers(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", n_train=120, is_regression=True, longest=3)
    job = kit.job(
        kit.build(tmp_path / "model"), target, tmp_path, learning_rate=5e-3, max_epochs=10
    )
    output = run(job)
    assert output.predictions.dtype == np.float64
    assert np.corrcoef(output.predictions, labels(job))[0, 1] > 0.9
    assert output.validation_score > 80


def test_training_stops_when_patience_runs_out(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", n_train=64)
    job = kit.job(
        kit.build(tmp_path / "model"),
        target,
        tmp_path,
        learning_rate=1e-12,
        max_epochs=50,
        validate_every=16,
        patience=2,
    )
    output = run(job)  # nothing moves: the first look counts, the next two do not
    assert (output.steps, output.best_step) == (6, 2)
    assert output.epochs == pytest.approx(6 / 8)


def test_seeds_repeat_to_the_last_bit_and_differ(job: FinetuneJob, tmp_path: Path) -> None:
    found = []
    for place, seed in enumerate((3, 3, 4)):
        work = tmp_path / f"work-{place}"
        output = run(replace(job, seed=seed, work_dir=work, save_to=tmp_path / "unused"))
        found.append((output, (work / SAVED / "model.safetensors").read_bytes()))
    (first, weights), (second, same), (_, other) = found
    assert weights == same != other
    np.testing.assert_array_equal(first.predictions, second.predictions)
    timeless = [replace(one, predictions=None, seconds={}, peak_memory_gb=0.0) for one, _ in found]  # type: ignore[arg-type]
    assert timeless[0] == timeless[1] != timeless[2]


def test_max_train_decides_how_many_rows_are_used(job: FinetuneJob) -> None:
    output = run(replace(job, max_train=20))
    assert output.n_train == 20
    assert output.steps == 6  # two epochs of 8, 8 and 4 rows


def test_long_rows_are_cut_and_counted(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", longest=12)
    job = kit.job(kit.build(tmp_path / "model"), target, tmp_path, max_length=8)
    words = [len(text.split()) + 2 for text in _texts(job)]
    assert run(job).truncated_share["test"] == pytest.approx(np.mean(np.array(words) > 8))


def _texts(job: FinetuneJob) -> list[str]:
    texts: list[str] = pq.read_table(job.splits["test"].path)["text"].to_pylist()
    return texts


def test_rows_beyond_the_model_s_positions_are_refused_before_training(
    kit: Any, tmp_path: Path
) -> None:
    target = kit.write(tmp_path / "data", longest=200)
    job = kit.job(kit.build(tmp_path / "model"), target, tmp_path, max_length=128)
    with pytest.raises(CheckpointError, match="the model has 64 positions, the longest row 128"):
        run(job)


def test_a_tokenizer_of_another_model_is_refused(job: FinetuneJob) -> None:
    words = [f"word{number}" for number in range(400)]
    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    hf.BertTokenizer(vocab=vocabulary | {"[MASK]": 404}).save_pretrained(job.folder)
    path = job.splits["train"].path
    table = pq.read_table(path)
    changed = table.set_column(0, "text", [["word399"] * len(table)])
    pq.write_table(changed, path)
    with pytest.raises(CheckpointError, match="it belongs to another model"):
        run(job)


def test_a_training_that_diverges_is_not_a_result(job: FinetuneJob) -> None:
    with pytest.raises(ProbeError, match=r"seed 0 diverged \(its predictions are NaN or infinite"):
        run(replace(job, recipe=replace(job.recipe, learning_rate=1e30)))


def test_progress_tells_steps_rows_and_totals(job: FinetuneJob) -> None:
    seen: list[TrainingProgress] = []
    output = fine_tune(job, on_progress=seen.append)
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["load", "tokenize", "train", "validate", "test"]
    last = {progress.stage: (progress.done, progress.total) for progress in seen}
    assert last["tokenize"] == (105, 105)
    assert last["train"] == (output.steps, 16) == (16, 16)
    assert last["validate"] == (21, 21)
    assert last["test"] == (24, 24)
    assert {p.rows_at_a_time for p in seen if p.stage in ("train", "test")} == {8}


def test_a_device_that_is_not_there_is_a_setting_to_mend(job: FinetuneJob) -> None:
    with pytest.raises(SettingsError, match=r"probe\.device = 'cuda:99' is not usable here"):
        run(replace(job, device="cuda:99"))


@pytest.mark.parametrize(
    ("device", "shown", "left"),
    [
        ("auto", None, "0"),
        ("cuda", None, "0"),
        ("cuda:3", None, "3"),
        ("auto", "5,7", "5"),
        ("cuda:1", "5,7", "7"),
        ("cuda:2", "5,7", ""),
        ("cuda:0", "GPU-8a,GPU-9b", "GPU-8a"),
        ("auto", "", ""),
        ("cpu", "5,7", None),
        ("cuda:x", None, None),
    ],
)
def test_torch_is_shown_one_gpu_at_most(device: str, shown: str | None, left: str | None) -> None:
    assert one_gpu(device, shown).get("CUDA_VISIBLE_DEVICES") == left


def wide_job(kit: Any, folder: Path, *, longest: int) -> FinetuneJob:
    """A cell whose memory is a few large tensors: for each row 128 squares of its length."""
    wide = {"hidden_size": 128, "num_attention_heads": 128, "num_hidden_layers": 1}
    checkpoint = kit.build(folder / "model", **wide, max_position_embeddings=longest)
    sizes = {"n_train": 8, "n_validation": 3, "n_test": 4}
    target = kit.write(folder / "data", **sizes, longest=3 * longest)
    return kit.job(  # type: ignore[no-any-return]
        checkpoint, target, folder / "work", max_length=longest, max_epochs=1, save_to=folder / "no"
    )


def narrowed(job: FinetuneJob) -> "subprocess.CompletedProcess[str]":
    """Run a cell in a process that, once training begins, may take 900 MiB more than it has."""
    job_file = job.work_dir / "job.json"
    job_file.write_text(job.to_json())
    return subprocess.run(
        [sys.executable, "-c", _NARROW, str(job_file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


@on_linux
def test_out_of_memory_halves_the_rows_and_changes_nothing_else(kit: Any, tmp_path: Path) -> None:
    job = wide_job(kit, tmp_path, longest=300)
    done = narrowed(job)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert 1 <= found["rows"] < found["begun_with"] == 8
    plenty = replace(job, rows_at_a_time=found["rows"], work_dir=tmp_path / "plenty")
    assert run(plenty).predictions.tolist() == found["predictions"]
    ours, theirs = (load_file(one.work_dir / SAVED / "model.safetensors") for one in (plenty, job))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@on_linux
def test_out_of_memory_with_one_row_at_a_time_is_told(kit: Any, tmp_path: Path) -> None:
    done = narrowed(wide_job(kit, tmp_path, longest=1_500))
    assert done.returncode == 1
    assert "ProbeError: someone/model on first-words: out of memory with one row" in done.stderr


_NARROW = """
import json, resource, sys, torch
from dataclasses import replace
from pathlib import Path
from hubbot.finetuning.cell import fine_tune
from hubbot.finetuning.job import FinetuneJob

torch.set_num_threads(1)
seen = []

def narrow(progress):
    if progress.stage == "train" and not seen:
        status = Path("/proc/self/status").read_text()
        held = int(status.split("VmData:")[1].split()[0]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (held + 900 * 2**20, resource.RLIM_INFINITY))
    if progress.stage == "train":
        seen.append(progress.rows_at_a_time)

output = fine_tune(FinetuneJob.from_json(Path(sys.argv[1]).read_text()), on_progress=narrow)
print(json.dumps({"begun_with": seen[0], "rows": output.rows_at_a_time,
                  "predictions": output.predictions.tolist()}))
"""


@on_linux
def test_a_file_that_may_not_grow_is_an_error_of_the_system(
    job: FinetuneJob, tmp_path: Path
) -> None:
    """Safetensors tells of full disks and limits in words; the child looks at the number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def narrow(progress: TrainingProgress) -> None:
        if progress.stage == "save":
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    try:
        with pytest.raises(OSError, match="File too large") as raised:
            fine_tune(replace(job, save_to=tmp_path / "unused"), on_progress=narrow)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno == errno.EFBIG


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", errno.ENOSPC),
        ("Error while serializing: I/O error: Disk quota exceeded (os error 122)", errno.EDQUOT),
        ("Error while serializing: header too large", None),
    ],
)
def test_what_safetensors_could_not_write_keeps_its_number(told: str, number: int | None) -> None:
    assert system_error(SafetensorError(told)).errno == number


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "x"), r"on first-words: the disk is full \(.*move cache_dir"),
        (OSError(errno.EDQUOT, "x"), r"on first-words: the disk is full"),
        (OSError(errno.EFBIG, "x"), r"beyond the allowed size; raise finetune\.file_gb"),
        (MemoryError("12 GiB"), r"out of memory while loading \(12 GiB\); use a machine with"),
    ],
)
def test_what_ran_out_is_named_with_what_to_do(
    error: Exception, message: str, job: FinetuneJob
) -> None:
    told = explained(error, job)
    assert isinstance(told, ProbeError)
    assert re.search(message, str(told))


def test_other_errors_are_not_explained_away(job: FinetuneJob) -> None:
    assert explained(RuntimeError("shapes cannot be multiplied"), job) is None
    assert explained(OSError(errno.EACCES, "x"), job) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_in_bfloat16_where_it_can(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", n_train=120, longest=3)
    job = kit.job(
        kit.build(tmp_path / "model"),
        target,
        tmp_path,
        device="cuda",
        learning_rate=5e-3,
        max_epochs=10,
    )
    output = run(job)
    is_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    assert output.dtype == ("bfloat16" if is_bf16 else "float32")
    assert output.device == torch.cuda.get_device_name(0)
    assert 0 < output.peak_memory_gb < 2
    assert np.mean(output.predictions == labels(job)) > 0.9
