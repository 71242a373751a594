"""``hubbot rank`` as a user meets it."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hubbot.cli import main

HEAVY = {"torch", "transformers", "datasets", "sklearn", "scipy", "matplotlib", "pandas", "ruamel"}
CONTRACT = {
    *("model", "lp_accuracy", "lp_gain", "predicted_gain", "interval", "measured_gain"),
    *("band", "flags", "source"),
}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Rank = Callable[..., Ran]


@pytest.fixture
def rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Rank:
    monkeypatch.setenv("HUBBOT_RECORDS_DIR", str(tmp_path / "scores"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ran:
        code = main(["rank", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(
        "architecture,model,lp_accuracy,licence,language,weights_digest\n"
        "roberta-base,me/good,84.0,mit,en,sha256:1\n"
        "roberta-base,me/copy,84.0,mit,en,sha256:1\n"
        "roberta-base,me/poor,50.0,apache-2.0,fr,sha256:2\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    "architecture",
    [
        *("roberta-base", "bert-base-uncased", "bert-base-cased", "t5-base"),
        *("microsoft/deberta-v3-base", "google/t5-v1_1-base"),
    ],
)
def test_every_published_architecture_answers_on_the_first_day(
    rank: Rank, architecture: str
) -> None:
    done = rank(architecture)
    assert done.code == 0
    assert f"{architecture}: expected gain over the base model" in done.out
    assert "The base model itself, gain 0, stands at rank" in done.out
    assert "Inside a band the order is not to be relied on" in done.out


def test_json_holds_the_keys_of_the_contract_best_first(rank: Rank) -> None:
    found = rank("roberta-base", "--json", "--top", 30).json
    assert len(found) == 30
    assert all(set(line) >= CONTRACT for line in found)
    gains = [line["gain"] for line in found]
    assert gains == sorted(gains, reverse=True)
    assert [line["rank"] for line in found] == sorted(line["rank"] for line in found)
    bands = [line["band"] for line in found]
    assert bands == sorted(bands)
    assert bands[0] == 1
    for line in found:
        assert line["interval"][0] <= line["gain"] <= line["interval"][1]


def test_twenty_lines_are_printed_unless_asked(rank: Rank) -> None:
    assert len(rank("bert-base-cased", "--json").json) == 20
    everything = rank("bert-base-cased", "--json", "--all").json
    assert everything == rank("bert-base-cased", "--json", "--top", 0).json
    assert len(everything) == 278
    # Not ranked, at the end, with the reason.
    assert everything[-1]["rank"] is None
    assert "no LP was measured" in {line["note"] for line in everything if line["rank"] is None}


def test_the_base_model_is_a_line_at_gain_zero(rank: Rank) -> None:
    lines = rank("roberta-base", "--json", "--all").json
    (own,) = [line for line in lines if line["knowledge"] == "base"]
    assert (own["model"], own["gain"], own["band"]) == ("FacebookAI/roberta-base", 0, None)
    assert own["rank"] == 1 + sum((line["gain"] or -1) > 0 for line in lines)
    assert "roberta-base" not in {line["model"] for line in lines}


def test_csv_is_the_same_list(rank: Rank) -> None:
    table = list(csv.DictReader(rank("t5-base", "--csv", "--all").out.splitlines()))
    told = rank("t5-base", "--json", "--all").json
    assert [row["model"] for row in table] == [line["model"] for line in told]
    for row, line in zip(table, told, strict=True):
        assert row["interval_low"] == ("" if line["interval"] is None else str(line["interval"][0]))
        assert row["flags"] == ";".join(line["flags"])


def test_the_csv_of_one_ranking_is_read_by_the_next_and_by_predict(
    rank: Rank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ranking.csv"
    path.write_text(rank("t5-base", "--csv", "--all").out, encoding="utf-8")
    assert rank("t5-base", "--from", path).code == 0
    assert main(["predict", "--from", str(path)]) in (0, 1)  # 1: some have neither LP
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == len(path.read_text(encoding="utf-8").splitlines()) - 1
    assert {line["architecture"] for line in told} == {"t5-base"}
    assert sum(line["gain"] is not None for line in told) > 150


def test_filters_that_nothing_passes_are_said_to_be_the_reason(rank: Rank, models: Path) -> None:
    done = rank("roberta-base", "--from", models, "--licence", "gpl-3.0")
    assert done.code == 0
    assert "of the 1184 known models of roberta-base passes the filters" in " ".join(
        done.out.split()
    )
    assert "probe some" not in done.out


def test_an_architecture_without_a_calibration_says_why(rank: Rank) -> None:
    done = rank("google/t5-v1_1-base", "--all")
    assert "no calibration for google/t5-v1_1-base" in done.out
    assert "they are too high" in done.out
    found = rank("google/t5-v1_1-base", "--json", "--all").json
    assert all(line["predicted_gain"] is None for line in found)
    unranked = [line["lp_accuracy"] for line in found if line["rank"] is None]
    known = [lp for lp in unranked if lp is not None]
    assert unranked[: len(known)] == sorted(known, reverse=True)


@pytest.mark.parametrize(
    ("architecture", "is_unstable"),
    [("roberta-base", False), ("t5-base", True), ("google/t5-v1_1-base", True)],
)
def test_gains_over_a_base_model_whose_runs_fail_are_put_in_doubt(
    rank: Rank, architecture: str, is_unstable: bool
) -> None:
    assert ("own runs fail now and then" in rank(architecture).out) == is_unstable


def test_an_architecture_nobody_has_measured_says_what_to_do(rank: Rank) -> None:
    done = rank("all-MiniLM-L6-v2")
    assert done.code == 0
    assert "No model of all-MiniLM-L6-v2 is known yet; probe some" in done.out


def test_a_misspelt_architecture_gets_the_nearest_names(rank: Rank) -> None:
    done = rank("roberta-bsae")
    assert done.code == 2
    assert "did you mean 'roberta-base'" in done.err
    assert done.out == ""


def test_models_of_a_table_join_and_copies_are_one(rank: Rank, models: Path) -> None:
    found = rank("roberta-base", "--from", models, "--json", "--all").json
    mine = {line["model"]: line for line in found if line["source"] == "mine.csv"}
    assert mine["me/copy"]["also_known_as"] == ["me/good"]
    assert set(mine) == {"me/copy", "me/poor"}
    assert mine["me/poor"]["rank"] > mine["me/copy"]["rank"]


def test_filters_tell_on_standard_error_what_they_cannot_judge(rank: Rank, models: Path) -> None:
    done = rank("roberta-base", "--from", models, "--licence", "MIT", "--json")
    assert [line["model"] for line in done.json] == ["me/copy", "FacebookAI/roberta-base"]
    assert "left out because their licence is not known: 1182" in done.err
    done = rank("roberta-base", "--from", models, "--language", "fr", "--json")
    assert "me/poor" in {line["model"] for line in done.json}
    done = rank("roberta-base", "--from", models, "--source", "mine.csv", "--json")
    assert len(done.json) == 3
    assert done.err == ""
    small = rank("roberta-base", "--max-parameters", 124_000_000, "--json", "--all").json
    assert all(line["parameters"] <= 124_000_000 for line in small if line["knowledge"] != "base")


def test_the_losses_come_with_what_they_mean(rank: Rank) -> None:
    done = rank("microsoft/deberta-v3-base", "--loss")
    assert done.code == 0
    assert "predicted gain, cross-validated" in done.out
    assert "a random choice" in done.out
    assert "No popularity is published" in done.out
    report = rank("google/t5-v1_1-base", "--loss", "--json").json
    assert {line["order"] for line in report["losses"]} == {"lp", "measured", "random"}
    assert rank("google/t5-v1_1-base", "--loss", "--csv").out.startswith("order,top,mean")
    seven = rank("google/t5-v1_1-base", "--loss", "--top", "7", "--json").json
    assert {line["top"] for line in seven["losses"]} == {7}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("roberta-base", "--json", "--csv"), "--json and --csv together"),
        (("roberta-base", "--loss", "--licence", "mit"), "leave out the filters"),
        (("albert-base-v2", "--loss"), "no published model of albert-base-v2"),
        (("roberta-base", "--source", "nowhere"), "no model comes from it"),
        (("roberta-base", "--from", "absent.csv"), "cannot be read"),
        (("roberta-base", "--top", "-1"), "--top"),
        (("roberta-base", "--loss", "--top", "0"), "give --top N"),
        (("roberta-base", "--loss", "--all"), "--loss of all models is 0"),
    ],
)
def test_wrong_usage_is_refused_with_exit_code_2(
    rank: Rank, arguments: tuple[str, ...], match: str
) -> None:
    done = rank(*arguments)
    assert done.code == 2
    assert match in done.err
    assert done.out == ""


def test_names_cannot_drive_the_terminal(rank: Rank, tmp_path: Path) -> None:
    path = tmp_path / "evil.csv"
    path.write_text(
        "architecture,model,lp_accuracy\nroberta-base,a/\x1b[2Jx,86\n", encoding="utf-8"
    )
    for arguments in ((), ("--csv",), ("--json",)):
        out = rank("roberta-base", "--from", path, "--all", *arguments).out
        assert "\x1b[2J" not in out
        assert "[2Jx" in out


def test_a_ranking_starts_without_anything_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from hubbot.cli import main; assert main(['rank', 'roberta-base']) == 0; "
        f"print(*sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    )
    environment = {**os.environ, "HUBBOT_RECORDS_DIR": str(tmp_path / "scores")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.stderr.splitlines()[-1] == ""
