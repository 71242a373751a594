"""A calibration of made-up models, fitted as any other is, and readers of pictures."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hubbot.gains.calibrating import Sample, calibrate
from hubbot.gains.calibration import Calibration, Scale
from hubbot.gains.flags import FUSED, SPECIALISED, TRAINED_ON_MNLI
from hubbot.gains.groups import GROUPS

SVG = "{http://www.w3.org/2000/svg}"

MakeCalibration = Callable[..., Calibration]
ReadSvg = Callable[[Path], ElementTree.Element]
CountMarks = Callable[[ElementTree.Element, str], int]


def _make(
    *,
    n: int = 48,
    n_collapsed: int = 0,
    base_lp: float | None = 50.0,
    architecture: str = "roberta-base",
    source: str = "made up",
    group: str = "site36",
) -> Calibration:
    rng = np.random.default_rng(7)
    targets = GROUPS["site36"]
    lp = np.sort(rng.uniform(45, 75, n))
    mean = 0.05 * (lp - 55) + rng.normal(0, 0.4, n)
    mean[:n_collapsed] -= 25
    noise = rng.normal(0, 1, (n, len(targets)))
    flags: list[tuple[str, ...]] = [()] * n
    for row, flag in ((-1, FUSED), (-2, FUSED), (-3, FUSED), (-4, FUSED), (-5, FUSED)):
        flags[row] = (flag,)
        mean[row] += 1.5
    flags[5], flags[6] = (TRAINED_ON_MNLI,), (SPECIALISED,)
    flags[7] = (FUSED, SPECIALISED)
    sample = Sample(
        name="model-recycling-2023",
        architecture=architecture,
        models=tuple(f"owner/model-{row}" for row in range(n)),
        lp=lp,
        flags=tuple(flags),
        targets=targets,
        gains=mean[:, None] + noise - noise.mean(axis=1, keepdims=True),
        base_scores=dict.fromkeys(targets, 60.0),
        scale=Scale(
            base_lp=base_lp,
            base_lp_missing="" if base_lp is not None else "never measured",
            seed_sd=0.3,
        ),
        date="2023-05-31",
        source=source,
    )
    done, _ = calibrate(sample)
    return next(item for item in done if item.target_group == group)


@pytest.fixture(scope="session")
def make_calibration() -> MakeCalibration:
    """Fit a calibration of made-up models: 5 fused, 1 NLI, 1 special, 1 with two flags."""
    return _make


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    return _make()


@pytest.fixture(scope="session")
def read_svg() -> ReadSvg:
    def read(path: Path) -> ElementTree.Element:
        root = ElementTree.fromstring(path.read_bytes())  # noqa: S314  (written by the test)
        assert root.tag == f"{SVG}svg"
        return root

    return read


@pytest.fixture(scope="session")
def svg_words(read_svg: ReadSvg) -> Callable[[Path], list[str]]:
    """Return the pieces of text of an SVG."""

    def words(path: Path) -> list[str]:
        return ["".join(node.itertext()) for node in read_svg(path).iter(f"{SVG}text")]

    return words


@pytest.fixture(scope="session")
def count_marks() -> CountMarks:
    """Return how many shapes the groups draw whose id starts with a text."""

    def drawn(node: ElementTree.Element) -> int:
        if node.tag == f"{SVG}defs":
            return 0  # what is only defined is not drawn
        here = node.tag in (f"{SVG}use", f"{SVG}path")
        return int(here) + sum(drawn(child) for child in node)

    def count(root: ElementTree.Element, start: str) -> int:
        groups = [node for node in root.iter(f"{SVG}g") if node.get("id", "").startswith(start)]
        return sum(drawn(group) for group in groups)

    return count
