"""Checkpoints that are refused inside the probing child, or by the gate behind it."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
DENSE = "encoder.layer.0.output.dense.weight"


@pytest.fixture
def refused(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    kept: Callable[[], set[str]],
    writes: Callable[[], list[str]],
    environment: Path,
) -> Callable[..., str]:
    """Probe and annotate what must be refused; gives what was said."""

    def run(files: Files, *, code: int, model: str = "me/child") -> str:
        before = kept()
        hub.add_model(model, files)
        ran = hubbot("annotate", model, "--json")
        assert ran.code == code, ran.err
        assert ran.out == ""
        assert "Traceback" not in ran.err
        assert before <= kept()
        assert writes() == []
        assert not list(environment.glob("**/*.yaml")), "nothing may be recorded"
        last: str = ran.err.splitlines()[-1]
        assert model in last
        return last

    return run


def test_a_truncated_file_is_said_to_be_truncated(
    sound: Files, refused: Callable[..., str]
) -> None:
    content = sound["model.safetensors"].read_bytes()[: 2**20]
    said = refused(sound | {"model.safetensors": content}, code=1)
    assert "truncated" in said
    assert "download it again" in said


def test_a_shape_that_disagrees_with_the_configuration_is_named(
    sound: Files, weights: Callable[..., bytes], refused: Callable[..., str]
) -> None:
    def cut(tensors: dict[str, Any]) -> None:
        tensors[DENSE] = tensors[DENSE][:, :1000].copy()

    said = refused(sound | {"model.safetensors": weights(cut)}, code=1)
    assert f"'{DENSE}' has shape (384, 1000), config.json gives (384, 1536)" in said


def test_missing_tensors_are_not_replaced_by_random_ones(
    sound: Files, weights: Callable[..., bytes], refused: Callable[..., str]
) -> None:
    said = refused(
        sound | {"model.safetensors": weights(lambda tensors: tensors.pop(DENSE))}, code=1
    )
    assert DENSE in said
    assert "would be random" in said


def test_a_checkpoint_without_tokenizer_is_refused(
    sound: Files, refused: Callable[..., str]
) -> None:
    lacking = {
        name: one for name, one in sound.items() if name not in ("tokenizer.json", "vocab.txt")
    }
    said = refused(lacking, code=1)
    assert "no tokenizer; expected one of tokenizer.json" in said


def test_the_tokenizer_of_another_vocabulary_is_refused(
    sound: Files, refused: Callable[..., str]
) -> None:
    tokenizer = json.loads(sound["tokenizer.json"].read_bytes())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: i for word, i in vocabulary.items() if i < 3_000}
    words = sound["vocab.txt"].read_text().splitlines()[:3_000]
    said = refused(
        sound
        | {
            "tokenizer.json": json.dumps(tokenizer).encode(),
            "vocab.txt": "\n".join(words).encode(),
        },
        code=1,
    )
    assert "the tokenizer has 3000 tokens, the embeddings 30522 rows" in said
    assert "belongs to another model" in said


def test_a_tokenizer_with_ids_beyond_the_embeddings_is_refused(
    sound: Files, refused: Callable[..., str]
) -> None:
    tokenizer = json.loads(sound["tokenizer.json"].read_bytes())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {
        word: i + 40_000 if word in {"the", "a", "is", "not"} else i
        for word, i in vocabulary.items()
    }
    said = refused(sound | {"tokenizer.json": json.dumps(tokenizer).encode()}, code=1)
    assert "the embeddings have 30522 rows" in said
    assert "belongs to another model" in said


def test_weights_that_are_not_numbers_do_not_pass_the_gate(
    sound: Files, weights: Callable[..., bytes], refused: Callable[..., str]
) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors[DENSE][3, 7] = np.nan

    said = refused(sound | {"model.safetensors": weights(spoil)}, code=3)
    assert f"'{DENSE}' holds NaN or infinity" in said
    assert "nothing is recorded" in said


def test_the_base_models_own_file_does_not_pass_the_gate(
    sound: Files, refused: Callable[..., str], base_file: Path
) -> None:
    said = refused(sound | {"model.safetensors": base_file}, code=3)
    assert f"me/child holds the very weights of {BASE}" in said
    assert "check what was uploaded" in said


@pytest.mark.slow
def test_the_base_models_weights_in_another_file_do_not_pass_the_gate(
    sound: Files, refused: Callable[..., str], base_file: Path
) -> None:
    content = save(load_file(base_file), metadata={"format": "pt", "made": "again"})
    said = refused(sound | {"model.safetensors": content}, code=3)
    assert f"me/child has every prediction of {BASE}" in said
    assert "its encoder was not trained" in said


@pytest.mark.slow
def test_a_head_that_learns_nothing_does_not_pass_the_gate(
    sound: Files, weights: Callable[..., bytes], refused: Callable[..., str]
) -> None:
    def silence(tensors: dict[str, Any]) -> None:
        for kind in ("weight", "bias"):
            tensors[f"encoder.layer.5.output.LayerNorm.{kind}"][:] = 0.0

    said = refused(sound | {"model.safetensors": weights(silence)}, code=3)
    assert "class-prior" in said
    assert "look at weights, tokenizer and pooling" in said


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("never", "pickle"),
        ("base-models", "pickle"),
        ("sandboxed", "pickle"),
        ("sandboxed", "torch"),
    ],
)
def test_a_pickle_that_tries_to_run_code_does_not_run_it(
    sound: Files,
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    kind: str,
) -> None:
    marker, file = tmp_path / "marker", tmp_path / "pytorch_model.bin"
    if kind == "torch":
        torch.save({"evil": _Evil(marker)}, file)
    else:
        file.write_bytes(pickle.dumps(_Evil(marker), protocol=2))
    monkeypatch.setenv("HUBBOT_PROBE__BIN", setting)
    files = {name: one for name, one in sound.items() if name != "model.safetensors"}

    said = refused(files | {"pytorch_model.bin": file}, code=1)

    assert not marker.exists()
    expected = "was not run (it asked for " if setting == "sandboxed" else "probe.bin"
    assert expected in said
    assert "weights_only" not in said, "torch advises to switch the protection off"


def test_the_evil_pickle_would_run_where_nothing_stops_it(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Evil(tmp_path / "marker")))  # noqa: S301 - shows the test bites
    assert (tmp_path / "marker").exists()


@pytest.mark.slow
def test_pickled_weights_are_read_in_the_child_where_settings_allow_it(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    measured: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = {n: torch.from_numpy(a) for n, a in load_file(sound["model.safetensors"]).items()}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    files = {name: one for name, one in sound.items() if name != "model.safetensors"}
    hub.add_model("me/pickled", files | {"pytorch_model.bin": tmp_path / "pytorch_model.bin"})
    hub.add_model("me/safe", sound)
    monkeypatch.setenv("HUBBOT_PROBE__BIN", "sandboxed")

    pickled = hubbot("probe", "me/pickled", "--json")
    safe = hubbot("probe", "me/safe", "--json")

    assert pickled.code == 0, pickled.err
    assert pickled.json["lp_accuracy"] == safe.json["lp_accuracy"]
    assert pickled.json["weights_digest"] != safe.json["weights_digest"]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("HUBBOT_PROBE__TIMEOUT_S", "0.5", ("within 0.5 s", "raise probe.timeout_s")),
        ("HUBBOT_PROBE__MEMORY_GB", "0.02", ("0.02 GiB allowed", "raise probe.memory_gb")),
    ],
)
def test_a_child_beyond_its_limits_is_one_failure_that_says_so(
    sound: Files,
    weights: Callable[..., bytes],
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    def move(tensors: dict[str, Any]) -> None:
        tensors[DENSE] += np.float16(0.01)

    monkeypatch.setenv(setting, value)
    said = refused(sound | {"model.safetensors": weights(move)}, code=1)
    for word in words:
        assert word in said
