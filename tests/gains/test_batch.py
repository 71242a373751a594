"""Predictions for a table: one answer per row, in the table's order."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.batch import Answer, predict_table
from hubbot.gains.flags import name_flags
from hubbot.gains.predict import predict_gain
from hubbot.schema import Prediction

HEADER = "architecture,lp_accuracy,lp_gain,protocol,model,quick_rte,quick_cb,quick_mrpc,quick_cola"


def answers(tmp_path: Path, *lines: str, **options: Any) -> list[Answer]:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return list(predict_table(path, **options))


def alone(row: dict[str, str]) -> Prediction:
    """The same row, asked for by itself."""

    def number(name: str) -> float | None:
        return float(row[name]) if row.get(name) else None

    quick = {name: number(f"quick_{name}") for name in ("rte", "cb", "mrpc", "cola")}
    return predict_gain(
        row["architecture"],
        lp_accuracy=number("lp_accuracy"),
        lp_gain=number("lp_gain"),
        protocol=row.get("protocol") or "model-recycling-2023",
        flags=name_flags(row["model"]) if row.get("model") else None,
        quick={name: score for name, score in quick.items() if score is not None},
    )


def close(found: Prediction | None, expected: Prediction) -> None:
    assert found is not None
    for name in Prediction.__slots__:
        one, two = getattr(found, name), getattr(expected, name)
        if isinstance(two, float) or name == "interval":
            assert one == pytest.approx(two, abs=1e-9), name
        else:
            assert one == two, name


def test_every_row_gets_the_answer_it_would_get_alone_in_order(tmp_path: Path) -> None:
    lines = [
        HEADER,
        "roberta-base,72.5,,,,,,,",
        "bert-base-uncased,60,,,someone/bert-mnli,,,,",
        "roberta-base,,12,lp-mnli@4000,,,,,",
        "microsoft/deberta-v3-base,80,,,,80,90,89,87",
        "roberta-base,80,,,ibm/ColD-Fusion,76,,,",
        "FacebookAI/roberta-base,,10,paper,,,,,",
        "roberta-base,72.6,,,,,,,",
        "bert-base-cased,45,,,,60,70,,83",
        "google/t5-v1_1-base,80,,,,,,,",
        "t5-base,,1,,,,,,",
    ]
    found = answers(tmp_path, *lines)
    rows = list(csv.DictReader(lines))
    assert [item.line for item in found] == list(range(2, 12))
    for item, row in zip(found, rows, strict=True):
        assert (item.error, item.model, item.architecture) == (
            "",
            row["model"],
            row["architecture"],
        )
        close(item.prediction, alone(row))


def test_only_the_columns_that_are_there_are_needed(tmp_path: Path) -> None:
    (found,) = answers(tmp_path, "lp_gain,architecture", "10,roberta-base")
    close(found.prediction, predict_gain("roberta-base", lp_gain=10.0))


def test_other_columns_are_passed_over(tmp_path: Path) -> None:
    (found,) = answers(tmp_path, "note,architecture,lp_accuracy,seed", '"a, b",roberta-base,72.5,x')
    close(found.prediction, predict_gain("roberta-base", lp_accuracy=72.5))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",72,,,,,,,", "architecture"),
        ("roberta-bse,72,,,,,,,", "did you mean 'roberta-base'"),
        ("roberta-base,,,,,,,,", "found none"),
        ("roberta-base,72,3,,,,,,", "contradict each other"),
        ("roberta-base,172,,,,,,,", "LP accuracy 172.0"),
        ("roberta-base,0.72,,,,,,,", "looks like a fraction"),
        ("roberta-base,,-150,,,,,,", "LP gain -150.0"),
        ("roberta-base,72,,lp-mnli,,,,,", "give the LP gain instead"),
        ("roberta-base,,3,lp-mnly,,,,,", "did you mean 'lp-mnli'"),
        ("roberta-base,72,,,,0.61,,,", "quick_rte 0.61 looks like a fraction"),
        ("roberta-base,72,,,,,,-3,", "quick_mrpc -3.0"),
        ("roberta-base,,3,lp-mnli@4000,,60,,,", "quick_rte cannot be used under"),
    ],
)
def test_a_wrong_row_is_told_of_and_the_others_are_answered(
    tmp_path: Path, row: str, words: str
) -> None:
    good = "roberta-base,72.5,,,,76,,,"
    first, wrong, last = answers(tmp_path, HEADER, good, row, good)
    assert words in wrong.error
    assert wrong.prediction is None
    assert wrong.line == 3
    plain = wrong.plain()
    assert plain["gain"] is None
    assert plain["note"] == f"No gain is predicted: {wrong.error}"
    close(first.prediction, alone({"architecture": "roberta-base", "lp_accuracy": "72.5"} | RTE))
    close(last.prediction, alone({"architecture": "roberta-base", "lp_accuracy": "72.5"} | RTE))


RTE = {"quick_rte": "76"}


def test_a_refusal_is_no_error_and_has_its_reason(tmp_path: Path) -> None:
    (found,) = answers(tmp_path, "architecture,lp_accuracy", "google/t5-v1_1-base,80")
    assert found.error == ""
    plain = found.plain()
    assert (plain["gain"], plain["interval"], plain["calibration"]) == (None, None, "")
    assert "19 model(s)" in plain["note"]


def test_a_plain_answer_has_the_keys_of_a_prediction(tmp_path: Path) -> None:
    good, wrong = answers(tmp_path, "architecture,lp_accuracy", "roberta-base,72", "berta,72")
    assert list(good.plain()) == list(wrong.plain())
    assert set(Prediction.__slots__) < set(good.plain())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["name,lp_accuracy", "a,70"], r"'architecture'"),
        (["architecture,accuracy", "a,70"], "neither a column lp_accuracy nor lp_gain"),
        (["architecture,lp_accuracy,quick_boolq", "a,70,3"], r"'quick_boolq'.*quick_rte"),
        (["architecture,lp_accuracy", "a,seventy"], r"line 2, column 'lp_accuracy': 'seventy'"),
        (["architecture,lp_accuracy", "a,inf"], "infinite"),
        (["architecture,lp_accuracy"], "no row below it"),
        ([""], "the file is empty"),
        (["architecture;lp_accuracy", "a;7"], "separated by semicolons"),
        (["architecture,lp_accuracy", "a,7,8"], "3 cells, but the header has 2"),
        (["architecture,lp_accuracy,lp_accuracy", "a,7,8"], "stands twice in the header"),
        (["roberta-base,72.5", "roberta-base,70"], "expected a header row"),
        (["architecture,lp_accuracy", "a,0.7", "b,0.61"], "column lp_accuracy holds fractions"),
        (
            ["architecture,lp_accuracy,quick_cola", "a,70,0.8", "b,71,0.7"],
            "column quick_cola holds fractions .*multiply the column by 100",
        ),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_by_name(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    with pytest.raises(SettingsError, match=rf"table\.csv.*{words}"):
        answers(tmp_path, *lines)


def test_small_lp_gains_are_not_taken_for_fractions(tmp_path: Path) -> None:
    found = answers(tmp_path, "architecture,lp_gain", "roberta-base,0.5", "roberta-base,0.1")
    assert all(item.prediction is not None for item in found)


def test_ten_lp_gains_below_one_point_are_taken_for_fractions(tmp_path: Path) -> None:
    small = [f"roberta-base,{at / 100}" for at in range(-4, 6)]
    with pytest.raises(SettingsError, match=r"lp_gain holds fractions .* multiply the column"):
        answers(tmp_path, "architecture,lp_gain", *small)
    assert len(answers(tmp_path, "architecture,lp_gain", *small, "roberta-base,-3.5")) == 11


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.csv: cannot be read"):
        list(predict_table(tmp_path / "nothing.csv"))


def test_a_level_of_its_own_can_be_asked_for(tmp_path: Path) -> None:
    (found,) = answers(tmp_path, "architecture,lp_accuracy", "roberta-base,72.5", level=0.5)
    close(found.prediction, predict_gain("roberta-base", lp_accuracy=72.5, level=0.5))


def test_a_level_too_high_for_one_architecture_is_an_error_of_its_rows_only(
    tmp_path: Path,
) -> None:
    good, wrong = answers(
        tmp_path, "architecture,lp_accuracy", "roberta-base,72.5", "t5-base,82", level=0.99
    )
    assert good.error == ""
    assert "level 0.99 needs at least 199 models, this calibration has 31" in wrong.error


@pytest.mark.slow
def test_a_hundred_thousand_rows_get_the_answers_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    names = np.array(["roberta-base", "bert-base-uncased", "bert-base-cased", "roberta-bse"])
    table = {
        "architecture": names[rng.choice(4, n, p=(0.4, 0.3, 0.28, 0.02))],
        "lp_accuracy": np.round(rng.uniform(36, 86, n), 2).astype(str),
        "model": rng.choice(["", "x/bert-mnli", "x/some-model"], n),
        "quick_rte": np.where(rng.random(n) < 0.1, "62.5", ""),
    }
    path = tmp_path / "large.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    asked = set(rng.choice(n, 60, replace=False)) | {0, 4095, 4096, 8191, 8192, n - 1}
    count = 0
    for row, answer in enumerate(predict_table(path)):
        count += 1
        if row in asked:
            expected = {name: str(column[row]) for name, column in table.items()}
            assert answer.architecture == expected["architecture"]
            if expected["architecture"] == "roberta-bse":
                assert "did you mean" in answer.error
            else:
                close(answer.prediction, alone(expected))
    assert count == n
