from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.analysis import reading
from hubbot.gains.analysis.reading import read_matrix, with_groups, with_sds
from hubbot.gains.table import Units

Write = Callable[..., Path]

PLAIN = "source,rte,cb\nmnli,10.5,-2\nqqp,,1.5\n"


def test_a_plain_file_is_sources_by_targets(written: Write) -> None:
    matrix = read_matrix(written(PLAIN))
    assert matrix.sources == ("mnli", "qqp")
    assert matrix.targets == ("rte", "cb")
    np.testing.assert_array_equal(matrix.gains, [[10.5, -2], [np.nan, 1.5]])
    assert matrix.n_cells == 3
    assert matrix.left_out == ()


def test_averages_groups_and_rankings_are_not_taken_for_targets(written: Write) -> None:
    content = (
        "source_group,source,rte,cb,lp_gain,avg_printed,row_ok,size\n"
        "nli,mnli,1,2,30,1.5,True,9\ngeneral,rte,3,4,,3.5,False,8\n"
    )
    matrix = read_matrix(written(content), ignore=["size"])
    assert matrix.targets == ("rte", "cb")
    assert matrix.sources == ("mnli", "rte")
    assert matrix.source_groups == {"mnli": "nli", "rte": "general"}
    assert matrix.target_groups == {"rte": "general"}
    assert matrix.left_out == ("avg_printed", "row_ok", "size")
    np.testing.assert_array_equal(matrix.rankings["lp_gain"], [30, np.nan])


def test_columns_named_by_options_are_used_as_told(written: Write) -> None:
    content = "kind,model,rte,cb,avg\nx,a,1,2,5\ny,b,3,4,6\n"
    matrix = read_matrix(
        written(content), name_column="model", group_column="kind", rankings=["avg"]
    )
    assert matrix.sources == ("a", "b")
    assert matrix.source_groups == {"a": "x", "b": "y"}
    np.testing.assert_array_equal(matrix.rankings["avg"], [5, 6])
    assert matrix.left_out == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("source,rte,cb\nmnli,1,2\n", "1 sources .* expected two or more"),
        ("source,rte\nmnli,1\nqqp,2\n", "1 targets .*rte.* expected two or more"),
        ("source\nmnli\nqqp\n", "0 targets"),
        ("source,rte,cb\na,,\nb,,\n", "every cell is empty"),
        ("source,rte,cb\na,1,inf\nb,1,2\n", "line 2, column 'cb': the number is infinite"),
        ("source,rte,cb\na,1,2\nb,1,two\n", "line 3, column 'cb': 'two' is not a number"),
        ("source,rte,cb\na,1,2\na,3,4\n", "source 'a' stands on lines 2, 3"),
        ("source,rte,cb\na,1,2\n,3,4\n", "line 3: column 'source' is empty"),
        ("source,kind,rte,cb\na,x,1,2\nb,y,1,2\n", "'kind' holds text .* --ignore 'kind'"),
        ("source,rte,rte\na,1,2\nb,1,2\n", "'rte' stands twice"),
        ("1,2,3\n4,5,6\n", "expected a header row"),
    ],
)
def test_what_is_no_matrix_is_refused_with_the_place(
    written: Write, content: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read_matrix(written(content))


@pytest.mark.parametrize("option", ["name_column", "group_column", "rankings", "ignore"])
def test_a_column_that_is_not_there_names_the_nearest(written: Write, option: str) -> None:
    value = ["rtee"] if option in ("rankings", "ignore") else "rtee"
    with pytest.raises(SettingsError, match="unknown column 'rtee'; did you mean 'rte'"):
        read_matrix(written(PLAIN), **{option: value})  # type: ignore[arg-type]


def fractions(scale: float) -> str:
    generator = np.random.default_rng(0)
    rows = [",".join(f"{x:.4f}" for x in generator.uniform(-1, 1, 5) * scale) for _ in range(5)]
    return "source,a,b,c,d,e\n" + "".join(f"s{i},{row}\n" for i, row in enumerate(rows))


def test_fractions_are_refused_with_the_remedy_and_converted_when_told(written: Write) -> None:
    path = written(fractions(0.2))
    with pytest.raises(SettingsError, match=r"--units fractions .* --units points"):
        read_matrix(path)
    as_points, converted = read_matrix(path, units="points"), read_matrix(path, units="fractions")
    np.testing.assert_allclose(converted.gains, as_points.gains * 100)


def test_points_called_fractions_are_refused(written: Write) -> None:
    with pytest.raises(SettingsError, match=r"a gain is 10\.5, expected fractions"):
        read_matrix(written(PLAIN), units="fractions")


def test_a_fraction_that_is_none_is_named_with_its_place(written: Write) -> None:
    with pytest.raises(SettingsError, match=r"line 3, column 'cb': a gain is -1\.5"):
        read_matrix(written("s,rte,cb\na,0.1,0.2\nb,0.3,-1.5\n"), units="fractions")


@pytest.mark.parametrize("units", [None, "points"])
@pytest.mark.parametrize("gain", ["1e308", "-1e308", "1500", "100.5", "-100.5"])
def test_a_gain_that_scores_do_not_allow_is_refused_with_its_place(
    written: Write, gain: str, units: Units | None
) -> None:
    path = written(f"model,rte,cola\na/b,1,-1\na/c,2,{gain}\n")
    with pytest.raises(SettingsError, match=r"line 3, column 'cola': a gain of .* impossible"):
        read_matrix(path, units=units)


def test_the_greatest_gains_that_scores_allow_are_read(written: Write) -> None:
    matrix = read_matrix(written("s,rte,cb\na,100,-100\nb,1,2\n"))
    assert (matrix.gains.max(), matrix.gains.min()) == (100, -100)


@pytest.mark.parametrize(
    ("cells", "units"),
    [("61.5,88.2,54.1", None), ("0,62,0", None), (".615,.882,.541", "fractions")],
)
def test_scores_instead_of_gains_are_refused_with_the_remedy(
    written: Write, cells: str, units: Units | None
) -> None:
    path = written(f"s,a,b,c\nx,{cells}\ny,{cells}\nz,{cells}\n")
    with pytest.raises(SettingsError, match=r"as of scores.* subtract .* --units points"):
        read_matrix(path, units=units)


def test_large_gains_are_read_when_called_points_or_with_a_negative_one(written: Write) -> None:
    scores = written("s,a,b\nx,61,88\ny,70,54\n")
    assert read_matrix(scores, units="points").gains[0, 0] == 61
    assert read_matrix(written("s,a,b\nx,61,88\ny,70,-0.1\n")).gains[0, 0] == 61
    assert read_matrix(written("s,a,b\nx,20,20\ny,20,20\n")).gains[0, 0] == 20


def test_a_ranking_too_large_to_be_squared_is_refused_with_its_place(written: Write) -> None:
    with pytest.raises(SettingsError, match=r"line 3, column 'lp_gain': -1e\+308 is too large"):
        read_matrix(written("s,a,b,lp_gain\nx,1,2,30\ny,1,-2,-1e308\n"))


def test_few_small_gains_are_taken_for_points(written: Write) -> None:
    assert read_matrix(written("s,a,b\nx,0.5,-0.2\ny,0.1,0\n")).gains[0, 0] == 0.5


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [(1_000_000, 3, "1,000,001 lines"), (3, 1_500, "1,500 targets"), (800, 400, "320,000 cells")],
)
def test_too_large_a_file_is_refused(written: Write, rows: int, columns: int, message: str) -> None:
    header = "source," + ",".join(f"t{j}" for j in range(columns)) + "\n"
    row = ",1" * columns + "\n"
    path = written(header + "".join(f"s{i}{row}" for i in range(rows)))
    with pytest.raises(SettingsError, match=rf"{message}.*; a matrix of gains has at most"):
        read_matrix(path)


