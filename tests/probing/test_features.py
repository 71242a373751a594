"""Cached features against a plain transformers forward pass, one example at a time."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from hubbot.errors import CheckpointError, IntegrityError
from hubbot.probing.cache import read_arrays
from hubbot.probing.features import cut_batches, find_features
from hubbot.probing.job import ProbeJob, Progress
from hubbot.probing.keys import features_key, read_config, tokens_key
from hubbot.probing.outputs import output_path, read_output
from hubbot.probing.work import probe

FAMILY_NAMES = (
    "bert",
    "roberta",
    "distilbert",
    "albert",
    "electra",
    "deberta-v2",
    "mpnet",
    "modernbert",
    "t5",
    "gpt2",
)
# Where each family's classifier takes the vector that its head is given, transformers' own choice.
HEAD_MODULE = {"t5": "classification_head", "modernbert": "head"}


def run_here(job: ProbeJob) -> list[Progress]:
    """Run the child's work in this process."""
    seen: list[Progress] = []
    probe(job, guard="none", on_progress=seen.append)
    return seen


def cached(job: ProbeJob, split: Any = "test") -> NDArray[np.float32]:
    name = features_key(job, split, read_config(job.folder))
    found = find_features(job.cache_dir / "features" / f"{name}.npy", job.splits[split].n_rows)
    assert found is not None
    return np.array(found.rows)


@torch.no_grad()
def plain_forward(job: ProbeJob, family: str, split: Any = "test") -> NDArray[np.float32]:
    """One row at a time through transformers' own classes, nothing of hubbot involved."""
    tokenizer: Any = hf.AutoTokenizer.from_pretrained(job.folder)
    table = pq.read_table(job.splits[split].path)
    model: Any = hf.AutoModelForSequenceClassification.from_pretrained(job.folder).eval()
    seen: list[torch.Tensor] = []
    if family in HEAD_MODULE:
        head = getattr(model, HEAD_MODULE[family])
        head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0]))
    columns = (table[name].to_pylist() for name in job.text_columns)
    for first, second in zip(*columns, strict=True):
        encoded = tokenizer(
            first, second, truncation=True, max_length=job.max_length, return_tensors="pt"
        )
        if family in HEAD_MODULE:
            model(**encoded)
            continue
        hidden = model.base_model(**encoded)[0][0]
        seen.append(hidden[-1] if family == "gpt2" else hidden[0])
    return torch.stack(seen).numpy()


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_features_equal_a_plain_forward_pass_whatever_the_batch(
    family: str, zoo: Any, tmp_path: Path
) -> None:
    expected: NDArray[np.float32] | None = None
    for tokens_per_batch in (1, 100, 100_000):
        job = zoo.job(
            family,
            tmp_path,
            tokens_per_batch=tokens_per_batch,
            cache_dir=tmp_path / f"cache-{tokens_per_batch}",
        )
        run_here(job)
        if expected is None:
            expected = plain_forward(job, family)
            assert expected.std() > 0.01
        np.testing.assert_allclose(cached(job), expected, atol=1e-4)


