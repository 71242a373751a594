from pathlib import Path

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.published import load_test_sizes
from hubbot.gains.score_table import ScoreTable, read_scores, read_sizes
from hubbot.gains.table import Units

SIZES = load_test_sizes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results.csv"


def read(
    file: Path, text: str, *, units: Units | None = None, ignore: tuple[str, ...] = ()
) -> ScoreTable:
    file.write_text(text, encoding="utf-8")
    return read_scores(file, SIZES, units=units, ignore=ignore)


def test_points_are_read_as_they_stand(file: Path) -> None:
    table = read(file, "model,architecture,lp_accuracy,rte,cb\nme/a,roberta-base,61.5,72.5,\n")
    assert (table.models, table.architectures) == (("me/a",), ("roberta-base",))
    assert (table.targets, table.lp_column) == (("rte", "cb"), "lp_accuracy")
    assert table.lp_accuracy.tolist() == [61.5]
    np.testing.assert_array_equal(table.scores, [[72.5, np.nan]])
    assert table.lines.tolist() == [2]


def test_the_published_layout_is_in_fractions_and_only_its_targets_are_read(file: Path) -> None:
    table = read(
        file,
        "model_name,base_model,size,mnli_lp,rte,n_targets,columns_misaligned\n"
        "me/a,bert-base-cased,1e8,0.55,0.7,36,True\n",
    )
    assert (table.targets, table.lp_column) == (("rte",), "mnli_lp")
    assert table.lp_accuracy[0] == pytest.approx(55)
    assert table.scores[0, 0] == pytest.approx(70)


def test_architectures_are_called_as_in_the_catalog(file: Path) -> None:
    table = read(file, "model,base_model,rte\na,FacebookAI/roberta-base,70\nb,mine,71\n")
    assert table.architectures == ("roberta-base", "mine")


def test_columns_that_describe_a_row_are_no_scores(file: Path) -> None:
    text = "model,model_type,avg_gain,rte,seconds\nme/a,bert,1.5,70.2,12\n"
    assert read(file, text, ignore=("seconds",)).targets == ("rte",)
    assert read(file, text).targets == ("rte", "seconds")


def test_fractions_can_be_said(file: Path) -> None:
    table = read(file, "model,rte,cb\na,0.7,0.8\nb,0.6,0.9\n", units="fractions")
    np.testing.assert_allclose(table.scores, [[70, 80], [60, 90]])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        ("1,2,3\n4,5,6\n", "line 1 holds numbers"),
        ("model;rte\na;70\n", "separated by semicolons"),
        ("name,rte\na,70\n", "no column with the models' names; expected one called model or"),
        ("model\na\n", "no column of scores beside model"),
        ("model,architecture,lp_accuracy\na,b,50\n", "no column of scores beside model, arch"),
        ("model,rte,cb\n", "no row below it"),
        ("model,rte,cb\na,,\nb,NA,nan\n", "every score is missing"),
        ("model,rte,cb\na,good,70\n", "line 2, column 'rte': 'good' is not a number"),
        ("model,rte,cb\na,inf,70\n", "the number is infinite"),
        ("model,rte,cb\na,70\n", "2 cells, but the header has 3"),
        ("model,rte,rte\na,70,70\n", "'rte' stands twice in the header"),
        ("model,rte,cb\na,0.7,0.8\nb,0.6,0.9\n", "look like fractions.*--units fractions"),
        ("model,rte,cb\na,1.5,-2.0\nb,0.3,-0.5\n", "look like gains"),
        (
            "model_name,base_model,mnli_lp,rte,cb\na,b,55,70,80\n",
            "look like points.*--units points",
        ),
    ],
)
def test_what_is_no_table_of_scores_is_refused(file: Path, text: str, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        read(file, text)


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"PAR1\0\0")
    with pytest.raises(SettingsError, match="not a text file"):
        read_scores(file, SIZES)


def test_an_ignored_column_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SettingsError, match="unknown column 'sceonds'; did you mean 'seconds'"):
        read(file, "model,rte,seconds\na,70,12\n", ignore=("sceonds",))


def test_sizes_are_whole_numbers_or_empty(file: Path) -> None:
    file.write_text("target,test_size\nrte,277\nstsb,\n", encoding="utf-8")
    assert read_sizes(file) == {"rte": 277, "stsb": None}


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("rte,277\nrte,278\n", "line 3: target 'rte' stands there twice"),
        ("rte,27.5\n", "is 27.5; expected a whole number"),
        ("rte,1\n", "is 1; expected a whole number"),
        ("rte,-5\n", "is -5; expected a whole number"),
        ("rte,many\n", "'many' is not a number"),
    ],
)
def test_sizes_that_are_none_are_refused(file: Path, rows: str, match: str) -> None:
    file.write_text("target,test_size\n" + rows, encoding="utf-8")
    with pytest.raises(SettingsError, match=match):
        read_sizes(file)
