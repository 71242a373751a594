"""What reading CSV and JSON has in common: which files, how they are opened, where rows go.

Python's own readers are used: they keep quoted line breaks, and know the line of a mistake. A file
is read in pieces, so that its length does not matter.
"""

import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

from hubbot.errors import DatasetError

Kind = Literal["csv", "tsv", "jsonl", "json", "parquet"]

KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
"""File endings that can be read; those of text also with ``.gz`` behind."""

PIECE = 8192
"""Rows held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What is to be known about a copy."""

    notes: tuple[str, ...] = ()
    """How the file was read, where that was not plain."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Columns that were left out, and what they hold."""


def kind_of(path: Path) -> Kind | None:
    """Return how a file is read by its ending, None where it cannot be.

    >>> kind_of(Path("reviews.CSV.gz")), kind_of(Path("reviews.xlsx"))
    ('csv', None)
    """
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] == [".gz"]:
        kind = KINDS.get(endings[-2]) if len(endings) > 1 else None
        return None if kind == "parquet" else kind
    return KINDS.get(endings[-1]) if endings else None


def write_rows(copy: Path, names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """Write rows to a Parquet file, every column a string.

    Args:
        copy: Parquet file to write.
        names: Columns.
        rows: Cells in the order of ``names``; None where there is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in names])
    remaining = iter(rows)
    with pq.ParquetWriter(copy, schema) as writer:
        while piece := list(itertools.islice(remaining, PIECE)):
            columns = zip(*piece, strict=True)
            arrays = [_string_array(column) for column in columns]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _string_array(values: Sequence[str | None]) -> Any:
    import pyarrow as pa

    with suppress(UnicodeEncodeError):
        return pa.array(values, pa.string())
    # Half of a surrogate pair, which JSON can spell and UTF-8 cannot.
    whole = (v and v.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for v in values)
    return pa.array(list(whole), pa.string())


def opened(path: Path) -> IO[str]:
    """Open a text file, unpacked, without its byte-order mark and with its own line ends."""
    if path.suffix.lower() == ".gz":
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Translate what reading a text file may raise.

    Raises:
        DatasetError: If the file is damaged, or not UTF-8; names the line.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise DatasetError(_not_utf8(path)) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path.name} cannot be read: {error}") from error


def _not_utf8(path: Path) -> str:
    open_bytes = gzip.open if path.suffix.lower() == ".gz" else open
    with open_bytes(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                return f"{path.name}: this is UTF-16; save it as UTF-8"
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path.name}, line {number}: byte {error.start + 1} (0x"
                    f"{line[error.start]:02x}) is not UTF-8; save the file as UTF-8 (it may be "
                    "Windows-1252)"
                )
    return f"{path.name}: not UTF-8; save it as UTF-8"
