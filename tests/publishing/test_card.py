import time

import pytest
from huggingface_hub import ModelCard

from hubbot.publishing.card import annotate, is_opted_out, read_annotation, remove_annotation
from hubbot.publishing.links import Links
from hubbot.records.record import Record

CARD = b"---\nlicense: mit\n---\n# T\n"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("hubbot: false", True),
        ("hubbot: False", True),
        ("hubbot: no", True),
        ("'hubbot': 'off'", True),
        ("license: mit\nhubbot:   false  # please", True),
        ("{license: mit, hubbot: false}", True),
        ("hubbot: true", False),
        ("hubbot:", False),
        ("hubbot: {enabled: false}", False),
        ("other:\n  hubbot: false", False),
        ("note: |\n  hubbot: false", False),
        ("license: mit", False),
    ],
)
def test_opting_out_is_read_from_the_header(header: str, expected: bool) -> None:
    assert is_opted_out(f"---\n{header}\n---\n# T\n".encode()) is expected


@pytest.mark.parametrize(
    "card",
    [
        b"---\nhubbot: false\ntags: [a\n---\n",
        b"---\nhubbot: false\n# never closed\n",
        b"---\r\nlicense: mit\r\nlicense: mit\r\nhubbot: no\r\n---\r\n",
        b"---\nhubbot: false\n---\ncaf\xe9\n",
    ],
)
def test_opting_out_is_heard_from_a_card_that_cannot_be_read(card: bytes) -> None:
    assert is_opted_out(card)


@pytest.mark.parametrize("card", [b"", b"# T\n", b"hubbot: false\n", b"# T\n\nhubbot: false\n"])
def test_text_below_the_header_is_no_opting_out(card: bytes) -> None:
    assert not is_opted_out(card)


def test_score_of_the_same_weights_on_another_day_and_commit_changes_nothing(
    record: Record, links: Links
) -> None:
    once = annotate(CARD, record, links=links)
    later = Record.model_validate(
        record.plain()
        | {"date": "2027-05-05", "revision": "f" * 40, "hubbot_version": "9", "prediction_note": ""}
    )
    assert annotate(once, later, links=Links(homepage="https://elsewhere.example")) == once


