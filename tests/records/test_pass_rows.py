"""Passes, pull requests, opt-outs and references in the ledger, by a clock that never goes back."""

import math
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbot.records.checkpoint_rows import ListedRow
from hubbot.records.pass_rows import DAY_S, BotLedger, PullRequestKind, ReferenceKey, SensedRow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[BotLedger]:
    with BotLedger(path) as opened:
        yield opened


def open_one(ledger: BotLedger, number: int, *, kind: PullRequestKind = "model") -> str:
    url = f"https://hub.example/you/m{number}/discussions/1"
    ledger.note_pull_request(kind, f"you/m{number}", url)
    return url


def shift(ledger: BotLedger, seconds: float) -> None:
    """Move everything that the ledger holds in time, as if the clock had been set the other way."""
    connection = ledger.connection
    connection.execute("UPDATE pull_requests SET opened = opened + ?, changed = changed + ?",
                       (seconds, seconds))  # fmt: skip
    connection.execute("UPDATE passes SET begun = begun + ?, ended = ended + ?", (seconds, seconds))


# The clock


def test_the_time_of_an_empty_ledger_is_the_clocks(ledger: BotLedger) -> None:
    before = time.time()
    assert before <= ledger.now() <= time.time()


@pytest.mark.parametrize("what", ["pull request", "begun pass", "ended pass"])
def test_a_clock_that_was_set_back_goes_on_from_what_the_ledger_holds(
    ledger: BotLedger, what: str
) -> None:
    if what == "pull request":
        open_one(ledger, 1)
    else:
        number = ledger.begin_pass()
        if what == "ended pass":
            ledger.end_pass(number, {})
    shift(ledger, 3 * 3600)
    held = ledger.now()
    assert held > time.time() + 2 * 3600
    open_one(ledger, 2)
    assert ledger.now() == held
    (latest,) = ledger.connection.execute("SELECT MAX(opened) FROM pull_requests").fetchone()
    assert latest == held


def test_pull_requests_of_the_last_day_are_counted_and_no_others(ledger: BotLedger) -> None:
    for number in range(3):
        open_one(ledger, number)
    shift(ledger, -DAY_S - 60)
    assert ledger.opened_within_a_day() == 0
    for number in range(3, 5):
        open_one(ledger, number)
    shift(ledger, -DAY_S + 60)
    assert ledger.opened_within_a_day() == 2
    open_one(ledger, 6, kind="github")
    assert ledger.opened_within_a_day() == 2
    open_one(ledger, 7, kind="dataset")
    assert ledger.opened_within_a_day() == 3


@pytest.mark.parametrize("back_s", [60.0, DAY_S, 30 * DAY_S])
def test_a_clock_set_back_opens_no_second_days_worth(ledger: BotLedger, back_s: float) -> None:
    for number in range(20):
        open_one(ledger, number)
    shift(ledger, back_s)
    assert ledger.opened_within_a_day() == 20


def test_closing_or_noting_again_opens_nothing(ledger: BotLedger) -> None:
    url = open_one(ledger, 1)
    shift(ledger, -2 * DAY_S)
    ledger.note_pull_request("model", "you/m1", url, state="merged")
    assert ledger.opened_within_a_day() == 0


# Pull requests


def test_a_pull_request_keeps_its_opening_and_tells_when_its_state_changed(
    ledger: BotLedger,
) -> None:
    url = open_one(ledger, 1)
    shift(ledger, -100)
    (first,) = ledger.pull_requests()
    ledger.note_pull_request("model", "you/m1", url)
    assert ledger.pull_requests() == [first]
    ledger.note_pull_request("model", "you/m1", url, state="closed")
    (closed,) = ledger.pull_requests()
    assert (closed.state, closed.opened) == ("closed", first.opened)
    assert closed.changed > first.changed + 90
    assert (closed.owner, closed.repository, closed.kind) == ("you", "you/m1", "model")


@pytest.mark.parametrize(
    ("state", "is_open"),
    [("open", True), ("conflict", True), ("merged", False), ("closed", False), ("gone", False)],
)
def test_open_ones_are_those_whose_owner_has_still_to_decide(
    ledger: BotLedger, state: str, is_open: bool
) -> None:
    ledger.note_pull_request("model", "you/m1", "u1", state=state)
    assert ledger.open_at_owner("you") == int(is_open)
    assert ledger.open_at_owner("me") == 0


