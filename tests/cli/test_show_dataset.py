"""``hubbot show OWNER/NAME --dataset`` reads the notes back from a data set's card."""

import datetime
from collections.abc import Callable
from typing import Any

from hubbot.annotating_datasets import publish_dataset_note
from hubbot.localhub.server import LocalHub
from hubbot.schema import SensitivityNote
from hubbot.settings import load_settings

DATA = "ann/data"
NOTE = SensitivityNote(
    dataset=DATA,
    revision="a" * 40,
    target=DATA,
    config=None,
    architecture="roberta-base",
    base_model="FacebookAI/roberta-base",
    intermediate_model="bob/roberta-base-mnli",
    intermediate_revision="f" * 40,
    gain=4.1,
    interval=(2.9, 5.3),
    level=0.95,
    se=0.6,
    seeds=5,
    n_test=277,
    protocol="gain-roberta@1",
    verdict="Intertraining helps by 4.1 points.",
    date=datetime.date(2026, 1, 2),
    hubbot_version="0.1.0",
    label_column="stars",
    n_train=350,
)


def test_the_notes_of_a_merged_pull_request_are_read_back(
    hub: LocalHub, token: Callable[..., str], hubbot: Callable[..., Any]
) -> None:
    token("ann")
    hub.add_dataset(DATA, {"README.md": b"# Data\n", "train.csv": b"text,label\na,0\n"})
    published = publish_dataset_note(NOTE, settings=load_settings(), send=True)
    assert published.action == "opened"
    hub.merge_pull_request(DATA, 1, "ann", kind="datasets")
    found = hubbot("show", DATA, "--dataset", "--json").json
    assert found["dataset"] == DATA
    (note,) = found["notes"]
    assert (note["gain"], note["interval"], note["seeds"]) == (4.1, [2.9, 5.3], 5)
    text = hubbot("show", DATA, "--dataset").out
    assert "+4.10 (+2.90 to +5.30) points of accuracy, 95%" in text
    assert f"{DATA}: {NOTE.verdict}" in text
    assert "stars" in text
    assert "350 sampled training rows" in text


def test_a_card_without_notes_says_how_to_get_one(
    hub: LocalHub, token: Callable[..., str], hubbot: Callable[..., Any]
) -> None:
    token("ann")
    hub.add_dataset(DATA, {"README.md": b"# Data\n"})
    ran = hubbot("show", DATA, "--dataset")
    assert ran.code == 1
    assert f"hubbot sensitivity {DATA} --architecture NAME --send" in " ".join(ran.err.split())
