"""Files that survive a kill: atomic writes, locks, and an array of rows that can be resumed.

No torch here; parent and child use it.
"""

import fcntl
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import ProbeError

_SYNC_S = 0.5


@contextmanager
def locked(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock beside ``path``; the system frees it when the process dies.

    Args:
        path: Cache entry; the lock is the file with ``.lock`` added, which stays.
        on_wait: Called once if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Write arrays and a JSON document as one .npz, which is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **{**arrays, "meta": np.array(json.dumps(dict(meta)))})  # type: ignore[arg-type]  # its stub takes the names for allow_pickle
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Read what ``write_arrays`` wrote; None where there is nothing, or nothing whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")[()]))
        note_use(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError):
        path.unlink(missing_ok=True)  # damaged by the disk, or not ours: make it again
        return None
    return arrays, meta


def note_use(path: Path) -> None:
    """Date a file as used now, so that it outlives what was not; a cache may be read-only."""
    with suppress(OSError):
        os.utime(path)


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all; the caller holds the lock that guards it."""
    fresh = path.with_name(path.name + ".tmp")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def open_rows(path: Path, n_rows: int) -> NDArray[np.float32] | None:
    """Map finished rows read-only; None where they are missing or damaged.

    Returns:
        float32 of shape (n_rows, width).
    """
    try:
        rows: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError):
        path.unlink(missing_ok=True)
        return None
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[0] != n_rows:
        path.unlink(missing_ok=True)
        return None
    note_use(path)
    return rows


class RowFile:
    """A float32 array on disk that is filled row by row and survives a kill.

    Rows go to ``<path>.part`` at their final place; ``<path>.mark`` says how many of them, in the
    order in which they are computed, are safely on disk: it is written after them and synced, so
    it may say too little but never too much.
    """

    def __init__(self, path: Path, *, n_rows: int, width: int) -> None:
        """Open or go on with a partial file.

        Args:
            path: Where the finished array will be.
            n_rows: Rows in all.
            width: Floats per row.

        Raises:
            ProbeError: If the disk has no room for it.
        """
        self._path = path
        self._shape = (n_rows, width)
        self._part = path.with_name(path.name + ".part")
        self._mark = path.with_name(path.name + ".mark")
        self._header = _npy_header(self._shape)
        self._bytes = len(self._header) + 4 * n_rows * width
        path.parent.mkdir(parents=True, exist_ok=True)
        self.done, self.seconds = self._read_mark()
        self._file = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o644)
        if self.done == 0:
            self._start()
        self._synced_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def write(
        self, places: NDArray[np.int64], rows: NDArray[np.float32], *, seconds: float
    ) -> None:
        """Put rows at their places; sync now and then.

        Args:
            places: int64 of shape (n,), row numbers in the finished array.
            rows: float32 of shape (n, width).
            seconds: Time spent on this file so far, earlier runs included.
        """
        size = 4 * self._shape[1]
        for place, row in zip(places, rows, strict=True):
            os.pwrite(self._file, row.tobytes(), len(self._header) + int(place) * size)
        self.done += len(places)
        self.seconds = seconds
        if time.monotonic() - self._synced_at > _SYNC_S:
            self._save_mark()

    def finish(self) -> None:
        """Sync everything and give the array its final name."""
        os.fsync(self._file)
        self._part.replace(self._path)
        self._mark.unlink(missing_ok=True)
        _sync_folder(self._path.parent)

    def _start(self) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if self._bytes > free:
            raise ProbeError(
                f"features need {self._bytes / 1e6:.0f} MB but {self._path.parent} has "
                f"{free / 1e6:.0f} MB free; make room or move cache_dir"
            )
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self._bytes)
        os.pwrite(self._file, self._header, 0)
        self._save_mark()

    def _save_mark(self) -> None:
        os.fsync(self._file)
        mark = {"shape": self._shape, "done": self.done, "seconds": self.seconds}
        write_text(self._mark, json.dumps(mark))
        self._synced_at = time.monotonic()

    def _read_mark(self) -> tuple[int, float]:
        try:
            mark = json.loads(self._mark.read_text(encoding="utf-8"))
            if mark["shape"] == [*self._shape] and self._part.stat().st_size == self._bytes:
                return int(mark["done"]), float(mark["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0.0  # nothing to go on with
        return 0, 0.0


def _npy_header(shape: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
