"""A look at the Hub's list: what gets into the ledger, at which cost, and what a failure leaves."""

import itertools
import re
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.bot.discovering import Discovery, discover, told
from hubbot.bot.found import found_models
from hubbot.bot.moments import moment_of, past_moment_of
from hubbot.bot.summary import fate_of, partition_of
from hubbot.bot.triage import REASONS
from hubbot.errors import RemoteError, SettingsError
from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub
from hubbot.records.pass_rows import BotLedger
from hubbot.settings import Settings

ROBERTA = ("roberta-base",)
N_QUERIES = 3
"""Queries of roberta-base: its id, its older name, its model type."""


def a_model(name: str, **changes: Any) -> dict[str, Any]:
    """A sound fine-tuned roberta-base in the Hub's words."""
    card = {"base_model": "FacebookAI/roberta-base", "language": "en"} | changes.pop("cardData", {})
    return {
        "id": f"you/{name}",
        "config": {"model_type": "roberta"},
        "cardData": card,
        "safetensors": {"parameters": {"F32": 124_647_170}, "total": 124_647_170},
        "lastModified": "2026-02-01T00:00:00.000Z",
        "tags": [
            *("safetensors", "transformers", "roberta", "base_model:FacebookAI/roberta-base"),
            "base_model:finetune:FacebookAI/roberta-base",
        ],
    } | changes


TAGS = a_model("x")["tags"]
PLAIN = ["safetensors", "transformers", "roberta"]

