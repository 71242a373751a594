"""Which checkpoints hubbot itself fetched, and how they are deleted again.

The Hub's cache belongs to everybody on the machine. A mark beside a checkpoint's own folder says
that its weights were not there before hubbot asked for them; only such checkpoints are deleted.
"""

import json
import logging
import os
import shutil
import time
from functools import partial
from pathlib import Path

from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.file_download import repo_folder_name

from hubbot.storage import Kept

logger = logging.getLogger(__name__)

_MARK = ".fetched"
_ABANDONED_S = 3600.0
"""Age of a partial file at which nobody is thought to be writing it."""


def mark_download(view: Path, *, model: str, n_bytes: int, is_fetched: bool) -> None:
    """Note that a checkpoint is used, and whether hubbot is the one who fetches it.

    Args:
        view: The checkpoint's own folder, whether it is there yet or not.
        model: Hub id.
        n_bytes: Size of its files.
        is_fetched: Whether something of its weights is missing in the Hub's cache.

    Raises:
        OSError: If the folder cannot be written.
    """
    mark = view.with_name(view.name + _MARK)
    if is_fetched and not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"model": model, "bytes": n_bytes}), encoding="utf-8")
    elif mark.exists():
        os.utime(mark)


def kept_downloads(view_dir: Path, cache_dir: Path | None = None) -> list[Kept]:
    """Return the checkpoints that hubbot fetched and that are still there.

    Args:
        view_dir: As for ``download_checkpoint``.
        cache_dir: The Hub's cache; None for where the client keeps it.
    """
    cache = Path(cache_dir or constants.HF_HUB_CACHE)
    found = []
    for mark in view_dir.glob(f"*/*{_MARK}"):
        try:
            values = json.loads(mark.read_text(encoding="utf-8"))
            model, n_bytes = str(values["model"]), int(values["bytes"])
            used = mark.stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("%s is not what hubbot wrote there; it is left alone", mark)
            continue
        found.append(
            Kept(
                name=f"{model}@{mark.stem[:10]}",
                owner=model,
                n_bytes=n_bytes,
                used=used,
                forget=partial(_forget, mark, model, cache),
            )
        )
    return found


def _forget(mark: Path, model: str, cache: Path) -> None:
    """Delete a checkpoint from the Hub's cache and its own folder; the mark goes last."""
    revision = mark.stem
    if cache.is_dir():
        everything = scan_cache_dir(cache)
        known = {one.commit_hash for repo in everything.repos for one in repo.revisions}
        if revision in known:
            everything.delete_revisions(revision).execute()
    repo = cache / repo_folder_name(repo_id=model, repo_type="model")
    for piece in repo.glob("blobs/*.incomplete"):
        if time.time() - piece.stat().st_mtime > _ABANDONED_S:
            piece.unlink(missing_ok=True)
    shutil.rmtree(mark.with_name(revision), ignore_errors=True)
    mark.unlink(missing_ok=True)
