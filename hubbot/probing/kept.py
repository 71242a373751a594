"""Features, tokens and finished probes in the cache, and how they are deleted again."""

import fcntl
from functools import partial
from pathlib import Path

from hubbot.storage import Kept

_KINDS = ("features/*.npy", "features/*.npy.part", "tokens/*.npz", "probes/*.npz")


def kept_arrays(cache_dir: Path) -> list[Kept]:
    """Return what the probing child left, finished or not.

    Args:
        cache_dir: As in ``ProbeJob``.
    """
    found = []
    for path in (path for kind in _KINDS for path in cache_dir.glob(kind)):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # another process was quicker
        found.append(
            Kept(
                name=str(path.relative_to(cache_dir)),
                owner="",
                # What is allotted: a partial file is as long as the whole from the beginning.
                n_bytes=512 * state.st_blocks,
                used=state.st_mtime,
                forget=partial(_forget, path),
            )
        )
    return found


def _forget(path: Path) -> None:
    """Delete a file and what lies beside it, unless a child is at work on it.

    Raises:
        BlockingIOError: If one is.
    """
    whole = path.with_name(path.name.removesuffix(".part"))
    # The lock's file stays, as everywhere: who waits for it holds that very file open.
    with whole.with_name(whole.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        if path.suffix == ".part":
            whole.with_name(whole.name + ".mark").unlink(missing_ok=True)
        elif whole.parent.name == "features":
            whole.with_suffix(".json").unlink(missing_ok=True)