def test_pull_requests_on_github_are_none_of_an_owners_cards(ledger: BotLedger) -> None:
    ledger.note_pull_request("github", "you/scores", "u1")
    assert ledger.open_at_owner("you") == 0
    assert [one.kind for one in ledger.pull_requests(kind="github")] == ["github"]
    assert ledger.pull_requests(kind="model") == []


# Passes


def test_passes_are_numbered_and_the_last_one_is_told(ledger: BotLedger) -> None:
    assert ledger.last_pass() is None
    first = ledger.begin_pass()
    ledger.end_pass(first, {"measured": 3})
    assert ledger.last_pass() is not None
    second = ledger.begin_pass()
    assert second == first + 1
    last = ledger.last_pass()
    assert last is not None
    assert (last[0], last[2], last[3]) == (second, None, {})
    ledger.end_pass(second, {"b": [1, 2], "a": {"ü": None}})
    last = ledger.last_pass()
    assert last is not None
    assert last[2] is not None
    assert last[1] <= last[2]
    assert last[3] == {"b": [1, 2], "a": {"ü": None}}


def test_what_a_pass_changes_carries_its_number(ledger: BotLedger) -> None:
    row: dict[str, Any] = dict.fromkeys(
        ("revision", "architecture", "code", "reason", "created", "modified"), ""
    )
    listed = ListedRow(
        model="you/x",
        is_included=True,
        value=0.0,
        downloads=0,
        likes=0,
        parameters=None,
        **row,
    )
    ledger.note_listed([listed])
    number = ledger.begin_pass()
    ledger.note_checkpoint("you/x", "failed", code="probe")
    assert ledger.count_checkpoints(pass_number=number) == {("failed", "probe"): 1}
    assert ledger.count_checkpoints(pass_number=0) == {}


def test_a_summary_with_a_number_that_is_none_is_refused(ledger: BotLedger) -> None:
    number = ledger.begin_pass()
    with pytest.raises(ValueError, match="JSON"):
        ledger.end_pass(number, {"seconds": math.nan})
    assert ledger.last_pass() is not None


# Opt-outs, references, sensitivities


def test_an_opt_out_keeps_its_first_reason(path: Path) -> None:
    with BotLedger(path) as ledger:
        ledger.add_opt_out("you", "said stop on a pull request")
        ledger.add_opt_out("you", "again")
        ledger.add_opt_out("a/b", "by mail")
    with BotLedger(path) as ledger:
        assert ledger.opt_outs() == {"a/b": "by mail", "you": "said stop on a pull request"}


KEY = ReferenceKey(
    architecture="roberta-base",
    protocol="lp-mnli",
    device="cpu",
    weights_digest="w",
    dataset_revision="d",
)


def test_the_first_reference_probe_of_a_kind_stays(ledger: BotLedger) -> None:
    assert ledger.reference(KEY) is None
    ledger.keep_reference(KEY, 56.5, date="2026-01-02")
    ledger.keep_reference(KEY, 99.0, date="2026-01-03")
    assert ledger.reference(KEY) == 56.5
    assert ledger.references() == {KEY: 56.5}


@pytest.mark.parametrize("name", list(ReferenceKey.__dataclass_fields__))
def test_a_reference_is_of_one_machine_model_protocol_and_data(
    ledger: BotLedger, name: str
) -> None:
    ledger.keep_reference(KEY, 56.5, date="2026-01-02")
    values = {field: getattr(KEY, field) for field in ReferenceKey.__dataclass_fields__}
    other = ReferenceKey(**(values | {name: "other"}))
    assert ledger.reference(other) is None


def test_a_sensitivity_takes_the_place_of_the_earlier_one(ledger: BotLedger) -> None:
    common: dict[str, Any] = {
        "target": "rte",
        "architecture": "roberta-base",
        "protocol": "gain-roberta@1",
        "reason": "",
        "note": "{}",
        "url": "",
    }
    first = SensedRow(weights_digest="w1", model="a/b", state="measured", **common)
    second = SensedRow(weights_digest="w2", model="c/d", state="measured", **common)
    other = SensedRow(
        weights_digest="w1", model="a/b", state="measured", **(common | {"target": "cola"})
    )
    for row in (first, second, other):
        ledger.note_sensed(row)
    assert list(ledger.sensed()) == [other, second]


def test_two_ledgers_on_one_file_see_each_other(path: Path) -> None:
    with BotLedger(path) as one, BotLedger(path) as two:
        open_one(one, 1)
        assert two.open_at_owner("you") == 1
        assert two.begin_pass() + 1 == one.begin_pass()
        with sqlite3.connect(path) as raw:
            assert raw.execute("SELECT COUNT(*) FROM passes").fetchone() == (2,)
