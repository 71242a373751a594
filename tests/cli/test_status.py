"""``hubbot status`` on a ledger that is empty, full, damaged or newer."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.records.checkpoint_rows import ListedRow
from hubbot.records.ledger_file import MIGRATIONS
from hubbot.records.pass_rows import BotLedger


def listed(model: str, **changes: Any) -> ListedRow:
    values: dict[str, Any] = {
        "model": model,
        "revision": "a" * 40,
        "architecture": "roberta-base",
        "is_included": True,
        "code": "",
        "reason": "declares roberta-base",
        "value": 1.0,
        "created": "",
        "modified": "",
        "downloads": 0,
        "likes": 0,
        "parameters": None,
    }
    return ListedRow(**(values | changes))


@pytest.fixture(autouse=True)
def ledger(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.sqlite"
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(path))
    return path


@pytest.fixture
def filled(ledger: Path) -> Path:
    """Six checkpoints, three pull requests, one pass that ended and one that did not."""
    gated = {"is_included": False, "code": "gated", "reason": "it is gated"}
    with BotLedger(ledger) as opened:
        opened.note_listed([listed(f"you/m{number}", value=number) for number in range(4)])
        opened.note_listed([listed(f"you/g{number}", **gated) for number in range(2)])
        number = opened.begin_pass()
        opened.note_checkpoint("you/m1", "failed", code="probe", reason="no memory", attempts=1)
        opened.note_checkpoint("you/m2", "published", url="https://hub.example/you/m2/1")
        opened.add_seconds("you/m2", 61.0)
        opened.note_pull_request("model", "you/m2", "https://hub.example/you/m2/1")
        opened.note_pull_request("model", "you/m9", "https://hub.example/you/m9/1", state="merged")
        opened.note_pull_request("github", "us/scores", "https://github.example/1")
        opened.add_opt_out("them", "said stop")
        opened.end_pass(number, {"stopped": "the budget is spent"})
    return ledger


def test_an_empty_ledger_has_nothing_to_tell(hubbot: Callable[..., Any], ledger: Path) -> None:
    ran = hubbot("status", "--json")
    assert ran.code == 0
    assert ran.json == {
        "ledger": str(ledger),
        "checkpoints": {},
        "claimed": [],
        "pull_requests": {},
        "opened_within_a_day": 0,
        "sensitivities": {},
        "opt_outs": {},
        "last_pass": {},
    }
    assert hubbot("status", "--models", "--json").json == []
    shown = hubbot("status")
    assert shown.code == 0
    assert "at work on" in shown.out
    assert "nothing" in shown.out


def test_each_checkpoint_is_counted_once(hubbot: Callable[..., Any], filled: Path) -> None:
    status = hubbot("status", "--json").json
    assert status["checkpoints"] == {
        "failed: probe": 1,
        "published": 1,
        "seen": 2,
        "skipped: gated": 2,
    }
    assert status["pull_requests"] == {"merged": 1, "open": 2}
    assert (status["opened_within_a_day"], status["opt_outs"]) == (2, {"them": "said stop"})
    assert status["last_pass"]["number"] == 1
    assert status["last_pass"]["summary"] == {"stopped": "the budget is spent"}
    models = hubbot("status", "--models", "--json").json
    assert len(models) == sum(status["checkpoints"].values()) == 6


def test_a_person_reads_counts_and_reasons(hubbot: Callable[..., Any], filled: Path) -> None:
    shown = hubbot("status").out
    for words in ("skipped: gated", "said stop", "ended early: the budget is spent"):
        assert words in shown
    table = hubbot("status", "--models").out
    for words in ("you/m2", "probe: no memory", "https://hub.example/you/m2/1", "61"):
        assert words in table


def test_a_long_list_is_cut_for_a_person(hubbot: Callable[..., Any], ledger: Path) -> None:
    with BotLedger(ledger) as opened:
        opened.note_listed(listed(f"you/m{number}") for number in range(60))
    ran = hubbot("status", "--models")
    assert ran.out.count("you/m") == 50
    assert "only the first 50 are shown; --json prints all" in ran.err
    assert len(hubbot("status", "--models", "--json").json) == 60


def test_a_pass_that_was_killed_is_said_to_be_not_ended(
    hubbot: Callable[..., Any], filled: Path
) -> None:
    with BotLedger(filled) as opened:
        opened.begin_pass()
    assert "not ended (killed, or at work)" in hubbot("status").out
    assert hubbot("status", "--json").json["last_pass"]["ended"] is None


CLAIM = """
import sys
from pathlib import Path
from hubbot.records.pass_rows import BotLedger
with BotLedger(Path(sys.argv[1])) as ledger:
    print(ledger.claim_checkpoint("you/m0"), flush=True)
    sys.stdin.read()
"""


def test_what_a_living_process_is_at_is_told_and_what_a_dead_one_was_is_not(
    hubbot: Callable[..., Any], filled: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(filled)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert hubbot("status", "--json").json["claimed"] == ["you/m0"]
        process.kill()
        process.wait()
    assert hubbot("status", "--json").json["claimed"] == []


@pytest.mark.parametrize("arguments", [(), ("--models",)])
def test_a_damaged_ledger_is_named_and_nothing_is_printed(
    hubbot: Callable[..., Any], ledger: Path, arguments: tuple[str, ...]
) -> None:
    ledger.write_bytes(b"rubbish" * 1000)
    ran = hubbot("status", "--json", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "own.sqlite: damaged, or not a ledger" in ran.err
    assert "move it away" in ran.err
    assert ledger.read_bytes() == b"rubbish" * 1000


def test_a_ledger_of_a_newer_hubbot_is_refused(hubbot: Callable[..., Any], filled: Path) -> None:
    with sqlite3.connect(filled) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    ran = hubbot("status", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "update hubbot, or name another file" in ran.err


def test_a_database_of_another_program_is_refused(hubbot: Callable[..., Any], ledger: Path) -> None:
    with sqlite3.connect(ledger) as raw:
        raw.execute("CREATE TABLE checkpoints (model TEXT)")
    ran = hubbot("status", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "is a database, but no ledger of hubbot's" in ran.err


def test_what_strangers_wrote_drives_no_terminal(hubbot: Callable[..., Any], ledger: Path) -> None:
    with BotLedger(ledger) as opened:
        opened.note_listed([listed("you/x")])
        opened.note_checkpoint("you/x", "failed", code="probe", reason="\x1b[2Jx\nseen: 5")
        opened.add_opt_out("you", "\x1b]0;x\x07")
    for arguments in ((), ("--models",)):
        out = hubbot("status", *arguments).out
        assert all(line.isprintable() for line in out.split("\n"))
