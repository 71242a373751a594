"""Checkpoints that cannot, or must not, be loaded, and those that look odd but can."""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubbot.errors import CheckpointError, IntegrityError, ProbeError, SettingsError
from hubbot.probing.encoder import (
    check_vocabulary,
    encoder_config,
    load_encoder,
    load_tokenizer,
    pick_device,
)
from hubbot.probing.job import ProbeJob
from hubbot.probing.keys import read_config

CPU = torch.device("cpu")


@pytest.fixture
def job(zoo: Any, tmp_path: Path) -> ProbeJob:
    folder = tmp_path / "copy"
    shutil.copytree(zoo.folder("bert"), folder)
    made: ProbeJob = zoo.job("bert", tmp_path, folder=folder)
    return made


def weights(job: ProbeJob) -> Path:
    return job.folder / "model.safetensors"


def edit_tensors(job: ProbeJob, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(weights(job))
    edit(tensors)
    save_file(tensors, weights(job), metadata={"format": "pt"})


def edit_config(job: ProbeJob, **changes: Any) -> None:
    path = job.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def as_bin(job: ProbeJob, content: Any, **options: Any) -> ProbeJob:
    torch.save(content, job.folder / "pytorch_model.bin", **options)
    return replace(job, weights_files=("pytorch_model.bin",), allow_bin=True)


@pytest.mark.parametrize("cut", [3, 8, 100, 5_000, -1])
def test_truncated_safetensors_are_refused_before_a_tensor_is_read(cut: int, job: ProbeJob) -> None:
    weights(job).write_bytes(weights(job).read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="truncated"):
        load_encoder(job, CPU)


def test_bytes_behind_the_last_tensor_are_refused(job: ProbeJob) -> None:
    weights(job).write_bytes(weights(job).read_bytes() + b"more")
    with pytest.raises(CheckpointError, match="longer than its header says"):
        load_encoder(job, CPU)


def test_a_file_without_tensors_is_refused(job: ProbeJob) -> None:
    header_file(weights(job), {"__metadata__": {"format": "pt"}})
    with pytest.raises(CheckpointError, match="hold no tensors"):
        load_encoder(job, CPU)


def header_file(path: Path, header: Any, data: bytes = b"") -> None:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "header is malformed"),
        (b'{"a": 1, "a": 2}', "a name stands twice"),
        ([], "header is malformed"),
        ({"a": {"dtype": "F32"}}, "header entry of 'a' is malformed"),
        (
            {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
            "header entry of 'a' is malformed or of an unknown dtype",
        ),
        (
            {"a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}},
            "quantised weights are not probed",
        ),
        (
            {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
            "needs 8 bytes",
        ),
        (
            {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}},
            "needs -4 bytes",
        ),
        (
            {"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}},
            "needs 4000000000000000000 bytes",
        ),
        (
            {
                "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            },
            "overlap or leave a gap",
        ),
    ],
)
def test_a_lying_header_is_refused(header: Any, message: str, job: ProbeJob) -> None:
    header_file(weights(job), header, b"\0" * 4)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(job, CPU)


def test_a_header_longer_than_the_file_is_not_read(job: ProbeJob) -> None:
    weights(job).write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(CheckpointError, match="too short for the header it announces"):
        load_encoder(job, CPU)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, r"has shape \(\d*, ?\d*\), config.json gives"),
        ({"vocab_size": 5000}, r"word_embeddings.weight' has shape"),
        ({"num_hidden_layers": 1}, "belongs to a layer that config.json does not have"),
        ({"num_hidden_layers": 3}, "encoder tensors are not in the weights, such as encoder.lay"),
        ({"num_hidden_layers": 900}, "config.json describes \\d+ weights, the files hold"),
        ({"hidden_size": 10**9}, "hidden_size = 1000000000 is absurd"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000 is absurd"),
        ({"hidden_size": "wide"}, "does not describe a bert"),
        ({"num_attention_heads": 0}, "describe"),
        ({"num_attention_heads": 5}, "describes no bert"),
        ({"hidden_act": "os.system"}, "describes no bert"),
        ({"quantization_config": {"quant_method": "x"}}, "quantised checkpoints"),
    ],
)
def test_weights_and_configuration_that_disagree_are_refused(
    changes: dict[str, Any], message: str, job: ProbeJob
) -> None:
    edit_config(job, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(job, CPU)


def test_an_unknown_model_type_is_refused(job: ProbeJob) -> None:
    with pytest.raises(CheckpointError, match="model type 'nonesuch' is unknown"):
        load_encoder(replace(job, model_type="nonesuch"), CPU)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "expected a JSON object, found list"),
        ("[" * 100_000, "not JSON"),
        (" " * 2_000_000, "larger than 1 MiB"),
    ],
)
def test_a_broken_configuration_file_is_refused(
    content: str | None, message: str, job: ProbeJob
) -> None:
    path = job.folder / "config.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_config(job.folder)


def test_keys_that_reach_outside_the_model_are_left_out() -> None:
    raw = {
        "model_type": "bert",
        "hidden_size": 32,
        "auto_map": {"AutoModel": "evil.Model"},
        "_attn_implementation": "someone/kernel",
        "attn_implementation": "someone/kernel",
        "transformers_weights": "/etc/passwd",
        "num_labels": 10**9,
        "return_dict": False,
    }
    config = encoder_config(raw, "bert")
    assert config.hidden_size == 32
    assert config.num_labels == 2
    assert config.return_dict is True
    assert config._attn_implementation is None
    assert not hasattr(config, "auto_map")
    assert not hasattr(config, "transformers_weights")


