"""What ``sensitivity`` found on its way to a card: dry run, refusals, what the note says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubbot.data.own_targets import load_own_target
from hubbot.errors import RemoteError, SettingsError
from hubbot.localhub.server import LocalHub
from hubbot.outcomes import Sensed, SensedSize
from hubbot.publishing.dataset_card import read_notes
from hubbot.sensing import publish_sensed
from hubbot.settings import Settings

DATA = "ann/films"
CARD = b"---\nlicense: mit # mine\n---\n# Films\n\nReviews.\n"
NUMBERS: dict[str, Any] = {
    "protocol": "gain-minilm@1",
    "gain": 2.0,
    "interval": (1.0, 3.0),
    "se": 0.4,
    "p_value": 0.01,
    "verdict": "Intertraining helps by 2.0 points.",
}
SIZE = SensedSize(
    n_train=350, score=72.0, base_score=70.0, seeds_needed=2, least_visible=1.0, **NUMBERS
)
FOUND = Sensed(
    dataset=DATA,
    source=f"{DATA}@aaaa",
    hub_id=DATA,
    config=None,
    data_revision="a" * 40,
    architecture="all-MiniLM-L6-v2",
    base_model="sentence-transformers/all-MiniLM-L6-v2",
    model="me/child",
    revision="f" * 40,
    rank=None,
    seeds=5,
    metric="accuracy",
    n_test=100,
    sizes=(SIZE,),
    split_rule="as given",
    **NUMBERS,
)


@pytest.fixture
def world(hub: LocalHub) -> LocalHub:
    hub.add_user("ann", "hf_ann")
    hub.add_dataset(DATA, {"README.md": CARD, "train.csv": b"text,label\na,0\n"})
    return hub


@pytest.fixture
def writes(hub: LocalHub) -> Callable[[], list[str]]:
    return lambda: [f"{r.method} {r.target}" for r in hub.log if r.is_write]


ANN = Settings.model_validate({"read_token": "hf_ann", "write_token": "hf_ann"})


def test_a_dry_run_shows_what_sending_proposes_and_writes_nothing(
    world: LocalHub, writes: Callable[[], list[str]]
) -> None:
    would = publish_sensed(FOUND, settings=ANN, send=False)
    assert would is not None
    assert (would.action, would.url) == ("would-open", None)
    assert "+<!-- hubbot:begin -->" in would.diff
    assert writes() == []
    sent = publish_sensed(FOUND, settings=ANN, send=True)
    assert sent is not None
    assert (sent.action, sent.diff) == ("opened", would.diff)


def test_a_dry_run_needs_no_token(world: LocalHub) -> None:
    would = publish_sensed(FOUND, settings=Settings(), send=False)
    assert would is not None
    assert would.action == "would-open"
    assert "without a token" in would.reason


@pytest.mark.parametrize("change", [{"hub_id": ""}, {"data_revision": ""}])
def test_data_that_were_not_read_from_the_hub_have_no_card_and_nobody_is_asked(
    world: LocalHub, change: dict[str, Any]
) -> None:
    assert publish_sensed(replace(FOUND, **change), settings=ANN, send=False) is None
    assert world.log == ()


IN_THE_WAY: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no such data set": ({"hub_id": "ann/absent"}, RemoteError, "ann/absent"),
    "a model in a folder": ({"revision": ""}, SettingsError, "was read from a folder"),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_is_in_the_way_of_a_card_ends_sending_alone(world: LocalHub, case: str) -> None:
    change, error, words = IN_THE_WAY[case]
    found = replace(FOUND, **change)
    would = publish_sensed(found, settings=ANN, send=False)
    assert would is not None
    assert (would.dataset, would.action, would.diff) == (found.hub_id, "skipped", "")
    assert words in would.reason
    with pytest.raises(error, match=words):
        publish_sensed(found, settings=ANN, send=True)


def test_what_the_gate_flags_is_not_proposed(world: LocalHub) -> None:
    flagged = replace(FOUND, flags=("the strong model holds the base model's weights",))
    would = publish_sensed(flagged, settings=ANN, send=False)
    assert would is not None
    assert would.action == "skipped"
    assert "not fit for a card: the strong model" in would.reason


def test_the_card_names_columns_and_sampled_rows(world: LocalHub) -> None:
    found = replace(FOUND, label_column="stars", text_columns=("title", "body"), is_sampled=True)
    publish_sensed(found, settings=ANN, send=True)
    (note,) = read_notes(world.read_file(DATA, "README.md", "refs/pr/1", kind="datasets"))
    assert (note.label_column, note.text_columns, note.n_train) == ("stars", "title,body", 350)
    publish_sensed(replace(FOUND, gain=2.5), settings=ANN, send=True)
    notes = read_notes(world.read_file(DATA, "README.md", "refs/pr/1", kind="datasets"))
    assert [(one.label_column, one.n_train) for one in notes] == [("", None), ("stars", 350)]


@pytest.mark.parametrize("others", [(), ("test",), ("validation",), ("validation", "test")])
@pytest.mark.parametrize("n_rows", [200, 400])
def test_a_sample_is_known_however_many_files_there_are(
    tmp_path: Path, others: tuple[str, ...], n_rows: int
) -> None:
    for split, n in (("train", n_rows), ("validation", 120), ("test", 130)):
        rows = [f"{split} text number {one},{'yes' if one % 2 else 'no'}\n" for one in range(n)]
        (tmp_path / f"{split}.csv").write_text("text,label\n" + "".join(rows))
    files: dict[str, Any] = {split: str(tmp_path / f"{split}.csv") for split in others}
    source = str(tmp_path / "train.csv")
    target = load_own_target(source, **files, max_rows=300, cache_dir=tmp_path / "cache")
    assert target.is_whole is (n_rows == 200)
    assert (target.label_column, target.text_columns) == ("label", ("text",))
