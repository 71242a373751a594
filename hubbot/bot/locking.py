"""One bot at a time: a lock on a file beside the ledger; it ends with the process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubbot.errors import SettingsError


@contextmanager
def only_one(ledger_file: Path) -> Iterator[None]:
    """Hold the lock of a ledger while the block runs.

    Args:
        ledger_file: The ledger; the lock is the file beside it that ends in ``.lock``.

    Raises:
        SettingsError: If another process holds it, or the folder cannot be written.
    """
    path = ledger_file.with_name(ledger_file.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror or error}; name another ledger_file"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise SettingsError(
                f"another hubbot (process {holder or 'unknown'}) works with {ledger_file}; wait "
                "for it, or stop it"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
