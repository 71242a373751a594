"""A folder with chosen files and no others, linked rather than copied."""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says when a disk, a quota or a limit on file size is exhausted."""


def make_view(view: Path, paths: Mapping[str, Path]) -> Path:
    """Make a folder with these files and no others.

    Args:
        view: The folder; kept where it holds these very files, else replaced.
        paths: Name in the folder, and the file behind it.

    Returns:
        ``view``, with hard links, or symbolic ones where the files lie on another disk.
    """
    sources = {name: path.resolve() for name, path in paths.items()}
    if _holds(view, sources):
        return view
    view.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{view.name[:20]}-", dir=view.parent))
    try:
        for name, source in sources.items():
            _link(source, fresh / name)
        if view.exists():
            shutil.rmtree(view)
        return fresh.replace(view)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _holds(view: Path, sources: Mapping[str, Path]) -> bool:
    """Another process may be reading the folder, so one that is right is not touched."""
    if not view.is_dir() or {path.name for path in view.iterdir()} != set(sources):
        return False
    return all(
        (view / name).exists() and (view / name).samefile(source)
        for name, source in sources.items()
    )


def _link(source: Path, target: Path) -> None:
    """Hard links need nothing to be followed; across disks there is only the other kind."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        target.symlink_to(source)
