"""What was fine-tuned is there whole or not at all, once, whoever is killed meanwhile."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.errors import IntegrityError, SettingsError
from hubbot.records.cells import COLUMNS, to_row
from hubbot.records.claims import FAR_CLAIM_S
from hubbot.records.ledger import Cell, CellKey, Ledger
from hubbot.records.ledger_file import MIGRATIONS

WRITER = """
import sys
from pathlib import Path
import numpy as np
from hubbot.records.ledger import Cell, CellKey, Ledger

def cell(seed):
    key = CellKey(weights_digest="sha256:w", target_digest="sha256:t", protocol="p@1", seed=seed)
    rows = np.random.default_rng(seed).integers(0, 3, 5000)
    return Cell(key=key, model="me/model", architecture="roberta-base", target="rte",
                score=float(seed % 100), validation_score=50.0, predictions=rows,
                seconds={"train": 1.0}, peak_memory_gb=1.0, device="cpu", dtype="float32",
                versions={}, date="2026-01-02T03:04:05+00:00")
"""
"""Start of the programs that other processes run."""


def a_key(seed: int = 0, **changes: Any) -> CellKey:
    values: dict[str, Any] = {
        "weights_digest": "sha256:" + "ab" * 32,
        "target_digest": "sha256:" + "cd" * 32,
        "protocol": "gain-minilm@1",
        "seed": seed,
    }
    return CellKey(**(values | changes))


def a_cell(key: CellKey | None = None, **changes: Any) -> Cell:
    values: dict[str, Any] = {
        "key": key or a_key(),
        "model": "me/model",
        "revision": "0" * 40,
        "architecture": "all-MiniLM-L6-v2",
        "target": "rte",
        "score": 64.25992779783394,
        "validation_score": 66.0,
        "predictions": np.random.default_rng(0).integers(0, 2, 277),
        "seconds": {"train": 12.5, "test": 1.0},
        "peak_memory_gb": 1.25,
        "device": "cpu",
        "dtype": "float32",
        "versions": {"torch": "2.13.0"},
        "date": "2026-01-02T03:04:05+00:00",
        "details": {"steps": 100, "truncated_share": {"test": 0.25}},
    }
    return Cell(**(values | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a program that begins with ``WRITER``; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER + program, *map(str, arguments)],
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


# Keeping and finding


@pytest.mark.parametrize(
    "predictions",
    [
        np.array([2, 0, 1, -5, 2**40], dtype=np.int64),
        np.array([1]),
        np.random.default_rng(1).normal(0, 1e9, 1000),
        np.array([0.1, -0.0, 5e-324]),
        np.arange(20)[::2],
    ],
)
def test_a_kept_cell_comes_back_as_it_was(path: Path, predictions: Any) -> None:
    kept = a_cell(predictions=predictions)
    with Ledger(path) as ledger:
        ledger.keep(kept)
    with Ledger(path) as ledger:
        found = ledger.find(kept.key)
    assert found is not None
    assert found.predictions.dtype == predictions.dtype
    assert found.predictions.tobytes() == np.ascontiguousarray(predictions).tobytes()
    for name in Cell.__dataclass_fields__:
        if name != "predictions":
            assert getattr(found, name) == getattr(kept, name)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"protocol": "gain-minilm@1+train1000"},
        {"weights_digest": "sha256:other"},
        {"target_digest": "sha256:other"},
        {"files_digest": "sha256:other"},
    ],
)
def test_a_cell_is_found_by_its_whole_key(ledger: Ledger, other: dict[str, Any]) -> None:
    ledger.keep(a_cell())
    assert ledger.find(a_key(**other)) is None
    assert ledger.find(a_key()) is not None


def test_details_that_are_no_numbers_of_json_do_not_cost_the_cell(ledger: Ledger) -> None:
    details = {"loss": float("nan"), "best": np.float32(1.5), "path": Path("/x"), "rows": (1, 2)}
    ledger.keep(a_cell(details=details, seconds={"train": np.float64(2.0)}))
    found = ledger.find(a_key())
    assert found is not None
    assert found.details == {"loss": None, "best": 1.5, "path": "/x", "rows": [1, 2]}
    assert found.seconds == {"train": 2.0}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"score": float("nan")}, r"me/model on rte, seed 0: score is nan, expected -100 to 100"),
        ({"validation_score": 101.0}, r"validation score is 101\.0"),
        ({"predictions": np.zeros((1, 3), dtype=np.int64)}, r"shape \(1, 3\).*one int64 or float"),
        ({"predictions": np.zeros(0, dtype=np.int64)}, r"shape \(0,\)"),
        ({"predictions": np.zeros(3, dtype=np.float32)}, r"type float32"),
        ({"predictions": np.array([1.0, np.inf])}, r"NaN or infinity"),
    ],
)
def test_what_no_row_could_hold_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        a_cell(**changes)


def test_keeping_twice_is_keeping_once(ledger: Ledger) -> None:
    ledger.keep(a_cell())
    ledger.keep(a_cell(seconds={"train": 99.0}, date="2027-01-01"))
    (found,) = ledger.cells()
    assert found.date == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"score": 64.0},
        {"validation_score": 65.0},
        {"predictions": np.zeros(277, dtype=np.int64)},
        {"predictions": np.random.default_rng(0).integers(0, 2, 277).astype(np.float64)},
    ],
)
def test_another_result_for_the_same_key_is_refused_unless_it_replaces(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    first, second = a_cell(), a_cell(model="me/other", date="2027-01-01", **changes)
    ledger.keep(first)
    with pytest.raises(
        IntegrityError,
        match=r"same-result: .*me/model on rte, seed 0 with 64\.2599 on test.*me/other on rte, see",
    ) as refused:
        ledger.keep(second)
    assert refused.value.check == "same-result"
    (found,) = ledger.cells()
    assert found.has_result_of(first)
    ledger.keep(second, replace=True)
    (found,) = ledger.cells()
    assert found.has_result_of(second)
    assert found.model == "me/other"


def test_cells_are_listed_in_order_by_what_they_are_of(ledger: Ledger) -> None:
    for target in ("rte", "cb"):
        for weights in ("sha256:b", "sha256:a"):
            for seed in (1, 0):
                key = a_key(seed, weights_digest=weights, target_digest=f"sha256:{target}")
                ledger.keep(a_cell(key, target=target, model=f"me/{weights[-1]}"))
    ledger.keep(a_cell(a_key(protocol="gain-bert@1"), architecture="bert-base-uncased"))

    def listed(**asked: str) -> list[tuple[str, str, int]]:
        return [(cell.target, cell.model, cell.key.seed) for cell in ledger.cells(**asked)]

    assert len(listed()) == 9
    assert listed(protocol="gain-minilm@1", target="cb") == [
        ("cb", "me/a", 0),
        ("cb", "me/a", 1),
        ("cb", "me/b", 0),
        ("cb", "me/b", 1),
    ]
    assert listed(model_digest="sha256:a", target="rte") == [("rte", "me/a", 0), ("rte", "me/a", 1)]
    assert listed(architecture="bert-base-uncased") == [("rte", "me/model", 0)]
    assert listed(architecture="roberta-base") == []


def test_cells_may_be_kept_while_they_are_listed(ledger: Ledger) -> None:
    ledger.keep(a_cell(a_key(0)))
    ledger.keep(a_cell(a_key(1)))
    seen = []
    for cell in ledger.cells():
        seen.append(cell.key.seed)
        ledger.keep(a_cell(a_key(cell.key.seed + 10)))
    assert seen == [0, 1]
    assert len(list(ledger.cells())) == 4


@given(data=st.binary(min_size=8, max_size=400), is_float=st.booleans())
@settings(max_examples=30, deadline=None)
def test_any_predictions_survive(data: bytes, is_float: bool) -> None:
    whole = data[: len(data) // 8 * 8]
    rows: Any = np.frombuffer(whole, dtype=np.float64 if is_float else np.int64)
    kept = a_cell(predictions=np.nan_to_num(rows, nan=0.0, posinf=1.0, neginf=-1.0))
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger") as ledger:
        ledger.keep(kept)
        found = ledger.find(kept.key)
    assert found is not None
    assert found.has_result_of(kept)


# The file


def test_every_commit_waits_for_the_disk(ledger: Ledger) -> None:
    (mode,) = ledger.connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = ledger.connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2)


def test_a_ledger_of_an_older_version_keeps_its_cells(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    old = a_cell()
    with sqlite3.connect(path, isolation_level=None) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        names = [name for name in COLUMNS if name != "files_digest"]
        row = dict(zip(COLUMNS, to_row(old), strict=True))
        connection.execute(
            f"INSERT INTO cells ({', '.join(names)}) "  # noqa: S608 - our own names
            f"VALUES ({', '.join('?' * len(names))})",
            [row[name] for name in names],
        )
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {0x48756274}")
    connection.close()
    with Ledger(path) as ledger:
        (found,) = ledger.cells()
        assert found.key == old.key
        assert found.has_result_of(old)
        assert ledger.claim(a_key(files_digest="sha256:known now")) == "yours"


def test_a_claim_that_is_refreshed_is_honoured_by_other_hosts(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.claim(a_key())
        ledger.connection.execute("UPDATE claims SET since = since - 3000")
        ledger.refresh()
        holder = ledger.holder(a_key())
        assert holder is not None
        assert abs(time.time() - holder.since) < 60
        ledger.connection.execute("UPDATE claims SET since = 5")
        ledger.refresh()  # only once a minute: training tells of every step
        holder = ledger.holder(a_key())
        assert holder is not None
        assert holder.since == 5


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.keep(a_cell())
        ledger.connection.execute("PRAGMA user_version = 7")
    before = path.read_bytes()
    with pytest.raises(
        SettingsError, match=rf"is of version 7; .* up to {len(MIGRATIONS)}: update"
    ):
        Ledger(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE letters (a TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"other\.db is a database, but no ledger of hubbot's"):
        Ledger(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"\x00" * 4096, b"no database at all, but text\n" * 40])
def test_a_file_that_is_no_database_is_named_with_the_next_step(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"ledger\.sqlite: damaged, .*; move it away .*run aga"):
        Ledger(path)


def test_damage_inside_is_named_with_the_next_step(path: Path) -> None:
    with Ledger(path) as ledger:
        for seed in range(50):
            ledger.keep(a_cell(a_key(seed)))
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with (
        pytest.raises(SettingsError, match=r"ledger\.sqlite: damaged, .*move it away"),
        Ledger(path) as ledger,
    ):
        list(ledger.cells())


def test_a_row_that_cannot_be_unpacked_is_named(ledger: Ledger) -> None:
    ledger.keep(a_cell())
    ledger.connection.execute("UPDATE cells SET predictions = x'0001'")
    with pytest.raises(SettingsError, match=r"row of weights abababababab on target cd.* unpacked"):
        ledger.find(a_key())


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be opened for writing .*name another file"):
        Ledger(tmp_path)


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot be opened: .*; name another file"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


@pytest.mark.parametrize("folder_mode", [0o755, 0o777])
def test_a_ledger_that_may_not_be_written_is_found_out_when_it_is_opened(folder_mode: int) -> None:
    # Not below tmp_path: its folders are closed to the other user that root becomes here.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(folder_mode)
    path = folder / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.keep(a_cell())
    path.chmod(0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(SettingsError, match=r"ledger\.sqlite: cannot be opened for writing"):
            Ledger(path)
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs root")
    try:
        with Ledger(disk / "ledger.sqlite") as ledger:
            kept = 0
            message = ""
            while not message:
                rows = np.random.default_rng(kept).normal(size=2000)
                try:
                    ledger.keep(a_cell(a_key(kept), predictions=rows))
                    kept += 1
                except SettingsError as error:
                    message = str(error)
        assert "no space left on the device; free some" in message
        assert kept > 5
        (copy := tmp_path / "copy").mkdir()
        for file in disk.iterdir():
            shutil.copy(file, copy)
        with Ledger(copy / "ledger.sqlite") as ledger:
            assert [cell.key.seed for cell in ledger.cells()] == list(range(kept))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


# Killed and cut off

KEEP_ON = """
with Ledger(Path(sys.argv[1])) as ledger:
    seed = len(list(ledger.cells()))
    print("open", flush=True)
    while True:
        ledger.claim(cell(seed).key)
        ledger.keep(cell(seed))
        print(seed, flush=True)
        seed += 1
