"""The text of the pull request with the scores."""

import datetime
import itertools
from typing import Any

import pytest
from markdown_it import MarkdownIt

from hubbot.publishing.scores_pull_request import (
    MOST_ROWS,
    ScoreRow,
    is_scores_title,
    scores_body,
    scores_title,
)
from hubbot.records.record import MeasuredGain, Record

DAY = datetime.date(2026, 1, 2)


def row_of(record: Record, old: Record | None = None, **changes: Any) -> ScoreRow:
    return ScoreRow(record=record.model_copy(update=changes), old=old)


def cells(body: str) -> list[list[str]]:
    """Return the cells of the table as a Markdown parser reads them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    lines: list[list[str]] = []
    for token, inner in itertools.pairwise(tokens):
        if token.type == "tr_open":
            lines.append([])
        if token.type == "td_open":
            lines[-1].append(
                "".join(part.content for part in inner.children or () if part.type != "html_inline")
            )
    return [line for line in lines if line]


def links(body: str) -> set[str]:
    """Return where the links of a description lead."""
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    inner = [child for token in tokens for child in token.children or ()]
    return {str(child.attrs["href"]) for child in inner if child.type == "link_open"}


@pytest.mark.parametrize(
    ("n", "title"), [(1, "Scores of 1 model, 2026-01-02"), (12, "Scores of 12 models, 2026-01-02")]
)
def test_the_title_counts_models(n: int, title: str) -> None:
    assert scores_title(n, DAY) == title


@pytest.mark.parametrize(
    ("title", "is_ours"),
    [
        (scores_title(0, DAY), True),
        (scores_title(1, DAY), True),
        (scores_title(1200, DAY), True),
        ("chore(scores): add one model", False),
        (f"[hold] {scores_title(1, DAY)}", False),
        (f"{scores_title(1, DAY)} (reviewed)", False),
    ],
)
def test_a_title_that_somebody_changed_is_known(title: str, is_ours: bool) -> None:
    assert is_scores_title(title) == is_ours


def test_a_new_record_shows_its_numbers_with_intervals(record: Record) -> None:
    body = scores_body([row_of(record)], {}, DAY)
    assert body.startswith("Linear-probe scores measured by hubbot, 1 record ")
    assert cells(body) == [
        [
            "someone/probed-model",
            "roberta-base",
            "+16.30 (+15.00 to +17.60)",
            "+1.20 (-0.41 to +2.81)",
            "new",
        ]
    ]
    assert "[`someone/probed-model`](https://huggingface.co/someone/probed-model)" in body
    assert "1 record to file" in body


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lp_gain": {"linear": 14.25, "head": 17.0}}, "LP +0.70"),
        ({"predicted_gain": 0.7041}, "predicted -0.50"),
        ({"predicted_gain": None, "predicted_gain_interval": None}, "predicted gone"),
        ({"lp_gain": {"linear": 14.25, "head": 16.303}}, "other details"),
        ({"device": "cuda"}, "other details"),
        ({"revision": "f" * 40}, "other revision"),
        ({"protocol": "lp-mnli@20000"}, "lp-mnli@20000 in the place of lp-mnli"),
        ({"measured": {"rte": MeasuredGain(gain=1.0, seeds=1)}}, "measured gains"),
    ],
)
def test_a_changed_record_says_what_moved(
    record: Record, changes: dict[str, object], said: str
) -> None:
    (line,) = cells(scores_body([row_of(record, record, **changes)], {}, DAY))
    assert line[-1] == said


def test_a_record_without_a_prediction_shows_a_dash(record: Record) -> None:
    row = row_of(record, predicted_gain=None, predicted_gain_interval=None)
    (line,) = cells(scores_body([row], {}, DAY))
    assert line[3] == "\u2013"


def test_a_record_of_measured_gains_alone_has_a_line(record: Record) -> None:
    alone: dict[str, Any] = {
        "lp_accuracy": {},
        "lp_gain": None,
        "lp_accuracy_interval": {},
        "lp_gain_interval": None,
    }
    row = row_of(record, **alone, predicted_gain=None, predicted_gain_interval=None)
    (line,) = cells(scores_body([row], {}, DAY))
    assert line[2:4] == ["\u2013", "\u2013"]


def test_at_most_a_hundred_rows_are_shown_and_the_rest_is_counted(record: Record) -> None:
    rows = [row_of(record, model=f"me/m{number:03}") for number in range(130)]
    body = scores_body(rows, {}, DAY)
    assert len(cells(body)) == MOST_ROWS == 100
    assert "And 30 more" in body
    assert "130 records" in body


def test_records_without_a_row_are_counted(record: Record) -> None:
    body = scores_body([row_of(record)], {}, DAY, n=12)
    assert "12 records" in body
    assert "And 11 more" in body


def test_rows_are_ordered_by_architecture_and_model(record: Record) -> None:
    names = [("b", "me/z"), ("a", "me/z"), ("b", "me/a")]
    rows = [row_of(record, architecture=kind, model=model) for kind, model in names]
    found = [(line[1], line[0]) for line in cells(scores_body(rows, {}, DAY))]
    assert found == sorted(names)


@pytest.mark.parametrize(
    "model",
    ["me/a|b", "me/a`b", "<img src=x>", "me/a](https://evil.example)", "me/x\n| y | z |", "@all"],
)
def test_a_strangers_name_stays_inside_its_cell(record: Record, model: str) -> None:
    body = scores_body([row_of(record, model=model)], {}, DAY)
    (line,) = cells(body)
    assert len(line) == 5
    assert links(body) <= {"https://huggingface.co/someone/probed-model"}
    assert "<img" not in body


def test_the_longest_names_stay_below_githubs_limit(record: Record) -> None:
    rows = [row_of(record, model=f"{'<' * 900}{number}") for number in range(200)]
    body = scores_body(rows, {}, DAY)
    assert len(body) < 65_536
    assert f"And {200 - len(cells(body))} more" in body


def test_counts_of_the_run_are_listed_and_escaped(record: Record) -> None:
    body = scores_body([row_of(record)], {"measured": 12, "<b>": "@me", "hours": 1.23456}, DAY)
    assert "- measured: 12\n" in body
    assert "- hours: 1.235\n" in body
    assert "<b>" not in body
    assert "@me" not in body


def test_without_counts_there_is_no_list(record: Record) -> None:
    assert "The run" not in scores_body([row_of(record)], {}, DAY)
