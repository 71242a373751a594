"""The probing cache is cut back without getting in the way of a child at work."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from hubbot.probing.cache import RowFile, locked, open_rows, read_arrays, write_arrays
from hubbot.probing.kept import kept_arrays

ROWS = np.arange(4000, dtype=np.float32).reshape(1000, 4)


def _features(folder: Path, name: str = "one", n_rows: int = 1000) -> Path:
    path = folder / "features" / f"{name}.npy"
    with locked(path, on_wait=lambda: None):
        with RowFile(path, n_rows=1000, width=4) as file:
            file.write(np.arange(n_rows), ROWS[:n_rows], seconds=1.0)
            if n_rows == 1000:
                file.finish()
        path.with_suffix(".json").write_text("{}")
    return path


def test_features_go_with_what_describes_them(tmp_path: Path) -> None:
    _features(tmp_path)
    (one,) = kept_arrays(tmp_path)
    assert one.name == "features/one.npy"
    assert one.n_bytes >= ROWS.nbytes
    one.forget()
    assert kept_arrays(tmp_path) == []
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"one.npy.lock"}


def test_partial_features_go_and_are_begun_afresh(tmp_path: Path) -> None:
    path = _features(tmp_path, n_rows=600)
    (one,) = kept_arrays(tmp_path)
    assert one.name == "features/one.npy.part"
    one.forget()
    with RowFile(path, n_rows=1000, width=4) as file:
        assert file.done == 0


def test_tokens_and_finished_probes_are_counted_as_well(tmp_path: Path) -> None:
    for kind in ("tokens", "probes"):
        write_arrays(tmp_path / kind / "x.npz", {"ids": np.zeros(9)}, {"seconds": 1.0})
    found = kept_arrays(tmp_path)
    assert {one.name for one in found} == {"tokens/x.npz", "probes/x.npz"}
    for one in found:
        one.forget()
    assert read_arrays(tmp_path / "tokens" / "x.npz") is None


def test_what_a_child_works_on_stays(tmp_path: Path) -> None:
    path = _features(tmp_path)
    (one,) = kept_arrays(tmp_path)
    with locked(path, on_wait=lambda: None), pytest.raises(BlockingIOError):
        one.forget()
    assert open_rows(path, 1000) is not None


def test_rows_that_are_mapped_can_still_be_read(tmp_path: Path) -> None:
    path = _features(tmp_path)
    rows = open_rows(path, 1000)
    kept_arrays(tmp_path)[0].forget()
    assert rows is not None
    np.testing.assert_array_equal(rows, ROWS)


def test_reading_counts_as_use(tmp_path: Path) -> None:
    features = _features(tmp_path)
    write_arrays(tmp_path / "tokens" / "x.npz", {"ids": np.zeros(9)}, {})
    for one in (features, tmp_path / "tokens" / "x.npz"):
        os.utime(one, (1e9, 1e9))
    assert {one.used for one in kept_arrays(tmp_path)} == {1e9}
    open_rows(features, 1000)
    read_arrays(tmp_path / "tokens" / "x.npz")
    now = time.time()
    assert all(abs(one.used - now) < 60 for one in kept_arrays(tmp_path))
