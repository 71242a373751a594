"""``evaluate``, ``sensitivity``, ``recommend`` and ``finetune`` as a user meets them.

Real weights and real pairs, few of them; the ledger is shared: the base model is tuned once.
"""

import csv
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread

from hubbot.localhub.server import LocalHub
from hubbot.records.store import read_record

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = "all-MiniLM-L6-v2"
SHORT = ("--max-train", "60", "--epochs", "1", "--seeds", "2")
EVALUATE = ("evaluate", "me/child", "--targets", "mnli", *SHORT)

Hubbot = Callable[..., Any]


@pytest.fixture
def reviews(data_dir: Path, tmp_path: Path) -> Path:
    """A CSV of one's own: MultiNLI pairs under other names, classes as words."""
    words = ("follows", "open", "contradicts")
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text_a", "text_b", "verdict"])
        rows = pq.read_table(data_dir / "mnli" / "train.parquet").to_pylist()
        for number, row in enumerate(rows):
            writer.writerow([number, row["premise"], row["hypothesis"], words[row["label"]]])
    return path


def n_cells() -> int:
    if not Path(os.environ["HUBBOT_LEDGER_FILE"]).exists():
        return 0
    with sqlite3.connect(os.environ["HUBBOT_LEDGER_FILE"]) as connection:
        return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])


# evaluate


def test_gains_are_measured_recorded_and_never_measured_again(
    hubbot: Hubbot, child: str, environment: Path
) -> None:
    ran = hubbot(*EVALUATE, "--json")
    assert ran.code == 0, ran.err
    assert {"gains", "avg_gain", "model", "protocol"} <= ran.json.keys()
    assert ran.json["protocol"] == "gain-minilm@1+train60+epochs1"
    gain = ran.json["gains"]["mnli"]
    assert (gain["n_train"], gain["n_test"], gain["seeds"]) == (60, 150, 2)
    assert gain["gain"] == pytest.approx(gain["score"] - gain["base_score"])
    assert gain["interval"][0] <= gain["gain"] <= gain["interval"][1]
    assert ran.json["avg_gain"] == pytest.approx(gain["gain"])
    (path,) = environment.rglob("*.yaml")
    record = read_record(path)
    assert record.measured["mnli"].gain == pytest.approx(gain["gain"], abs=1e-4)
    assert record.gain_protocol == ran.json["protocol"]

    before = n_cells()
    again = hubbot(*EVALUATE, "--json")
    assert again.json["gains"] == ran.json["gains"]
    assert n_cells() == before
    assert not re.search(r"seed \d+: (load|train)", again.err)


def test_a_table_for_people_names_protocol_target_and_average(hubbot: Hubbot, child: str) -> None:
    ran = hubbot(*EVALUATE)
    assert ran.code == 0, ran.err
    for words in ("gain-minilm@1+train60+epochs1", "mnli", "Average over 1 target(s)", "95 %"):
        assert words in ran.out
    assert re.search(r"mnli: [+-]\d+\.\d\d", ran.err), "each target is told of as it is done"


def test_a_target_that_cannot_be_read_leaves_the_others(hubbot: Hubbot, child: str) -> None:
    ran = hubbot("evaluate", child, "--targets", "mnli,rte", *SHORT, "--json")
    assert ran.code == 1
    assert ran.json["gains"].keys() == {"mnli"}
    assert "rte" in ran.json["failed"]["rte"]


def test_the_base_model_itself_is_refused(hubbot: Hubbot, child: str) -> None:
    ran = hubbot("evaluate", BASE, "--targets", "mnli", *SHORT)
    assert ran.code == 3
    assert "same weights" in ran.err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("evaluate",), "name a MODEL"),
        (("evaluate", "me/child", "--targets", "quik"), "did you mean 'quick'"),
        (("evaluate", "me/child", "--targets", ","), "no targets"),
        (("evaluate", "--source", "mnli"), "--source goes with --architecture"),
        (("evaluate", "--source", "mnli", "-a", MINILM, "--source-sizes", "ten"), "'ten'"),
        (("sensitivity", "mnli", "-a", "minilm-6"), "did you mean"),
        (("sensitivity", "mnli", "-a", MINILM), "sensitivity: --with MODEL"),
        (("sensitivity", "mnli", "-a", MINILM, "--with", "me/child", "--sizes", "0"), "'0'"),
        (("recommend", "mine.csv", "-a", MINILM, "--budget", "3"), "does not pay"),
        (("recommend", "absent.csv", "-a", MINILM, "--budget", "9"), "absent.csv"),
        (("recommend", "mine.csv", "-a", MINILM, "--budget", "9", "--search", "x"), "halving"),
    ],
)
def test_wrong_usage_is_named_with_the_next_step(
    hubbot: Hubbot, child: str, reviews: Path, arguments: tuple[str, ...], match: str
) -> None:
    ran = hubbot(*arguments)
    assert ran.code == 2
    assert match in ran.err
    assert ran.out == ""


