"""What holds for every card, shown on generated ones."""

import copy
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hubbot.errors import CardError
from hubbot.publishing.card import annotate, read_annotation, remove_annotation
from hubbot.publishing.layout import split
from hubbot.publishing.links import Links
from hubbot.publishing.result import build_result
from hubbot.records.record import Record

# --- cards like those people write, and some that nobody should -----------------------------------

WORDS = st.sampled_from(
    ["mit", "no", "'no'", '"a: b"', "1.10", "2020-01-01", "~", "é🤗", "שלום", "yes", "0x1F", "a#b",
     "[a, b]", "{x: 1}", "[]", "&a1 x", ">-\n  folded\n  text", "|\n  literal\n\n  # text", 
     "|+\n  kept\n"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["license", "language", "tags", "x-custom", "'quoted'", "datasets", "widget", "metrics", "名前"]
)
COMMENTS = st.sampled_from(["", "", "", "# a comment", "  # indented", "# [ { : '"])


@st.composite
def pairs(draw: st.DrawFn, used: set[str]) -> str:
    key = draw(KEYS.filter(lambda name: name not in used))
    used.add(key)
    kind = draw(st.sampled_from(["scalar", "list", "indented", "mapping"]))
    if kind == "scalar":
        return f"{key}: {draw(WORDS)}\n"
    if kind == "mapping":
        return f"{key}:\n  inner: {draw(st.sampled_from(['1', 'no', '[a]']))} # why\n"
    dash = "" if kind == "list" else "  "
    items = draw(st.lists(st.sampled_from(["a", "en", "'x'", "🤗"]), min_size=1, max_size=3))
    return f"{key}:\n" + "".join(f"{dash}- {item}\n" for item in items)


@st.composite
def results(draw: st.DrawFn, indent: str) -> str:
    lines = [
        f"- task: {draw(st.sampled_from(['{type: x}', 'none']))}",
        "  dataset:",
        f"    {{type: d, name: {draw(st.sampled_from(['D', 'no', '🤗']))}}}",
        *draw(
            st.sampled_from([[], ["  custom: >", "    folded", "", "  # c"], ["  verified: true"]])
        ),
        "  metrics: [{type: f1, value: 0.5}]",
        *draw(st.sampled_from([[], ["  last: |", "    text"], ["", "# low comment"]])),
    ]
    return "".join(f"{indent}{line}\n" if line else "\n" for line in lines)


@st.composite
def model_indexes(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    flat = [
        "model-index:\n", "model-index: []\n", "model-index: null # later\n",
        "model-index: [{name: a, results: [{task: 1}]}]\n",
        "model-index:\n- name: a\n  results: []\n",
        "model-index:\n- name: a\n",
        "model-index:\n- {name: a, results: [1, ]}\n",
    ]  # fmt: skip
    if kind < len(flat):
        return flat[kind]
    outer = draw(st.sampled_from(["", "  "]))
    inner = outer + "  " + draw(st.sampled_from(["", "  "]))
    text = "model-index:\n"
    for name in draw(st.sampled_from([["a"], ["a", "b"]])):
        text += f"{outer}- name: {name}\n{outer}  results:\n"
        text += "".join(draw(st.lists(results(inner), min_size=1, max_size=3)))
    return text


@st.composite
def headers(draw: st.DrawFn) -> str:
    used: set[str] = set()
    parts = [draw(pairs(used)) for _ in range(draw(st.integers(0, 4)))]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), draw(model_indexes()))
    with_comments = [part + (c + "\n" if (c := draw(COMMENTS)) else "") for part in parts]
    return draw(st.sampled_from(["", "# top\n"])) + "".join(with_comments)


BODY_LINES = st.sampled_from(
    ["# Title", "", "", "text", "---", "```", "```py", "~~~", "<!-- hubbot -->", "> quote",
     "- item", "    <!-- hubbot:begin -->", "`<!-- hubbot:end -->`", "model-index: x", "trailing  ",
     "<pre>", "</pre>", "🤗 שלום", "a\tb\x0c", "<!-- open", "***"]
)  # fmt: skip


