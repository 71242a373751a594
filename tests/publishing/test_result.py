"""The result as the Hub's own client and rules take it."""

import re
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results

from hubbot.errors import CardError
from hubbot.publishing.card import annotate
from hubbot.publishing.links import Links
from hubbot.publishing.result import build_result, points
from hubbot.records.record import Record


def read(text: str) -> ModelCardData:
    data = ModelCard(text).data
    assert isinstance(data, ModelCardData)
    return data


CARD = b"---\nlicense: mit\n---\n# T\n"


def test_hub_client_reads_three_results(record: Record, links: Links) -> None:
    card = read(annotate(CARD, record, links=links).decode())
    assert card.model_name == "probed-model"
    found = [
        (r.task_type, r.dataset_type, r.dataset_split, r.metric_type, r.metric_name, r.metric_value)
        for r in card.eval_results or []
    ]
    place = ("text-classification", "nyu-mll/multi_nli", "validation_mismatched")
    assert found == [
        (*place, "accuracy", "MNLI linear-probe accuracy", 71.53),
        (*place, "lp_gain", "LP(m, MNLI)", 16.3),
        (*place, "predicted_intertraining_gain", "Predicted intertraining gain", 1.2),
    ]


def test_hub_client_reads_a_card_without_our_address(record: Record) -> None:
    """A source with a name and no url would make the client refuse the whole card."""
    card = read(annotate(CARD, record, links=Links()).decode())
    assert len(card.eval_results or []) == 3


def test_hub_client_reads_our_result_beside_others(record: Record, links: Links) -> None:
    theirs = b"""---
model-index:
- name: theirs
  results:
  - task: {type: text-classification}
    dataset: {type: glue, name: GLUE}
    metrics: [{type: f1, value: 0.5}]
---
"""
    card = read(annotate(theirs, record, links=links).decode())
    types = [result.metric_type for result in card.eval_results or []]
    assert types == ["f1", "accuracy", "lp_gain", "predicted_intertraining_gain"]


def test_result_has_what_the_hub_asks_for(record: Record, links: Links) -> None:
    result = build_result(record, links)
    name, found = model_index_to_eval_results([{"name": "a", "results": [result]}])
    assert name == "a"
    assert [r.metric_args is not None for r in found] == [True, True, True]
    assert all(isinstance(metric["value"], float) for metric in result["metrics"])
    assert result["source"] == {"name": "hubbot", "url": "https://hubbot.example/about"}


def test_nothing_is_ever_called_verified(record: Record, links: Links) -> None:
    assert b"verif" not in annotate(b"", record, links=links)


@pytest.mark.parametrize(
    ("revision", "in_dataset"),
    [("f" * 40, True), ("sha256:12", False), ("", False), ("main", False)],
)
def test_dataset_revision_is_given_when_it_is_a_commit(
    revision: str, in_dataset: bool, record: Record
) -> None:
    changed = Record.model_validate(record.plain() | {"dataset_revision": revision})
    dataset: dict[str, Any] = build_result(changed, Links())["dataset"]
    assert dataset.get("revision") == (revision if in_dataset else None)


@pytest.mark.parametrize(
    ("value", "expected"), [(71.535, "71.53"), (-0.001, "0.0"), (0.005001, "0.01"), (100, "100.0")]
)
def test_points_have_two_decimals_and_no_negative_zero(value: float, expected: str) -> None:
    assert repr(points(value)) == expected


@pytest.mark.parametrize(
    "name",
    ["me/\"quoted\" 'x'", "a: b", "a # b", "- x", "no", "1e5", "\u202egpj", "x\n---\ny: 1", "{a}",
     "me/---", "<!-- hubbot:end -->", "%%", "{{ 1 }}", "# hubbot:end", "\x85\u2028", "🤗"],
)  # fmt: skip
def test_strangers_names_are_values_and_nothing_else(name: str, record: Record) -> None:
    hostile = Record.model_validate(
        record.plain()
        | {"model": name, "base_model": name, "prediction_note": name, "flags": [name]}
    )
    annotated = annotate(CARD, hostile)
    card = read(annotated.decode())
    args = (card.eval_results or [])[0].metric_args
    assert args is not None
    assert (args["model"], args["base_model"], args["flags"]) == (name, name, [name])
    section = annotated.decode().split("<!-- hubbot:begin -->")[1]
    assert section.count("hubbot:end -->") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2028\x85]", section)


def test_flags_of_measured_gains_stay_off_the_card(record: Record) -> None:
    flags = ["trained on MNLI", "learned nothing on rte", "learned nothing on cola"]
    gains = {"measured": {"rte": {"gain": 1.0, "seeds": 3}}, "gain_protocol": "gain-roberta@1"}
    result = build_result(Record.model_validate(record.plain() | gains | {"flags": flags}), Links())
    assert result["metrics"][0]["args"]["flags"] == ["trained on MNLI", "learned nothing on cola"]


def test_a_record_of_measured_gains_alone_goes_on_no_card(record: Record) -> None:
    without: dict[str, Any] = {
        "protocol": "",
        "lp_accuracy": {},
        "lp_accuracy_interval": {},
        "lp_gain": None,
    }
    without |= {"lp_gain_interval": None, "predicted_gain": None, "predicted_gain_interval": None}
    gains = {"measured": {"rte": {"gain": 1.0, "seeds": 3}}, "gain_protocol": "gain-roberta@1"}
    alone = Record.model_validate(record.plain() | without | gains)
    with pytest.raises(
        CardError, match=r"holds measured gains \(1\) and no probe, .*probe the mod"
    ):
        annotate(b"# A model\n", alone)
