"""``hubbot evaluate`` killed with SIGKILL in the middle, several times at random moments."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

BASE = "sentence-transformers/all-MiniLM-L6-v2"
COMMAND = (
    *("evaluate", "me/child", "--targets", "mnli", "--max-train", "45", "--epochs", "1"),
    *("--seeds", "2", "--json"),
)


def start(ledger: Path, log: Path) -> "subprocess.Popen[str]":
    with log.open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "hubbot", *COMMAND],
            env=os.environ | {"HUBBOT_LEDGER_FILE": str(ledger)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )


def finish(ledger: Path, log: Path) -> Any:
    process = start(ledger, log)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


def finished(ledger: Path) -> set[tuple[str, int]]:
    """Model and seed of every cell that the ledger holds."""
    if not ledger.exists():
        return set()
    with sqlite3.connect(ledger) as connection:
        try:
            return set(connection.execute("SELECT model, seed FROM cells").fetchall())
        except sqlite3.OperationalError:  # killed before the first table
            return set()


def begun(log: Path) -> set[tuple[str, int]]:
    """Model and seed of every training that a run told of."""
    lines = re.findall(r"^(\S+) on mnli, seed (\d+): load", log.read_text(), re.MULTILINE)
    return {(model, int(seed)) for model, seed in lines}


def test_killed_three_times_it_ends_with_the_same_gains_and_trains_no_cell_twice(
    hub: LocalHub, environment: Path, clean: None, sound: Mapping[str, Any], tmp_path: Path
) -> None:
    weights = Path(str(sound["config.json"])).parent / "model.safetensors"
    hub.add_model(BASE, {**sound, "model.safetensors": weights})
    hub.add_model("me/child", dict(sound))
    whole = finish(tmp_path / "whole.sqlite", tmp_path / "whole.log")
    cells = {(model, seed) for model in (BASE, "me/child") for seed in range(2)}
    assert begun(tmp_path / "whole.log") == cells
    ledger, moments = tmp_path / "killed.sqlite", random.Random(7)  # noqa: S311 - moments
    left = []
    for number in range(3):
        before, log = finished(ledger), tmp_path / f"killed-{number}.log"
        process = start(ledger, log)
        while number and len(finished(ledger)) == len(before):  # the first dies at any moment
            assert process.poll() is None
            time.sleep(0.2)
        time.sleep(moments.uniform(0.2, 4) if number else moments.uniform(2, 12))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        assert not before & begun(log), "a finished cell was trained again"
        left.append(len(finished(ledger)))
    assert left == sorted(left)
    assert any(0 < number < len(cells) for number in left), "killed in the middle"
    before = finished(ledger)
    found = finish(ledger, tmp_path / "last.log")
    assert begun(tmp_path / "last.log") == cells - before
    assert finished(ledger) == cells
    assert found["gains"] == whole["gains"]
    assert found["avg_gain"] == pytest.approx(whole["avg_gain"])
