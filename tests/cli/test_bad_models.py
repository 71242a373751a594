"""Checkpoints that are refused before their weights are read: what is said, and what is kept."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"


def config(files: Files, **changes: Any) -> bytes:
    values = json.loads(Path(files["config.json"]).read_bytes()) | changes
    return json.dumps({key: value for key, value in values.items() if value is not None}).encode()


def without(files: Files, *names: str) -> Files:
    return {name: content for name, content in files.items() if name not in names}


# Case: what the repository holds, its settings on the Hub, exit code, words of the message.
Case = tuple[Callable[[Files], Files], Mapping[str, Any], int, tuple[str, ...]]

CASES: dict[str, Case] = {
    "private": (
        lambda files: files,
        {"private": True},
        4,
        ("me/child", "no such repository, or a private one that this token does not open", "check"),
    ),
    "gated": (
        lambda files: files,
        {"gated": "manual"},
        4,
        ("me/child", "asks for consent", "accept its conditions on its page"),
    ),
    "disabled": (
        lambda files: files,
        {"disabled": True},
        4,
        ("me/child", "the Hub has disabled this repository"),
    ),
    "no safetensors": (
        lambda files: without(files, "model.safetensors") | {"pytorch_model.bin": b"\x80\x02."},
        {},
        1,
        ("me/child", "no model.safetensors, only pytorch_model.bin", 'probe.bin = "sandboxed"'),
    ),
    "no weights": (
        lambda files: without(files, "model.safetensors") | {"adapter.safetensors": b"x"},
        {},
        1,
        ("me/child", "expected model.safetensors", "found", "adapter.safetensors"),
    ),
    "no config.json": (
        lambda files: without(files, "config.json"),
        {},
        1,
        ("me/child", "no config.json", "ask its author"),
    ),
    "config.json not JSON": (
        lambda files: files | {"config.json": b"{'hidden_size': 384}"},
        {},
        1,
        ("me/child", "config.json is not JSON", "choose another revision"),
    ),
    "config.json a list": (
        lambda files: files | {"config.json": b"[]"},
        {},
        1,
        ("me/child", "holds a list, expected an object"),
    ),
    "absurd sizes": (
        lambda files: files | {"config.json": config(files, hidden_size=10**9)},
        {},
        1,
        ("me/child", "hidden_size 1000000000", "expected a whole number from 1 to", "choose"),
    ),
    "unknown model type": (
        lambda files: (
            files
            | {"config.json": b'{"model_type": "zebra", "zebra_size": 8}', "README.md": b"# Hi\n"}
        ),
        {},
        1,
        ("me/child", "'zebra'", "known model types: ", "bert", "Choose a checkpoint"),
    ),
    "remote code": (
        lambda files: files | {"config.json": config(files, auto_map={"AutoModel": "m.Evil"})},
        {},
        1,
        ("me/child", "auto_map", "never runs code from a repository"),
    ),
    "sizes of no architecture": (
        lambda files: files | {"config.json": config(files, num_hidden_layers=5)},
        {},
        1,
        ("me/child", "num_hidden_layers: expected 6, found 5"),
    ),
    "undeclared base model": (
        lambda files: files | {"README.md": b"# No header\n"},
        {},
        1,
        ("me/child", f"declare base_model: {BASE}"),
    ),
    "a path out of the folder": (
        lambda files: files | {"../../evil.json": b"{}"},
        {},
        1,
        ("me/child", "../../evil.json", "leads out of its folder", "nothing of it is fetched"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_checkpoint_is_refused_before_its_weights_are_fetched(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    kept: Callable[[], set[str]],
    writes: Callable[[], list[str]],
    environment: Path,
    name: str,
) -> None:
    change, settings, code, words = CASES[name]
    before = kept()
    hub.add_model("me/child", change(sound), **settings)

    ran = hubbot("probe", "me/child", "--json")

    assert ran.code == code
    assert ran.out == ""
    for word in words:
        assert word in ran.err
    assert "Traceback" not in ran.err
    assert not [one for one in hub.log if one.status == 200 and "model.safetensors" in one.path]
    assert writes() == []
    assert kept() == before
    assert not environment.exists()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (
            "me/no-such-thing",
            ("model me/no-such-thing", "no such repository", "check the spelling"),
        ),
        ("textlab/minilm-mlni", ("textlab/minilm-mlni", "did you mean textlab/minilm-mnli?")),
        ("sentence-transformer/all-MiniLM-L6-v2", (f"did you mean {BASE}?",)),
        ("me/child@nowhere", ("me/child at nowhere", "this revision of it is not")),
    ],
)
@pytest.mark.parametrize("command", ["probe", "annotate", "show"])
def test_an_id_that_does_not_exist_is_named_with_the_nearest_that_does(
    hub: LocalHub, hubbot: Callable[..., Any], command: str, typed: str, words: tuple[str, ...]
) -> None:
    for model in ("textlab/minilm-mnli", "me/child"):
        hub.add_model(model, {"README.md": b"# hi\n"})
    ran = hubbot(command, typed)
    assert ran.code == 4
    assert ran.out == ""
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize("typed", ["two words", "a/b/c", "me/child@", "https://hf.co/me/child", ""])
@pytest.mark.parametrize("command", ["probe", "annotate", "show"])
def test_what_is_no_id_is_wrong_usage(
    hub: LocalHub, hubbot: Callable[..., Any], command: str, typed: str
) -> None:
    ran = hubbot(command, typed)
    assert ran.code == 2
    assert "expected" in ran.err
    assert hub.log == ()


@pytest.mark.parametrize("command", ["probe", "show"])
def test_a_folder_that_is_not_there_is_said_to_be_missing(
    hub: LocalHub, hubbot: Callable[..., Any], command: str
) -> None:
    ran = hubbot(command, "./nowhere")
    assert ran.code == 1
    assert "nowhere" in ran.err
    assert "expected" in ran.err
    assert hub.log == ()


def test_annotate_takes_an_id_though_a_folder_has_that_name(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    record_of: Callable[..., Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "me" / "child").mkdir(parents=True)
    hub.add_model("me/child", sound)
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--json")
    assert ran.json["action"] == "would-open"
    assert hubbot("annotate", "./me/child").code == 2


def test_a_renamed_model_is_measured_under_its_new_name(
    hub: LocalHub, hubbot: Callable[..., Any], sound: Files, kept: Callable[[], set[str]]
) -> None:
    before = kept()
    hub.add_model("me/old-name", sound)
    hub.rename("me/old-name", "me/new-name")
    ran = hubbot("probe", "me/old-name", "--json")
    assert ran.code == 0, ran.err
    assert "me/old-name is called me/new-name on the Hub now" in ran.err
    assert ran.json["model"] == "me/new-name"
    assert kept() == before, "the same weights were measured before"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"private": True}, "private"),
        ({"gated": "auto"}, "gated"),
        ({"discussions_disabled": True}, "switched off"),
    ],
)
def test_annotate_leaves_alone_what_it_may_not_propose_to(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    token: Callable[..., str],
    record_of: Callable[..., Path],
    writes: Callable[[], list[str]],
    settings: Mapping[str, Any],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_READ_TOKEN", token("me"))
    hub.add_model("me/child", sound, approved=["me"], **settings)
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--send", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["action"] == "skipped"
    assert reason in ran.json["reason"]
    assert writes() == []


def test_without_its_base_model_a_checkpoint_has_an_accuracy_and_no_gain(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    measured: None,
    cache_dir: Path,
    environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(cache_dir / "probes", tmp_path / "cache" / "probes")
    monkeypatch.setenv("HUBBOT_CACHE_DIR", str(tmp_path / "cache"))
    hub.add_model("me/child", sound)
    ran = hubbot("annotate", "me/child", "--json")
    assert ran.code == 0, ran.err
    assert "no LP gain: the base model cannot be had" in ran.err
    record = ran.json["record"]
    assert record["lp_accuracy"].keys() == {"linear", "head"}
    assert (record["lp_gain"], record["predicted_gain"]) == (None, None)
    assert f"the base model cannot be had: model {BASE}" in record["prediction_note"]
    assert "LP(m, MNLI)" in hubbot("probe", "me/child").out