"""


def test_a_writer_killed_again_and_again_leaves_whole_rows_and_all_that_it_reported(
    path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    rng = np.random.default_rng(4)
    reported = -1
    for _ in range(12):
        process = start(KEEP_ON, path)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        first = process.stdout.readline()  # however busy the machine is, each gets somewhere
        time.sleep(rng.uniform(0.0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        lines = [first, *process.communicate()[0].splitlines()]
        reported = int(lines[-1])
        with Ledger(path) as ledger:
            found = list(ledger.cells())
            (verdict,) = ledger.connection.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok"
        assert [cell.key.seed for cell in found] == list(range(len(found)))
        # At most the one that was being written when the signal came was not told of.
        assert reported + 1 <= len(found) <= reported + 2
        reported = len(found) - 1
        last = found[-1] if found else None
        if last is not None:
            rows = np.random.default_rng(last.key.seed).integers(0, 3, 5000)
            assert np.array_equal(last.predictions, rows)
    assert reported >= 11


def test_a_log_cut_off_anywhere_by_a_power_cut_leaves_the_rows_before_it(
    path: Path, tmp_path: Path
) -> None:
    with Ledger(path) as ledger:
        ledger.connection.execute("PRAGMA wal_autocheckpoint = 0")
        for seed in range(8):
            ledger.keep(a_cell(a_key(seed)))
        content, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    counts = set()
    for place in np.linspace(0, len(log), 40).astype(int):
        cut = tmp_path / f"cut-{place}"
        cut.mkdir()
        (cut / "ledger.sqlite").write_bytes(content)
        (cut / "ledger.sqlite-wal").write_bytes(log[:place])
        with Ledger(cut / "ledger.sqlite") as opened:
            seeds = [cell.key.seed for cell in opened.cells()]
        assert seeds == list(range(len(seeds)))
        counts.add(len(seeds))
    assert {0, 8} <= counts
    assert len(counts) > 4


# Claims


def test_a_claim_is_kept_by_its_process_and_given_back(ledger: Ledger) -> None:
    assert ledger.claim(a_key()) == "yours"
    assert ledger.claim(a_key()) == "yours"
    holder = ledger.holder(a_key())
    assert holder is not None
    assert (holder.pid, holder.host) == (os.getpid(), socket.gethostname())
    ledger.release(a_key())
    assert ledger.holder(a_key()) is None


def test_a_finished_cell_cannot_be_claimed_and_its_claim_is_gone(ledger: Ledger) -> None:
    assert ledger.claim(a_key()) == "yours"
    ledger.keep(a_cell())
    assert ledger.holder(a_key()) is None
    assert ledger.claim(a_key()) == "done"


HOLD = """
with Ledger(Path(sys.argv[1])) as ledger:
    print(ledger.claim(cell(0).key), flush=True)
    sys.stdin.readline()
    ledger.keep(cell(0))
    print("kept", flush=True)
    sys.stdin.readline()
