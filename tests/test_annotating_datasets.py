"""A sensitivity note on its way to the card: manners, consent, diff."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hubbot.annotating_datasets import (
    check_dataset_card,
    publish_dataset_note,
    read_dataset_notes,
)
from hubbot.errors import CardError, IntegrityError, RemoteError, SettingsError
from hubbot.localhub.server import LocalHub
from hubbot.publishing.dataset_card import read_notes
from hubbot.schema import SensitivityNote
from hubbot.settings import Settings

DATA = "ann/data"
CARD = b"---\r\nlicense: mit # mine\r\n---\r\n# Data\r\n\r\nWords.\r\n"
NOTE = SensitivityNote(
    dataset=DATA,
    revision="a" * 40,
    target=DATA,
    config=None,
    architecture="roberta-base",
    base_model="FacebookAI/roberta-base",
    intermediate_model="bob/roberta-base-mnli",
    intermediate_revision="f" * 40,
    gain=4.1,
    interval=(2.9, 5.3),
    level=0.95,
    se=0.6,
    seeds=5,
    n_test=277,
    protocol="gain-roberta@1",
    verdict="Intertraining helps by 4.1 ± 1.2 points.",
    date=datetime.date(2026, 1, 2),
    hubbot_version="0.4.0",
)


def settings_of(token: str | None, **bot: Any) -> Settings:
    given: dict[str, Any] = {"operator": "Example Lab", "contact": "bot@hubbot.example"} | bot
    tokens: dict[str, Any] = {} if token is None else {"read_token": token, "write_token": token}
    return Settings.model_validate({"bot": given} | tokens)


def agreeing(asked: list[str]) -> Callable[[str], bool]:
    """Return a person who agrees; what they were asked goes into the list."""

    def confirm(question: str) -> bool:
        asked.append(question)
        return True

    return confirm


@pytest.fixture
def world(hub: LocalHub) -> LocalHub:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    hub.add_user("bot", "hf_read", role="read")
    hub.add_dataset(DATA, {"README.md": CARD, "train.csv": b"text,label\na,0\n"})
    return hub


@pytest.fixture
def writes(hub: LocalHub) -> Callable[[], list[str]]:
    return lambda: [f"{r.method} {r.target}" for r in hub.log if r.is_write]


ANN = "hf_ann"


def test_a_dry_run_shows_the_exact_diff_and_writes_nothing(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    found = publish_dataset_note(NOTE, settings=settings_of(None))
    assert (found.dataset, found.action, found.url) == (DATA, "would-open", None)
    assert "without a token" in found.reason
    added = [line for line in found.diff.splitlines() if line.startswith(("+", "-"))][2:]
    assert added[1] == r"+<!-- hubbot:begin -->\x0d"
    assert added[-1] == r"+<!-- hubbot:end -->\x0d"
    assert not [line for line in added if line.startswith("-")]
    assert writes() == []


def test_what_is_sent_is_what_the_dry_run_showed(world: LocalHub) -> None:
    would = publish_dataset_note(NOTE, settings=settings_of(ANN))
    sent = publish_dataset_note(NOTE, settings=settings_of(ANN), send=True)
    assert (would.action, sent.action) == ("would-open", "opened")
    assert would.diff == sent.diff
    (found,) = world.pull_requests(DATA, kind="datasets")
    assert sent.url == f"{world.url}/datasets/{DATA}/discussions/{found.num}"
    proposed = world.read_file(DATA, "README.md", "refs/pr/1", kind="datasets")
    assert proposed.startswith(CARD)
    assert "run by Example Lab" in found.description


def test_ones_own_data_set_needs_no_consent_and_no_operator(world: LocalHub) -> None:
    own = settings_of(ANN, operator="", contact="")
    assert publish_dataset_note(NOTE, settings=own, send=True).action == "opened"


def test_a_strangers_data_set_needs_consent(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    with pytest.raises(SettingsError, match="ann/data is not bot's own and nobody agreed"):
        publish_dataset_note(NOTE, settings=settings_of("hf_bot"), send=True)
    assert writes() == []
    asked: list[str] = []
    found = publish_dataset_note(
        NOTE, settings=settings_of("hf_bot"), send=True, confirm=agreeing(asked)
    )
    assert found.action == "opened"
    assert asked == ["ann/data is not bot's own. Open a pull request there?"]


def test_a_stranger_learns_who_runs_the_bot(world: LocalHub) -> None:
    unknown = settings_of("hf_bot", operator="")
    with pytest.raises(SettingsError, match="set operator and contact"):
        publish_dataset_note(NOTE, settings=unknown, send=True, confirm=lambda _: True)


@pytest.mark.parametrize(
    ("token", "message"), [("hf_read", "may only read"), ("hf_wrong", "wrong or expired")]
)
def test_a_token_that_cannot_write_is_refused(
    world: LocalHub, writes: Callable[[], list[str]], token: str, message: str
) -> None:
    bad = Settings.model_validate({"write_token": token, "bot": {"operator": "x", "contact": "y"}})
    with pytest.raises(RemoteError, match=message):
        publish_dataset_note(NOTE, settings=bad, send=True, confirm=lambda _: True)
    assert writes() == []


def test_the_same_note_again_is_unchanged_also_once_merged(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    own = settings_of(ANN)
    publish_dataset_note(NOTE, settings=own, send=True)
    again = publish_dataset_note(NOTE, settings=own, send=True)
    assert (again.action, again.diff) == ("unchanged", "")
    world.merge_pull_request(DATA, 1, "ann", kind="datasets")
    world.clear_log()
    moved = replace(NOTE, revision=world.head(DATA, kind="datasets"))
    assert publish_dataset_note(moved, settings=own, send=True).action == "unchanged"
    assert writes() == []


FULL = replace(NOTE, date=datetime.date(2026, 1, 1))
TRIALS: dict[str, dict[str, Any]] = {
    "a few training rows": {"protocol": "gain-roberta@1+train50"},
    "one pass": {"protocol": "gain-roberta@1+epochs1"},
    "a sample": {"n_train": 500},
}


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("is_merged", [True, False])
def test_a_small_trial_does_not_replace_the_full_result_and_the_reason_is_said(
    world: LocalHub, writes: Callable[[], list[str]], trial: str, is_merged: bool
) -> None:
    own = settings_of(ANN)
    publish_dataset_note(FULL, settings=own, send=True)
    if is_merged:
        world.merge_pull_request(DATA, 1, "ann", kind="datasets")
    world.clear_log()
    changes: dict[str, Any] = {"gain": 0.1, "interval": (-5.0, 5.2)} | TRIALS[trial]
    found = publish_dataset_note(replace(NOTE, **changes), settings=own, send=True)
    assert (found.action, found.diff) == ("skipped", "")
    assert "all rows (gain-roberta@1, 2026-01-01) stays" in found.reason
    assert writes() == []


def test_the_full_result_replaces_a_small_trial(world: LocalHub) -> None:
    own = settings_of(ANN)
    trial = replace(NOTE, protocol="gain-roberta@1+train50", gain=3.0)
    assert publish_dataset_note(trial, settings=own, send=True).action == "opened"
    assert publish_dataset_note(FULL, settings=own, send=True).action == "updated"
    card = world.read_file(DATA, "README.md", "refs/pr/1", kind="datasets")
    assert [note.protocol for note in read_notes(card)] == ["gain-roberta@1"]


def test_notes_are_read_back_from_the_hub(world: LocalHub) -> None:
    own = settings_of(ANN)
    assert read_dataset_notes(DATA, own) == (DATA, [])
    publish_dataset_note(NOTE, settings=own, send=True)
    world.merge_pull_request(DATA, 1, "ann", kind="datasets")
    shown = replace(NOTE, revision="a" * 12, intermediate_revision="f" * 12)
    assert read_dataset_notes(DATA, own) == (DATA, [shown])


def test_a_renamed_data_set_is_annotated_under_its_new_name(world: LocalHub) -> None:
    world.rename(DATA, "ann/new", kind="datasets")
    found = publish_dataset_note(NOTE, settings=settings_of(ANN), send=True)
    assert (found.dataset, found.action) == ("ann/new", "opened")
    proposed = world.read_file("ann/new", "README.md", "refs/pr/1", kind="datasets")
    assert b"data set `ann/new`" in proposed
    assert b"| Target |" not in proposed


@pytest.mark.parametrize(
    ("configured", "reason"),
    [
        ({"gated": "manual"}, "the repository is gated"),
        ({"private": True}, "the repository is private"),
        ({"disabled": True}, "disabled this repository"),
        ({"discussions_disabled": True}, "switched off"),
    ],
)
def test_a_closed_data_set_is_left_alone(
    world: LocalHub, writes: Callable[[], list[str]], configured: dict[str, Any], reason: str
) -> None:
    world.configure(DATA, kind="datasets", **configured)
    found = publish_dataset_note(NOTE, settings=settings_of(ANN), send=True)
    assert (found.action, found.diff) == ("skipped", "")
    assert reason in found.reason
    assert writes() == []


def test_someone_elses_private_data_set_is_not_found(world: LocalHub) -> None:
    world.configure(DATA, kind="datasets", private=True)
    with pytest.raises(RemoteError, match="a private one that this token does not open"):
        publish_dataset_note(NOTE, settings=settings_of("hf_bot"))


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (b"---\nhubbot: false\n---\n# Data\n", "its card says hubbot: false"),
        (b"---\nlicense: mit\n---\n", "no words of its own"),
        (None, "no words of its own"),
    ],
)
def test_a_card_that_should_not_be_touched_is_left_alone(
    world: LocalHub, writes: Callable[[], list[str]], card: bytes | None, reason: str
) -> None:
    world.commit(DATA, {"README.md": card}, "ann", kind="datasets")
    for send in (False, True):
        found = publish_dataset_note(NOTE, settings=settings_of(ANN), send=send)
        assert found.action == "skipped"
        assert reason in found.reason
    assert writes() == []


@pytest.mark.parametrize("entry", ["ann", "Ann/Data"])
def test_an_owner_on_the_list_is_left_alone(world: LocalHub, entry: str) -> None:
    found = publish_dataset_note(NOTE, settings=settings_of(ANN, opt_out=(entry,)), send=True)
    assert found.action == "skipped"
    assert "asked to be left alone" in found.reason


def test_a_note_that_does_not_add_up_is_refused_before_anybody_is_asked(world: LocalHub) -> None:
    with pytest.raises(IntegrityError, match="expected an interval around"):
        publish_dataset_note(replace(NOTE, interval=(5.0, 4.0)), settings=settings_of(ANN))
    assert world.log == ()


def test_a_card_that_cannot_be_read_is_refused(world: LocalHub) -> None:
    world.commit(DATA, {"README.md": b"caf\xe9"}, "ann", kind="datasets")
    with pytest.raises(CardError, match="expected UTF-8"):
        publish_dataset_note(NOTE, settings=settings_of(ANN))


# Before anything is measured


def test_an_open_data_set_of_ones_own_may_be_measured_for(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    assert check_dataset_card(DATA, settings=settings_of(ANN), send=True) is None
    assert writes() == []


def test_what_would_be_in_the_way_later_is_said_before(world: LocalHub) -> None:
    with pytest.raises(SettingsError, match="nobody agreed"):
        check_dataset_card(DATA, settings=settings_of("hf_bot"), send=True)
    with pytest.raises(RemoteError, match="needs a token"):
        check_dataset_card(DATA, settings=settings_of(None), send=True)
    world.configure(DATA, kind="datasets", gated="auto")
    found = check_dataset_card(DATA, settings=settings_of(ANN), send=True)
    assert found is not None
    assert (found.dataset, found.action) == (DATA, "skipped")


def test_a_refusal_of_long_ago_is_found_before_anything_is_measured(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    own = settings_of(ANN)
    sent = publish_dataset_note(NOTE, settings=own, send=True)
    assert check_dataset_card(DATA, settings=own, send=True) is None, "it is open"
    world.comment(DATA, 1, "bot", "hubbot stop", kind="datasets")
    world.clear_log()
    found = check_dataset_card(DATA, settings=own, send=True)
    assert found is not None
    assert (found.action, found.url) == ("skipped", sent.url)
    assert "asks to be left alone" in found.reason
    world.close_pull_request(DATA, 1, "ann", kind="datasets")
    closed = check_dataset_card(DATA, settings=own, send=True)
    assert closed is not None
    assert "closed without being merged" in closed.reason
    assert writes() == []
