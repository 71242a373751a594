"""``--json``: exactly one document on standard output, with the keys that the design promises."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]


def test_probe(hub: LocalHub, hubbot: Callable[..., Any], sound: Files, measured: None) -> None:
    hub.add_model("me/child", sound)
    ran = hubbot("probe", "me/child", "--json")
    assert ran.code == 0, ran.err
    result = ran.json
    assert result.keys() >= {
        *("model", "revision", "architecture", "protocol", "lp_accuracy", "lp_accuracy_interval"),
        *("lp_gain", "n_train", "n_test", "seconds", "device"),
    }
    for key in ("lp_accuracy", "lp_accuracy_interval", "lp_gain"):
        assert result[key].keys() == {"linear", "head"}
    assert result["seconds"].keys() == {"download", "tokenize", "encode", "head"}
    assert (result["model"], result["revision"]) == ("me/child", hub.head("me/child"))
    assert (result["architecture"], result["protocol"]) == ("all-MiniLM-L6-v2", "lp-mnli")
    assert (result["n_train"], result["n_test"], result["device"]) == (120, 150, "cpu")
    for head, accuracy in result["lp_accuracy"].items():
        low, high = result["lp_accuracy_interval"][head]
        assert 0 <= low <= accuracy <= high <= 100
        gain = accuracy - result["base_lp_accuracy"][head]
        assert result["lp_gain"][head] == pytest.approx(gain)


@pytest.mark.parametrize(
    ("arguments", "is_given"),
    [
        (["-a", "roberta-base", "--lp-accuracy", "72.5"], True),
        (["-a", "roberta-base", "--lp-gain", "12", "--protocol", "lp-mnli"], True),
        (["-a", "all-MiniLM-L6-v2", "--lp-gain", "3", "--protocol", "lp-mnli"], False),
    ],
)
def test_predict(
    hub: LocalHub, hubbot: Callable[..., Any], arguments: list[str], is_given: bool
) -> None:
    ran = hubbot("predict", *arguments, "--json")
    assert ran.code == 0, ran.err
    result = ran.json
    assert result.keys() >= {
        *("architecture", "gain", "interval", "level", "probability_positive", "n"),
        *("calibration", "note"),
    }
    assert (result["gain"] is not None) == is_given
    if is_given:
        assert result["interval"][0] < result["gain"] < result["interval"][1]
        assert result["n"] >= 20
    else:
        assert result["note"]
    assert hub.log == ()


@pytest.mark.parametrize("send", [[], ["--send"]])
def test_annotate_and_show(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    token: Callable[..., str],
    record_of: Callable[..., Path],
    send: list[str],
) -> None:
    token("me")
    hub.add_model("me/child", sound)
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), *send, "--json")
    assert ran.code == 0, ran.err
    assert ran.json.keys() == {"model", "action", "reason", "url", "diff", "record"}
    assert ran.json["action"] == ("opened" if send else "would-open")
    assert (ran.json["url"] is not None) == bool(send)
    if send:
        shown = hubbot("show", "me/child@refs/pr/1", "--json")
        assert shown.code == 0, shown.err
        assert shown.json["lp_accuracy"] == {"head": 56.25, "linear": 55.12}
        assert shown.json["model"] == "me/child"


def test_doctor(hub: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str]) -> None:
    token("me", role="read")
    ran = hubbot("doctor", "--json")
    findings = {one["check"]: one for one in ran.json}
    assert findings.keys() >= {
        *("python", "extra probe", "extra demo", "device", "sandbox", "disk"),
        *("token for reading", "token for writing"),
    }
    for one in findings.values():
        assert one.keys() == {"check", "status", "found", "advice"}
        assert one["status"] in {"ok", "warning", "problem"}
    assert "me, may only read" in findings["token for writing"]["found"]
    assert "no token" in findings["token for reading"]["found"]
    assert ran.code == (1 if any(one["status"] == "problem" for one in findings.values()) else 0)


def test_doctor_resolves_revisions_or_writes_nothing(
    hub: LocalHub, hubbot: Callable[..., Any], sound: Files, tmp_path: Path
) -> None:
    from hubbot.catalog.architectures import load_architectures
    from hubbot.catalog.datasets import load_datasets

    # One was withdrawn, and this Hub makes no Parquet branches.
    gone = "mteb/AmazonReviewsClassification"
    branched = {spec.hub_id for spec in load_datasets() if spec.hub_revision}
    lock = tmp_path / "revisions.toml"
    entries = load_architectures()
    for entry in entries[1:]:
        hub.add_model(entry.hub_id, {"config.json": b"{}"})
    datasets = {spec.hub_id for spec in load_datasets()}
    for hub_id in sorted(datasets - {gone}):
        hub.add_dataset(hub_id, {"README.md": b"# A data set\n"})
    lacking = hubbot("doctor", "--datasets")
    assert lacking.code == 4
    assert entries[0].hub_id in lacking.err
    assert not lock.exists()

    hub.add_model(entries[0].hub_id, {"config.json": b"{}"})
    ran = hubbot("doctor", "--datasets", "--json")
    assert ran.code == 1, ran.err
    assert "not pinned" in ran.err
    assert ran.json["missing"].keys() == branched | {gone}
    assert ran.json["models"] == {entry.hub_id: hub.head(entry.hub_id) for entry in entries}
    assert ran.json["datasets"]["nyu-mll/multi_nli"] == hub.head(
        "nyu-mll/multi_nli", kind="datasets"
    )
    assert lock.exists()


def test_text_from_the_hub_cannot_drive_the_terminal(
    hub: LocalHub, hubbot: Callable[..., Any], sound: Files, record_of: Callable[..., Path]
) -> None:
    card = sound["README.md"] + "\x1b[2Jwiped\u202egnp\x07\n".encode()
    hub.add_model("me/child", sound | {"README.md": card})
    path = record_of("me/child")
    shown = hubbot("annotate", "me/child", "--record", path)
    assert shown.code == 0, shown.err
    assert "wiped" in shown.out
    assert not {"\x1b", "\u202e", "\x07"} & set(shown.out + shown.err)
    told = hubbot("annotate", "me/child", "--record", path, "--json")
    assert "\\x1b[2Jwiped\\u202egnp" in json.loads(told.out)["diff"], "a diff is for reading"