"""
HELD = a_key(weights_digest="sha256:w", target_digest="sha256:t", protocol="p@1")


@pytest.fixture
def worker(path: Path, start: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Another process that holds the claim on ``HELD``."""
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "yours\n"
    return process


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_claim_of_another_living_process_stands(
    worker: subprocess.Popen[str], ledger: Ledger
) -> None:
    assert ledger.claim(HELD) == "taken"
    ledger.release(HELD)
    assert ledger.claim(HELD) == "taken"
    assert ledger.claim(replace(HELD, seed=1)) == "yours"


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_claim_of_a_killed_process_is_taken_over(
    worker: subprocess.Popen[str], ledger: Ledger, is_reaped: bool
) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    if is_reaped:
        worker.wait()
    else:
        while psutil.Process(worker.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    assert ledger.claim(HELD) == "yours"


def test_a_waiting_process_goes_on_when_the_other_has_finished(
    worker: subprocess.Popen[str], ledger: Ledger
) -> None:
    tell(worker)
    with ledger.claimed(HELD, poll_s=0.01) as is_mine:
        assert not is_mine
        assert ledger.find(HELD) is not None


def test_a_waiting_process_goes_on_when_the_other_is_killed(
    worker: subprocess.Popen[str], ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "hubbot"):
        os.kill(worker.pid, signal.SIGKILL)
        with ledger.claimed(HELD, poll_s=0.01) as is_mine:
            assert is_mine
    assert f"process {worker.pid} on" in caplog.text
    assert ledger.holder(HELD) is None


def test_an_error_while_training_gives_the_claim_back(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="no memory"), ledger.claimed(a_key()):
        raise RuntimeError("no memory")
    assert ledger.holder(a_key()) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "taken"),
        ({"started": psutil.Process(os.getppid()).create_time() - 60}, "yours"),  # number reused
        ({"pid": 2**22 + 1}, "yours"),
        ({"host": "elsewhere", "pid": 1}, "taken"),
        ({"host": "elsewhere", "ago": FAR_CLAIM_S + 1}, "yours"),
        ({"host": "elsewhere", "ago": -60}, "taken"),  # its clock is ahead
        ({"host": "elsewhere", "ago": -FAR_CLAIM_S - 60}, "yours"),
    ],
)
def test_a_claim_counts_while_its_process_can_be_alive(
    ledger: Ledger, changes: dict[str, Any], expected: str
) -> None:
    parent = psutil.Process(os.getppid())
    row: dict[str, Any] = {
        "host": socket.gethostname(),
        "pid": parent.pid,
        "started": parent.create_time(),
        "since": time.time() - changes.get("ago", 0),
    }
    ledger.claim(a_key())
    row |= {name: value for name, value in changes.items() if name != "ago"}
    ledger.connection.execute("UPDATE claims SET host = ?, pid = ?, started = ?, since = ?",
                              tuple(row.values()))  # fmt: skip
    assert ledger.claim(a_key()) == expected


