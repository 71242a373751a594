"""Kinds of values in the files of shards: within bounds, names that are names, no markup.

A text that a runner wrote ends in ledgers, in logs that a workflow reads, and in records.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hubbot.printable import printable

MAX_SECONDS = 7 * 86_400.0
"""Longest time that anything on a shard can have taken."""

_NOT_PLAIN = frozenset('<>[]{}`|*\\"')
_LONGEST_NAME = 200


def is_plain(text: str) -> bool:
    """Return whether a text may be the name of a device or a version: short, no markup.

    >>> is_plain("NVIDIA H100 (80 GB)"), is_plain("[cpu](http://evil.example)"), is_plain("::error")
    (True, False, False)
    """
    is_short = len(text) <= _LONGEST_NAME
    is_line = text.isprintable() and not text.lstrip().startswith("::")
    return is_short and is_line and _NOT_PLAIN.isdisjoint(text)


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError(f"{printable(text, limit=80)!r}, which is no name")
    return text


Text = Annotated[str, Field(max_length=4000)]
PlainName = Annotated[str, AfterValidator(_plain)]
"""Of a device, a version, an architecture."""
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
"""Full commit hash, or nothing: a branch or the ref of a pull request could be anybody's."""
Digest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
"""As hubbot writes them, or nothing."""
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ResultName = Annotated[str, Field(pattern=r"^[0-9]{4,6}\.json$")]
CellName = Annotated[str, Field(pattern=r"^cell-[0-9]{4,6}\.json$")]


class ShardFile(BaseModel):
    """What all files have in common: nothing unknown, nothing that is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
