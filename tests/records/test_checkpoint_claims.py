"""Who works on a checkpoint, and who lists: several processes at once, some of them killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hubbot.records.checkpoint_rows import CheckpointRows
from hubbot.records.claims import FAR_CLAIM_S
from tests.records.listed_rows import OTHER, a_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[CheckpointRows]:
    with CheckpointRows(path) as opened:
        yield opened


# Claims

HOLD = """
import sys
from pathlib import Path
from hubbot.records.checkpoint_rows import CheckpointRows

with CheckpointRows(Path(sys.argv[1])) as ledger:
    print(ledger.claim_checkpoint("you/x"), flush=True)
    sys.stdin.readline()
    ledger.release_checkpoint("you/x")
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a program; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def worker(
    path: Path, ledger: CheckpointRows, start: Callable[..., subprocess.Popen[str]]
) -> subprocess.Popen[str]:
    """Another process that holds the claim on a checkpoint."""
    ledger.note_listed([a_row()])
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_claim_of_a_living_process_stands_until_it_gives_it_back(
    worker: subprocess.Popen[str], ledger: CheckpointRows
) -> None:
    assert not ledger.claim_checkpoint("you/x")
    ledger.release_checkpoint("you/x")  # not ours to give back
    assert not ledger.claim_checkpoint("you/x")
    assert ledger.claimed_checkpoints() == ("you/x",)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == "released\n"
    assert ledger.claimed_checkpoints() == ()
    assert ledger.claim_checkpoint("you/x")


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_claim_of_a_killed_process_is_taken_over(
    worker: subprocess.Popen[str], ledger: CheckpointRows, is_reaped: bool
) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    if is_reaped:
        worker.wait()
    else:
        while psutil.Process(worker.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    assert ledger.claimed_checkpoints() == ()
    assert ledger.claim_checkpoint("you/x")
    assert ledger.claimed_checkpoints() == ("you/x",)


def test_a_claim_is_kept_by_its_process_through_listings_and_changes(
    ledger: CheckpointRows,
) -> None:
    ledger.note_listed([a_row()])
    assert ledger.claim_checkpoint("you/x")
    ledger.note_listed([a_row(revision=OTHER)])
    ledger.note_checkpoint("you/x", "downloaded")
    assert ledger.claim_checkpoint("you/x")
    assert ledger.claimed_checkpoints() == ("you/x",)


def test_what_is_not_in_the_ledger_cannot_be_claimed(ledger: CheckpointRows) -> None:
    assert not ledger.claim_checkpoint("you/nothing")


@pytest.mark.parametrize(
    ("host", "ago_s", "is_free"), [("far", 10, False), ("far", FAR_CLAIM_S + 10, True)]
)
def test_a_claim_of_another_machine_counts_for_a_while(
    path: Path, ledger: CheckpointRows, host: str, ago_s: float, is_free: bool
) -> None:
    ledger.note_listed([a_row()])
    with sqlite3.connect(path) as raw:
        raw.execute(
            "UPDATE checkpoints SET host = ?, pid = 1, started = 0, since = ?",
            (host, time.time() - ago_s),
        )
    assert (ledger.claimed_checkpoints() == ()) == is_free
    assert ledger.claim_checkpoint("you/x") == is_free


# Several at once

LIST = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hubbot.records.checkpoint_rows import CheckpointRows, ListedRow

common = dict(revision="a" * 40, architecture="", is_included=True, code="", reason="r", value=1.0,
              created="", modified="", downloads=0, likes=0, parameters=None)
with CheckpointRows(Path(sys.argv[2])) as ledger:
    new = 0
    for page in range(20):
        rows = [ListedRow(model=f"you/{n}", **common) for n in range(page * 50, page * 50 + 50)]
        new += ledger.note_listed(rows)
        ledger.finish_listing("bert", f"2026-01-{page + 1:02}T00:00:00.000Z")
print(new)
"""


def test_two_processes_that_list_at_once_count_each_model_as_new_once(
    path: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [start(LIST, tmp_path, path) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(map(int, outputs)) == 1000
    with CheckpointRows(path) as ledger:
        assert ledger.count_checkpoints() == {("seen", ""): 1000}
        assert ledger.newest_listed("bert") == "2026-01-20T00:00:00.000Z"


def test_a_lister_killed_at_any_moment_leaves_whole_pages(
    path: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    for _ in range(5):
        process = start(LIST, tmp_path, path)
        while process.poll() is None and not path.exists():
            time.sleep(0.005)
        time.sleep(0.02)
        process.kill()
        process.communicate()
        with CheckpointRows(path) as ledger:
            assert sum(ledger.count_checkpoints().values()) % 50 == 0
            assert ledger.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
