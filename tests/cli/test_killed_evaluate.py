"""``hubbot evaluate`` killed with SIGKILL in the middle, several times at random moments."""

import json
import os
import random
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


def start(ledger: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hubbot", *COMMAND],
        env=os.environ | {"HUBBOT_LEDGER_FILE": str(ledger)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def finish(ledger: Path) -> Any:
    process = start(ledger)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


def rows(ledger: Path) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Every finished cell: its key, and when and how long it was trained."""
    if not ledger.exists():
        return {}
    with sqlite3.connect(ledger) as connection:
        try:
            found = connection.execute(
                "SELECT weights_digest, target_digest, protocol, seed, seconds, score FROM cells"
            ).fetchall()
        except sqlite3.OperationalError:  # killed before the first table
            return {}
    return {row[:4]: row[4:] for row in found}


def test_killed_three_times_it_ends_with_the_same_gains_and_trains_no_cell_twice(
    hub: LocalHub, environment: Path, clean: None, sound: Mapping[str, Any], tmp_path: Path
) -> None:
    weights = Path(str(sound["config.json"])).parent / "model.safetensors"
    hub.add_model(BASE, {**sound, "model.safetensors": weights})
    hub.add_model("me/child", dict(sound))
    whole = finish(tmp_path / "whole.sqlite")
    ledger = tmp_path / "killed.sqlite"
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for _ in range(3):
        process = start(ledger)
        time.sleep(moments.uniform(4, 14))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        now = rows(ledger)
        assert {key: now[key] for key in seen} == seen, "a finished cell was trained again"
        seen = now
    found = finish(ledger)
    after = rows(ledger)
    assert {key: after[key] for key in seen} == seen
    assert len(after) == 4
    assert found["gains"] == whole["gains"]
    assert found["avg_gain"] == pytest.approx(whole["avg_gain"])
