"""``hubbot discover``: what it prints, how it ends, what it leaves when something fails."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub

ONLY = ("-a", "roberta-base")
KEYS = {"model", "revision", "architecture", "created", "why_included", "why_skipped"}


def a_model(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"you/{name}",
        "config": {"model_type": "roberta"},
        "cardData": {"base_model": "FacebookAI/roberta-base", "language": "en"},
        "safetensors": {"parameters": {"F32": 124_647_170}, "total": 124_647_170},
        "createdAt": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-02-01T00:00:00.000Z",
    } | changes


@pytest.fixture
def shelf(hub: LocalHub) -> LocalHub:
    hub.add_listed([a_model("sound"), a_model("gated", gated="auto")])
    return hub


@pytest.fixture(autouse=True)
def ledger(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.sqlite"
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(path))
    return path


def test_json_is_one_list_with_the_reason_of_each(
    shelf: LocalHub, hubbot: Callable[..., Any]
) -> None:
    ran = hubbot("discover", *ONLY, "--json")
    assert ran.code == 0, ran.err
    assert [set(one) >= KEYS for one in ran.json] == [True, True]
    by_name = {one["model"]: one for one in ran.json}
    sound, gated = by_name["you/sound"], by_name["you/gated"]
    assert sound["why_included"].startswith("declares roberta-base")
    assert (sound["why_skipped"], sound["architecture"]) == (None, "roberta-base")
    assert (sound["created"], len(sound["revision"])) == ("2026-01-01T00:00:00.000Z", 40)
    assert gated["why_included"] is None
    assert gated["why_skipped"].startswith("gated: it is gated")
    assert not [one for one in shelf.log if one.is_write]


def test_json_of_nothing_is_an_empty_list(hub: LocalHub, hubbot: Callable[..., Any]) -> None:
    ran = hubbot("discover", *ONLY, "--json")
    assert (ran.code, ran.json) == (0, [])


def test_a_person_reads_a_table_and_the_counts(shelf: LocalHub, hubbot: Callable[..., Any]) -> None:
    shelf.rate_limits = RateLimits(api=100)
    ran = hubbot("discover", *ONLY)
    assert ran.code == 0
    assert "you/sound" in ran.out
    assert "2026-02-01" in ran.out
    counts = "2 new, 0 known, 2 repeated, 0 unchanged, 0 unreadable"
    assert f"listed 4 on 3 pages: {counts}; 97 calls" in ran.err
    assert "of the new and the known: 1 to measure, 0 measured or given up before, 1" in ran.err
    assert "97 calls left in this window" in ran.err
    assert "left out, gated: 1" in ran.err


def test_a_table_shows_the_first_and_json_all(hub: LocalHub, hubbot: Callable[..., Any]) -> None:
    hub.add_listed(a_model(f"m{number:03}", downloads=number) for number in range(80))
    ran = hubbot("discover", *ONLY)
    assert ran.out.count("you/m") == 50
    assert "you/m079" in ran.out
    assert "only the first 50 are shown; --json prints all" in ran.err
    assert len(hubbot("discover", *ONLY, "--json").json) == 80
    limited = hubbot("discover", *ONLY, "--limit", 3, "--json")
    assert [one["model"] for one in limited.json] == ["you/m079", "you/m078", "you/m077"]
    shown = hubbot("discover", *ONLY, "--limit", 60)
    assert shown.out.count("you/m") == 60
    assert "only the first" not in shown.err


def test_new_prints_what_is_still_to_be_measured(
    shelf: LocalHub, hubbot: Callable[..., Any]
) -> None:
    ran = hubbot("discover", *ONLY, "--new", "--json")
    assert [one["model"] for one in ran.json] == ["you/sound"]


def test_since_asks_and_prints_from_then_on(shelf: LocalHub, hubbot: Callable[..., Any]) -> None:
    shelf.add_listed([a_model("late", lastModified="2026-06-01T00:00:00.000Z")])
    ran = hubbot("discover", *ONLY, "--since", "2026-05-01", "--json")
    assert [one["model"] for one in ran.json] == ["you/late"]
    everything = hubbot("discover", *ONLY, "--json")
    assert len(everything.json) == 3, "what the first look left out is found by the second"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is no moment; expected a day such as"),
        (("--since", "9999-01-01"), "--since 9999-01-01 lies in the future"),
        (("-a", "robert-base"), "did you mean 'roberta-base'"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_wrong_usage_is_refused_before_any_call(
    shelf: LocalHub,
    hubbot: Callable[..., Any],
    ledger: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    ran = hubbot("discover", *arguments, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert shelf.log == ()
    assert not ledger.exists()


def test_a_query_that_fails_ends_with_1_and_keeps_the_rest(
    shelf: LocalHub, hubbot: Callable[..., Any]
) -> None:
    shelf.faults.fail("GET", "filter=base_model:finetune:roberta-base", 400)
    ran = hubbot("discover", *ONLY, "--json")
    assert ran.code == 1
    assert len(ran.json) == 2
    assert "not listed to its end: base_model:finetune:roberta-base: the list of" in ran.err
    assert hubbot("discover", *ONLY, "--json").code == 0


def test_a_token_that_is_refused_ends_with_4(
    shelf: LocalHub, hubbot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_READ_TOKEN", "hf_of_nobody")
    ran = hubbot("discover", "--json")
    assert (ran.code, ran.out) == (4, "")
    assert "the token is missing, wrong or expired" in ran.err


@pytest.mark.slow
def test_a_hub_out_of_reach_ends_with_4(spawn: Callable[..., Any]) -> None:
    ran = spawn("discover", "--json", HF_ENDPOINT="http://127.0.0.1:9").finish()
    assert (ran.code, ran.out) == (4, "")
    assert "http://127.0.0.1:9 could not be reached" in ran.err
    assert "Traceback" not in ran.err


def test_what_strangers_write_drives_no_terminal(hub: LocalHub, hubbot: Callable[..., Any]) -> None:
    bad = {"id": "you/\x1b]0;x\x07\nhubbot: all is well", "tags": ["roberta"]}
    hub.listing_oddities.insert(1, bad, path="filter=roberta&")
    card = {"base_model": "roberta-base", "language": "\x1b[2Jde\u202e"}
    hub.add_listed([a_model("x", cardData=card)])
    ran = hubbot("discover", *ONLY)
    assert ran.code == 0
    assert "other-language" in hubbot("discover", *ONLY, "--json").json[0]["why_skipped"]
    assert "an item is passed over" in ran.err
    for text in (ran.out, ran.err):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\nhubbot: all is well" not in text


def test_a_damaged_ledger_is_named_and_nothing_is_printed(
    shelf: LocalHub, hubbot: Callable[..., Any], ledger: Path
) -> None:
    ledger.write_bytes(os.urandom(10_000))
    ran = hubbot("discover", *ONLY, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "damaged, or not a ledger" in ran.err
    assert shelf.log == ()


def test_a_second_run_lists_what_the_ledger_knows_and_finds_nothing_new(
    shelf: LocalHub, hubbot: Callable[..., Any]
) -> None:
    first = hubbot("discover", *ONLY, "--json")
    second = hubbot("discover", *ONLY, "--json")
    assert second.json == first.json
    assert ": 0 new" in second.err
    assert json.loads(second.out) == second.json
