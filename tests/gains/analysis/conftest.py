"""Matrices that several tests use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hubbot.gains.analysis.matrix import Floats, GainMatrix


@pytest.fixture
def matrix_of() -> Callable[..., GainMatrix]:
    """Build a matrix with the names a, b, ... and A, B, ... around gains."""

    def build(gains: object, **changes: object) -> GainMatrix:
        values = np.array(gains, dtype=np.float64)
        given: dict[str, object] = {
            "name": "made up",
            "sources": tuple(f"s{i}" for i in range(values.shape[0])),
            "targets": tuple(f"t{j}" for j in range(values.shape[1])),
            "gains": values,
            **changes,
        }
        return GainMatrix(**given)  # type: ignore[arg-type]

    return build


@pytest.fixture
def gappy() -> Floats:
    """9 sources, 6 targets: an interaction and noise, a tenth of the cells missing."""
    generator = np.random.default_rng(7)
    gains = np.outer(generator.normal(size=9), generator.normal(size=6)) * 3
    gains += generator.normal(size=6) + generator.normal(size=(9, 6))
    gains[generator.random(gains.shape) < 0.1] = np.nan
    return gains


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV file from its text."""

    def write(content: str, name: str = "gains.csv") -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write
