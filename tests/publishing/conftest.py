"""The record behind the case files, and their parts."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hubbot.publishing.links import Links
from hubbot.records.record import Record

CASES = Path(__file__).parent / "cases"
_PLACEHOLDER = re.compile(rb"([^\r\n]*?)%%([A-Z-]+)%%([^\r\n]*)(\r?\n|\Z)")


@pytest.fixture(scope="session")
def record() -> Record:
    return Record(
        model="someone/probed-model",
        revision="0123456789abcdef0123456789abcdef01234567",
        weights_digest="sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
        architecture="roberta-base",
        base_model="FacebookAI/roberta-base",
        protocol="lp-mnli",
        dataset_revision="da70db2af9d09693783c3320c4249840212ee221",
        lp_accuracy={"linear": 69.8981, "head": 71.5334},
        lp_accuracy_interval={"linear": (68.98, 70.796), "head": (70.6214, 72.4149)},
        lp_gain={"linear": 14.25, "head": 16.3},
        lp_gain_interval={"linear": (13.1, 15.4), "head": (15.0, 17.6)},
        predicted_gain=1.2041,
        predicted_gain_interval=(-0.4051, 2.8133),
        interval_level=0.9,
        probability_positive=0.89123,
        prediction_head="head",
        prediction_note="Borrowed: the line was measured by another probe.",
        calibration="model-recycling-2023",
        target_group="in-house 36",
        flags=("borrowed",),
        hubbot_version="0.1.0",
        date=datetime.date(2026, 1, 2),
    )


@pytest.fixture(scope="session")
def links() -> Links:
    return Links(
        homepage="https://hubbot.example/about",
        ranking_url="https://hubbot.example/ranking",
        operator="Example Lab",
        contact="bot@hubbot.example",
    )


@pytest.fixture(scope="session")
def expand() -> Callable[[bytes], bytes]:
    """Return a function that puts the parts in the place of ``%%NAME%%``.

    A part of several lines is indented like its placeholder and takes the line end behind it.
    """
    parts = {path.stem: path.read_bytes() for path in (CASES / "parts").iterdir()}

    def put_in(match: re.Match[bytes]) -> bytes:
        before, name, behind, line_end = match.groups()
        lines = parts[name.decode()].rstrip(b"\n").split(b"\n")
        if before.strip() == b"":
            lines = [before + line if line else line for line in lines]
            before = b""
        text = (b"\r\n" if line_end == b"\r\n" else b"\n").join(lines)
        return before + text + behind + line_end

    return lambda text: _PLACEHOLDER.sub(put_in, text)
