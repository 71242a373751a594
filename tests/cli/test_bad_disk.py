"""No room left: what is said, and that the next run goes on where this one stopped."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of a given size, or give the mounted one that size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: str) -> Path:
        options = f"size={size}" + (",remount" if folder.is_mount() else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"a small disk needs root: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_download_that_would_fill_the_disk_is_not_begun(
    hub: LocalHub, sound: Files, spawn: Callable[..., Any], small_disk: Callable[[str], Path]
) -> None:
    home = small_disk("20m")
    hub.add_model("me/child", sound)
    ran = spawn("probe", "me/child", HF_HOME=home).finish()
    assert ran.code == 1
    assert "0.04 GiB to fetch would leave 0.00 GiB free" in ran.err
    assert "point HF_HOME at a larger disk" in ran.err
    assert not [one for one in hub.log if "/tokenizer.json" in one.path]


@pytest.mark.slow
def test_a_file_larger_than_the_system_allows_is_said_to_be_a_full_disk(
    hub: LocalHub, sound: Files, environment: Path, clean: None, measured: None
) -> None:
    hub.add_model("me/child", sound)
    command = [sys.executable, "-m", "hubbot", "probe", "me/child", "--json"]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))

    done = subprocess.run(
        command,
        env=os.environ,
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "me/child@" in done.stderr
    assert "the disk is full; make room there or point HF_HOME at a larger disk" in done.stderr
    assert "then run the same command again" in done.stderr

    again = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    sent = [one for one in hub.log if one.method == "GET" and one.path.endswith("/tokenizer.json")]
    assert len(sent) == 1


@pytest.mark.slow
def test_a_cache_that_fills_up_goes_on_once_there_is_room(
    hub: LocalHub,
    sound: Files,
    base_file: Path,
    measured: None,
    spawn: Callable[..., Any],
    small_disk: Callable[[str], Path],
) -> None:
    hub.add_model(BASE, sound | {"model.safetensors": base_file})
    cache = small_disk("350k")
    command, settings = ("probe", BASE, "--json"), {"HUBBOT_CACHE_DIR": cache}
    ran = spawn(*command, **settings).finish()
    assert ran.code == 1
    assert ran.out == ""
    assert BASE in ran.err
    assert "make room" in ran.err
    assert "cache_dir" in ran.err
    assert "Traceback" not in ran.err
    assert len(list(cache.glob("probes/features/*.npy"))) == 2, "of train and validation"

    small_disk("8m")
    again = spawn(*command, **settings).finish()
    assert again.code == 0, again.err
    assert "encode train: 120 of 120" in again.err
    assert "encode train: 0 of 120" not in again.err


def test_records_without_room_cost_no_measurement(
    hub: LocalHub,
    sound: Files,
    hubbot: Callable[..., Any],
    measured: None,
    small_disk: Callable[[str], Path],
    writes: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    records = small_disk("4k")
    (records / "filler").write_bytes(bytes(4096))
    monkeypatch.setenv("HUBBOT_RECORDS_DIR", str(records / "scores"))
    hub.add_model("me/child", sound)
    ran = hubbot("annotate", "me/child")
    assert ran.code == 2
    assert "cannot be written: No space left on device" in ran.err
    assert "choose another records_dir" in ran.err
    assert writes() == []

    monkeypatch.setenv("HUBBOT_RECORDS_DIR", str(tmp_path / "elsewhere"))
    again = hubbot("annotate", "me/child", "--json")
    assert again.code == 0
    assert "encode" not in again.err
    assert len(list((tmp_path / "elsewhere").glob("*/me--child.yaml"))) == 1
