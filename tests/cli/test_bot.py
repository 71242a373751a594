"""``hubbot bot --every``: passes on a schedule, one bot at a time, gentle at the end."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
ONLY = ("-a", "all-MiniLM-L6-v2")
SMALL = {
    "HUBBOT_BOT__SCREEN_TRAIN": 100,
    "HUBBOT_BOT__MAX_TRAIN": 100,
    "HUBBOT_BOT__SENSITIVITIES_PER_PASS": 0,
    "HUBBOT_BOT__EVALUATIONS_PER_PASS": 0,
}

pytestmark = pytest.mark.slow


@pytest.fixture
def ledger(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "ledger.sqlite"))
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def world(hub: LocalHub, sound: Files, base_file: Path, ledger: Path) -> LocalHub:
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    hub.add_model("me/child", dict(sound))
    return hub


def health(ledger: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ledger.parent / "hubbot-health.json").read_text())
    return found


def wait_for(happened: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def lists(hub: LocalHub) -> int:
    return len([one for one in hub.log if one.path == "/api/models"])


def test_passes_follow_each_other_and_a_new_model_is_found_by_the_next(
    world: LocalHub,
    sound: Files,
    ledger: Path,
    spawn: Callable[..., Any],
    hubbot: Callable[..., Any],
) -> None:
    running = spawn("bot", "--every", "2s", "--passes", "4", *ONLY, **SMALL)
    wait_for(lambda: lists(world) >= 2, "the first list")
    world.add_model("me/german", sound | {"README.md": b"---\nlanguage: de\n---\n"})
    ran = running.finish(200)
    assert ran.code == 0, ran.err
    assert ran.out.count("pull requests opened") == 4
    rows = {row["model"]: row["state"] for row in hubbot("status", "--models", "--json").json}
    assert rows["me/child"] == "recorded"
    assert rows["me/german"] == "skipped"
    found = health(ledger)
    assert (found["state"], found["passes"], found["failures_in_a_row"]) == ("stopped", 4, 0)


def test_sigterm_in_the_middle_of_a_probe_ends_gently_and_the_next_run_goes_on(
    world: LocalHub,
    ledger: Path,
    spawn: Callable[..., Any],
    hubbot: Callable[..., Any],
    tmp_path: Path,
) -> None:
    cache = tmp_path / "fresh cache"  # so that there is a probe to interrupt
    running = spawn("bot", "--every", "1h", *ONLY, HUBBOT_CACHE_DIR=cache, **SMALL)
    running.wait_for("encode")
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert children
    os.kill(running.process.pid, signal.SIGTERM)
    ran = running.finish(60)
    assert ran.code == 130, ran.err
    assert "Traceback" not in ran.err
    assert "the same command goes on from there" in ran.err
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert health(ledger)["state"] == "stopped"
    status = hubbot("status", "--json").json
    assert status["claimed"] == []
    assert status["last_pass"]["summary"]["stopped"].startswith("checkpoints: Stopped")

    ran = hubbot("run", *ONLY, "--json")
    assert status["checkpoints"] == {"seen": 1, "skipped: base-model": 1}
    assert hubbot("status", "--json").json["checkpoints"] == {
        "recorded": 1,
        "skipped: base-model": 1,
    }


@pytest.mark.parametrize("second", [("run", *ONLY), ("bot", "--every", "1h", *ONLY)])
def test_a_second_instance_is_refused_and_names_the_first(
    world: LocalHub, spawn: Callable[..., Any], second: tuple[str, ...]
) -> None:
    world.faults.slow("GET", "/api/models", 20.0)
    first = spawn("bot", "--every", "1h", *ONLY, **SMALL)
    wait_for(lambda: world.faults.pending() == 0, "the first list")
    other = spawn(*second, **SMALL).finish(60)
    assert other.code == 2
    assert f"another hubbot (process {first.process.pid}) works with" in other.err


def test_a_pass_that_fails_is_told_and_the_next_one_is_begun_all_the_same(
    world: LocalHub, ledger: Path, spawn: Callable[..., Any]
) -> None:
    world.faults.fail("GET", "/api/models", 401, times=2)
    running = spawn("bot", "--every", "1s", "--passes", "3", *ONLY, **SMALL)
    ran = running.finish(200)
    assert ran.code == 0, ran.err
    assert "the pass ended early" in ran.err
    assert ran.out.count("pull requests opened") >= 1
    assert health(ledger)["failures_in_a_row"] == 0


def begun(ledger: Path) -> list[float]:
    with sqlite3.connect(ledger) as opened:
        return [row[0] for row in opened.execute("SELECT begun FROM passes ORDER BY number")]


def test_every_is_the_time_between_beginnings_and_a_long_pass_is_followed_at_once(
    hub: LocalHub, ledger: Path, spawn: Callable[..., Any]
) -> None:
    first_query = "/api/models.*base_model"
    hub.faults.slow("GET", first_query, 1.0)
    running = spawn("bot", "--every", "2s", "--passes", "3", *ONLY, **SMALL)
    file = ledger.parent / "hubbot-health.json"
    wait_for(lambda: file.exists() and health(ledger)["state"] == "waiting", "the first wait")
    hub.faults.slow("GET", first_query, 3.0)
    ran = running.finish(60)
    assert ran.code == 0, ran.err
    first, second, third = begun(ledger)
    assert 1.8 < second - first < 2.8, "2 s from beginning to beginning, of which 1 s is the pass"
    assert 2.9 < third - second < 4.5, "3 s, as the pass took, and no 2 s after them"


CLOCK = """
import datetime, pathlib, sys, time

flag, shift = pathlib.Path(sys.argv.pop(1)), float(sys.argv.pop(1))
told, real = time.time, datetime.datetime


def now():
    return told() + (shift if flag.exists() else 0.0)


class Shifted(real):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now(), tz)


time.time, datetime.datetime = now, Shifted
from hubbot.cli import main

sys.exit(main(sys.argv[1:]))
"""
"""A program whose clock is set by so many seconds as soon as a file is there."""


@pytest.mark.parametrize("days", [-30, 30])
def test_a_clock_that_is_set_while_it_waits_changes_nothing(
    hub: LocalHub, ledger: Path, environment: Path, tmp_path: Path, days: int
) -> None:
    flag = tmp_path / "set"
    command = (flag, days * 86400, "bot", "--every", "4s", "--passes", "3", *ONLY)
    running = subprocess.Popen(
        [sys.executable, "-c", CLOCK, *map(str, command)],
        env=os.environ | {name: str(value) for name, value in SMALL.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        file = ledger.parent / "hubbot-health.json"
        wait_for(lambda: file.exists() and health(ledger)["state"] == "waiting", "the first wait")
        begin = time.monotonic()
        flag.touch()
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 0, err
    assert 6 < time.monotonic() - begin < 30, "what is left of the first wait, and the second"
    assert health(ledger)["passes"] == 3


@pytest.mark.parametrize("every", ["3000000d", "367d", "9" * 400 + "s"])
def test_a_time_that_no_schedule_can_have_is_wrong_usage(
    hubbot: Callable[..., Any], every: str
) -> None:
    ran = hubbot("bot", "--every", every)
    assert ran.code == 2
    assert "expected at most 366d" in ran.err


@pytest.mark.parametrize("every", ["6", "0s", "-1h", "soon", "1.5 weeks"])
def test_a_time_that_is_none_is_wrong_usage(hubbot: Callable[..., Any], every: str) -> None:
    ran = hubbot("bot", "--every", every)
    assert ran.code == 2
    assert "expected a time such as 30m, 6h or 1d" in ran.err
