"""``hubbot check`` and ``hubbot import``: what is printed, and the exit codes."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.cli import main

PACKAGED = Path(str(resources.files("hubbot.gains"))) / "data" / "model_recycling_2023"
RAW = Path(__file__).parents[3] / "shared/recycling"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", "160")

    def go(*arguments: object) -> Said:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return go


@pytest.fixture
def sound(tmp_path: Path) -> list[list[str]]:
    """Header and 40 real rows of roberta-base, points with four decimals."""
    header, *rows = csv.reader((PACKAGED / "scores.csv").read_text(encoding="utf-8").splitlines())
    return [header, *[row for row in rows if row[0] == "roberta-base"][:40]]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(rows: list[list[str]]) -> Path:
        path = tmp_path / "results.csv"
        with path.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows(rows)
        return path

    return to_file


def test_a_sound_table_is_exit_code_0(run: Any, write: Any, sound: list[list[str]]) -> None:
    said = run("check", write(sound))
    assert said.code == 0, said.out
    assert "40 rows, 36 columns: nothing found" in said.out
    assert "not checked: off-grid of stsb" in said.out


def test_faults_are_exit_code_3_and_shown_by_rule(
    run: Any, write: Any, sound: list[list[str]]
) -> None:
    for row in range(5, 12):
        sound[row][8:-1] = sound[row][9:]
    sound[20][5] = "0"
    said = run("check", write(sound), "--top", "2")
    assert said.code == 3
    assert "misaligned: scores are not those of their columns" in said.out
    assert [line.split(",")[0] for line in said.out.splitlines() if line.startswith("line ")] == [
        *("line 6", "line 7", "line 21")
    ]
    assert "... and 5 more of misaligned (--all shows them)" in said.out
    assert f"line 21, {sound[20][1]}, stsb: missing-as-zero" in said.out
    assert "more of" not in run("check", write(sound), "--all").out


def test_json_is_one_document_with_the_promised_keys(
    run: Any, write: Any, sound: list[list[str]]
) -> None:
    sound[5][8:-1] = sound[5][9:]
    said = run("check", write(sound), "--json")
    assert said.code == 3
    report = said.json
    assert report.keys() >= {"file", "rows", "columns_checked", "not_checked", "findings", "counts"}
    assert (report["rows"], len(report["columns_checked"])) == (40, 36)
    assert report["counts"] == {"misaligned": 1}
    (finding,) = report["findings"]
    assert finding.keys() == {"line", "row", "column", "rule", "message", "values"}
    assert (finding["line"], finding["row"]) == (6, sound[5][1])
    assert all(gap.keys() == {"rule", "what", "reason"} for gap in report["not_checked"])


def test_json_of_a_sound_table_has_no_findings(
    run: Any, write: Any, sound: list[list[str]]
) -> None:
    said = run("check", write(sound), "--json")
    assert said.code == 0
    assert (said.json["findings"], said.json["counts"]) == ([], {})


def test_sizes_runs_units_and_ignored_columns_are_taken(
    run: Any, write: Any, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    table = [["model", "mine", "seconds"]]
    for row in range(30):
        table.append([f"m{row}", repr(int(random.integers(300, 400)) / (3 * 150)), "2021"])
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("target,test_size\nmine,150\n", encoding="utf-8")
    options = ("--units", "fractions", "--ignore", "seconds", "--sizes", sizes)
    said = run("check", write(table), *options, "--runs", 3, "--json")
    assert said.code == 0
    assert said.json["test_sizes"] == {"mine": 450}
    table[4][1] = repr(0.7123456789)
    said = run("check", write(table), *options, "--runs", 3, "--json")
    assert said.json["counts"] == {"off-grid": 1}


def test_wrong_units_are_exit_code_2_with_the_remedy(run: Any, write: Any) -> None:
    said = run("check", write([["model", "rte", "cb"], ["a", "0.7", "0.8"], ["b", "0.6", "0.5"]]))
    assert (said.code, said.out) == (2, "")
    assert "--units fractions" in said.err


def test_an_unknown_file_is_exit_code_2(run: Any, tmp_path: Path) -> None:
    said = run("check", tmp_path / "nothing.csv", "--json")
    assert (said.code, said.out) == (2, "")
    assert "nothing.csv: cannot be read" in said.err


def test_names_from_the_file_cannot_drive_the_terminal(run: Any, write: Any) -> None:
    said = run("check", write([["model", "rte"], ["\x1b[2Jevil", "50"], ["\x1b[2Jevil", "51"]]))
    assert said.code == 3
    assert "\x1b[2J" not in said.out


def test_a_large_table_is_checked_in_seconds(run: Any, tmp_path: Path) -> None:
    """A fiftieth of a million rows; linear in rows, so a million stays far below minutes."""
    random = np.random.default_rng(0)
    n, size = 20_000, 3270
    scores = 100 * np.rint(random.normal(0.8, 0.02, (n, 10)) * size) / size
    path = tmp_path / "large.csv"
    names = np.array([f"m{row}" for row in range(n)])
    body = np.column_stack([names, scores.astype(str)])
    lines = ["model," + ",".join(f"t{k}" for k in range(10)), *map(",".join, body.tolist())]
    path.write_text("\n".join(lines), encoding="utf-8")
    start = time.perf_counter()
    said = run("check", path, "--json")
    assert time.perf_counter() - start < 20
    assert said.code == 0
    assert set(said.json["test_sizes"].values()) == {size}


def test_check_starts_without_heavy_libraries(write: Any, sound: list[list[str]]) -> None:
    program = (
        "import sys; from hubbot.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'scipy', 'sklearn', 'matplotlib', 'pandas', 'torch'} & sys.modules.keys(); "
        "sys.exit(code or bool(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check", str(write(sound))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


def test_import_names_a_folder_without_the_raw_files(run: Any, tmp_path: Path) -> None:
    said = run("import", "model-recycling", tmp_path, "--out", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    assert "models_tested.csv: there is no such file" in said.err
    assert not (tmp_path / "out").exists()


needs_raw = pytest.mark.skipif(not RAW.exists(), reason="the raw files are not on this machine")


@needs_raw
def test_import_writes_to_a_folder_of_the_users_and_compares(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("import", "model-recycling", RAW)
    assert said.code == 0
    assert "are the same, byte for byte" in said.out
    written = sorted(path.name for path in (tmp_path / "model_recycling_2023").iterdir())
    assert written == ["base_scores.csv", "models.csv", "scores.csv", "test_sizes.csv"]


@needs_raw
def test_import_as_json(run: Any, tmp_path: Path) -> None:
    said = run("import", "model-recycling", RAW, "--out", tmp_path / "out", "--json")
    assert (said.json["models"], said.json["usable"]) == (2409, 687)
    assert said.json["differ_from_packaged"] == []


@needs_raw
def test_the_raw_table_is_exit_code_3(run: Any) -> None:
    said = run("check", RAW / "models_tested.csv", "--json")
    assert said.code == 3
    assert said.json["rows"] == 2409
    assert said.json["counts"]["misaligned"] == 297