TRAIN_ALL = """
import time
with Ledger(Path(sys.argv[1])) as ledger:
    print("open", flush=True)
    for seed in range(int(sys.argv[2])):
        if ledger.find(cell(seed).key) is not None:
            continue
        with ledger.claimed(cell(seed).key, poll_s=0.005) as is_mine:
            if is_mine:
                print(seed, flush=True)
                time.sleep(0.003)
                ledger.keep(cell(seed))
"""


def test_processes_on_one_list_train_each_cell_once(
    path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    # All at once, so that they also begin the file together.
    processes = [start(TRAIN_ALL, path, 40) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    trained = [int(line) for lines in outputs for line in lines if line != "open"]
    assert sorted(trained) == list(range(40))
    with Ledger(path) as ledger:
        assert len(list(ledger.cells())) == 40


def test_cells_are_trained_once_more_only_where_the_worker_was_killed(
    path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    rng = np.random.default_rng(7)
    trained: list[int] = []
    kills = 0
    while kills < 6:
        process = start(TRAIN_ALL, path, 200)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.12))
        os.kill(process.pid, signal.SIGKILL)
        kills += 1
        trained += [int(line) for line in process.communicate()[0].splitlines()]
    last = start(TRAIN_ALL, path, 200)
    trained += [int(line) for line in last.communicate(timeout=60)[0].splitlines()[1:]]
    assert set(trained) == set(range(200))
    assert len(trained) <= 200 + kills
