"""Words of warning about a checkpoint, read off its name and tags.

A checkpoint trained on MNLI has an inflated LP(m, MNLI): the probe's own labels were seen. At equal
LP its gain is lower than another model's, so cards and rankings say so.
"""

import re
from collections.abc import Iterable, Iterator

TRAINED_ON_MNLI = "trained on MNLI"

_MNLI_IN_NAME = re.compile(r"(?<![a-z0-9])(m|multi_?)nli(?![a-z0-9])", re.IGNORECASE)
_MNLI_IN_TAG = re.compile(r"dataset:(.*/)?(multi_nli|mnli|multinli)", re.IGNORECASE)


def name_flags(model: str, tags: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the flags that a checkpoint's name and tags call for.

    Args:
        model: Hub id, or a folder's name.
        tags: Tags of the repository; data sets stand there as ``dataset:<id>``.

    >>> name_flags("someone/roberta-base-mnli"), name_flags("someone/alumni-bert")
    (('trained on MNLI',), ())
    """
    return tuple(_flags(model, tuple(tags)))


def _flags(model: str, tags: tuple[str, ...]) -> Iterator[str]:
    if _MNLI_IN_NAME.search(model) or any(_MNLI_IN_TAG.fullmatch(tag) for tag in tags):
        yield TRAINED_ON_MNLI
