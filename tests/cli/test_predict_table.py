"""``hubbot predict --from``: a table in, one JSON line per row out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.gains.flags import name_flags
from hubbot.gains.predict import predict_gain

TABLE = """\
model,architecture,lp_accuracy,quick_rte
someone/bert-mnli,bert-base-uncased,61.5,
,roberta-base,72.5,
someone/plain,roberta-base,72.5,75.1
,google/t5-v1_1-base,80,
"""


@pytest.fixture
def table(environment: Path, tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "models.csv"
        path.write_text(text)
        return path

    return write


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_every_row_gets_one_line_in_the_tables_order(
    hubbot: Callable[..., Any], table: Callable[[str], Path]
) -> None:
    ran = hubbot("predict", "--from", table(TABLE))
    assert (ran.code, ran.err) == (0, "")
    first, second, third, refused = lines(ran.out)
    assert [row["line"] for row in lines(ran.out)] == [2, 3, 4, 5]
    assert [row["model"] for row in lines(ran.out)] == [
        "someone/bert-mnli",
        "",
        "someone/plain",
        "",
    ]
    expected = [
        predict_gain("bert-base-uncased", lp_accuracy=61.5, flags=name_flags("x/bert-mnli")),
        predict_gain("roberta-base", lp_accuracy=72.5),
        predict_gain("roberta-base", lp_accuracy=72.5, flags=(), quick={"rte": 75.1}),
    ]
    for row, one in zip((first, second, third), expected, strict=True):
        assert row["gain"] == pytest.approx(one.gain)
        assert row["interval"] == pytest.approx(one.interval)
        assert row["probability_positive"] == pytest.approx(one.probability_positive)
        assert (row["level"], row["n"], row["note"]) == (0.9, one.n, one.note)
    assert refused["gain"] is None
    assert refused["error"] == ""
    assert "19 model(s)" in refused["note"]


def test_a_wrong_row_makes_exit_code_1_and_the_rest_is_answered(
    hubbot: Callable[..., Any], table: Callable[[str], Path]
) -> None:
    ran = hubbot("predict", "--from", table(TABLE + ",roberta-bse,70,\n,roberta-base,71,\n"))
    assert ran.code == 1
    assert len(lines(ran.out)) == 6
    wrong, last = lines(ran.out)[4:]
    assert wrong["gain"] is None
    assert "did you mean 'roberta-base'" in wrong["error"]
    assert last["gain"] is not None
    assert "models.csv, line 6: " in ran.err
    assert "1 row(s) are wrong" in ran.err


@pytest.mark.parametrize(
    "option",
    [
        ("--architecture", "roberta-base"),
        ("--lp-accuracy", "70"),
        ("--lp-gain", "5"),
        ("--protocol", "lp-mnli"),
        ("--model", "someone/model"),
        ("--quick-rte", "60"),
        ("--quick-cola", "80"),
        ("--plot", "picture.png"),
    ],
)
def test_options_of_a_single_prediction_are_refused_beside_a_table(
    hubbot: Callable[..., Any], table: Callable[[str], Path], option: tuple[str, str]
) -> None:
    ran = hubbot("predict", "--from", table(TABLE), *option)
    assert (ran.code, ran.out) == (2, "")
    assert "--from takes everything from the file's columns" in ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("name,score\na,1\n", "'architecture'"),
        ("architecture,lp_accuracy\nroberta-base,0.72\n", "holds fractions"),
        ("architecture,lp_accuracy\nroberta-base,much\n", "'much' is not a number"),
        ("architecture,lp_accuracy\n", "no row below it"),
    ],
)
def test_what_is_no_such_table_is_wrong_usage(
    hubbot: Callable[..., Any], table: Callable[[str], Path], text: str, words: str
) -> None:
    ran = hubbot("predict", "--from", table(text))
    assert (ran.code, ran.out) == (2, "")
    assert "models.csv: " in ran.err or "models.csv, line 2" in ran.err
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_a_table_that_is_not_there_is_named(hubbot: Callable[..., Any]) -> None:
    ran = hubbot("predict", "--from", "nothing.csv")
    assert ran.code == 2
    assert "nothing.csv: cannot be read" in ran.err


def test_quick_scores_and_the_name_can_be_given_for_one_model(hubbot: Callable[..., Any]) -> None:
    ran = hubbot(
        *("predict", "-a", "roberta-base", "--lp-accuracy", "82", "--model", "me/cold-fusion"),
        *("--quick-rte", "76", "--quick-cola", "84", "--json"),
    )
    expected = predict_gain(
        "roberta-base",
        lp_accuracy=82.0,
        flags=name_flags("me/cold-fusion"),
        quick={"rte": 76.0, "cola": 84.0},
    )
    assert ran.json["gain"] == pytest.approx(expected.gain)
    assert ran.json["target_group"] == "site32"
    assert ran.json["quick_targets"] == ["rte", "cola"]


def test_a_prediction_for_people_says_what_it_rests_on(hubbot: Callable[..., Any]) -> None:
    ran = hubbot(
        "predict", "-a", "roberta-base", "--lp-accuracy", "82", "--model", "me/cold-fusion"
    )
    assert ran.code == 0
    for words in ("predicted gain", "90 % interval", "form: ", "fused or multi-task", "site36"):
        assert words in ran.out