KINDS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "disabled": {"disabled": True},
    "gated": {"gated": "auto"},
    "opt-out": {"cardData": {"hubbot": False}},
    "adapter": {"library_name": "peft"},
    "quantised": {"config": {"model_type": "roberta", "quantization_config": {"bits": 4}}},
    "other-architecture": {
        "config": {"model_type": "llama"},
        "cardData": {"base_model": "you/llama"},
        "tags": [*PLAIN, "llama"],
    },
    "contradiction": {"config": {"model_type": "bert"}},
    "other-size": {"safetensors": {"parameters": {"F32": 5}, "total": 5}},
    "other-language": {"cardData": {"language": "de"}},
    "no-safetensors": {"safetensors": None, "tags": [tag for tag in TAGS if tag != "safetensors"]},
    "too-large": {"safetensors": {"parameters": {"F64": 124_647_170 * 1}, "total": 1}},
}
"""Changes that lead to each reason."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # A base model has half a GiB; twice that is too large here, so that one model can be.
    return Settings(ledger_file=tmp_path / "ledger.sqlite", download={"max_gb": 0.7})


@pytest.fixture
def shelf(hub: LocalHub) -> LocalHub:
    hub.add_listed(a_model(f"m{number}") for number in range(5))
    return hub


def with_token(settings: Settings, token: str) -> Settings:
    return settings.model_copy(update={"read_token": SecretStr(token)})


def rows(settings: Settings) -> dict[str, tuple[str, str]]:
    with BotLedger(settings.ledger_file) as ledger:
        return {row.model: (row.state, row.code) for row in ledger.checkpoints()}


def add_up(found: Discovery) -> bool:
    """Whether every item and every model is counted once, in the text for a person too."""
    counts = told(found)
    items = _numbers_of(partition_of(counts))
    models = _numbers_of(fate_of(counts))
    return sum(items) == found.listed and sum(models) == found.new + found.known


def _numbers_of(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


# What is found


def test_new_models_get_into_the_ledger_and_each_is_counted_once(
    shelf: LocalHub, settings: Settings
) -> None:
    found = discover(architectures=ROBERTA, settings=settings)
    assert (found.new, found.included, found.skipped) == (5, 5, {})
    # Each carries both the tag of its base model and that of its type.
    assert (found.listed, found.repeated, found.waiting) == (10, 5, 5)
    assert add_up(found)
    assert set(rows(settings).values()) == {("seen", "")}
    assert len(shelf.log) == found.pages == N_QUERIES
    assert all(one.path == "/api/models" for one in shelf.log)


def test_every_kind_of_model_gets_its_one_reason(hub: LocalHub, settings: Settings) -> None:
    numbers = range(4)
    hub.add_listed(
        a_model(f"{reason or 'sound'}-{number}", **changes)
        for reason, changes in KINDS.items()
        for number in numbers
    )
    hub.add_listed([a_model("base") | {"id": "FacebookAI/roberta-base"}])
    hub.add_listed([a_model("left", cardData={"license": "mit"}) | {"id": "them/left"}])
    settings = settings.model_copy(
        update={"bot": settings.bot.model_copy(update={"opt_out": ("@Them",)})}
    )
    found = discover(architectures=ROBERTA, settings=settings)
    states = rows(settings)
    for reason in KINDS:
        for number in numbers:
            expected = ("skipped", reason) if reason else ("seen", "")
            assert states[f"you/{reason or 'sound'}-{number}"] == expected, reason
    assert states["FacebookAI/roberta-base"] == ("skipped", "base-model")
    assert states["them/left"] == ("skipped", "opt-out")
    assert len(states) == 4 * len(KINDS) + 2
    assert add_up(found)
    counted = Counter(code for _, code in states.values())
    assert found.skipped == {code: number for code, number in counted.items() if code}
    assert found.included == counted[""] == 4
    assert set(found.skipped) <= set(REASONS)


def test_who_opted_out_on_a_pull_request_is_left_alone_too(
    shelf: LocalHub, settings: Settings
) -> None:
    with BotLedger(settings.ledger_file) as ledger:
        ledger.add_opt_out("you", "said stop")
    found = discover(architectures=ROBERTA, settings=settings)
    assert found.skipped == {"opt-out": 5}


def test_a_private_model_is_listed_for_its_owner_and_left_out(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_user("you", "hf_you")
    hub.add_listed([a_model("mine", private=True)])
    assert discover(architectures=ROBERTA, settings=settings).listed == 0
    found = discover(architectures=ROBERTA, settings=with_token(settings, "hf_you"))
    assert found.skipped == {"private": 1}


def test_a_model_without_size_or_type_is_asked_for_by_its_config_later(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed([a_model("plain", cardData={"base_model": None}, safetensors=None, tags=PLAIN)])
    discover(architectures=ROBERTA, settings=settings)
    (one,) = found_models(settings=settings)
    assert (one.architecture, one.state, one.parameters) == ("", "seen", None)
    assert one.why_included is not None
    assert "config.json tells" in one.why_included


# The second look


def test_a_second_look_asks_for_one_page_a_query_and_finds_nothing_new(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed(
        a_model(f"m{number}", lastModified=f"2026-01-01T00:{number:02}:00.000Z")
        for number in range(60)
    )
    first = discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert first.pages == 6 + 1 + 6
    hub.clear_log()
    second = discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert (second.new, second.pages, len(hub.log)) == (0, N_QUERIES, N_QUERIES)
    # Two queries list them; the last changed one alone is as new as the mark.
    assert (second.listed, second.unchanged, second.known, second.repeated) == (20, 18, 1, 1)
    assert add_up(second)


def test_what_is_to_be_measured_is_told_apart_from_what_was(
    shelf: LocalHub, settings: Settings
) -> None:
    shelf.add_listed([a_model("gated", gated="auto")])
    discover(architectures=ROBERTA, settings=settings)
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint("you/m0", "published")
        ledger.note_checkpoint("you/m1", "failed", attempts=settings.bot.max_attempts)
        ledger.note_checkpoint("you/m2", "failed", attempts=settings.bot.max_attempts - 1)
    found = discover(architectures=ROBERTA, settings=settings, since="all")
    assert (found.new, found.known, found.included, found.waiting) == (0, 6, 5, 3)
    assert fate_of(told(found)) == "3 to measure, 2 measured or given up before, 1 left out"
    assert add_up(found)


def test_a_second_look_finds_what_is_new_and_what_was_changed(
    shelf: LocalHub, settings: Settings
) -> None:
    discover(architectures=ROBERTA, settings=settings)
    with BotLedger(settings.ledger_file) as ledger:
        before = {row.model: row.revision for row in ledger.checkpoints()}
        ledger.note_checkpoint("you/m1", "recorded", measured_revision=before["you/m1"])
        ledger.note_checkpoint("you/m2", "recorded", measured_revision=before["you/m2"])
    shelf.add_listed([a_model("new", lastModified="2026-03-01T00:00:00.000Z")])
    shelf.change_listed("you/m1", lastModified="2026-03-02T00:00:00.000Z", sha="f" * 40)
    found = discover(architectures=ROBERTA, settings=settings)
    assert found.new == 1
    assert rows(settings) | {} == {
        **{f"you/m{number}": ("seen", "") for number in (0, 1, 3, 4)},
        "you/m2": ("recorded", ""),
        "you/new": ("seen", ""),
    }


def test_since_sets_the_last_look_aside(shelf: LocalHub, settings: Settings) -> None:
    shelf.change_listed("you/m4", lastModified="2026-05-01T00:00:00.000Z")
    discover(architectures=ROBERTA, settings=settings)
    shelf.add_listed([a_model("older", lastModified="2025-01-01T00:00:00.000Z")])
    assert discover(architectures=ROBERTA, settings=settings).new == 0
    assert discover(architectures=ROBERTA, settings=settings, since="2024-01-01").new == 1


@pytest.mark.parametrize("since", ["2026-04-01", "2026-11-01"])
def test_a_first_look_that_left_models_out_hides_none_of_them_from_the_next(
    shelf: LocalHub, settings: Settings, since: str
) -> None:
    shelf.change_listed("you/m4", lastModified="2026-05-01T00:00:00.000Z")
    first = discover(architectures=ROBERTA, settings=settings, since=since)
    assert first.new == (since == "2026-04-01")
    assert add_up(first)
    discover(architectures=ROBERTA, settings=settings)
    assert len(rows(settings)) == 5
    assert discover(architectures=ROBERTA, settings=settings).unchanged > 0, "now all was seen"


def test_what_was_changed_between_two_looks_is_found_though_a_later_since_was_given(
    shelf: LocalHub, settings: Settings
) -> None:
    discover(architectures=ROBERTA, settings=settings)
    shelf.add_listed(
        [
            a_model("between", lastModified="2026-03-01T00:00:00.000Z"),
            a_model("late", lastModified="2026-05-01T00:00:00.000Z"),
        ]
    )
    assert discover(architectures=ROBERTA, settings=settings, since="2026-04-01").new == 1
    assert discover(architectures=ROBERTA, settings=settings).new == 1
    assert "you/between" in rows(settings)


@pytest.mark.parametrize("since", ["all", "2026-01-01"])
def test_a_look_that_left_nothing_out_is_where_the_next_one_begins(
    shelf: LocalHub, settings: Settings, since: str
) -> None:
    discover(architectures=ROBERTA, settings=settings)
    shelf.add_listed([a_model("late", lastModified="2026-05-01T00:00:00.000Z")])
    discover(architectures=ROBERTA, settings=settings, since=since)
    with BotLedger(settings.ledger_file) as ledger:
        assert ledger.newest_listed("roberta") == "2026-05-01T00:00:00.000Z"


def test_a_model_changed_while_pages_are_asked_for_is_found_by_the_next_look(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed(
        a_model(f"m{number}", lastModified=f"2026-01-01T00:{number:02}:00.000Z")
        for number in range(30)
    )
    hub.listing_oddities.follow_changes = True
    changed = iter(range(3))

    def report(task: str, done: int, total: int) -> None:
        # Each page read, the last model of all moves to the front, past the reader.
        number = next(changed, None)
        if number is not None:
            moment = f"2026-06-0{number + 1}T00:00:00.000Z"
            hub.change_listed(f"you/m{number}", lastModified=moment)

    discover(architectures=ROBERTA, settings=settings, page_size=10, report=report)
    discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert len(rows(settings)) == 30


# Cost


def test_the_whole_catalog_costs_a_call_a_page_and_says_what_is_left(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed(a_model(f"m{number}") for number in range(250))
    hub.rate_limits = RateLimits(api=1000)
    found = discover(settings=settings, page_size=100)
    # Two lists of three pages; every other query has one, empty.
    n_empty = found.pages - 6
    asked = {one.target.split("&")[0] for one in hub.log}
    assert len(asked) == n_empty + 2
    assert len(hub.log) == found.pages
    assert found.calls_left == 1000 - found.pages
    assert found.waited_s == 0


def test_no_query_runs_into_the_limit_that_another_has_used_up(
    shelf: LocalHub, settings: Settings
) -> None:
    shelf.rate_limits = RateLimits(api=2, window_s=2)
    found = discover(architectures=ROBERTA, settings=settings)
    assert [one.status for one in shelf.log] == [200] * N_QUERIES
    assert found.waited_s > 0
    assert found.calls_left is not None


def test_memory_does_not_grow_with_the_number_of_models(hub: LocalHub, settings: Settings) -> None:
    text = "a card of some length " * 10
    names = itertools.count()

    def add(number: int, kind: str, tags: list[str]) -> None:
        hub.add_listed(
            a_model(f"{kind}-{next(names)}", cardData={"text": text}, tags=tags)
            for _ in range(number)
        )

    def peak(architecture: str) -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        found = discover(architectures=(architecture,), settings=settings, page_size=100)
        assert found.new in (2000, 6000)
        return tracemalloc.get_traced_memory()[1] - before

    add(2000, "few", ["base_model:finetune:roberta-base"])
    add(6000, "many", ["base_model:finetune:google-t5/t5-small"])
    discover(architectures=("albert-base-v2",), settings=settings)  # what is loaded once
    tracemalloc.start()
    try:
        few, many = peak("roberta-base"), peak("t5-small")
    finally:
        tracemalloc.stop()
    # Four thousand rows more, held at once, would take more than two megabytes, models five.
    assert many - few < 1_500_000


# Failures


def test_one_query_that_fails_keeps_what_the_others_found(
    shelf: LocalHub, settings: Settings
) -> None:
    discover(architectures=("bert-base-cased",), settings=settings)
    shelf.faults.fail("GET", "filter=base_model:finetune:FacebookAI", 400, times=1)
    found = discover(architectures=ROBERTA, settings=settings)
    (name,) = found.incomplete
    assert name == "base_model:finetune:FacebookAI/roberta-base"
    assert "the Hub did not accept the request" in found.incomplete[name]
    assert (found.new, found.pages) == (5, N_QUERIES - 1)
    with BotLedger(settings.ledger_file) as ledger:
        assert ledger.newest_listed(name) == ""
        assert ledger.newest_listed("roberta") != ""
    assert discover(architectures=ROBERTA, settings=settings).incomplete == {}


def test_a_list_that_breaks_off_keeps_its_first_pages_and_begins_anew_the_next_time(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed(
        a_model(f"m{number}", lastModified=f"2026-01-01T00:{number:02}:00.000Z", tags=PLAIN)
        for number in range(30)
    )
    hub.faults.fail("GET", "filter=roberta&.*cursor", 400, skip=1, times=1)
    found = discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert list(found.incomplete) == ["roberta"]
    assert (found.new, found.listed, add_up(found)) == (20, 20, True)
    again = discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert (again.new, again.incomplete, len(rows(settings))) == (10, {}, 30)


def test_a_hub_that_cannot_be_asked_at_all_is_an_error(hub: LocalHub, settings: Settings) -> None:
    wrong = with_token(settings, "hf_of_nobody")
    with pytest.raises(RemoteError, match="the token is missing, wrong or expired"):
        discover(settings=wrong)
    assert len(hub.log) == 1


def test_queries_that_were_not_asked_for_any_more_are_told(
    shelf: LocalHub, settings: Settings
) -> None:
    shelf.faults.fail("GET", "/api/models", 401, skip=1, times=None)
    found = discover(architectures=ROBERTA, settings=settings)
    assert list(found.incomplete) == ["base_model:finetune:roberta-base", "roberta"]
    assert found.incomplete["roberta"] == "not asked for, after the one before"
    assert (found.new, len(shelf.log)) == (5, 2)


def test_after_three_failures_in_a_row_the_hub_is_left_in_peace(
    shelf: LocalHub, settings: Settings
) -> None:
    shelf.faults.fail("GET", "/api/models", 400, skip=1, times=None)
    found = discover(settings=settings)
    assert len(shelf.log) == 4
    assert found.pages == 1
    assert len(found.incomplete) > 20


def test_oddities_of_the_list_are_counted_and_lose_nothing(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_listed(
        a_model(f"m{number:02}", lastModified=f"2026-01-01T00:{number:02}:00.000Z", tags=PLAIN)
        for number in range(40)
    )
    odd = hub.listing_oddities
    odd.repeat(2, count=3, path="filter=roberta&")
    odd.empty(3, path="filter=roberta&")
    bad: list[dict[str, Any]] = [{"modelId": "no id"}, {"id": 7}, {"id": "you/\x1b]0;x\x07"}]
    odd.insert(4, *bad, path="filter=roberta&")
    odd.insert(5, {"id": "you/wrong", "tags": 5, "cardData": "x"}, path="filter=roberta&")
    found = discover(architectures=ROBERTA, settings=settings, page_size=10)
    assert odd.pending() == 0
    assert (found.repeated, found.unreadable, found.new) == (3, 3, 41)
    assert add_up(found)
    assert rows(settings)["you/wrong"] == ("skipped", "no-safetensors")
    assert len(found.problems) == 4
    assert all(text.isprintable() for text in found.problems)
    assert told(found)["unreadable"] == 3


@pytest.mark.slow
def test_a_page_for_people_is_asked_for_again(shelf: LocalHub, settings: Settings) -> None:
    shelf.listing_oddities.html(1, path="filter=roberta&")
    found = discover(architectures=ROBERTA, settings=settings)
    assert (found.new, found.incomplete, found.pages) == (5, {}, N_QUERIES)
    assert len(shelf.log) == N_QUERIES + 1


# What is told


def test_models_are_told_the_most_valuable_first(hub: LocalHub, settings: Settings) -> None:
    hub.add_listed(
        [
            a_model("known", downloads=10_000),
            a_model("new", lastModified="2026-02-20T00:00:00.000Z"),
            a_model("liked", likes=1000),
            a_model("plain"),
            a_model("old", lastModified="2021-02-20T00:00:00.000Z"),
        ]
    )
    discover(architectures=ROBERTA, settings=settings)
    names = [one.model for one in found_models(settings=settings)]
    assert names == ["you/known", "you/liked", "you/new", "you/plain", "you/old"]
    limited = found_models(settings=settings, limit=2)
    assert [one.model for one in limited] == names[:2]
    recent = found_models(settings=settings, since="2026-02-10T00:00:00.000Z")
    assert [one.model for one in recent] == ["you/new"]


def test_only_new_ones_are_told_where_that_is_wanted(shelf: LocalHub, settings: Settings) -> None:
    shelf.add_listed([a_model("gated", gated="auto")])
    discover(architectures=ROBERTA, settings=settings)
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint("you/m0", "recorded")
        ledger.note_checkpoint("you/m1", "failed")
    new = {one.model for one in found_models(settings=settings, only_new=True)}
    assert new == {f"you/m{number}" for number in (1, 2, 3, 4)}
    by_model = {one.model: one for one in found_models(settings=settings)}
    assert by_model["you/gated"].why_included is None
    assert (by_model["you/gated"].why_skipped or "").startswith("gated: it is gated")


def test_an_architecture_chooses_what_is_told(shelf: LocalHub, settings: Settings) -> None:
    shelf.add_listed(
        [
            a_model("gated", gated="auto"),
            a_model("nameless", gated="auto", cardData={"base_model": None}, tags=PLAIN),
        ]
    )
    discover(architectures=ROBERTA, settings=settings)

    def told_of(*names: str) -> set[str]:
        return {one.model for one in found_models(settings=settings, architectures=names)}

    assert told_of("bert-base-cased") == set()
    assert told_of("roberta-base") == {"you/gated", *(f"you/m{number}" for number in range(5))}
    assert told_of() == {*told_of("roberta-base"), "you/nameless"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("all", ""),
        (" ALL ", ""),
        ("2026-11-01", "2026-11-01T00:00:00.000Z"),
        ("2026-11-01T12:30:00Z", "2026-11-01T12:30:00.000Z"),
        ("2026-11-01T12:30:00+02:00", "2026-11-01T10:30:00.000Z"),
        ("2026-11-01 12:30", "2026-11-01T12:30:00.000Z"),
    ],
)
def test_moments_are_written_as_the_hub_writes_them(text: str, moment: str) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "01.11.2026", "0001-01-01T00:00+05:00", "\x1b[2J"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no moment; expected a day such as") as caught:
        moment_of(text)
    assert str(caught.value).isprintable()


def test_a_moment_in_the_future_is_refused() -> None:
    now = datetime.now(UTC)
    assert past_moment_of(now.isoformat()) <= moment_of(now.isoformat())
    assert past_moment_of("all") == ""
    with pytest.raises(SettingsError, match=r"lies in the future; it is .* by this machine"):
        past_moment_of((now + timedelta(hours=1)).isoformat())


def test_an_unknown_architecture_is_refused_before_any_call(
    hub: LocalHub, settings: Settings
) -> None:
    with pytest.raises(SettingsError, match="did you mean 'roberta-base'"):
        discover(architectures=("robert-base",), settings=settings)
    assert hub.log == ()
