"""File contents on disk, by digest, and how the Hub names and stores a file."""

import fnmatch
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

# fmt: off
LFS_PATTERNS = (
    "*.7z", "*.arrow", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lfs.*",
    "*.mlmodel", "*.model", "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb",
    "*.pickle", "*.pkl", "*.pt", "*.pth", "*.rar", "*.safetensors", "*.tar", "*.tar.*", "*.tflite",
    "*.tgz", "*.wasm", "*.xz", "*.zip", "*.zst", "*tfevents*",
)
# fmt: on
"""Names kept in LFS: the ``.gitattributes`` that the Hub puts into new repositories."""

MAX_REGULAR_BYTES = 10 * 1024 * 1024
"""Larger files go to LFS whatever their name."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a tree."""

    sha256: str
    """Digest of the content; the key in :class:`BlobStore`."""
    oid: str
    """Git's blob digest: of the content, or of the pointer for a file in LFS."""
    size: int
    """Bytes of the content."""
    is_lfs: bool
    """Whether git holds a pointer only."""

    @property
    def etag(self) -> str:
        """What ``resolve`` answers as ETag."""
        return self.sha256 if self.is_lfs else self.oid

    @property
    def pointer_size(self) -> int:
        """Bytes of the LFS pointer."""
        return len(lfs_pointer(self.sha256, self.size))


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the text git holds for a file in LFS (git-lfs specification, version 1)."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


def git_oid(content: bytes) -> str:
    """Return git's name of a blob, 40 hex digits."""
    return _git_hasher(len(content), content).hexdigest()


def _git_hasher(size: int, start: bytes = b"") -> "hashlib._Hash":
    return hashlib.sha1(b"blob %d\0" % size + start, usedforsecurity=False)


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    """Decide like the Hub's preupload.

    Args:
        path: Path inside the repository.
        size: Bytes.
        sample: The first bytes of the content, 512 at most.
    """
    name = path.rsplit("/", 1)[-1]
    if size == 0:
        return False
    is_named = any(fnmatch.fnmatchcase(name, pattern) for pattern in LFS_PATTERNS)
    return is_named or size > MAX_REGULAR_BYTES or b"\0" in sample


class BlobStore:
    """Contents below one folder, ``ab/abcd…`` by SHA-256."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which is made with the first file."""
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the content lies, or would lie.

        Raises:
            ValueError: If ``sha256`` is not 64 hex digits; requests bring any text.
        """
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"expected 64 hex digits, found {sha256[:80]!r}")
        return self._folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Tell whether the content is there."""
        return bool(_SHA256.fullmatch(sha256)) and self.path(sha256).is_file()

    def read(self, sha256: str) -> bytes:
        """Return the content."""
        return self.path(sha256).read_bytes()

    def add(self, content: bytes | Path) -> str:
        """Keep a copy of a content or file and return its SHA-256."""
        if isinstance(content, bytes):
            sha256 = hashlib.sha256(content).hexdigest()
            if not self.has(sha256):
                self._place(self._write(content), sha256)
            return sha256
        with content.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not self.has(sha256):
            copy = self._temporary()
            shutil.copyfile(content, copy)
            self._place(copy, sha256)
        return sha256

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int, Path]:
        """Write an upload to a temporary file, deleted if it breaks off.

        Returns:
            Digest, size in bytes and file.
        """
        hasher, size, path = hashlib.sha256(), 0, self._temporary()
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    hasher.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
        except BaseException:
            path.unlink()
            raise
        return hasher.hexdigest(), size, path

    def keep(self, path: Path, sha256: str) -> None:
        """Move a received file to its place."""
        self._place(path, sha256)

    def entry(self, path: str, sha256: str, *, is_lfs: bool | None = None) -> FileEntry:
        """Describe a stored content as the file ``path`` of a tree.

        Args:
            path: Path inside the repository.
            sha256: Digest of a content that was added.
            is_lfs: Where git keeps it; None decides as preupload would.
        """
        blob = self.path(sha256)
        size = blob.stat().st_size
        if is_lfs is None:
            with blob.open("rb") as file:
                is_lfs = goes_to_lfs(path, size, file.read(512))
        if is_lfs:
            oid = git_oid(lfs_pointer(sha256, size))
        else:
            hasher = _git_hasher(size)
            with blob.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    hasher.update(chunk)
            oid = hasher.hexdigest()
        return FileEntry(sha256=sha256, oid=oid, size=size, is_lfs=is_lfs)

    def _temporary(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix="incoming-")
        os.close(handle)
        return Path(name)

    def _write(self, content: bytes) -> Path:
        path = self._temporary()
        path.write_bytes(content)
        return path

    def _place(self, temporary: Path, sha256: str) -> None:
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