@st.composite
def cards(draw: st.DrawFn) -> bytes:
    has_header = draw(st.booleans())
    header = "---\n" + draw(headers()) + "---" + draw(st.sampled_from(["", " "])) + "\n"
    body = "\n".join(draw(st.lists(BODY_LINES, max_size=12)))
    text = (header if has_header else "") + body + draw(st.sampled_from(["", "\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


POINTS = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 3))
NAMES = st.text(min_size=1, max_size=30).filter(lambda name: name.strip("/") != "")


@st.composite
def records(draw: st.DrawFn) -> Record:
    accuracy, gain = draw(POINTS), draw(st.floats(-50, 50))
    predicted = draw(st.none() | st.floats(-20, 20))
    return Record(
        model=draw(NAMES),
        revision=draw(st.sampled_from(["", "0" * 40, "1e5" + "0" * 37])),
        weights_digest=draw(st.sampled_from(["", "sha256:00"])),
        architecture="roberta-base",
        base_model=draw(st.text(max_size=20)),
        protocol="lp-mnli",
        dataset_revision=draw(st.sampled_from(["", "f" * 40, "sha256:12"])),
        lp_accuracy={"head": accuracy},
        lp_gain=draw(st.sampled_from([None, {"head": gain}])),
        predicted_gain=predicted,
        predicted_gain_interval=None if predicted is None else (predicted - 1, predicted + 1),
        prediction_note=draw(st.text(max_size=60)),
        flags=tuple(draw(st.lists(st.text(max_size=10), max_size=2))),
        hubbot_version="0.1.0",
        date=datetime.date(2026, 1, 2),
    )


LINKS = st.sampled_from([Links(), Links(homepage="https://hubbot.example/about")])

several = settings(
    max_examples=1200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def annotated_or_skip(card: bytes, record: Record, links: Links) -> bytes:
    """Annotate; a card that hubbot refuses says nothing about the property."""
    try:
        return annotate(card, record, links=links)
    except CardError:
        assume(False)
        raise


def parsed(card: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(split(card).header) or {}


# --- properties ----------------------------------------------------------------------------------


@several
@given(cards(), records(), LINKS)
def test_twice_equals_once(card: bytes, record: Record, links: Links) -> None:
    once = annotated_or_skip(card, record, links)
    assert annotate(once, record, links=links) == once


@several
@given(cards(), records(), records(), LINKS)
def test_removing_restores_the_original_after_any_number_of_scores(
    card: bytes, first: Record, second: Record, links: Links
) -> None:
    once = annotated_or_skip(card, first, links)
    assert remove_annotation(once) == card
    assert remove_annotation(annotated_or_skip(once, second, links)) == card


@several
@given(cards(), records(), LINKS)
def test_parsed_header_equals_the_old_one_plus_ours(
    card: bytes, record: Record, links: Links
) -> None:
    new = parsed(annotated_or_skip(card, record, links))
    old = parsed(card)
    expected = copy.deepcopy(old)
    result = build_result(record, links)
    entries = expected.get("model-index") or []
    if entries:
        entries[0]["results"] = [*(entries[0].get("results") or []), result]
    else:
        expected["model-index"] = [{"name": new["model-index"][0]["name"], "results": [result]}]
    placed = [r for r in new["model-index"][0]["results"] if r == result]
    assert len(placed) == 1
    # Beside a text block that ends the header, ours is the first of the list and not the last.
    for side in (expected, new):
        side["model-index"][0]["results"].remove(result)
    assert new == expected


@several
@given(cards(), records(), LINKS)
def test_annotating_only_inserts(card: bytes, record: Record, links: Links) -> None:
    """Every byte of the old card is there, in order: nothing is written anew or moved."""
    new = iter(annotated_or_skip(card, record, links))
    assert all(byte in new for byte in card)


@several
@given(cards(), records(), records(), LINKS)
def test_changing_the_record_changes_only_our_parts(
    card: bytes, first: Record, second: Record, links: Links
) -> None:
    once = annotated_or_skip(card, first, links)
    again = annotated_or_skip(once, second, links)
    assert remove_annotation(once) == remove_annotation(again)


@several
@given(cards(), records(), LINKS)
def test_card_tells_the_record_again(card: bytes, record: Record, links: Links) -> None:
    found = read_annotation(annotated_or_skip(card, record, links))
    assert found is not None
    assert found["model"] == record.model
    assert found["lp_accuracy"]["head"] == pytest.approx(record.lp_accuracy["head"], abs=0.00501)
    assert ("predicted_gain" in found) == (record.predicted_gain is not None)
    assert found.get("prediction_note", "") == record.prediction_note


@several
@given(st.binary(max_size=200), records())
def test_arbitrary_bytes_are_annotated_and_restored_or_refused(card: bytes, record: Record) -> None:
    assert remove_annotation(annotated_or_skip(card, record, Links())) == card


@given(st.text(alphabet="-\n\r \t:#[]{}'\"|>&*!%ab.,?", max_size=40), records())
@settings(max_examples=6000, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_arbitrary_headers_are_annotated_and_restored_or_refused(
    header: str, record: Record
) -> None:
    card = f"---\nlicense: mit\n{header}\n---\n# T\n".encode()
    assert remove_annotation(annotated_or_skip(card, record, Links())) == card


def test_generated_cards_are_mostly_accepted(record: Record) -> None:
    """The properties above would hold for a program that refuses everything."""
    outcomes: list[bool] = []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(cards())
    def collect(card: bytes) -> None:
        outcomes.append(is_accepted(annotate, card, record))

    collect()
    assert sum(outcomes) > 0.7 * len(outcomes)


def is_accepted(act: Callable[..., bytes], card: bytes, record: Record) -> bool:
    try:
        act(card, record)
    except CardError:
        return False
    return True
