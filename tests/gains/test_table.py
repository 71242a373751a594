from pathlib import Path

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.table import check_unique, looks_like_fractions, read_header, read_table


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_numbers_missing_cells_and_text_are_read_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeffmodel, rte ,cb\n"a,b",1.5,\n\nc,NA,2\n')
    table = read_table(path, text=["model"])
    assert table.columns == ("model", "rte", "cb")
    assert table.text["model"] == ("a,b", "c")
    np.testing.assert_array_equal(table.numbers["rte"], [1.5, np.nan])
    np.testing.assert_array_equal(table.numbers["cb"], [np.nan, 2.0])
    assert table.lines.tolist() == [2, 4]
    assert read_header(path) == ("model", "rte", "cb")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1\x00\x01", "not a text file"),
        (b"a,b\n\xff\xfe,1\n", "not UTF-8"),
        ('a,b\n"x,1\n', "not CSV"),
        ("", "is empty"),
        ("\n", "is empty"),
        ("a;b\nx;1\n", "separated by semicolons"),
        ("a\tb\nx\t1\n", "separated by tabs"),
        ("x,1.5,2.5\ny,1,2\n", "line 1 holds numbers"),
        ("1,2\n3,4\n", "expected a header row"),
        ("a,,b\nx,1,2\n", "column 2 has no name"),
        ("a,b,b\nx,1,2\n", "'b' stands twice"),
        ("a,b\n", "no row below"),
        ("a,b\nx,1\ny,1,2\n", "line 3: 3 cells, but the header has 2"),
        ("a,b\nx,one\n", "line 2, column 'b': 'one' is not a number"),
        ("a,b\nx,1\ny,inf\n", "line 3, column 'b': the number is infinite"),
        ("a,b\nx,-Infinity\n", "infinite"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read_table(written(tmp_path, content), text=["a"])


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "model,lp_acuracy\nx,60\n")
    with pytest.raises(SettingsError, match="did you mean 'lp_acuracy'"):
        read_table(path, numbers=["lp_accuracy"])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.csv: cannot be read"):
        read_header(tmp_path / "none.csv")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_header(tmp_path)


def test_a_name_that_stands_twice_is_told_with_its_lines(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "m,x\na,1\nb,2\na,3\n"), text=["m"])
    with pytest.raises(SettingsError, match="'a' stands on lines 2, 4"):
        check_unique(table, "m")


@pytest.mark.parametrize(
    ("values", "is_fraction"),
    [([0.5, 0.9], True), ([50.0, 0.9], False), ([0.0, 0.0], False), ([np.nan], False)],
)
def test_fractions_are_told_from_points(values: list[float], is_fraction: bool) -> None:
    assert looks_like_fractions(np.array(values)) is is_fraction
