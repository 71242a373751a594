"""Sensitivities on their way from the ledger to data-set cards: caps, conflicts, outages."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.bot.following import follow_pull_requests
from hubbot.bot.targets_sending import read_found, send_waiting
from hubbot.bot.workplace import Budget, Workplace
from hubbot.errors import RemoteError
from hubbot.localhub.server import LocalHub
from hubbot.publishing.dataset_card import read_notes
from hubbot.records.pass_rows import BotLedger, SensedRow
from hubbot.settings import BotSettings, DownloadSettings, Settings
from tests.test_sensing import CARD, FOUND

GLUE = "nyu-mll/glue"

_numbers = itertools.count(1)


@dataclass
class Office:
    """A Hub with data sets, a ledger with measured sensitivities, one pass after the other."""

    hub: LocalHub
    settings: Settings
    ledger: BotLedger

    def measure(self, target: str, hub_id: str = "", *, state: str = "measured") -> None:
        """Note a sensitivity as measured; its data set is put on the Hub."""
        repository = hub_id or target
        if repository not in self.cards:
            self.cards.add(repository)
            self.hub.add_dataset(repository, {"README.md": CARD})
        found = replace(FOUND, dataset=target, source=f"{repository}@aaaa", hub_id=repository)
        self.ledger.note_sensed(
            SensedRow(
                target=target,
                architecture=found.architecture,
                weights_digest="sha256:child",
                model=found.model,
                protocol=found.protocol,
                state=state,
                reason=found.verdict,
                note=json.dumps(asdict(found), default=str),
                url="",
            )
        )

    def __post_init__(self) -> None:
        self.cards: set[str] = set()

    def send(self, *, is_sending: bool = True, **bot: Any) -> Workplace:
        changed = BotSettings.model_validate(self.settings.bot.model_dump() | bot)
        work = Workplace(
            ledger=self.ledger,
            settings=self.settings.model_copy(update={"bot": changed}),
            budget=Budget(),
            number=self.ledger.begin_pass(),
            is_sending=is_sending,
        )
        if is_sending:
            follow_pull_requests(work)
        send_waiting(work, ())
        return work

    @property
    def states(self) -> dict[str, str]:
        return {row.target: row.state for row in self.ledger.sensed()}

    def pulls(self, dataset: str) -> list[str]:
        return [one.status for one in self.hub.pull_requests(dataset, kind="datasets")]

    def noted(self, dataset: str, number: int) -> set[str]:
        text = self.hub.read_file(dataset, "README.md", f"refs/pr/{number}", kind="datasets")
        return {note.target for note in read_notes(text)}


@pytest.fixture
def office(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    # Each token is new, since the client remembers whose it is.
    secret = f"hf_sender_{next(_numbers)}"
    hub.add_user("robot", secret)
    settings = Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        read_token=SecretStr(secret),
        write_token=SecretStr(secret),
        bot=BotSettings(strangers=True, operator="me", contact="me@example.org"),
        download=DownloadSettings(timeout_s=10),
    )
    with BotLedger(settings.ledger_file) as ledger:
        yield Office(hub, settings, ledger)


def test_what_was_measured_is_read_back_as_it_was(office: Office) -> None:
    office.measure("ann/films")
    (row,) = office.ledger.sensed()
    assert read_found(row) == replace(FOUND, dataset="ann/films", source="ann/films@aaaa")
    assert read_found(replace(row, note="{}")) is None


def test_a_note_that_waits_is_sent_without_its_model_or_data_being_fetched(office: Office) -> None:
    office.measure("ann/films")
    work = office.send()
    assert office.states == {"ann/films": "published"}
    assert office.pulls("ann/films") == ["open"]
    assert work.n_opened == 1
    assert not [one.target for one in office.hub.log if "/api/models/" in one.target]
    before = len(office.hub.log)
    assert office.send().n_opened == 0
    others = [one for one in office.hub.log[before:] if "discussions" not in one.target]
    assert [one.target for one in others if "whoami" not in one.target] == []


def test_a_dry_run_sends_nothing_that_waits(office: Office) -> None:
    office.measure("ann/films")
    office.send(is_sending=False)
    assert office.states == {"ann/films": "measured"}
    assert office.hub.log == ()


def test_targets_of_one_repository_share_its_pull_request_whatever_the_caps(
    office: Office,
) -> None:
    for target in ("cola", "mrpc", "rte"):
        office.measure(target, GLUE)
    office.send(max_open_per_owner=1, max_pull_requests_per_day=1)
    assert set(office.states.values()) == {"published"}
    assert office.pulls(GLUE) == ["open"]
    assert office.noted(GLUE, 1) == {"cola", "mrpc", "rte"}


def test_a_cap_holds_a_note_back_until_there_is_room(office: Office) -> None:
    office.measure("ann/books")
    office.measure("ann/films")
    for _ in range(2):
        office.send()
        assert office.states == {"ann/books": "published", "ann/films": "capped"}
    office.hub.merge_pull_request("ann/books", 1, "ann", kind="datasets")
    office.send()
    assert office.states == {"ann/books": "published", "ann/films": "published"}


def test_a_correction_of_an_open_note_meets_no_cap(office: Office) -> None:
    office.measure("ann/films")
    office.send()
    found = replace(FOUND, dataset="ann/films", hub_id="ann/films", gain=2.5)
    (row,) = office.ledger.sensed()
    changed = replace(row, state="measured", note=json.dumps(asdict(found), default=str), url="")
    office.ledger.note_sensed(changed)
    work = office.send(max_pull_requests_per_day=0)
    assert work.events["data-set cards updated"] == 1
    assert office.pulls("ann/films") == ["open"]
    (row,) = office.ledger.sensed()
    assert (row.state, row.url.rpartition("/")[2]) == ("published", "1")


def test_a_pull_request_that_conflicts_is_made_anew_with_all_its_notes(office: Office) -> None:
    for target in ("cola", "rte"):
        office.measure(target, GLUE)
    office.send()
    office.hub.commit(GLUE, {"README.md": CARD + b"\nNew words.\n"}, "nyu-mll", kind="datasets")
    work = office.send(max_open_per_owner=1)
    assert office.noted(GLUE, len(office.pulls(GLUE))) == {"cola", "rte"}
    assert office.pulls(GLUE)[-1] == "open"
    assert office.pulls(GLUE).count("open") == 1
    assert set(office.states.values()) == {"published"}
    states = [one.state for one in work.ledger.pull_requests(kind="dataset")]
    assert states.count("open") == 1
    assert "conflict" not in states
    before = len([one for one in office.hub.log if one.is_write])
    office.send()
    assert len([one for one in office.hub.log if one.is_write]) == before


@pytest.mark.parametrize("path", ["/api/datasets/ann/films/commit", "/api/whoami-v2"])
def test_a_hub_that_cannot_take_a_note_now_is_asked_again_by_a_later_pass(
    office: Office, path: str
) -> None:
    office.measure("ann/films")
    office.hub.faults.fail("GET" if "whoami" in path else "POST", path, 503, times=None)
    work = office.send()
    assert office.states == {"ann/films": "measured"}
    assert any("is not on its card yet" in problem for problem in work.problems)
    office.hub.faults.clear()
    office.send()
    assert office.states == {"ann/films": "published"}


def test_a_note_in_conflict_is_not_forgotten_when_the_hub_fails(office: Office) -> None:
    office.measure("ann/films")
    office.send()
    office.hub.commit("ann/films", {"README.md": CARD + b"\nNew.\n"}, "ann", kind="datasets")
    office.hub.faults.fail("POST", "/api/datasets/ann/films/", 503, times=None)
    office.send()
    assert office.states == {"ann/films": "published"}
    office.hub.faults.clear()
    office.send()
    assert office.pulls("ann/films")[-1] == "open"
    assert [one.state for one in office.ledger.pull_requests()].count("conflict") == 0


def test_a_data_set_that_is_gone_is_left_and_keeps_no_other_waiting(office: Office) -> None:
    office.measure("ann/films")
    office.measure("bob/books")
    office.hub.faults.fail("GET", "/api/datasets/ann/films", 404, times=None)
    office.send()
    assert office.states == {"ann/films": "unpublished", "bob/books": "published"}


def test_a_stranger_is_asked_once_that_is_allowed(office: Office) -> None:
    office.measure("ann/films")
    office.send(strangers=False)
    assert office.states == {"ann/films": "stranger"}
    office.send(strangers=False)
    assert office.pulls("ann/films") == []
    office.send(strangers=True)
    assert office.states == {"ann/films": "published"}


def test_a_pull_request_that_was_closed_is_not_repeated(office: Office) -> None:
    office.measure("ann/films")
    office.send()
    office.hub.close_pull_request("ann/films", 1, "ann", kind="datasets")
    office.measure("ann/films")  # measured anew, say with another model
    office.send()
    assert office.states == {"ann/films": "unpublished"}
    assert office.pulls("ann/films") == ["closed"]


def test_a_token_that_is_refused_ends_the_pass_and_loses_nothing(office: Office) -> None:
    office.measure("ann/films")
    office.hub.faults.fail("GET", "/api/whoami-v2", 401, times=None)
    office.settings = office.settings.model_copy(update={"write_token": SecretStr("hf_wrong")})
    with pytest.raises(RemoteError, match="token"):
        send_waiting(
            Workplace(
                ledger=office.ledger,
                settings=office.settings,
                budget=Budget(),
                number=1,
                is_sending=True,
            ),
            (),
        )
    assert office.states == {"ann/films": "measured"}