# sensitivity


def test_a_data_set_of_ones_own_gets_a_verdict_at_every_size(
    hubbot: Hubbot, child: str, reviews: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "sizes.png"
    ran = hubbot(
        *("sensitivity", reviews, "-a", MINILM, "--with", child, "--seeds", "2"),
        *("--sizes", "40,all", "--epochs", "1", "--plot", plot, "--json"),
    )
    assert ran.code == 0, ran.err
    assert {"gain", "se", "p_value", "verdict", "seeds"} <= ran.json.keys()
    small, whole = ran.json["sizes"]
    assert small["n_train"] == 40
    assert whole["n_train"] > 40
    assert ran.json["gain"] == whole["gain"]
    assert any("text_a" in note for note in ran.json["notes"]), "the guess is told"
    assert imread(plot).std() > 0.05


def test_a_copy_of_the_base_model_makes_no_difference(
    hub: LocalHub, hubbot: Hubbot, child: str, sound: Mapping[str, Any], reviews: Path
) -> None:
    weights = Path(str(sound["config.json"])).parent / "model.safetensors"
    hub.add_model("me/copy", {**sound, "model.safetensors": weights})
    before = n_cells()
    ran = hubbot(
        *("sensitivity", reviews, "-a", MINILM, "--with", "me/copy", "--seeds", "2"),
        *("--sizes", "40", "--epochs", "1", "--json"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["gain"] == 0
    assert ran.json["p_value"] > 0.9
    assert "no difference" in ran.json["verdict"]
    assert n_cells() <= before + 2, "one file of weights is one set of cells"


def test_files_of_ones_own_have_no_card_to_send_to(
    hubbot: Hubbot, child: str, reviews: Path
) -> None:
    ran = hubbot("sensitivity", reviews, "-a", MINILM, "--with", child, "--send")
    assert ran.code == 2
    assert "has no card" in ran.err


# recommend


@pytest.mark.parametrize("search", ["ranking", "halving"])
def test_a_recommendation_stays_within_its_budget_and_says_what_was_tried(
    hubbot: Hubbot, child: str, reviews: Path, search: str
) -> None:
    ran = hubbot(
        *("recommend", reviews, "-a", MINILM, "--candidate", child, "--budget", "5"),
        *("--seeds", "2", "--epochs", "1", "--search", search, "--json"),
    )
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["spent"] == sum(one["seeds"] for one in found["tried"]) <= 5
    assert [one["is_base"] for one in found["tried"]] == [True, False]
    best = max(found["tried"], key=lambda one: one["validation_score"])
    gains = found["tried"][1]["validation_score"] - found["tried"][0]["validation_score"]
    assert found["is_base"] == (gains <= 0 or found["choice"] == BASE)
    if not found["is_base"]:
        assert found["choice"] == best["model"]
    assert found["command"].startswith("hubbot finetune ")
    assert found["expected_loss"] is None
    assert "named by hand" in found["expected_loss_note"] or found["is_base"]


# finetune


def test_a_fine_tuned_checkpoint_is_saved_as_its_author_would_and_can_be_evaluated(
    hubbot: Hubbot, child: str, reviews: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = tmp_path / "mine"
    ran = hubbot("finetune", BASE, reviews, "--out", out, "--epochs", "1", "--json")
    assert ran.code == 0, ran.err
    model = AutoModelForSequenceClassification.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert set(model.config.id2label.values()) == {"contradicts", "follows", "open"}
    encoded = tokenizer("a man sleeps", "nobody sleeps", return_tensors="pt")
    assert np.isfinite(model(**encoded).logits.detach().numpy()).all()
    assert BASE in (out / "README.md").read_text(encoding="utf-8")
    again = hubbot("finetune", BASE, reviews, "--out", out)
    assert again.code == 2
    assert "not an empty folder" in again.err
