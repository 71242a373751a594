"""The packaged tables are what ``hubbot import model-recycling`` makes of the raw files."""

import csv
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.importing import Imported, differing_files, import_model_recycling, write_tables

RAW = Path(__file__).parents[3] / "shared/recycling"
PACKAGED = Path(str(resources.files("hubbot.gains"))) / "data" / "model_recycling_2023"
FLAGS = "n_targets"
"""First of the columns that somebody added to the raw table."""

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def write(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write raw files of sound rows: the packaged scores as fractions of right answers again."""

    def make(change: Callable[[Rows], object] = lambda rows: None) -> Path:
        sizes = {row["target"]: row["test_size"] for row in read(PACKAGED / "test_sizes.csv")}
        models = {
            (row["architecture"], row["model"]): row
            for row in read(PACKAGED / "models.csv")
            if "duplicate" not in row["findings"]
        }
        rows = []
        for scores in read(PACKAGED / "scores.csv"):
            model = models[scores["architecture"], scores["model"]]
            lp = float(model["lp_accuracy"] or 0)
            row = {
                "model_name": scores["model"],
                "base_model": scores["architecture"],
                "size": f"{float(model['parameters'])}",
                "model_type": model["model_type"],
                "classification": model["is_classification"].title(),
                "last_modified": model["last_modified"],
                "mnli_lp": repr(round(lp * 98.32) / 9832),
            }
            for target, size in sizes.items():
                score = float(scores[target] or "nan")
                if np.isnan(score):
                    row[target] = ""
                elif size:
                    row[target] = repr(round(score * int(size) / 100) / int(size))
                else:
                    row[target] = repr(score / 100)
            rows.append(row)
        change(rows)
        tmp_path = tmp_path_factory.mktemp("raw")
        write(tmp_path / "models_tested.csv", rows)
        base = [
            {
                "base_model": row["architecture"],
                "target": row["target"],
                "metric": "accuracy",
                "n_seeds": row["n_seeds"],
                "mean": row["mean"],
                "std": row["sd"],
            }
            for row in read(PACKAGED / "base_scores.csv")
        ]
        write(tmp_path / "pretrained_scores.csv", base)
        return tmp_path

    return make


@pytest.fixture(scope="module")
def sound_folder(raw: Callable[..., Path]) -> Path:
    return raw()


@pytest.fixture(scope="module")
def sound(sound_folder: Path) -> Imported:
    return import_model_recycling(sound_folder)


def table(text: str) -> Rows:
    return list(csv.DictReader(text.splitlines()))


def test_sound_rows_come_out_as_they_are_packaged(sound: Imported) -> None:
    for name in ("test_sizes.csv", "base_scores.csv", "scores.csv"):
        assert sound.files[name].encode() == (PACKAGED / name).read_bytes(), name
    packaged = {
        (row["architecture"], row["model"]): row
        for row in read(PACKAGED / "models.csv")
        if "duplicate" not in row["findings"]
    }
    for row in table(sound.files["models.csv"]):
        expected = packaged[row["architecture"], row["model"]]
        for name in ("lp_accuracy", "parameters", "is_classification", "n_targets"):
            assert row[name] == expected[name]
        gains = [float(one["avg_gain"] or "nan") for one in (row, expected)]
        assert gains[0] == pytest.approx(gains[1], abs=1.01e-4, nan_ok=True)  # STS-B is rounded


def test_rows_with_faults_lose_what_cannot_be_used(raw: Callable[..., Path]) -> None:
    def plant(rows: Rows) -> None:
        targets = list(rows[0])[7:]
        for place, target in enumerate(targets[5:-1], start=5):
            rows[100][target] = rows[100][targets[place + 1]]
        rows[101] |= {target: rows[102][target] for target in targets}
        rows[103]["mnli_lp"] = "0.0"
        rows[104] |= dict.fromkeys(targets[:2], "")
        rows.append({**rows[105], "mnli_lp": "0"})

    folder = raw(plant)
    names = [(row["base_model"], row["model_name"]) for row in read(folder / "models_tested.csv")]
    imported = import_model_recycling(folder)
    models: dict[tuple[str, str], Rows] = {}
    for row in table(imported.files["models.csv"]):
        models.setdefault((row["architecture"], row["model"]), []).append(row)
    kept = {(row["architecture"], row["model"]) for row in table(imported.files["scores.csv"])}

    (shifted,) = models[names[100]]
    assert (shifted["avg_gain"], shifted["findings"]) == ("", "misaligned")
    assert names[100] not in kept
    for name in names[101:103]:
        (copied,) = models[name]
        assert (copied["avg_gain"], copied["findings"]) == ("", "copied")
        assert name not in kept
    (unprobed,) = models[names[103]]
    assert (unprobed["lp_accuracy"], unprobed["findings"]) == ("", "missing-as-zero")
    assert unprobed["avg_gain"]
    (incomplete,) = models[names[104]]
    assert (incomplete["avg_gain"], incomplete["n_targets"]) == ("", "34")
    assert names[104] in kept
    first, second = models[names[105]]
    assert "duplicate" not in first["findings"]
    assert second["findings"] == "missing-as-zero;duplicate"


def test_the_mean_gain_is_the_mean_over_targets_of_score_minus_base(
    sound_folder: Path, sound: Imported
) -> None:
    base = {
        (row["architecture"], row["target"]): float(row["mean"])
        for row in read(PACKAGED / "base_scores.csv")
    }
    gains = {
        (row["architecture"], row["model"]): row["avg_gain"]
        for row in table(sound.files["models.csv"])
    }
    for row in read(sound_folder / "models_tested.csv")[::50]:
        key = (row["base_model"], row["model_name"])
        cells = [
            100 * float(cell) - base[row["base_model"], target]
            for target, cell in list(row.items())[7:]
            if cell
        ]
        assert float(gains[key]) == pytest.approx(sum(cells) / len(cells), abs=6e-5)


def test_flags_that_somebody_added_are_not_read(raw: Callable[..., Path], sound: Imported) -> None:
    def mislead(rows: Rows) -> None:
        for row in rows:
            row |= {FLAGS: "0", "columns_misaligned": "True", "usable": "False", "avg_gain": "99"}

    assert import_model_recycling(raw(mislead)).files == sound.files


def test_the_table_itself_can_be_named(sound_folder: Path, sound: Imported) -> None:
    assert import_model_recycling(sound_folder / "models_tested.csv").files == sound.files


def test_what_is_written_is_read_back_byte_for_byte(sound: Imported, tmp_path: Path) -> None:
    out = tmp_path / "out" / "deeper"
    for _ in range(2):  # a second time replaces the first
        write_tables(sound, out)
        found = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
        assert found == sound.files
    assert differing_files(sound) == ("models.csv",)


@pytest.mark.parametrize("missing", ["models_tested.csv", "pretrained_scores.csv"])
def test_a_missing_file_is_named(raw: Callable[..., Path], missing: str) -> None:
    folder = raw()
    (folder / missing).unlink()
    with pytest.raises(SettingsError, match=rf"{missing}: there is no such file; expected"):
        import_model_recycling(folder)


def test_a_missing_column_is_named(raw: Callable[..., Path]) -> None:
    folder = raw(lambda rows: [row.pop("last_modified") for row in rows])
    with pytest.raises(SettingsError, match="unknown column 'last_modified'"):
        import_model_recycling(folder)


def test_a_table_without_the_targets_is_refused(raw: Callable[..., Path]) -> None:
    folder = raw(lambda rows: [[row.pop(t) for t in ("rte", "cb")] for row in rows])
    with pytest.raises(SettingsError, match="34 columns are targets"):
        import_model_recycling(folder)


def test_a_folder_that_cannot_be_written_is_named(sound: Imported, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cannot be written .*give another folder"):
        write_tables(sound, tmp_path / "file")


needs_raw = pytest.mark.skipif(not RAW.exists(), reason="the raw files are not on this machine")


@needs_raw
def test_the_packaged_tables_are_made_from_the_raw_files_byte_for_byte() -> None:
    assert differing_files(import_model_recycling(RAW)) == ()


@needs_raw
def test_the_added_columns_of_the_raw_table_make_no_difference(tmp_path: Path) -> None:
    rows = read(RAW / "models_tested.csv")
    added = list(rows[0])[list(rows[0]).index(FLAGS) :]
    assert "usable" in added
    write(
        tmp_path / "models_tested.csv",
        [{name: cell for name, cell in row.items() if name not in added} for row in rows],
    )
    (tmp_path / "pretrained_scores.csv").write_bytes((RAW / "pretrained_scores.csv").read_bytes())
    assert differing_files(import_model_recycling(tmp_path)) == ()


@needs_raw
def test_the_usable_rows_are_those_of_the_raw_files_own_column() -> None:
    """687 rows; the mean gains agree with the file's."""
    raw = {
        (row["base_model"], row["model_name"]): row
        for row in read(RAW / "models_tested.csv")
        if row["usable"] == "True"
    }
    ours = {
        (row["architecture"], row["model"]): row
        for row in read(PACKAGED / "models.csv")
        if row["lp_accuracy"] and row["avg_gain"] and "duplicate" not in row["findings"]
    }
    assert len(raw) == 687
    assert ours.keys() == raw.keys()
    for key, row in ours.items():
        assert float(row["avg_gain"]) == pytest.approx(float(raw[key]["avg_gain"]), abs=1.01e-4)
        assert float(row["lp_accuracy"]) == pytest.approx(
            100 * float(raw[key]["mnli_lp"]), abs=1e-4
        )


@needs_raw
def test_the_sizes_found_from_the_scores_are_those_found_before() -> None:
    expected = (RAW / "test_set_sizes.csv").read_bytes()
    assert (PACKAGED / "test_sizes.csv").read_bytes() == expected


def test_licence_and_source_note_lie_beside_the_data() -> None:
    folder = resources.files("hubbot.gains") / "data"
    assert "Apache License" in (folder / "LICENSE-model-recycling").read_text(encoding="utf-8")
    assert "IBM/model-recycling" in (folder / "SOURCE.md").read_text(encoding="utf-8")
