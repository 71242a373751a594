"""Checkpoints in the ledger: one row each, in one state, however often they are listed."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.records.checkpoint_rows import (
    OPEN_STATES,
    STATES,
    CheckpointRow,
    CheckpointRows,
    ListedRow,
)
from tests.records.listed_rows import DATE, OTHER, SHA, a_row

LEFT_OUT: dict[str, Any] = {"is_included": False, "code": "gated", "reason": "it is gated"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[CheckpointRows]:
    with CheckpointRows(path) as opened:
        yield opened


def found(ledger: CheckpointRows, model: str = "you/x") -> CheckpointRow:
    row = ledger.find_checkpoint(model)
    assert row is not None
    return row


# Listing


def test_what_is_listed_comes_back_as_it_was(path: Path) -> None:
    with CheckpointRows(path) as ledger:
        assert ledger.note_listed([a_row(), a_row("you/y", parameters=None, **LEFT_OUT)]) == 2
    with CheckpointRows(path) as ledger:
        seen, skipped = found(ledger), found(ledger, "you/y")
    assert (seen.state, seen.code, seen.reason) == ("seen", "", "declares roberta-base")
    assert (seen.revision, seen.architecture, seen.value) == (SHA, "roberta-base", 1.5)
    assert (seen.created, seen.modified, seen.downloads, seen.likes) == (DATE, DATE, 3, 2)
    assert (seen.parameters, seen.attempts, seen.seconds, seen.lp_gain) == (
        124_697_433,
        0,
        0.0,
        None,
    )
    assert (skipped.state, skipped.code, skipped.reason) == ("skipped", "gated", "it is gated")
    assert skipped.parameters is None


def test_a_model_that_was_never_listed_is_not_there(ledger: CheckpointRows) -> None:
    assert ledger.find_checkpoint("you/x") is None


def test_only_unknown_models_are_counted_as_new(ledger: CheckpointRows) -> None:
    assert ledger.note_listed([a_row(), a_row("you/y")]) == 2
    assert ledger.note_listed([a_row(), a_row("you/z"), a_row("you/z")]) == 1
    assert ledger.note_listed([]) == 0


def test_numbers_of_a_known_model_are_brought_up_to_date(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", "recorded", measured_revision=SHA, weights_digest="w")
    ledger.note_listed([a_row(value=9.0, downloads=100, likes=50, modified="2027")])
    row = found(ledger)
    assert (row.value, row.downloads, row.likes, row.modified) == (9.0, 100, 50, "2027")
    assert (row.state, row.weights_digest) == ("recorded", "w")


@pytest.mark.parametrize("state", STATES)
def test_at_the_same_commit_a_checkpoint_that_was_looked_at_keeps_its_state(
    ledger: CheckpointRows, state: Any
) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", state, code="c", reason="r", attempts=2, measured_revision=SHA)
    before = found(ledger)
    ledger.note_listed([a_row(architecture="bert-base-cased")])
    after = found(ledger)
    assert (after.state, after.code, after.reason) == (state, "c", "r")
    assert (after.attempts, after.architecture) == (2, "roberta-base")
    assert after.changed == before.changed


@pytest.mark.parametrize("state", STATES)
def test_at_another_commit_it_is_seen_anew_with_no_attempts_used(
    ledger: CheckpointRows, state: Any
) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", state, code="c", attempts=2, measured_revision=SHA)
    assert ledger.note_listed([a_row(revision=OTHER)]) == 0
    row = found(ledger)
    assert (row.state, row.code, row.attempts, row.revision) == ("seen", "", 0, OTHER)
    assert row.measured_revision == SHA


@pytest.mark.parametrize("state", STATES)
def test_a_list_that_leaves_the_commit_out_says_nothing_of_a_new_one(
    ledger: CheckpointRows, state: Any
) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", state, measured_revision=SHA)
    ledger.note_listed([a_row(revision="")])
    assert (found(ledger).state, found(ledger).revision) == (state, SHA)


def test_settings_that_changed_move_what_nobody_looked_at(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row()])
    ledger.note_listed([a_row(**LEFT_OUT)])
    assert (found(ledger).state, found(ledger).code) == ("skipped", "gated")
    ledger.note_listed([a_row(is_included=False, code="opt-out")])
    assert (found(ledger).state, found(ledger).code) == ("skipped", "opt-out")
    ledger.note_listed([a_row()])
    assert (found(ledger).state, found(ledger).code) == ("seen", "")


def test_settings_move_a_model_whose_commit_the_list_never_said(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row(revision="")])
    ledger.note_listed([a_row(revision="", **LEFT_OUT)])
    assert found(ledger).state == "skipped"
    ledger.note_listed([a_row(revision="")])
    assert found(ledger).state == "seen"


def test_what_was_looked_at_and_left_out_is_not_seen_again(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", "skipped", code="same-weights", measured_revision=SHA)
    ledger.note_listed([a_row()])
    assert (found(ledger).state, found(ledger).code) == ("skipped", "same-weights")


@pytest.mark.parametrize("state", OPEN_STATES)
def test_what_waits_to_be_measured_is_left_out_once_its_owner_asks_for_it(
    ledger: CheckpointRows, state: Any
) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", state, attempts=1)
    ledger.note_listed([a_row(is_included=False, code="opt-out")])
    assert (found(ledger).state, found(ledger).code) == ("skipped", "opt-out")


@pytest.mark.parametrize("state", sorted(set(STATES) - set(OPEN_STATES) - {"skipped"}))
def test_what_is_measured_stays_measured_when_it_is_left_out_now(
    ledger: CheckpointRows, state: Any
) -> None:
    ledger.note_listed([a_row()])
    ledger.note_checkpoint("you/x", state, measured_revision=SHA)
    ledger.note_listed([a_row(**LEFT_OUT)])
    assert found(ledger).state == state


def test_a_page_is_written_whole_or_not_at_all(ledger: CheckpointRows) -> None:
    def rows() -> Iterator[ListedRow]:
        yield a_row("you/1")
        raise RuntimeError("the next page cannot be had")

    with pytest.raises(RuntimeError, match="next page"):
        ledger.note_listed(rows())
    assert ledger.find_checkpoint("you/1") is None
    assert ledger.note_listed([a_row("you/1")]) == 1


@pytest.mark.parametrize("name", ["'; DROP TABLE checkpoints; --", "a\x00b", "ünï/cödé", '"'])
def test_names_are_data(ledger: CheckpointRows, name: str) -> None:
    ledger.note_listed([a_row(name, reason=name, code=name)])
    assert (found(ledger, name).model, found(ledger, name).reason) == (name, name)
    assert len(list(ledger.checkpoints())) == 1


def test_a_column_that_does_not_exist_is_refused(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row()])
    with pytest.raises(ValueError, match=r"no columns \['colour'\]"):
        ledger.note_checkpoint("you/x", "seen", colour="red")


# Reading


def test_the_most_valuable_come_first_and_then_the_alphabet(ledger: CheckpointRows) -> None:
    values = {"b": 2.0, "a": 1.0, "d": 2.0, "c": 3.0}
    ledger.note_listed([a_row(name, value=value) for name, value in values.items()])
    assert [row.model for row in ledger.checkpoints()] == ["c", "b", "d", "a"]
    assert [row.model for row in ledger.checkpoints(limit=2)] == ["c", "b"]
    assert [row.model for row in ledger.checkpoints(limit=0)] == []


def test_states_and_architectures_choose_and_unknown_architectures_come_along(
    ledger: CheckpointRows,
) -> None:
    names = {"a": "roberta-base", "b": "bert-base-cased", "c": ""}
    ledger.note_listed([a_row(name, architecture=its) for name, its in names.items()])
    ledger.note_checkpoint("a", "failed")

    def models(**wanted: Any) -> list[str]:
        return [row.model for row in ledger.checkpoints(**wanted)]

    assert models(architectures=("bert-base-cased",)) == ["b", "c"]
    assert models(states=("failed",)) == ["a"]
    assert models(states=()) == []
    assert models(listed_since=time.time() + 60) == []


def test_reading_does_not_keep_another_process_from_writing(path: Path) -> None:
    with CheckpointRows(path) as reader, CheckpointRows(path) as writer:
        writer.note_listed(a_row(f"you/{number}") for number in range(3000))
        rows = reader.checkpoints()
        next(rows)
        writer.note_listed([a_row("you/more")])
        assert len(list(rows)) == 2999


@given(
    st.lists(
        st.tuples(
            st.integers(0, 8),
            st.sampled_from(STATES),
            st.sampled_from(("", "gated", "adapter")),
            st.integers(0, 2),
        )
    )
)
def test_each_checkpoint_is_counted_once_whatever_happened(
    steps: list[tuple[int, Any, str, int]],
) -> None:
    with CheckpointRows(Path(":memory:")) as ledger:
        ledger.note_listed(a_row(f"you/{number}") for number in range(9))
        expected = dict.fromkeys(range(9), ("seen", "", 0))
        for number, state, code, pass_number in steps:
            ledger.pass_number = pass_number
            ledger.note_checkpoint(f"you/{number}", state, code=code)
            expected[number] = (state, code, pass_number)
        counts = ledger.count_checkpoints()
        assert sum(counts.values()) == 9
        pairs = [(state, code) for state, code, _ in expected.values()]
        assert counts == {pair: pairs.count(pair) for pair in pairs}
        for wanted in range(3):
            touched = [(s, c) for s, c, number in expected.values() if number == wanted]
            assert ledger.count_checkpoints(pass_number=wanted) == {
                pair: touched.count(pair) for pair in touched
            }


def test_seconds_add_up_and_an_interval_comes_back(ledger: CheckpointRows) -> None:
    ledger.note_listed([a_row()])
    ledger.add_seconds("you/x", 1.5)
    ledger.add_seconds("you/x", 2.0)
    ledger.note_checkpoint("you/x", "recorded", lp_gain=3.0, lp_gain_interval=(1.0, 5.0))
    row = found(ledger)
    assert (row.seconds, row.lp_gain, row.lp_gain_interval) == (3.5, 3.0, (1.0, 5.0))
    ledger.note_checkpoint("you/x", "recorded", lp_gain=None, lp_gain_interval=None)
    assert found(ledger).lp_gain_interval is None


def test_the_same_weights_are_found_under_another_name_only_where_they_were_measured(
    ledger: CheckpointRows,
) -> None:
    ledger.note_listed([a_row(name) for name in ("a", "b", "c", "d")])
    for name, state in (("a", "published"), ("b", "failed"), ("c", "recorded")):
        ledger.note_checkpoint(name, state, weights_digest="w")  # type: ignore[arg-type]
    ledger.note_checkpoint("d", "recorded", weights_digest="")
    assert ledger.same_weights("w", other_than="d") == "a"
    assert ledger.same_weights("w", other_than="a") == "c"
    assert ledger.same_weights("v", other_than="a") is None
    assert ledger.same_weights("", other_than="a") is None
    assert ledger.measured_weights() == [("w", "a"), ("w", "c")]


# The last look


def test_the_last_look_never_goes_back(ledger: CheckpointRows) -> None:
    assert ledger.newest_listed("bert") == ""
    ledger.finish_listing("bert", "2026-02-01T00:00:00.000Z")
    ledger.finish_listing("bert", "2026-01-01T00:00:00.000Z")
    assert ledger.newest_listed("bert") == "2026-02-01T00:00:00.000Z"
    assert ledger.newest_listed("roberta") == ""
