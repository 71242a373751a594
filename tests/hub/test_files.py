"""Which files are picked out of a listing."""

import hashlib
from pathlib import Path

import pytest

from hubbot.errors import CheckpointError
from hubbot.hub.files import (
    LARGEST_JSON,
    Choice,
    check_shards,
    choose_files,
    combine_digests,
    tokenizer_digest,
)

PLAIN = {"config.json": 600, "model.safetensors": 1000}


def sizes(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 10) | PLAIN


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "spiece.model",
        "sentencepiece.bpe.model",
        "spm.model",
    ],
)
def test_a_tokenizers_file_is_picked(name: str) -> None:
    assert choose_files("m", sizes(name), allow_bin=False).tokenizer == (name,)


@pytest.mark.parametrize(
    "name",
    [
        "modeling_custom.py",
        "handler.py",
        "training_args.bin",
        "optimizer.pt",
        "vocab.pkl",
        "tokenizer.pickle",
        "pytorch_model.bin",
        "tf_model.h5",
        "flax_model.msgpack",
        "model.onnx",
        "onnx/model.onnx",
        "onnx/tokenizer.json",
        "checkpoint-500/model.safetensors",
        "checkpoint-500/config.json",
        "adapter_model.safetensors",
        "model.fp16.safetensors",
        "README.md",
        ".gitattributes",
    ],
)
def test_nothing_else_is_picked(name: str) -> None:
    choice = choose_files("m", sizes(name), allow_bin=True)
    assert set(choice.names) == set(PLAIN)


def test_safetensors_win_over_a_pickle_that_is_allowed() -> None:
    choice = choose_files("m", sizes("pytorch_model.bin"), allow_bin=True)
    assert choice.weights == ("model.safetensors",)


def test_a_pickle_is_picked_only_where_allowed() -> None:
    listing = {"config.json": 1, "pytorch_model.bin": 1, "vocab.txt": 1}
    assert choose_files("m", listing, allow_bin=True).weights == ("pytorch_model.bin",)
    with pytest.raises(CheckpointError, match=r'pytorch_model\.bin.*probe\.bin = "sandboxed"'):
        choose_files("m", listing, allow_bin=False)


def test_shards_come_with_their_index() -> None:
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    listing = dict.fromkeys(("config.json", "model.safetensors.index.json", *shards), 1)
    choice = choose_files("m", listing, allow_bin=False)
    assert (choice.weights, choice.index) == (shards, "model.safetensors.index.json")


def test_a_whole_file_needs_no_index() -> None:
    choice = choose_files("m", sizes("model.safetensors.index.json"), allow_bin=False)
    assert (choice.weights, choice.index) == (("model.safetensors",), None)


@pytest.mark.parametrize(
    "names",
    [
        ("tf_model.h5",),
        ("flax_model.msgpack", "onnx/model.onnx"),
        ("adapter_model.safetensors",),
        ("model-00001-of-00002.safetensors",),
        ("model.safetensors.index.json",),
    ],
)
def test_without_usable_weights_the_files_that_are_there_are_named(names: tuple[str, ...]) -> None:
    listing = dict.fromkeys(("config.json", *names), 1)
    with pytest.raises(CheckpointError) as caught:
        choose_files("me/m", listing, allow_bin=False)
    assert "me/m" in str(caught.value)
    assert 'probe.bin = "sandboxed"' in str(caught.value)
    assert all(name in str(caught.value) for name in names)


def test_config_json_is_needed() -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing.*model\.safetensors"):
        choose_files("m", {"model.safetensors": 1}, allow_bin=False)


def test_an_absurdly_large_config_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"config\.json has .* bytes, expected at most"):
        choose_files("m", PLAIN | {"config.json": LARGEST_JSON + 1}, allow_bin=False)


@pytest.mark.parametrize(
    "path",
    [
        "../model.safetensors",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./x",
        "a\\..\\b",
        "C:/x",
        "x\0y",
        "",
    ],
)
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str) -> None:
    with pytest.raises(CheckpointError, match="leads out of its folder"):
        choose_files("m", sizes(path), allow_bin=False)


def test_names_from_the_hub_cannot_control_the_terminal() -> None:
    with pytest.raises(CheckpointError) as caught:
        choose_files("m", {"config.json": 1, "\x1b[2J\nx.h5": 1}, allow_bin=False)
    assert str(caught.value).isprintable()


def choice_of(*weights: str) -> Choice:
    return Choice(weights=weights, index="model.safetensors.index.json", tokenizer=())


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        (None, "no weight_map"),
        ([], "no weight_map"),
        ({}, "no weight_map"),
        ({"t": "b"}, "incomplete"),
        ({"t": "a"}, "incomplete"),
        ({"t": "a", "u": "../b"}, "leads out of its folder"),
        ({"t": "a", "u": 7}, "incomplete"),
    ],
)
def test_an_index_that_does_not_fit_the_shards_is_refused(weight_map: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_shards("m", choice_of("a", "b"), weight_map)


def test_an_index_that_fits_the_shards_is_taken() -> None:
    check_shards("m", choice_of("a", "b"), {"t": "b", "u": "a", "v": "a"})


def test_the_digest_of_one_file_is_its_own_and_of_shards_that_of_their_sorted_digests() -> None:
    assert combine_digests(["ff"]) == "sha256:ff"
    by_hand = hashlib.sha256(b"00aa\nff00").hexdigest()
    assert combine_digests(["ff00", "00aa"]) == f"sha256:{by_hand}"


def test_the_tokenizers_digest_sees_names_and_bytes_but_not_order(tmp_path: Path) -> None:
    one, two = tmp_path / "merges.txt", tmp_path / "vocab.json"
    one.write_bytes(b"a b")
    two.write_bytes(b"{}")
    digest = tokenizer_digest([one, two])
    assert digest == tokenizer_digest([two, one])
    assert digest != tokenizer_digest([one])
    renamed = two.rename(tmp_path / "vocab.txt")
    assert digest != tokenizer_digest([one, renamed])
    renamed.rename(two).write_bytes(b"{ }")
    assert digest != tokenizer_digest([one, two])
