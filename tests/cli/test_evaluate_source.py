"""``hubbot evaluate --source``: a source at several sizes, with real weights."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

MINILM = "all-MiniLM-L6-v2"

Hubbot = Callable[..., Any]


def n_cells() -> int:
    with sqlite3.connect(os.environ["HUBBOT_LEDGER_FILE"]) as connection:
        return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])


def test_a_source_is_trained_once_at_each_size_and_measured_like_any_checkpoint(
    hubbot: Hubbot, child: str, films: Any, environment: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "source.png"
    command = (
        *("evaluate", "--source", films.files["train"].parent, "-a", MINILM),
        *("--source-sizes", "900,16,64", "--targets", "mnli", "--max-train", "60"),
        *("--epochs", "1", "--seeds", "1", "--json", "--plot", plot),
    )
    ran = hubbot(*command)
    assert ran.code == 0, ran.err
    small, whole = ran.json["sizes"]
    assert (small["n_train"], whole["n_train"]) == (16, 64)
    assert small["folder"] != whole["folder"]
    assert small["source"] == whole["source"] == "my films"
    for one in (small, whole):
        assert one["evaluation"]["gains"].keys() == {"mnli"}
        assert one["evaluation"]["protocol"] == "gain-minilm@1+train60+epochs1"
        assert (Path(one["folder"]) / "config.json").exists()
    assert imread(plot).ndim == 3
    assert not environment.exists(), "a model nobody published gets no score record"

    made = [Path(one["folder"], "model.safetensors").stat().st_mtime_ns for one in (small, whole)]
    before = n_cells()
    again = hubbot(*command)
    assert again.json == ran.json
    assert n_cells() == before
    assert "seed 0" not in again.err, "nothing is trained again"
    assert made == [
        Path(one["folder"], "model.safetensors").stat().st_mtime_ns for one in (small, whole)
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--source", "mnli", "-a", MINILM, "--sample-low", "2"), "without MODEL"),
        (("me/child", "--source", "mnli", "-a", MINILM), "without MODEL"),
        (("me/child", "--source-sizes", "50"), "go with --source"),
        (("me/child", "-a", MINILM), "go with --source"),
        (("me/child", "--plot", "gains.png"), "go with --source"),
        (("me/child", "--text-column", "text"), "a --source of your own"),
        (("me/child", "--label-column", "label"), "a --source of your own"),
        (("me/child", "--config", "en"), "a --source of your own"),
        (("me/child", "--validation", "v.csv"), "a --source of your own"),
        (("me/child", "--test", "t.csv"), "a --source of your own"),
        (("me/child", "--no-regression"), "a --source of your own"),
        (("me/child", "--max-rows", "500"), "a --source of your own"),
        (("--source", "mnli", "-a", MINILM, "--max-rows", "500"), "fixes its columns"),
        (("--source", "mnli", "-a", MINILM, "--plot", "gains.pdf"), "found '.pdf'"),
        (("--source", "mnli", "-a", MINILM, "--source-sizes", "1"), "training size 1"),
        (("--source", "absent.csv", "-a", MINILM), "absent.csv"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_trained(
    hubbot: Hubbot, child: str, arguments: tuple[str, ...], match: str
) -> None:
    ran = hubbot("evaluate", *arguments)
    assert ran.code == 2
    assert match in ran.err
    assert "seed 0" not in ran.err


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--text-column", "absent"), "--text-column absent: no such column"),
        (("--label-column", "absent"), "--label-column absent: no such column"),
        (("--config", "en"), "--config en"),
        (("--validation", "absent.csv"), "absent.csv"),
        (("--test", "absent.csv"), "absent.csv"),
        (("--max-rows", "5"), "--max-rows 5: expected 100 or more"),
        (("--regression",), "--regression"),
    ],
)
def test_what_is_said_of_a_source_reaches_its_reading(
    hubbot: Hubbot, films: Any, options: tuple[str, ...], match: str
) -> None:
    ran = hubbot("evaluate", "--source", films.files["train"], "-a", MINILM, *options)
    assert ran.code in (1, 2)
    assert match in ran.err
