"""Files of a pinned checkpoint fetched into the Hub's cache: counted, capped, verified."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, try_to_load_from_cache

from hubbot.errors import CheckpointError, RemoteError, StorageError
from hubbot.hub.client import Backoff, retrying
from hubbot.hub.files import Choice, sha256_of
from hubbot.hub.view import NO_ROOM
from hubbot.printable import printable
from hubbot.schema import RemoteCheckpoint
from hubbot.settings import DownloadSettings

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes there will be."""

GIB = 2**30


class Fetch:
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
        """Find out what is there already.

        Args:
            remote: The checkpoint, pinned.
            api: The Hub's client.
            cache: The Hub's cache.
            choice: Files that are wanted.
            on_progress: Called with bytes done and bytes in all.
            backoff: How patiently to ask.
        """
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


def check_caps(item: str, missing: int, total: int, limits: DownloadSettings, cache: Path) -> None:
    """Refuse a download before it is begun.

    Args:
        item: What is fetched, for messages.
        missing: Bytes still to be fetched.
        total: Bytes of all files.
        limits: Size and disk caps.
        cache: Where they would go.

    Raises:
        CheckpointError: If it is larger than ``download.max_gb``.
        StorageError: If it would leave less than ``download.min_free_gb``.
    """
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
def disk_errors(item: str, folder: Path) -> Iterator[None]:
    """Turn what the system says of a disk into a message.

    Args:
        item: What is fetched.
        folder: Where it goes.

    Raises:
        StorageError: If the block could not read or write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            text = "the disk is full; make room there or point HF_HOME at a larger disk"
        else:
            text = f"{printable(error)}; check that this user may read and write there"
        raise StorageError(f"{item}: {folder}: {text}, then run the same command again") from error
