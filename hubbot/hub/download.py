"""From a pinned checkpoint to a folder that holds its safe files and nothing else."""

import json
import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, metadata_load

from hubbot.errors import CheckpointError
from hubbot.hub.checkpoints import declared_base_models
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.downloads import mark_download
from hubbot.hub.fetching import Fetch, Progress, check_caps, disk_errors
from hubbot.hub.files import (
    INDEX,
    Choice,
    check_shards,
    choose_files,
    combine_digests,
    folder_name,
    folder_sizes,
    sha256_of,
    sizes_of,
    tokenizer_digest,
)
from hubbot.hub.view import make_view
from hubbot.printable import printable
from hubbot.schema import LocalCheckpoint, RemoteCheckpoint
from hubbot.settings import DownloadSettings

logger = logging.getLogger(__name__)


def download_checkpoint(
    remote: RemoteCheckpoint,
    *,
    api: HfApi,
    limits: DownloadSettings,
    view_dir: Path,
    allow_bin: bool = False,
    cache_dir: Path | None = None,
    on_progress: Progress | None = None,
    backoff: Backoff = PATIENT,
) -> LocalCheckpoint:
    """Fetch the safe files of a checkpoint at its revision into the Hub's own cache.

    What is in the cache already is not fetched again. Weights are hashed and compared with what
    the Hub announced.

    Args:
        remote: The checkpoint, pinned.
        api: The Hub's client.
        limits: Size and disk caps, checked before anything is fetched.
        view_dir: Folder in which the checkpoint's own folder is made: the cache's folder may
            hold files of the same revision that other programs fetched, code among them.
        allow_bin: Whether pytorch_model.bin may stand in for safetensors.
        cache_dir: The Hub's cache; None for where the client keeps it.
        on_progress: Called with bytes done and bytes in all.
        backoff: How patiently to ask.

    Returns:
        A folder of regular files (links where the disk does not allow that).

    Raises:
        CheckpointError: If there is nothing usable, it is larger than the cap, or the bytes are
            not those that were announced.
        StorageError: If the disk has no room for it, or cannot be written.
        RemoteError: If the Hub does not hand a file out.
    """
    item = f"{remote.model}@{remote.revision[:10]}"
    choice = choose_files(item, sizes_of(remote.files), allow_bin=allow_bin)
    cache = Path(cache_dir or constants.HF_HUB_CACHE)
    fetch = Fetch(remote, api, cache, choice, on_progress, backoff)
    check_caps(item, fetch.missing_bytes, fetch.total_bytes, limits, cache)
    view = view_dir / folder_name(remote.model) / remote.revision
    with disk_errors(item, cache):
        mark_download(
            view,
            model=remote.model,
            n_bytes=fetch.total_bytes,
            is_fetched=fetch.lacks_any(choice.weights),
        )
        paths = {name: fetch.file(name) for name in choice.names if name not in choice.weights}
        _check_index(item, choice, paths)
        paths |= {name: fetch.file(name) for name in choice.weights}
        digest = combine_digests(fetch.verified_digest(name) for name in choice.weights)
        folder = make_view(view, paths)
    return LocalCheckpoint(
        model=remote.model,
        revision=remote.revision,
        folder=folder,
        weights_files=choice.weights,
        weights_digest=digest,
        tokenizer_digest=tokenizer_digest(paths[name] for name in choice.tokenizer),
        base_models=remote.base_models,
        tags=remote.tags,
    )


def announced_digest(remote: RemoteCheckpoint, *, allow_bin: bool = False) -> str | None:
    """Return the weights' digest without fetching them; None where the Hub does not know it.

    Args:
        remote: The checkpoint, pinned.
        allow_bin: As for ``download_checkpoint``.

    Raises:
        CheckpointError: If there is nothing usable.
    """
    choice = choose_files(remote.model, sizes_of(remote.files), allow_bin=allow_bin)
    known = {file.path: file.sha256 for file in remote.files}
    digests = [known[name] for name in choice.weights]
    found = [digest for digest in digests if digest is not None]
    return combine_digests(found) if len(found) == len(digests) else None


def local_checkpoint(folder: Path, *, view_dir: Path, allow_bin: bool = False) -> LocalCheckpoint:
    """Take a folder on disk as a checkpoint.

    Args:
        folder: Holds config.json, the weights and the tokenizer's files.
        view_dir: As for ``download_checkpoint``.
        allow_bin: As for ``download_checkpoint``.

    Raises:
        CheckpointError: If the folder or a needed file is missing.
        StorageError: If a disk is full, or a file cannot be read.
    """
    folder = folder.resolve()
    item = f"folder {folder}"
    if not folder.is_dir():
        raise CheckpointError(f"{item}: not a folder; expected one with config.json and weights")
    with disk_errors(item, view_dir):
        choice = choose_files(item, folder_sizes(folder), allow_bin=allow_bin)
        paths = {name: folder / name for name in choice.names}
        _check_index(item, choice, paths)
        place = sha256(str(folder).encode()).hexdigest()[:12]
        view = make_view(view_dir / "local" / f"{folder.name}-{place}", paths)
        digest = combine_digests(sha256_of(paths[name]) for name in choice.weights)
        tokens = tokenizer_digest(paths[name] for name in choice.tokenizer)
    header = _card_header(folder)
    tags = header.get("tags")
    return LocalCheckpoint(
        model=folder.name,
        revision="",
        folder=view,
        weights_files=choice.weights,
        weights_digest=digest,
        tokenizer_digest=tokens,
        base_models=declared_base_models(header.get("base_model"), ()),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _check_index(item: str, choice: Choice, paths: Mapping[str, Path]) -> None:
    if choice.index is None:
        return
    try:
        index = json.loads(paths[choice.index].read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{item}: {INDEX} is not JSON ({printable(error)})") from error
    check_shards(item, choice, index.get("weight_map") if isinstance(index, dict) else None)


def declared_by_card(folder: Path) -> tuple[str, ...]:
    """Return the ``base_model`` ids that the card in a folder declares.

    Args:
        folder: May hold README.md.
    """
    return declared_base_models(_card_header(folder).get("base_model"), ())


def _card_header(folder: Path) -> Mapping[str, Any]:
    """Return the header of a folder's card; without a readable one nothing is declared."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    try:
        return metadata_load(card) or {}
    except Exception as error:  # the YAML library raises what it likes
        logger.info("%s: the header cannot be read (%s)", card, printable(error))
        return {}