def test_remote_code_in_the_folder_is_never_imported(job: ProbeJob, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nclass Evil: pass\n"
    (job.folder / "evil.py").write_text(code)
    edit_config(job, auto_map={"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"})
    tokenizer = job.folder / "tokenizer_config.json"
    mapped = {**json.loads(tokenizer.read_text()), "auto_map": {"AutoTokenizer": [None, "evil.E"]}}
    tokenizer.write_text(json.dumps(mapped))
    load_encoder(job, CPU)
    load_tokenizer(job)
    assert not marker.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, job: ProbeJob) -> None:
    edit_tensors(job, lambda t: t["bert.embeddings.LayerNorm.bias"].fill_(value))
    with pytest.raises(IntegrityError, match=r"LayerNorm\.bias' holds NaN or infinity") as raised:
        load_encoder(job, CPU)
    assert raised.value.check == "finite features"


def test_missing_encoder_tensors_are_named_not_made_up(job: ProbeJob) -> None:
    edit_tensors(job, lambda t: t.pop("bert.encoder.layer.1.output.dense.weight"))
    with pytest.raises(CheckpointError, match=r"1 encoder tensors .* encoder.layer.1.output.dense"):
        load_encoder(job, CPU)


def test_a_checkpoint_without_pooler_is_fine(job: ProbeJob) -> None:
    edit_tensors(job, lambda t: [t.pop(n) for n in list(t) if "pooler" in n])
    load_encoder(job, CPU)


def test_old_names_of_layer_norms_are_understood(job: ProbeJob) -> None:
    expected = load_encoder(job, CPU).model.state_dict()

    def age(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)

    edit_tensors(job, age)
    found = load_encoder(job, CPU).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_half_precision_weights_are_widened(job: ProbeJob) -> None:
    edit_tensors(job, lambda t: t.update({n: v.half() for n, v in t.items()}))
    encoder = load_encoder(job, CPU)
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}


def shard(job: ProbeJob) -> ProbeJob:
    tensors = load_file(weights(job))
    names = sorted(tensors)
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, job.folder / file)
    index = {"weight_map": {name: file for file, part in files.items() for name in part}}
    (job.folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return replace(job, weights_files=tuple(files))


def test_sharded_weights_are_read_as_one(job: ProbeJob) -> None:
    expected = load_encoder(job, CPU).model.state_dict()
    found = load_encoder(shard(job), CPU).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index["weight_map"].update(more="model-1.safetensors"), "found in no shard"),
        (lambda index: index.pop("weight_map"), "not an index of shards"),
    ],
)
def test_an_index_that_disagrees_with_its_shards_is_refused(
    change: Callable[[Any], Any], message: str, job: ProbeJob
) -> None:
    sharded = shard(job)
    path = job.folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=message):
        load_encoder(sharded, CPU)


def test_a_missing_shard_is_refused(job: ProbeJob) -> None:
    sharded = shard(job)
    (job.folder / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-2.safetensors: cannot be read"):
        load_encoder(sharded, CPU)


def test_pickled_weights_give_the_same_encoder_where_they_are_allowed(job: ProbeJob) -> None:
    expected = load_encoder(job, CPU).model.state_dict()
    found = load_encoder(as_bin(job, load_file(weights(job))), CPU).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_pickled_weights_are_refused_where_they_are_not_allowed(job: ProbeJob) -> None:
    pickled = replace(as_bin(job, load_file(weights(job))), allow_bin=False)
    with pytest.raises(CheckpointError, match=r'probe\.bin = "sandboxed"'):
        load_encoder(pickled, CPU)


class Evil:
    """A pickle that would leave a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.marker}",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_that_tries_to_run_code_is_refused_and_does_not_run(
    is_zip: bool, job: ProbeJob, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    if is_zip:
        evil = as_bin(job, {"a": Evil(marker)})
    else:
        (job.folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil(marker)}))
        evil = replace(job, weights_files=("pytorch_model.bin",), allow_bin=True)
    with pytest.raises(CheckpointError, match=r"asks for more than tensors|not readable"):
        load_encoder(evil, CPU)
    assert not marker.exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": "text"}, {1: torch.ones(1)}])
def test_a_pickle_of_something_else_is_refused(content: Any, job: ProbeJob) -> None:
    with pytest.raises(CheckpointError, match="expected a mapping of names to tensors"):
        load_encoder(as_bin(job, content), CPU)


def test_a_missing_tokenizer_is_refused(job: ProbeJob) -> None:
    for path in job.folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"no tokenizer; expected one of tokenizer\.json"):
        load_tokenizer(job)


def test_a_broken_tokenizer_is_refused(job: ProbeJob) -> None:
    (job.folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="its tokenizer cannot be loaded"):
        load_tokenizer(job)


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(job: ProbeJob) -> None:
    encoder, tokenizer = load_encoder(job, CPU), load_tokenizer(job)
    check_vocabulary(job, tokenizer, encoder, encoder.n_embeddings - 1)
    with pytest.raises(CheckpointError, match=r"gives id \d+, the embeddings have \d+ rows"):
        check_vocabulary(job, tokenizer, encoder, encoder.n_embeddings)


def test_a_tokenizer_far_smaller_than_the_embeddings_is_refused(job: ProbeJob) -> None:
    encoder = replace(load_encoder(job, CPU), n_embeddings=30_522)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        check_vocabulary(job, load_tokenizer(job), encoder, 10)


def test_another_precision_is_refused(job: ProbeJob) -> None:
    with pytest.raises(ProbeError, match="dtype 'float16' is not offered"):
        load_encoder(replace(job, dtype="float16"), CPU)


@pytest.mark.parametrize("name", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"probe.device = '{name}' is not usable here"):
        pick_device(name)