@pytest.mark.parametrize(
    "change",
    [
        {"weights_digest": "sha256:77"},
        {"lp_accuracy": {"linear": 69.8981, "head": 71.5434}},
        {"protocol": "lp-mnli@20000"},
        {"flags": ["borrowed", "trained on MNLI"]},
        {"predicted_gain": None, "predicted_gain_interval": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_score_changes_header_and_section(
    change: dict[str, object], record: Record, links: Links
) -> None:
    once = annotate(CARD, record, links=links)
    other = Record.model_validate(record.plain() | change)
    again = annotate(once, other, links=links)
    assert again != once
    assert again == annotate(CARD, other, links=links)


def test_commit_counts_where_no_weights_digest_is_known(record: Record) -> None:
    published = Record.model_validate(record.plain() | {"weights_digest": ""})
    moved = Record.model_validate(published.plain() | {"revision": "f" * 40})
    once = annotate(CARD, published)
    assert annotate(once, moved) != once


def test_refused_gain_leaves_its_metric_out_and_says_why(record: Record) -> None:
    refused = Record.model_validate(
        record.plain()
        | {
            "predicted_gain": None,
            "predicted_gain_interval": None,
            "probability_positive": None,
            "prediction_head": None,
            "prediction_note": "No gain is predicted: there is no calibration.",
        }
    )
    card = annotate(CARD, refused).decode()
    assert "predicted_intertraining_gain" not in card
    assert "\nNo gain is predicted: there is no calibration.\n" in card
    assert "| Predicted" not in card


def test_card_of_another_model_copied_by_its_author_is_brought_up_to_date(
    record: Record, links: Links
) -> None:
    copied = annotate(CARD, record, links=links)
    other = Record.model_validate(
        record.plain() | {"model": "else/where", "weights_digest": "sha256:2"}
    )
    found = read_annotation(annotate(copied, other, links=links))
    assert found is not None
    assert found["model"] == "else/where"


def test_annotation_is_read_back_as_the_record_has_it(record: Record, links: Links) -> None:
    found = read_annotation(annotate(CARD, record, links=links))
    assert found == {
        "schema_version": 1,
        "model": "someone/probed-model",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "weights_digest": record.weights_digest,
        "architecture": "roberta-base",
        "base_model": "FacebookAI/roberta-base",
        "protocol": "lp-mnli",
        "dataset_revision": "da70db2af9d09693783c3320c4249840212ee221",
        "lp_accuracy": {"head": 71.53, "linear": 69.9},
        "lp_accuracy_interval": {"head": [70.62, 72.41], "linear": [68.98, 70.8]},
        "lp_gain": {"head": 16.3, "linear": 14.25},
        "lp_gain_interval": {"head": [15.0, 17.6], "linear": [13.1, 15.4]},
        "predicted_gain": 1.2,
        "predicted_gain_interval": [-0.41, 2.81],
        "interval_level": 0.9,
        "probability_positive": 0.891,
        "prediction_head": "head",
        "prediction_note": "Borrowed: the line was measured by another probe.",
        "calibration": "model-recycling-2023",
        "target_group": "in-house 36",
        "flags": ["borrowed"],
        "hubbot_version": "0.1.0",
        "date": "2026-01-02",
    }


@pytest.mark.parametrize("card", [b"", CARD, b"---\nmodel-index:\n- name: a\n  results: []\n---\n"])
def test_card_without_our_result_tells_nothing(card: bytes) -> None:
    assert read_annotation(card) is None
    assert remove_annotation(card) == card


def test_card_written_anew_by_the_hub_client_is_known_again(record: Record, links: Links) -> None:
    """The client drops comments, moves keys and quotes anew; the score is the same."""
    theirs = b"""---
license: mit
model-index:
- name: theirs
  results:
  - task: {type: text-classification}
    dataset: {type: glue, name: GLUE}
    metrics: [{type: f1, value: 0.5}]
---
# T
"""
    rewritten = ModelCard(annotate(theirs, record, links=links).decode()).content.encode()
    assert b"# hubbot:begin" not in rewritten
    assert annotate(rewritten, record, links=links) == rewritten
    rest = ModelCard(remove_annotation(rewritten).decode())
    assert rest.data.to_yaml() == ModelCard(theirs.decode()).data.to_yaml()
    assert rest.text == "# T\n"


def test_header_of_a_benchmark_champion_takes_seconds_at_most(record: Record, links: Links) -> None:
    """Cards of embedding models carry some hundred results, a hundred kilobytes and more."""
    one = (
        "  - task: {{type: Retrieval}}\n    dataset: {{type: mteb/{0}, name: {0}}}\n    metrics:\n"
    )
    metrics = "".join(f"    - type: ndcg_at_{k}\n      value: {k / 7}\n" for k in range(30))
    results = "".join(one.format(number) + metrics for number in range(60))
    card = f"---\nmodel-index:\n- name: a\n  results:\n{results}---\n# T\n".encode()
    start = time.perf_counter()
    assert remove_annotation(annotate(card, record, links=links)) == card
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize(
    "body",
    [
        b"word " * 200_000,
        b"# A line\n" * 110_000,
        b"```\n<!-- hubbot:begin -->\n```\n" * 33_000,
        b"\n" * 1_000_000,
        b" " * 1_000_000,
        b"<!-- " * 200_000,
    ],
    ids=["one line", "many lines", "fences", "blank lines", "blanks", "comments"],
)
def test_body_of_a_megabyte_is_kept_and_takes_seconds_at_most(
    body: bytes, record: Record, links: Links
) -> None:
    card = b"---\nlicense: mit\n---\n" + body
    start = time.perf_counter()
    annotated = annotate(card, record, links=links)
    assert remove_annotation(annotated) == card
    assert time.perf_counter() - start < 30
    assert body in annotated


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "        other_heads:\n          linear:\n",
            "        other_heads:\n          - linear:\n",
        ),
        ("        interval: [70.62, 72.41]\n", "        interval: wide\n"),
        ("      value: 71.53\n", ""),
    ],
)
def test_annotation_edited_by_hand_is_read_as_far_as_it_goes_and_mended(
    old: str, new: str, record: Record, links: Links
) -> None:
    card = annotate(CARD, record, links=links)
    edited = card.decode().replace(old, new, 1).encode()
    assert edited != card
    assert (read_annotation(edited) or {})["model"] == "someone/probed-model"
    assert annotate(edited, record, links=links) == card
