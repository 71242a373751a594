"""Ctrl-C in every stage of real processes: nothing stays behind, nothing is done twice."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"


def stop(running: Any) -> Any:
    """Press Ctrl-C; gives what was left behind, once no child of the process lives any more."""
    children = psutil.Process(running.process.pid).children(recursive=True)
    os.kill(running.process.pid, signal.SIGINT)
    ran = running.finish(20)
    assert ran.code == 130, ran.err
    assert ran.out == ""
    assert "stopped; what was measured is kept, the same command goes on from there" in ran.err
    assert "Traceback" not in ran.err
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    return ran


def fetched(hub: LocalHub, name: str) -> int:
    """Return how often a file was sent in whole."""
    return len(
        [
            one
            for one in hub.log
            if one.method == "GET" and one.path.endswith(name) and one.status == 200
        ]
    )


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def test_ctrl_c_during_the_download_keeps_the_files_that_are_there(
    hub: LocalHub, sound: Files, measured: None, spawn: Callable[..., Any]
) -> None:
    hub.add_model("me/child", sound)
    hub.faults.slow("GET", r"/resolve/.*model\.safetensors", 30.0)
    running = spawn("probe", "me/child")
    wait_until(lambda: hub.faults.pending() == 0, "the download of the weights")
    stop(running)

    again = spawn("probe", "me/child", "--json").finish()

    assert again.code == 0, again.err
    # config.json is read once more by a look at the Hub before anything is fetched.
    assert fetched(hub, "/tokenizer.json") == 1
    assert fetched(hub, "/vocab.txt") == 1


@pytest.mark.slow
def test_ctrl_c_before_the_encoder_and_before_the_heads(
    hub: LocalHub,
    sound: Files,
    base_file: Path,
    measured: None,
    spawn: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """One cache of its own, stopped again and again on its way to the end."""
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    command = ("probe", BASE, "--json")
    settings = {"HUBBOT_CACHE_DIR": tmp_path / "cache", "HUBBOT_PROBE__TOKENS_PER_BATCH": 128}
    probes = tmp_path / "cache" / "probes"

    loading = spawn(*command, **settings)
    loading.wait_for(": load")
    stop(loading)

    tokenizing = spawn(*command, **settings)
    tokenizing.wait_for("tokenize train: ")
    stop(tokenizing)

    encoding = spawn(*command, **settings)
    encoding.wait_for("encode train: 0 of 120")
    wait_until(lambda: marked(probes) > 0, "rows on the disk")
    stop(encoding)
    rows = marked(probes)
    assert 0 < rows < 120, "the test came too late"

    fitting = spawn(*command, **settings)
    fitting.wait_for("encode train: ")
    first = fitting.lines[-1]
    fitting.wait_for("head linear: 0 of ")
    ran = stop(fitting)
    assert "tokenize train" not in ran.err, "tokens are made once"
    assert first.split("train: ")[1].startswith(f"{rows} of 120"), "rows are encoded once"

    last = spawn(*command, **settings).finish()
    assert last.code == 0, last.err
    assert "tokenize" not in last.err
    assert "encode train: 120 of 120" in last.err
    assert "encode train: 0 of 120" not in last.err
    assert "encode test: 0 of 150" not in last.err
    assert fetched(hub, "model.safetensors") <= 1
    assert json.loads(last.out)["n_train"] == 120


def marked(probes: Path) -> int:
    """Return how many rows of an unfinished file are safely on the disk."""
    try:
        (mark,) = probes.glob("features/*.mark")
        return int(json.loads(mark.read_text())["done"])
    except (ValueError, OSError):
        return 0


@pytest.mark.parametrize("fault", ["late answer", "waiting to try again"])
def test_ctrl_c_while_sending_never_makes_two_pull_requests(
    hub: LocalHub,
    sound: Files,
    token: Callable[..., str],
    record_of: Callable[..., Path],
    spawn: Callable[..., Any],
    fault: str,
) -> None:
    token("me")
    hub.add_model("me/child", sound)
    if fault == "late answer":
        hub.faults.slow("POST", "/commit/", 2.0)
    else:
        hub.faults.fail("POST", "/commit/", 503, when="after")
    command = ("annotate", "me/child", "--record", record_of("me/child"), "--send", "--json")
    running = spawn(*command)
    wait_until(lambda: hub.faults.pending() == 0, "the commit")
    stop(running)
    wait_until(lambda: len(hub.pull_requests("me/child")) == 1, "the effect of the commit")

    again = spawn(*command).finish()

    assert again.code == 0, again.err
    assert again.json["action"] == "unchanged"
    assert len(hub.pull_requests("me/child")) == 1


@pytest.mark.slow
def test_ctrl_c_during_annotate_keeps_the_measurement_for_the_next_time(
    hub: LocalHub,
    sound: Files,
    token: Callable[..., str],
    measured: None,
    environment: Path,
    spawn: Callable[..., Any],
) -> None:
    token("me")
    hub.add_model("me/child", sound)
    hub.faults.slow("POST", "/validate-yaml", 30.0)
    running = spawn("annotate", "me/child", "--send")
    wait_until(lambda: hub.faults.pending() == 0, "the check of the card")
    stop(running)
    assert len(list(environment.glob("*/*.yaml"))) == 1
    assert hub.pull_requests("me/child") == ()

    again = spawn("annotate", "me/child", "--send", "--json").finish()
    assert again.json["action"] == "opened"
    assert "encode" not in again.err
    assert fetched(hub, "model.safetensors") == 1
