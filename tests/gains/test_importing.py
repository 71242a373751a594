import csv
from importlib import resources
from pathlib import Path

import pytest

from hubbot.gains.importing import import_model_recycling

HEADER = "model_name,base_model,mnli_lp,avg_gain,usable,lp_is_class_prior"


def written(tmp_path: Path, *rows: str) -> list[list[str]]:
    source, destination = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    n = import_model_recycling(source, destination)
    with destination.open(encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[0] == ["architecture", "model", "lp_accuracy", "avg_gain"]
    assert len(table) == n + 1
    return table[1:]


def test_fractions_become_points_and_rows_are_ordered(tmp_path: Path) -> None:
    assert written(
        tmp_path, "b/x,roberta-base,0.5617371847,1.25,True,False", "a/y,bert,0.5,-2,True,False"
    ) == [["bert", "a/y", "50.0000", "-2.0000"], ["roberta-base", "b/x", "56.1737", "1.2500"]]


@pytest.mark.parametrize(
    "row",
    [
        "a/b,roberta-base,0.5,1.0,False,False",
        "a/b,roberta-base,0.35221725,1.0,True,True",
        "roberta-base,roberta-base,0.567,0.0,True,False",
    ],
    ids=["not usable", "learned nothing", "the base model itself"],
)
def test_rows_that_cannot_be_used_are_left_out(tmp_path: Path, row: str) -> None:
    assert written(tmp_path, row) == []


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("model_name,base_model\n", encoding="utf-8")
    with pytest.raises(ValueError, match="mnli_lp"):
        import_model_recycling(source, tmp_path / "out.csv")


def test_licence_and_source_note_lie_beside_the_data() -> None:
    folder = resources.files("hubbot.gains") / "data"
    assert "Apache License" in (folder / "LICENSE-model-recycling").read_text(encoding="utf-8")
    assert "IBM/model-recycling" in (folder / "SOURCE.md").read_text(encoding="utf-8")
