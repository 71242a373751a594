"""Of a ledger that another machine wrote, fine-tunings are taken over, and nothing else."""

import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from hubbot.errors import IntegrityError, SettingsError
from hubbot.records.handed_over import main, take_cells
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import BotLedger
from tests.records.test_ledger import a_cell, a_key

FILES = "sha256:" + "ef" * 32
DETAILS = {"n_train": 60, "steps": 8, "best_step": 8, "train_loss": 0.5}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "fetched" / "ledger.sqlite"
    with Ledger(path) as ledger:
        for seed in range(2):
            ledger.keep(a_cell(a_key(seed, files_digest=FILES), details=DETAILS))
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.sqlite"


def change(path: Path, statement: str, *values: Any) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def test_fine_tunings_come_over_whole_and_the_source_stays_as_it_was(
    source: Path, into: Path
) -> None:
    before = source.read_bytes()
    assert take_cells(source, into) == 2
    assert source.read_bytes() == before
    with Ledger(source) as old, Ledger(into) as new:
        for one, other in zip(old.cells(), new.cells(), strict=True):
            assert one.key == other.key
            assert one.has_result_of(other)
            assert one.details == other.details


def test_nothing_but_fine_tunings_comes_over(source: Path, into: Path) -> None:
    with BotLedger(source) as ledger:
        ledger.add_opt_out("ann", "she never said so")
        ledger.note_pull_request("model", "ann/child", "https://example.org/1")
    change(source, "CREATE TRIGGER mine AFTER INSERT ON cells BEGIN DELETE FROM cells; END")
    change(
        source,
        "INSERT INTO claims SELECT weights_digest, target_digest, protocol, 7, files_digest, "
        "'host', 1, 1.0, 1e12 FROM cells LIMIT 1",
    )
    take_cells(source, into)
    with BotLedger(into) as ledger:
        assert not ledger.opt_outs()
        assert not list(ledger.pull_requests())
    with sqlite3.connect(into) as connection:
        kinds = connection.execute("SELECT type FROM sqlite_schema WHERE type = 'trigger'")
        assert kinds.fetchall() == []
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("model", "x\n::error title=CI::forged", "is no name"),
        ("device", "y" * 500, "is no name"),
        ("versions", '{"torch": "\\u001b[2J"}', "is no name"),
        ("versions", '{"torch": 7}', "is no name"),
        ("seconds", '{"train": "long"}', "no numbers"),
        ("details", "{}", "n_train"),
        ("details", '{"n_train": "all", "steps": 1, "best_step": 1}', "n_train"),
        ("details", '{"n_train": 1e300, "steps": 1, "best_step": 1}', "n_train"),
        ("details", "[]", "no table"),
        ("date", "soon", "is no date"),
        ("revision", "refs/pr/1", "is no commit"),
        ("weights_digest", "sha256:1", "is no digest"),
        ("score", 101.5, "expected -100 to 100"),
        ("score", "high", "not supported"),
        ("n_test", 2_000_000, "2000000 test rows"),
        ("n_test", "many", "test rows"),
        ("predictions", b"no zip", "cannot be unpacked"),
        ("predictions", zlib.compress(b"\0" * 50_000_000), "not the 277 predictions"),
        ("kind", "object", "cannot be unpacked"),
    ],
)
def test_what_hubbot_would_not_write_is_refused_and_nothing_is_taken(
    source: Path, into: Path, column: str, value: Any, why: str
) -> None:
    change(source, f"UPDATE cells SET {column} = ? WHERE seed = 1", value)  # noqa: S608
    with pytest.raises(IntegrityError, match=why) as caught:
        take_cells(source, into)
    assert "\n" not in str(caught.value)
    assert not into.exists()


def test_a_view_in_the_place_of_the_table_is_refused(source: Path, into: Path) -> None:
    change(source, "ALTER TABLE cells RENAME TO others")
    change(source, "CREATE VIEW cells AS SELECT * FROM others")
    with pytest.raises(IntegrityError, match="no table of fine-tunings"):
        take_cells(source, into)


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path, into: Path) -> None:
    (tmp_path / "text").write_text("hello " * 1000)
    for name in ("text", "missing"):
        with pytest.raises(SettingsError, match="no ledger"):
            take_cells(tmp_path / name, into)


def test_the_command_tells_how_many_or_why_not(
    source: Path, into: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(source), str(into)]) == 0
    assert capsys.readouterr().err == "fine-tunings taken over: 2\n"
    change(source, "UPDATE cells SET date = 'soon'")
    assert main([str(source), str(into)]) == 3
    assert "is no date" in capsys.readouterr().err
    assert main([str(source)]) == 2
