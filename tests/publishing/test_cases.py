"""The table of cards: input and expected bytes as files, one family of cards after the other.

``NN-name.in.md`` is the card. ``.expected.md`` is the card annotated, or ``.error.txt`` a part
of the refusal. ``.removed.md`` is the card after removal, where it is not the input again.
``%%RESULT%%`` and the like stand for the files in ``parts/``, which were written by hand.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import ModelCard

from hubbot.errors import CardError
from hubbot.publishing.card import annotate, remove_annotation
from hubbot.publishing.links import Links
from hubbot.records.record import Record

CASES = Path(__file__).parent / "cases"
INPUTS = sorted(CASES.glob("*.in.md"))

Expand = Callable[[bytes], bytes]


def sibling(path: Path, ending: str) -> Path:
    return path.with_name(path.name.removesuffix(".in.md") + ending)


def name(path: Path) -> str:
    return path.name.removesuffix(".in.md")


ACCEPTED = [path for path in INPUTS if sibling(path, ".expected.md").exists()]
REFUSED = [path for path in INPUTS if path not in ACCEPTED]


def test_there_are_at_least_fifty_cases() -> None:
    assert len(INPUTS) >= 50
    assert all(sibling(path, ".error.txt").exists() for path in REFUSED)


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_card_becomes_the_expected_bytes(
    path: Path, record: Record, links: Links, expand: Expand
) -> None:
    annotated = annotate(expand(path.read_bytes()), record, links=links)
    assert annotated == expand(sibling(path, ".expected.md").read_bytes())


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_annotating_the_expected_card_again_changes_nothing(
    path: Path, record: Record, links: Links, expand: Expand
) -> None:
    annotated = expand(sibling(path, ".expected.md").read_bytes())
    assert annotate(annotated, record, links=links) == annotated


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_removing_restores_the_card(path: Path, expand: Expand) -> None:
    annotated = expand(sibling(path, ".expected.md").read_bytes())
    removed = sibling(path, ".removed.md")
    expected = removed if removed.exists() else path
    assert remove_annotation(annotated) == expand(expected.read_bytes())


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_hub_client_reads_our_numbers_from_the_expected_card(path: Path, expand: Expand) -> None:
    """The header is read by PyYAML and found by the client's own notion of a header."""
    text = expand(sibling(path, ".expected.md").read_bytes()).decode("utf-8-sig")
    card = ModelCard(text, ignore_metadata_errors=True)
    block = re.match(r"\s*---(?:\r?\n)([\s\S]*?\n)---", text)
    assert block is not None
    entries = yaml.safe_load(block[1])["model-index"]
    results = [result for entry in entries for result in entry.get("results") or []]
    ours = [result for result in results if isinstance(result, dict) and "metrics" in result]
    metrics = [metric for result in ours for metric in result["metrics"]]
    values = [metric["value"] for metric in metrics if "hubbot" in metric.get("args", {})]
    assert values == [71.53, 16.3, 1.2]
    assert "<!-- hubbot:begin -->" in card.text


@pytest.mark.parametrize("path", REFUSED, ids=name)
def test_card_is_refused_with_line_and_remedy(
    path: Path, record: Record, links: Links, expand: Expand
) -> None:
    expected = sibling(path, ".error.txt").read_text().strip()
    with pytest.raises(CardError, match=re.escape(expected)):
        annotate(expand(path.read_bytes()), record, links=links)
