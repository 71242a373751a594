"""A gain that must be there: a start that was trained on more of the target's own rows.

Real weights, and real pairs of MultiNLI on which one look tells the class (see ``conftest``); the
other planted case, a copy of the base model that gains nothing, stands in ``test_evaluate.py``.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hubbot.localhub.server import LocalHub

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = "all-MiniLM-L6-v2"
LONGEST = 100
"""Letters of a pair, so that a step of training is short."""

Row = Mapping[str, Any]
Hubbot = Callable[..., Any]

_NEGATION = re.compile(r"\b(not|never|no|nothing|nobody|none|don't|didn't|isn't|doesn't)\b", re.I)


def is_easy(row: Row) -> bool:
    """Return whether a pair either repeats its premise or denies it, as its label says."""
    premise, hypothesis = row["premise"], row["hypothesis"]
    words = set(re.findall(r"\w+", hypothesis.lower()))
    shared = len(words & set(re.findall(r"\w+", premise.lower()))) / max(1, len(words))
    is_denied = _NEGATION.search(hypothesis) is not None
    is_meant = (not is_denied and shared >= 0.8, False, is_denied)[row["label"]]
    return is_meant and len(premise) + len(hypothesis) <= LONGEST


def easy_rows(split: str, *counts: int) -> list[list[Row]]:
    """Return lists of rows, no row in two of them, half of each list denials."""
    path = resources.files("hubbot.data") / "samples" / "multi_nli" / f"{split}.parquet"
    rows = pq.read_table(str(path), columns=["premise", "hypothesis", "label"]).to_pylist()
    easy = [row for row in rows if is_easy(row)]
    streams = [iter([row for row in easy if row["label"] == label]) for label in (0, 2)]
    return [[next(stream) for _ in range(n // 2) for stream in streams] for n in counts]


def write_folder(folder: Path, **splits: Sequence[Row]) -> Path:
    folder.mkdir()
    for name, rows in splits.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["said", "claimed", "verdict"])
            writer.writerows(
                [row["premise"], row["hypothesis"], "denied" if row["label"] else "repeated"]
                for row in rows
            )
    return folder


@pytest.mark.slow
def test_a_start_that_saw_more_of_the_targets_own_rows_helps(
    hub: LocalHub,
    hubbot: Hubbot,
    sound: Mapping[str, Any],
    base_file: Path,
    tmp_path: Path,
) -> None:
    hub.add_model(BASE, {**sound, "model.safetensors": base_file})
    (more,) = easy_rows("train", 400)
    few, validation, test = easy_rows("validation_matched", 60, 40, 120)
    columns = ("--text-column", "said", "--text-column", "claimed", "--label-column", "verdict")
    source = write_folder(tmp_path / "more", train=more, validation=validation, test=test[:20])
    target = write_folder(tmp_path / "few", train=few, validation=validation, test=test)

    strong = tmp_path / "strong"
    ran = hubbot("finetune", BASE, source, "--out", strong, "--epochs", "3", *columns, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["validation_score"] > 85, "it has learnt the task"

    ran = hubbot(
        *("sensitivity", target, "-a", MINILM, "--with", strong, "--seeds", "3"),
        *("--epochs", "2", *columns, "--json"),
    )
    assert ran.code == 0, ran.err
    # Sizes by margin: of 20 choices of three among six seeds the lowest end was 31 points.
    low, high = ran.json["interval"]
    assert 0 < low <= ran.json["gain"] <= high
    assert ran.json["p_value"] < 0.05
    assert ran.json["verdict"].startswith("intertraining helps by ")
    assert not any("text that is in train too" in note for note in ran.json["notes"])
