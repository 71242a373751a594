"""A checkpoint without its weights: what the Hub announces of them, and the small files."""

from dataclasses import replace
from pathlib import Path

from huggingface_hub import HfApi, constants

from hubbot.errors import CheckpointError
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.download import announced_digest
from hubbot.hub.fetching import Fetch, check_caps, disk_errors
from hubbot.hub.files import choose_files, folder_name, sizes_of, tokenizer_digest
from hubbot.hub.view import make_view
from hubbot.schema import LocalCheckpoint, RemoteCheckpoint
from hubbot.settings import DownloadSettings


def describe_checkpoint(
    remote: RemoteCheckpoint,
    *,
    api: HfApi,
    limits: DownloadSettings,
    view_dir: Path,
    allow_bin: bool = False,
    cache_dir: Path | None = None,
    backoff: Backoff = PATIENT,
) -> LocalCheckpoint:
    """Fetch configuration and tokenizer, and take the weights' digest from what the Hub announces.

    A machine that holds a token and compares what others measured needs no weights.

    Args:
        remote: The checkpoint, pinned.
        api: The Hub's client.
        limits: Size and disk caps, checked before anything is fetched.
        view_dir: Folder in which the checkpoint's own folder is made, apart from those with
            weights.
        allow_bin: Whether pytorch_model.bin may stand in for safetensors.
        cache_dir: The Hub's cache; None for where the client keeps it.
        backoff: How patiently to ask.

    Returns:
        The checkpoint; ``folder`` lacks the weights' files.

    Raises:
        CheckpointError: If there is nothing usable, a file is larger than the cap, or the Hub does
            not announce the weights' digest.
        StorageError: If the disk has no room for it, or cannot be written.
        RemoteError: If the Hub does not hand a file out.
    """
    item = f"{remote.model}@{remote.revision[:10]}"
    digest = announced_digest(remote, allow_bin=allow_bin)
    if digest is None:
        raise CheckpointError(
            f"{item}: the Hub announces no SHA-256 of its weights, so they would have to be "
            "fetched, and here none are (finetune.trains is off)"
        )
    choice = choose_files(item, sizes_of(remote.files), allow_bin=allow_bin)
    wanted = replace(choice, weights=(), index=None)
    cache = Path(cache_dir or constants.HF_HUB_CACHE)
    fetch = Fetch(remote, api, cache, wanted, None, backoff)
    check_caps(item, fetch.missing_bytes, fetch.total_bytes, limits, cache)
    with disk_errors(item, cache):
        paths = {name: fetch.file(name) for name in wanted.names}
        view = view_dir / folder_name(remote.model) / remote.revision
        folder = make_view(view, paths)
    return LocalCheckpoint(
        model=remote.model,
        revision=remote.revision,
        folder=folder,
        weights_files=choice.weights,
        weights_digest=digest,
        tokenizer_digest=tokenizer_digest(paths[name] for name in wanted.tokenizer),
        base_models=remote.base_models,
        tags=remote.tags,
    )
