"""From a pinned checkpoint to a folder that holds its safe files and nothing else."""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, metadata_load, try_to_load_from_cache

from hubbot.errors import CheckpointError, RemoteError, StorageError
from hubbot.hub.checkpoints import declared_base_models
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.downloads import mark_download
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
from hubbot.hub.view import NO_ROOM, make_view
from hubbot.printable import printable
from hubbot.schema import LocalCheckpoint, RemoteCheckpoint
from hubbot.settings import DownloadSettings

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes there will be."""

GIB = 2**30


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
    fetch = _Fetch(remote, api, cache, choice, on_progress, backoff)
    _check_caps(item, fetch.missing_bytes, fetch.total_bytes, limits, cache)
    view = view_dir / folder_name(remote.model) / remote.revision
    with _disk_errors(item, cache):
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
    with _disk_errors(item, view_dir):
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


class _Fetch:
    """Fetches the files of one checkpoint and counts the bytes."""

    def __init__(
        self,
        remote: RemoteCheckpoint,
        api: HfApi,
        cache: Path,
        choice: Choice,
        on_progress: Progress | None,
        backoff: Backoff,
    ) -> None:
        self._remote, self._api, self._cache = remote, api, cache
        # The client itself tries a download six times; our five on top would last two minutes.
        self._backoff = replace(backoff, attempts=min(2, backoff.attempts))
        self._files = {file.path: file for file in remote.files}
        self._on_progress = on_progress
        self._done: dict[str, int] = {}
        sizes = {name: self._files[name].size for name in choice.names}
        self.total_bytes = sum(sizes.values())
        self.missing_bytes = sum(size for name, size in sizes.items() if not self._cached(name))

    def lacks_any(self, names: Iterable[str]) -> bool:
        """Return whether a file is still to be fetched."""
        return not all(self._cached(name) for name in names)

    def _cached(self, name: str) -> bool:
        found = try_to_load_from_cache(
            self._remote.model, name, cache_dir=self._cache, revision=self._remote.revision
        )
        return isinstance(found, str)

    def file(self, name: str, *, again: bool = False) -> Path:
        """Return where a file lies now, fetching it if need be.

        Args:
            name: File name in the repository.
            again: Whether to fetch it although it is there.
        """
        size = self._files[name].size
        item = f"{self._remote.model}: file {name}"
        path = retrying(item, lambda: self._download(name, again), backoff=self._backoff)
        if path.stat().st_size != size and not again:
            return self.file(name, again=True)
        self._count(name, size)
        return path

    def _download(self, name: str, again: bool) -> Path:
        try:
            return Path(
                self._api.hf_hub_download(
                    self._remote.model,
                    name,
                    revision=self._remote.revision,
                    cache_dir=self._cache,
                    force_download=again,
                    tqdm_class=_counter(lambda done: self._count(name, done)),
                )
            )
        except OSError as error:
            if type(error) is not OSError or error.errno is not None:
                raise
            # The client's word for a file that came in another length than announced.
            raise RemoteError(
                f"{self._remote.model}: {printable(error)}", kind="unreachable"
            ) from error

    def verified_digest(self, name: str) -> str:
        """Return the hex SHA-256 of a file that has what the Hub announced, fetched twice at most.

        Raises:
            CheckpointError: If its bytes are still not those announced.
        """
        announced = self._files[name].sha256
        found = sha256_of(self.file(name))
        if announced is not None and found != announced:
            logger.warning("%s: %s is damaged, fetching it again", self._remote.model, name)
            found = sha256_of(self.file(name, again=True))
        if announced is not None and found != announced:
            raise CheckpointError(
                f"{self._remote.model}: {name} has SHA-256 {found}, the Hub announced "
                f"{printable(announced)}; it is not used"
            )
        return found

    def _count(self, name: str, done: int) -> None:
        self._done[name] = done
        if self._on_progress is not None:
            self._on_progress(sum(self._done.values()), self.total_bytes)


def _counter(count: Callable[[int], None]) -> type:
    """Return what the client takes for a progress bar; it draws nothing and counts bytes.

    Args:
        count: Told the bytes that are there.

    Source:
        The methods that huggingface_hub 2.4's own stand-in, ``_AggregatedTqdm``, has.
    """

    class Counter:
        def __init__(self, *_: object, **options: Any) -> None:
            self._done = int(options.get("initial") or 0)

        def __enter__(self) -> "Counter":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            count(self._done)

        def close(self) -> None: ...

        def update_transfer(self, n: float | None = 1) -> None: ...

        def set_postfix_str(self, *_: object, **__: object) -> None: ...

        def set_transfer_postfix_str(self, *_: object, **__: object) -> None: ...

    return Counter


def _check_caps(item: str, missing: int, total: int, limits: DownloadSettings, cache: Path) -> None:
    if total > limits.max_gb * GIB:
        raise CheckpointError(
            f"{item}: {total / GIB:.2f} GiB to fetch, expected at most {limits.max_gb:g}; "
            "raise download.max_gb to take it"
        )
    standing = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    left = shutil.disk_usage(standing).free - missing
    if missing and left < limits.min_free_gb * GIB:
        raise StorageError(
            f"{item}: {missing / GIB:.2f} GiB to fetch would leave {max(left, 0) / GIB:.2f} GiB "
            f"free in {cache}, expected at least {limits.min_free_gb:g}; make room there, point "
            "HF_HOME at a larger disk, or lower download.min_free_gb"
        )


@contextmanager
def _disk_errors(item: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            text = "the disk is full; make room there or point HF_HOME at a larger disk"
        else:
            text = f"{printable(error)}; check that this user may read and write there"
        raise StorageError(f"{item}: {folder}: {text}, then run the same command again") from error


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