def test_rows_longer_than_the_limit_are_counted_as_truncated(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    run_here(job)
    tokenizer: Any = hf.AutoTokenizer.from_pretrained(job.folder)
    table = pq.read_table(job.splits["test"].path)
    whole = tokenizer(table["premise"].to_pylist(), table["hypothesis"].to_pylist())["input_ids"]
    longer = sum(len(row) > job.max_length for row in whole)
    assert 0 < longer < len(whole)
    output = read_output(output_path(job, read_config(job.folder)))
    assert output is not None
    assert output.truncated_share["test"] == pytest.approx(longer / len(whole))


def test_a_pair_is_encoded_by_the_tokenizer_with_its_segments(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, max_length=12)
    run_here(job)
    found = read_arrays(job.cache_dir / "tokens" / f"{tokens_key(job, 'test')}.npz")
    assert found is not None
    arrays, _ = found
    tokenizer: Any = hf.AutoTokenizer.from_pretrained(job.folder)
    table = pq.read_table(job.splits["test"].path)
    for row, (first, second) in enumerate(
        zip(table["premise"].to_pylist(), table["hypothesis"].to_pylist(), strict=True)
    ):
        wanted = tokenizer(first, second, truncation="longest_first", max_length=12)
        span = slice(arrays["offsets"][row], arrays["offsets"][row + 1])
        assert arrays["ids"][span].tolist() == wanted["input_ids"]
        assert arrays["types"][span].tolist() == wanted["token_type_ids"]
        assert set(wanted["token_type_ids"]) == {0, 1}


def test_single_texts_are_encoded_as_single_texts(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, text_columns=("premise",))
    run_here(job)
    found = read_arrays(job.cache_dir / "tokens" / f"{tokens_key(job, 'test')}.npz")
    assert found is not None
    assert set(found[0]["types"].tolist()) == {0}


def test_two_checkpoints_with_one_tokenizer_share_tokens(zoo: Any, tmp_path: Path) -> None:
    first = zoo.job("bert", tmp_path)
    seen = run_here(first)
    assert {p.split for p in seen if p.stage == "tokenize"} == {"train", "validation", "test"}
    other = zoo.build("bert", tmp_path / "other", seed=5)
    second = replace(first, folder=other, weights_digest="sha256:other")
    seen = run_here(second)
    assert not [p for p in seen if p.stage == "tokenize"]
    assert not np.allclose(cached(first), cached(second), atol=1e-2)


def test_a_configuration_that_computes_differently_is_not_served_from_the_cache(
    zoo: Any, tmp_path: Path
) -> None:
    first = zoo.job("bert", tmp_path)
    folder = tmp_path / "relu"
    shutil.copytree(first.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    second = replace(first, folder=folder)
    run_here(first)
    run_here(second)
    assert not np.allclose(cached(first), cached(second), atol=1e-3)


def test_a_finished_probe_is_not_done_twice(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    run_here(job)
    assert run_here(replace(job, model="renamed", tokens_per_batch=8)) == []


def test_new_heads_on_old_features_run_no_encoder(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    run_here(job)
    again = replace(job, l2_grid=(1.0,))
    seen = run_here(again)
    assert all(p.cached == p.total for p in seen if p.stage == "encode")
    output = read_output(output_path(again, read_config(again.folder)))
    assert output is not None
    assert output.from_cache == {"tokens": True, "features": True, "heads": False}
    assert output.l2 == 1.0


def test_damaged_features_are_made_again(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path)
    run_here(job)
    before = cached(job)
    for path in (job.cache_dir / "features").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:200])
    run_here(replace(job, l2_grid=(1.0,)))
    np.testing.assert_allclose(cached(job), before, atol=1e-6)


def test_encoding_twice_gives_the_same_bytes(zoo: Any, tmp_path: Path) -> None:
    first = zoo.job("bert", tmp_path)
    second = replace(first, cache_dir=tmp_path / "second")
    run_here(first)
    run_here(second)
    assert cached(first).tobytes() == cached(second).tobytes()


def test_a_model_with_too_few_positions_is_refused(zoo: Any, tmp_path: Path) -> None:
    job = zoo.job("bert", tmp_path, max_length=512, n_train=12)
    long_text = zoo.split(tmp_path / "data", "train", 12, seed=3, longest=90)
    with pytest.raises(CheckpointError, match="64 positions, the longest row"):
        run_here(replace(job, splits={**job.splits, "train": long_text}))


def test_padding_counts_towards_a_batch_of_rows_of_falling_length() -> None:
    lengths = np.array([3, 9, 4, 30, 4, 10])
    order = np.argsort(-lengths, kind="stable")
    batches = [batch.tolist() for batch in cut_batches(order, lengths, 20)]
    assert batches == [[3], [5, 1], [2, 4, 0]]
    assert [b.tolist() for b in cut_batches(order, lengths, 20, start=3)] == [[2, 4, 0]]


def test_features_of_an_encoder_that_overflows_are_refused(zoo: Any, tmp_path: Path) -> None:
    folder = tmp_path / "huge"
    shutil.copytree(zoo.folder("gpt2"), folder)
    tensors = load_file(folder / "model.safetensors")
    name = next(n for n in tensors if n.endswith("h.0.mlp.c_proj.weight"))
    tensors[name] = torch.full_like(tensors[name], 3e38)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(IntegrityError, match="encoder gives NaN or infinity") as raised:
        run_here(zoo.job("gpt2", tmp_path, folder=folder))
    assert raised.value.check == "finite features"
