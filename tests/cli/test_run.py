"""``hubbot run`` end to end: real weights, the embedded Hub, real pull requests."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import scan_cache_dir

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
ONLY = ("-a", "all-MiniLM-L6-v2")

pytestmark = pytest.mark.slow


def card(*lines: str) -> bytes:
    header = "\n".join((f"base_model: {BASE}", *lines))
    return f"---\n{header}\n---\n# A model\n".encode()


@pytest.fixture
def bot(
    hub: LocalHub,
    sound: Files,
    base_file: Path,
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> LocalHub:
    """A small bot with a ledger of its own, and a Hub with the base model and one child."""
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "ledger.sqlite"))
    for name, value in {"SCREEN_TRAIN": 100, "MAX_TRAIN": 100}.items():
        monkeypatch.setenv(f"HUBBOT_BOT__{name}", str(value))
    for name in ("SENSITIVITIES_PER_PASS", "EVALUATIONS_PER_PASS"):
        monkeypatch.setenv(f"HUBBOT_BOT__{name}", "0")
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    hub.add_model("me/child", dict(sound), downloads=1000)
    return hub


@pytest.fixture
def pair(bot: LocalHub, sound: Files, weights: Callable[..., bytes]) -> LocalHub:
    """Two children; ``me/liked`` comes first."""

    def nudge(tensors: dict[str, Any]) -> None:
        name = "encoder.layer.5.output.dense.weight"
        tensors[name] = (tensors[name] * 1.01).astype(np.float16)

    bot.add_model("me/liked", sound | {"model.safetensors": weights(nudge)}, downloads=10**7)
    return bot


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Caches of the Hub's client and of hubbot that are the test's own; gives the client's."""
    # The client read its variable when it was imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HUBBOT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "hub"


@pytest.fixture
def states(hubbot: Callable[..., Any]) -> Callable[[], dict[str, str]]:
    """Tell in which state, and why, each model of the ledger is."""

    def read() -> dict[str, str]:
        return {
            row["model"]: f"{row['state']}: {row['code']}" if row["code"] else row["state"]
            for row in hubbot("status", "--models", "--json").json
        }

    return read


def test_every_kind_of_model_ends_in_one_state_for_one_reason(
    bot: LocalHub,
    sound: Files,
    nan_weights: bytes,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
    writes: Callable[[], list[str]],
    environment: Path,
) -> None:
    token("me")
    bot.add_model("me/copy", dict(sound))
    bot.add_model("me/twin-of-base", {**sound, "model.safetensors": _base_of(bot)})
    bot.add_model("you/not-finite", sound | {"model.safetensors": nan_weights})
    bot.add_model("me/german", sound | {"README.md": card("language: de")})
    bot.add_model("me/no", sound | {"README.md": card("hubbot: false")})
    bot.add_model("me/adapter", sound | {"README.md": card("library_name: peft")})
    bot.add_model("me/gated", dict(sound), gated="auto")
    bot.add_model("me/config-lies", sound | {"config.json": b'{"model_type": "bert"}'})
    expected = {
        BASE: "skipped: base-model",
        "me/child": "recorded",
        "me/copy": "skipped: same-weights",
        "me/twin-of-base": "skipped: same-weights",
        "you/not-finite": "refused: finite features",
        "me/german": "skipped: other-language",
        "me/no": "skipped: opt-out",
        "me/adapter": "skipped: adapter",
        "me/gated": "skipped: gated",
        "me/config-lies": "skipped: not-recognised",
    }

    dry = hubbot("run", *ONLY, "--json")
    assert states() == expected
    assert writes() == []
    assert sum(dry.json["total"].values()) == len(expected)
    assert dry.json["events"]["would-open"] == 1
    assert [path.name for path in environment.glob("*/*.yaml")] == ["me--child.yaml"]

    sent = hubbot("run", *ONLY, "--send", "--json")
    assert states() == expected | {"me/child": "published"}
    assert sent.json["n_measured"] == 0, "nothing is measured twice"
    assert sent.json["n_opened"] == 1
    assert len(bot.pull_requests("me/child")) == 1

    bot.clear_log()
    again = hubbot("run", *ONLY, "--send", "--json")
    assert writes() == []
    assert again.json["n_opened"] == again.json["n_measured"] == 0
    assert states() == expected | {"me/child": "published"}


def _base_of(hub: LocalHub) -> bytes:
    return hub.read_file(BASE, "model.safetensors")


def test_a_dry_run_shows_the_exact_diff_of_each_card(
    bot: LocalHub, hubbot: Callable[..., Any], writes: Callable[[], list[str]]
) -> None:
    shown = hubbot("run", *ONLY)
    assert shown.code == 0, shown.err
    proposed = hubbot("annotate", "me/child", "--max-train", "100", "--json").json["diff"]
    assert "+## As a starting point for fine-tuning" in proposed
    assert (
        proposed.splitlines()[2:]
        == [line for line in shown.out.splitlines() if line.startswith(("+", "-", " ", "@", "\\"))][
            2 : len(proposed.splitlines())
        ]
    )
    assert writes() == []


