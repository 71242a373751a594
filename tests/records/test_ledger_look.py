"""Looking at a ledger: what is told, and that nothing is changed."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from hubbot.errors import SettingsError
from hubbot.records.ledger import Ledger
from hubbot.records.ledger_file import MIGRATIONS
from hubbot.records.ledger_look import look_at_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def begin(path: Path, *, version: int = len(MIGRATIONS)) -> None:
    """Make a ledger as a hubbot of that version left it."""
    Ledger(path).close()
    if version == len(MIGRATIONS):
        return
    path.unlink()
    with sqlite3.connect(path) as connection:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {0x48756274}")
    connection.close()


def test_a_ledger_that_is_not_there_is_not_begun(path: Path) -> None:
    look = look_at_ledger(path)
    assert (look.version, look.size_bytes, look.rows) == (0, 0, {})
    assert not path.parent.exists()


def test_an_empty_file_is_not_begun_either(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert look_at_ledger(path).version == 0
    assert path.stat().st_size == 0


def test_rows_are_counted_by_table(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.connection.execute(
            "INSERT INTO claims VALUES ('w', 't', 'p', 1, 'f', 'host', 7, 0.0, 0.0)"
        )
    look = look_at_ledger(path)
    assert look.version == look.newest_version == len(MIGRATIONS)
    assert look.rows["claims"] == 1
    assert look.rows["cells"] == 0
    assert look.size_bytes >= path.stat().st_size > 0


def test_a_ledger_in_use_can_be_looked_at(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.connection.execute(
            "INSERT INTO claims VALUES ('w', 't', 'p', 1, 'f', 'host', 7, 0.0, 0.0)"
        )
        assert look_at_ledger(path).rows["claims"] == 1


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_ledger_is_left_as_it_is(path: Path, version: int) -> None:
    begin(path, version=version)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    look = look_at_ledger(path)
    assert look.version == version
    assert look.rows == {}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_newer_ledger_is_refused(path: Path) -> None:
    begin(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SettingsError, match=r"is of version 99.*update hubbot"):
        look_at_ledger(path)


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 99, b"SQLite format 3\0" + b"x" * 999]
)
def test_what_is_no_ledger_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"damaged, or not a ledger"):
        look_at_ledger(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cells (x)")
    connection.close()
    with pytest.raises(SettingsError, match=r"no ledger of hubbot's"):
        look_at_ledger(path)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot be opened"):
        look_at_ledger(path)


def test_a_file_where_its_folder_should_be_is_refused(path: Path) -> None:
    path.parent.write_text("")
    with pytest.raises(SettingsError, match=r"cannot be begun.*state is no folder"):
        look_at_ledger(path)


def test_a_ledger_that_may_only_be_read_is_refused(path: Path) -> None:
    begin(path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        if os.access(path, os.W_OK):
            pytest.skip("this account may write every file")
        with pytest.raises(SettingsError, match=r"cannot be opened for writing"):
            look_at_ledger(path)
    finally:
        path.parent.chmod(0o755)