def test_a_million_rows_are_refused_before_they_are_read(
    written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("s,a,b\n" + "x,1,2\n" * 1_000_000)
    opened: list[object] = []
    monkeypatch.setattr(reading, "read_header", opened.append)
    with pytest.raises(SettingsError, match="1,000,001 lines"):
        read_matrix(path)
    assert not opened


def test_standard_deviations_are_matched_by_name(written: Write) -> None:
    matrix = read_matrix(written(PLAIN))
    sds = written("source,extra,cb,rte\nqqp,9,0.4,0.3\nmore,9,0.9,0.9\nmnli,9,0.2,0.1\n", "sds.csv")
    found = with_sds(matrix, sds).sds
    assert found is not None
    np.testing.assert_allclose(found, [[0.1, 0.2], [0.3, 0.4]])
    as_fractions = with_sds(matrix, sds, units="fractions").sds
    assert as_fractions is not None
    np.testing.assert_allclose(as_fractions, found * 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("source,rte\nmnli,1\nqqp,1\n", "unknown column 'cb'"),
        ("source,rte,cb\nmnli,1,1\n", "unknown source 'qqp'"),
        ("source,rte,cb\nmnli,1,1\nqqp,1,-1\n", "line 3, column 'cb': .* -1 is negative"),
        ("source,rte,cb\nmnli,1,1\nqqp,1500,1\n", "line 3, column 'rte': .* 1500 is beyond"),
        ("source,rte,cb\nmnli,1,1\nmnli,1,1\n", "stands on lines"),
    ],
)
def test_standard_deviations_that_do_not_fit_are_refused(
    written: Write, content: str, message: str
) -> None:
    matrix = read_matrix(written(PLAIN))
    with pytest.raises(SettingsError, match=message):
        with_sds(matrix, written(content, "sds.csv"))


def test_standard_deviations_in_fractions_are_one_at_most(written: Write) -> None:
    matrix = read_matrix(written(PLAIN))
    sds = written("source,rte,cb\nmnli,0.1,1.2\nqqp,0.3,0.4\n", "sds.csv")
    with pytest.raises(SettingsError, match=r"column 'cb': .*1\.2 is beyond .* \(fractions\)"):
        with_sds(matrix, sds, units="fractions")


def test_a_group_file_names_sources_and_targets(written: Write) -> None:
    matrix = read_matrix(written(PLAIN))
    groups = written("name,group\nmnli,nli\nrte,nli\ncb,nli\nqqp,\nother,x\n", "groups.csv")
    found = with_groups(matrix, groups)
    assert found.source_groups == {"mnli": "nli"}
    assert found.target_groups == {"rte": "nli", "cb": "nli"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,group\nother,x\n", "no source of gains.csv"),
        ("name,group\nmnli,x\n", "no target of gains.csv .* such as 'rte'"),
        ("name,kind\nmnli,x\n", "unknown column 'group'"),
        ("name,group\nmnli,x\nmnli,y\n", "stands on lines 2, 3"),
    ],
)
def test_a_group_file_that_does_not_fit_is_refused(
    written: Write, content: str, message: str
) -> None:
    matrix = read_matrix(written(PLAIN))
    with pytest.raises(SettingsError, match=message):
        with_groups(matrix, written(content, "groups.csv"))
