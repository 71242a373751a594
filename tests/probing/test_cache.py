"""Files that survive a kill."""

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.errors import ProbeError
from hubbot.probing.cache import RowFile, locked, open_rows, read_arrays, write_arrays

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


def fill(file: RowFile, start: int, stop: int) -> None:
    for place in range(start, stop):
        file.write(np.array([place]), ROWS[place : place + 1], seconds=1.0)


def test_finished_rows_are_read_back_as_numpy_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    with RowFile(path, n_rows=10, width=4) as file:
        file.write(np.array([7, 0]), ROWS[[7, 0]], seconds=1.0)
        for place in (3, 9, 1, 2, 4, 5, 6, 8):
            file.write(np.array([place]), ROWS[[place]], seconds=1.0)
        file.finish()
    np.testing.assert_array_equal(np.load(path), ROWS)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.npy"]


def test_unfinished_rows_are_not_taken_for_finished_ones(tmp_path: Path) -> None:
    with RowFile(tmp_path / "rows.npy", n_rows=10, width=4) as file:
        fill(file, 0, 10)
    assert open_rows(tmp_path / "rows.npy", 10) is None


def test_work_goes_on_after_the_last_row_known_to_be_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbot.probing.cache._SYNC_S", -1.0)  # mark after every row
    path = tmp_path / "rows.npy"
    with RowFile(path, n_rows=10, width=4) as file:
        fill(file, 0, 6)
    monkeypatch.setattr("hubbot.probing.cache._SYNC_S", 60.0)
    with RowFile(path, n_rows=10, width=4) as file:
        assert file.done == 6
        fill(file, 6, 8)  # killed before these were marked
    with RowFile(path, n_rows=10, width=4) as file:
        assert file.done == 6
        assert file.seconds == 1.0
        fill(file, 6, 10)
        file.finish()
    np.testing.assert_array_equal(np.load(path), ROWS)


@pytest.mark.parametrize("damage", ["{", "[]", '{"shape": [10, 5], "done": 6, "seconds": 1}'])
def test_a_damaged_or_foreign_mark_means_starting_afresh(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    with RowFile(path, n_rows=10, width=4) as file:
        fill(file, 0, 6)
    path.with_name("rows.npy.mark").write_text(damage)
    with RowFile(path, n_rows=10, width=4) as file:
        assert file.done == 0


def test_a_part_of_another_size_means_starting_afresh(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    with RowFile(path, n_rows=10, width=4) as file:
        fill(file, 0, 6)
    path.with_name("rows.npy.part").write_bytes(b"short")
    with RowFile(path, n_rows=10, width=4) as file:
        assert file.done == 0


def test_a_disk_without_room_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"features need \d+ MB but .* move cache_dir"):
        RowFile(tmp_path / "rows.npy", n_rows=10**9, width=10**5)


@pytest.mark.parametrize("content", [b"", b"PK", b"nonsense", b"\x93NUMPY\x01\x00"])
def test_damaged_entries_count_as_missing_and_are_removed(content: bytes, tmp_path: Path) -> None:
    for name, read in (("a.npz", read_arrays), ("a.npy", lambda path: open_rows(path, 3))):
        path = tmp_path / name
        path.write_bytes(content)
        assert read(path) is None
        assert not path.exists()


def test_a_pickled_array_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, meta=np.array([{"a": 1}], dtype=object))
    assert read_arrays(path) is None


def test_arrays_and_notes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.npz"
    write_arrays(path, {"x": ROWS}, {"n": 3})
    found = read_arrays(path)
    assert found is not None
    np.testing.assert_array_equal(found[0]["x"], ROWS)
    assert found[1] == {"n": 3}


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_arrays(tmp_path / "a.npz", {"x": ROWS}, {"n": object()})
    assert list(tmp_path.iterdir()) == []


def _add_one(path: Path, waited: Any) -> None:
    for _ in range(20):
        with locked(path, on_wait=waited.set):
            path.write_text(str(int(path.read_text()) + 1))


def test_two_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    waited = context.Event()
    others = [context.Process(target=_add_one, args=(path, waited)) for _ in range(2)]
    with locked(path, on_wait=lambda: None):
        for other in others:
            other.start()
        assert waited.wait(timeout=60)
        assert path.read_text() == "0"
    for other in others:
        other.join()
    assert path.read_text() == "40"


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "entry", held))
    holder.start()
    assert held.wait(timeout=60)
    holder.kill()
    holder.join()
    seen: list[Mapping[str, Any]] = []
    with locked(tmp_path / "entry", on_wait=lambda: seen.append({})):
        assert seen == []


def _hold(path: Path, held: Any) -> None:
    with locked(path, on_wait=lambda: None):
        held.set()
        held.wait(3600)
        __import__("time").sleep(3600)