def test_strangers_are_left_alone_until_the_maintainer_says_otherwise(
    bot: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
    writes: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token("robot")
    hubbot("run", *ONLY, "--send")
    assert states()["me/child"] == "unpublished: stranger"
    assert writes() == []

    monkeypatch.setenv("HUBBOT_BOT__STRANGERS", "true")
    ran = hubbot("run", *ONLY, "--send", "--json")
    assert states()["me/child"] == "published"
    assert ran.json["n_opened"] == 1


def test_a_cap_leaves_the_rest_to_the_next_pass(
    pair: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token("me")
    monkeypatch.setenv("HUBBOT_BOT__MAX_OPEN_PER_OWNER", "1")
    hubbot("run", *ONLY, "--send")
    assert states()["me/liked"] == "published"
    assert states()["me/child"] == "recorded: cap-owner"

    pair.merge_pull_request("me/liked", 1, "me")
    hubbot("run", *ONLY, "--send", "--no-discover")
    assert states()["me/child"] == "published"
    assert [len(pair.pull_requests(name)) for name in ("me/liked", "me/child")] == [1, 1]


def test_what_owners_do_to_pull_requests_is_followed(
    bot: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
    writes: Callable[[], list[str]],
) -> None:
    token("me")
    hubbot("run", *ONLY, "--send")
    bot.commit("me/child", {"README.md": card() + b"\nNew words.\n"}, "me")
    assert bot.pull_requests("me/child")[0].conflicts
    hubbot("run", *ONLY, "--send")
    old, new = bot.pull_requests("me/child")
    assert (old.status, new.status, new.conflicts) == ("closed", "open", ())
    assert states()["me/child"] == "published"
    assert hubbot("status", "--json").json["pull_requests"] == {"open": 1, "withdrawn": 1}

    bot.close_pull_request("me/child", 2, "me")
    bot.clear_log()
    hubbot("run", *ONLY, "--send")
    assert states()["me/child"] == "unpublished: closed"
    assert (
        hubbot("run", *ONLY, "--send", "--since", "all", "--json").json["discovered"]["known"] == 2
    )
    assert writes() == []
    assert hubbot("status", "--json").json["pull_requests"] == {"closed": 1, "withdrawn": 1}


def test_an_owner_who_says_stop_is_left_alone_from_then_on(
    bot: LocalHub,
    sound: Files,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
) -> None:
    token("robot")
    token("me")
    hubbot("run", *ONLY, "--send")
    bot.add_user("you", "hf_you")
    bot.add_org("us", ["me"])
    bot.comment("me/child", 1, "you", "hubbot stop")
    hubbot("run", *ONLY, "--send")
    assert states()["me/child"] == "unpublished: unwanted"
    found = hubbot("status", "--json").json["opt_outs"]
    assert list(found) == ["me/child"]
    assert "you said so on" in found["me/child"]
    bot.commit("me/child", {"new.txt": b"another commit"}, "me")
    hubbot("run", *ONLY, "--send")
    assert states()["me/child"] == "skipped: opt-out"


def test_a_machine_whose_reference_probe_moved_measures_nothing(
    bot: LocalHub,
    sound: Files,
    nan_weights: bytes,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    tmp_path: Path,
) -> None:
    hubbot("run", *ONLY)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE reference_probes SET lp_accuracy = lp_accuracy - 5")
    bot.add_model("me/new", sound | {"model.safetensors": nan_weights})
    ran = hubbot("run", *ONLY, "--json")
    assert ran.code == 1
    assert states()["me/new"] == "seen"
    (problem,) = ran.json["problems"]
    assert "check reference" in problem
    assert "at most 1 points are tolerated" in problem


def test_budgets_are_kept_and_the_next_pass_goes_on(
    bot: LocalHub, hubbot: Callable[..., Any], states: Callable[[], dict[str, str]]
) -> None:
    ran = hubbot("run", *ONLY, "--max-models", "0", "--json")
    assert ran.json["events"]["stopped by the budget"] == 1
    assert states()["me/child"] == "seen"
    hubbot("run", *ONLY, "--budget-minutes", "0")
    assert states()["me/child"] == "seen"
    hubbot("run", *ONLY)
    assert states()["me/child"] == "recorded"


def test_the_next_checkpoint_is_fetched_while_this_one_is_measured(
    pair: LocalHub,
    hubbot: Callable[..., Any],
    environment: Path,
    own_cache: Path,
) -> None:
    hubbot("run", *ONLY)
    (second,) = own_cache.parent.glob("cache/checkpoints/me--child/*/config.json")
    (first,) = environment.glob("*/me--liked.yaml")
    assert second.parent.stat().st_ctime < first.stat().st_ctime
    assert {path.name for path in environment.glob("*/*.yaml")} == {
        "me--child.yaml",
        "me--liked.yaml",
    }


def test_nothing_is_fetched_ahead_that_the_budget_does_not_reach(
    pair: LocalHub, hubbot: Callable[..., Any], states: Callable[[], dict[str, str]]
) -> None:
    hubbot("run", *ONLY, "--max-models", "1")
    assert states() == {
        BASE: "skipped: base-model",
        "me/liked": "recorded",
        "me/child": "seen",
    }
    assert not [one for one in pair.log if "me/child/resolve" in one.path]


def test_what_cannot_be_fetched_ahead_is_fetched_in_its_turn(
    pair: LocalHub,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    own_cache: Path,
) -> None:
    pair.faults.fail("GET", r"/me/child/resolve/.*model.safetensors", 404)
    ran = hubbot("run", *ONLY)
    assert ran.code == 0, ran.err
    assert pair.faults.pending() == 0
    assert states()["me/child"] == "recorded"


def test_fetched_checkpoints_and_features_do_not_pile_up(
    pair: LocalHub,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__KEEP_GB", "0")
    ran = hubbot("run", *ONLY)
    assert ran.code == 0, ran.err
    assert set(states().values()) == {"skipped: base-model", "recorded"}
    kept = {repo.repo_id for repo in scan_cache_dir(own_cache).repos}
    assert kept == {BASE}, "the base model is needed again and again"
    assert not list(own_cache.parent.glob("cache/probes/*/*.np[yz]"))
    assert [
        path.name for path in own_cache.parent.glob("cache/checkpoints/*/*/model.safetensors")
    ] == ["model.safetensors"]

    monkeypatch.setenv("HUBBOT_BOT__KEEP_GB", "20")
    pair.commit("me/child", {"model.safetensors": pair.read_file(BASE, "model.safetensors")}, "me")
    pair.commit("me/liked", {"new.txt": b"no other weights"}, "me")
    pair.clear_log()
    hubbot("run", *ONLY)
    assert states()["me/child"] == "skipped: same-weights"
    assert not [one for one in pair.log if one.path.endswith("model.safetensors")]


def test_a_full_disk_ends_the_pass_and_is_no_fault_of_a_checkpoint(
    bot: LocalHub,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_DOWNLOAD__MIN_FREE_GB", "1000000")
    ran = hubbot("run", *ONLY)
    assert ran.code == 1
    assert "expected at least 1e+06; make room there" in ran.err
    assert "Traceback" not in ran.err
    assert states()["me/child"] == "seen"
    monkeypatch.delenv("HUBBOT_DOWNLOAD__MIN_FREE_GB")
    hubbot("run", *ONLY)
    assert states()["me/child"] == "recorded"


def test_a_checkpoint_that_cannot_be_had_is_tried_again_and_then_given_up(
    bot: LocalHub,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__MAX_ATTEMPTS", "2")
    bot.faults.fail("GET", "/api/models/me/child", 400, times=None)
    assert hubbot("run", *ONLY).code == 1
    assert states()["me/child"] == "failed: invalid"
    hubbot("run", *ONLY)
    bot.clear_log()
    hubbot("run", *ONLY)
    assert not [one for one in bot.log if "me/child" in one.path], "it was tried twice"


def test_a_model_that_is_deleted_after_it_was_listed_is_no_failure(
    bot: LocalHub, hubbot: Callable[..., Any], states: Callable[[], dict[str, str]]
) -> None:
    hubbot("discover", *ONLY)
    bot.delete_repository("me/child")
    assert hubbot("run", *ONLY, "--no-discover").code == 0
    assert states()["me/child"] == "skipped: not-found"


def test_a_record_that_was_deleted_is_measured_again(
    bot: LocalHub,
    environment: Path,
    hubbot: Callable[..., Any],
    states: Callable[[], dict[str, str]],
) -> None:
    hubbot("run", *ONLY)
    (record,) = environment.glob("*/*.yaml")
    before = record.read_text()
    record.unlink()
    hubbot("run", *ONLY)
    assert states()["me/child"] == "seen: record-gone"
    hubbot("run", *ONLY)
    assert states()["me/child"] == "recorded"
    assert _without_times(record.read_text()) == _without_times(before)


def test_a_model_that_was_renamed_since_stops_no_other(
    bot: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    states: Callable[[], dict[str, str]],
) -> None:
    hubbot("run", *ONLY)
    bot.rename("me/child", "me/grown-up")
    token("me")
    ran = hubbot("run", *ONLY, "--send", "--no-discover")
    assert ran.code == 0, ran.err
    assert states()["me/child"] == "unpublished: record"
    hubbot("run", *ONLY, "--send")
    assert states()["me/grown-up"] == "published"


def _without_times(text: str) -> list[str]:
    lines = text.splitlines()
    times = ("date:", "  download:", "  encode:", "  head:", "  tokenize:")
    return [line for line in lines if not line.startswith(times)]
