"""Ledgers of other versions, and files that are damaged, read-only or no ledger."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.records.checkpoint_rows import CheckpointRows
from hubbot.records.ledger import Ledger
from hubbot.records.ledger_file import MIGRATIONS
from tests.records.listed_rows import a_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


# The file


def a_ledger_of_version_two(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as raw:
        for statements in MIGRATIONS[:2]:
            for statement in statements:
                raw.execute(statement)
        raw.execute("PRAGMA user_version = 2")
        raw.execute(f"PRAGMA application_id = {0x48756274}")
        raw.execute(
            "INSERT INTO cells VALUES ('sha256:w', 'sha256:t', 'p@1', 3, '', 'me/model', '', "
            "'roberta-base', 'rte', 64.25, 66.0, ?, 'int64', 1, '{}', 1.0, 'cpu', 'float32', "
            "'{}', '2026-01-02T03:04:05+00:00', '{}')",
            (zlib.compress(np.array([2], dtype="<i8").tobytes()),),
        )
    raw.close()


def test_a_ledger_of_version_two_is_brought_up_to_date_with_what_it_holds(path: Path) -> None:
    a_ledger_of_version_two(path)
    with CheckpointRows(path) as ledger:
        assert ledger.note_listed([a_row()]) == 1
        assert ledger.connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    with Ledger(path) as cells:
        (cell,) = cells.cells()
    assert (cell.model, cell.key.seed, cell.score) == ("me/model", 3, 64.25)
    assert cell.predictions.tolist() == [2]


def test_a_ledger_of_version_two_is_brought_up_to_date_once_by_many(path: Path) -> None:
    a_ledger_of_version_two(path)
    program = (
        "import sys; from pathlib import Path\n"
        "from hubbot.records.checkpoint_rows import CheckpointRows\n"
        "with CheckpointRows(Path(sys.argv[1])) as one: print(len(list(one.checkpoints())))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in running] == [b"0\n"] * 3


def test_a_ledger_of_a_newer_hubbot_is_refused_and_left_as_it_is(path: Path) -> None:
    with CheckpointRows(path) as ledger:
        ledger.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(
        SettingsError, match=r"is of version \d+; this hubbot reads up to \d+: update"
    ):
        CheckpointRows(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


def test_a_file_that_is_no_ledger_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, however long it may be" * 100)
    with pytest.raises(SettingsError, match=r"damaged, or not a ledger .*move it away"):
        CheckpointRows(path)


def test_a_page_of_rubbish_in_the_middle_is_named_when_it_is_read(path: Path) -> None:
    with CheckpointRows(path) as ledger:
        ledger.note_listed(a_row(f"you/{number}", reason="r" * 200) for number in range(2000))
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 8192 - 4096)
    path.write_bytes(content)

    def use() -> None:
        with CheckpointRows(path) as ledger:
            list(ledger.checkpoints())
            ledger.count_checkpoints()
            ledger.note_listed([a_row("you/7")])

    with pytest.raises(SettingsError, match=r"ledger\.sqlite: damaged.*move it away"):
        use()


def test_a_read_only_ledger_is_named_before_any_work(path: Path, tmp_path: Path) -> None:
    with CheckpointRows(path) as ledger:
        ledger.note_listed([a_row()])
    path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    is_root = os.geteuid() == 0
    folder = tmp_path
    if is_root:  # who may write everywhere; pytest's folders may be entered by their owner alone
        folder = Path("/tmp") / f"hubbot-read-only-{os.getpid()}"  # noqa: S108
        shutil.copytree(path.parent, folder)
        for file in (folder, *folder.iterdir()):
            file.chmod(0o555 if file == folder else 0o444)
        os.seteuid(65534)
    try:
        with pytest.raises(SettingsError, match="cannot be opened for writing"):
            CheckpointRows((folder if is_root else path.parent) / path.name)
    finally:
        if is_root:
            os.seteuid(0)
            shutil.rmtree(folder)
        path.parent.chmod(0o755)
