"""The kinds of models in a picture: by their flags, told apart by the shape of their markers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.calibration import Calibration
from hubbot.gains.flags import COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKind:
    """How the models of one kind are drawn."""

    gid: str
    """Name of the group in an SVG."""
    label: str
    """Words in the legend."""
    marker: str
    """Shape; tells the kinds apart without colour."""
    size: float
    """Points squared."""
    face: str
    """Colour inside."""
    edge: str
    """Colour of the outline."""


PLAIN = ModelKind(
    gid="models-plain", label="no flag", marker="o", size=16, face="none", edge="0.35"
)
_ALL = replace(PLAIN, label="models")
_SEVERAL = ModelKind(
    gid="models-several", label="several flags", marker="D", size=26, face="black", edge="black"
)
FLAGGED = {
    "nli": ModelKind(
        gid="models-nli",
        label="trained on MNLI or other NLI data",
        marker="^",
        size=30,
        face="#d55e00",
        edge="black",
    ),
    "fused": ModelKind(
        gid="models-fused",
        label="fused or multi-task",
        marker="s",
        size=24,
        face="#56b4e9",
        edge="black",
    ),
    "special": ModelKind(
        gid="models-special",
        label="named after a special domain",
        marker="X",
        size=22,
        face="black",
        edge="black",
    ),
}


def kinds_of(calibration: Calibration) -> Iterator[tuple[ModelKind, NDArray[np.bool_]]]:
    """Yield the kinds that there are, and which models are of each; every model has one kind.

    Args:
        calibration: With n models.

    Yields:
        A kind, and bool of shape (n,).
    """
    flags = calibration.rows.flags
    if flags is None:
        yield _ALL, np.ones(calibration.n, dtype=np.bool_)
        return
    count = flags.sum(axis=1)
    found = [(PLAIN, count == 0)]
    found += [(kind, members_with(calibration, name)) for name, kind in FLAGGED.items()]
    found.append((_SEVERAL, count > 1))
    yield from ((kind, members) for kind, members in found if members.any())


def members_with(calibration: Calibration, name: str) -> NDArray[np.bool_]:
    """Return which models have this flag and no other.

    Args:
        calibration: With n models.
        name: One of ``flags.COLUMNS``.

    Returns:
        bool of shape (n,).
    """
    flags = calibration.rows.flags
    if flags is None:
        return np.zeros(calibration.n, dtype=np.bool_)
    alone: NDArray[np.bool_] = (flags[:, COLUMNS.index(name)] > 0) & (flags.sum(axis=1) == 1)
    return alone
