"""``hubbot analyse`` from the command line."""

import json
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from hubbot.cli import main

PAPERS = Path(str(resources.files("hubbot.gains") / "data" / "papers"))
FIGURE_1 = str(PAPERS / "fig1_inhouse_gains.csv")
FIGURE_5 = str(PAPERS / "fig5_inhouse_stds.csv")
QUICK = ("--shuffles", "5", "--restarts", "3")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["analyse", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def to_file(content: str | bytes, name: str = "gains.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return to_file


def test_json_has_the_keys_of_the_contract_and_nothing_else_on_standard_output(run: Run) -> None:
    code, out, _ = run(FIGURE_1, "--sds", FIGURE_5, "--seeds", "5", *QUICK, "--json")
    assert code == 0
    told = json.loads(out)
    assert {"regression", "symmetry", "selection_loss", "correlation"} <= told.keys()
    assert told["regression"]["interaction"]["fit"]["mse"] == pytest.approx(3.19189, abs=1e-5)
    assert told["regression"]["interaction"]["starts_agreeing"] == 4
    assert list(told["selection_loss"]) == [
        "mean gain over the other targets",
        "mean gain, these targets included",
        "random choice",
    ]
    in_sample = told["selection_loss"]["mean gain, these targets included"]["1"]
    assert in_sample["chosen"] == ["mnli"]
    assert told["correlation"]["n_rows_tested"] == 22
    assert told["significance"]["positive_cells"] == 155
    assert told["significance"]["beyond_two_se"]["positive"] == 56
    assert told["correlation"]["rows"]["mnli"]["with_max"]["n"] == 21


def test_text_shows_every_part_and_what_was_left_out(run: Run) -> None:
    code, out, err = run(FIGURE_1, *QUICK)
    assert code == 0
    for words in (
        "22 sources, 22 targets",
        "462 of 484",
        "symmetry s",
        "(b_i + t_j) u_j",
        "4 of 4 starts reached the least MSE",
        "random choice",
        "Mean gain by group",
        "ANOVA",
    ):
        assert words in out
    assert "not taken for targets: avg_printed, avg_recomputed, row_ok" in err


def test_text_says_what_many_tests_and_a_ranking_by_itself_are_worth(run: Run) -> None:
    _, out, _ = run(FIGURE_1, *QUICK)
    words = " ".join(out.split())
    assert words.index("mean gain over the other targets") < words.index("targets included")
    assert "it beats a random choice even on noise" in words
    # 22 tests: 0.05 * 22 = 1.1 and 0.05 / 22 = 0.00227.
    assert "of 22 sources tested, 1.1 are expected to have p below 0.05 by chance" in words
    assert "p below 0.0023 is significant (Bonferroni)" in words


def test_the_same_seed_gives_the_same_document_and_another_one_other_shuffles(run: Run) -> None:
    first, again, other = (
        json.loads(run(FIGURE_1, *QUICK, "--seed", seed, "--json")[1]) for seed in "112"
    )
    assert first == again
    assert first["regression"]["shuffled"] != other["regression"]["shuffled"]
    assert first["regression"]["additive"] == other["regression"]["additive"]


def test_options_name_columns_groups_units_and_sizes(run: Run, write: Callable[..., str]) -> None:
    generator = np.random.default_rng(0)
    rows = "".join(
        f"{kind},m{i}," + ",".join(f"{x:.4f}" for x in generator.normal(size=4) / 50) + f",{i},x\n"
        for i, kind in enumerate("aabbcc")
    )
    gains = write("kind,model,t0,t1,t2,t3,score,words\n" + rows)
    groups = write(
        "name,group\n" + "".join(f"{n},g{n[1]}\n" for n in ("m0", "m1", "t0", "t1")), "g"
    )
    code, out, err = run(
        *(gains, "--name-column", "model", "--ranking", "score", "--ignore", "words"),
        *("--group-column", "kind", "--groups", groups, "--units", "fractions"),
        *("--top", "2", "--top", "4", "--shuffles", "0", "--json"),
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["matrix"]["n_targets"] == 4
    assert 1 < max(told["max_gain"].values()) < 20
    assert told["selection_loss"]["score"]["2"]["chosen"] == ["m5", "m4"]
    assert told["selection_loss"]["score"].keys() == {"2", "4"}
    assert told["regression"]["shuffled"] is None
    assert {mean["sources"] for mean in told["groups"]["means"]} == {"g0", "g1"}
    assert told["correlation"]["rankings"]["score"]["correlation"]["n"] == 6


BAD = {
    "one row": ("s,a,b\nx,1,2\n", "expected two or more"),
    "one column": ("s,a\nx,1\ny,2\n", "expected two or more"),
    "all missing": ("s,a,b\nx,,\ny,,\n", "every cell is empty"),
    "infinite": ("s,a,b\nx,1,inf\ny,1,2\n", "infinite"),
    "gains that overflow": (
        "model,rte,cola\na/b,1e308,-1e308\na/c,1e308,1e308\n",
        "line 2, column 'rte': a gain of 1e+308 points is impossible",
    ),
    "scores": ("s,a,b\nx,61.5,88\ny,70,54\n", "as of scores"),
    "text in numbers": ("s,a,b\nx,1,2\ny,1,2.5 points\n", "'2.5 points' is not a number"),
    "a column of text": ("s,a,b,kind\nx,1,2,u\ny,1,3,v\n", "--ignore 'kind'"),
    "duplicate names": ("s,a,b\nx,1,2\nx,1,2\n", "'x' stands on lines 2, 3"),
    "duplicate columns": ("s,a,a\nx,1,2\ny,1,2\n", "'a' stands twice"),
    "no header": ("1,2,3\n4,5,6\n", "header"),
    "empty": ("", "is empty"),
    "semicolons": ("s;a;b\nx;1;2\n", "semicolons"),
    "not a CSV": (b"PAR1\x00\x00", "not a text file"),
    "fractions": (
        "s,a,b,c,d,e\n" + "".join(f"s{i},.1,-.2,.3,.04,.5\n" for i in range(5)),
        "--units fractions",
    ),
    "a million rows": ("s,a,b\n" + "x,1,2\n" * 1_000_000, "1,000,001 lines; a matrix"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_wrong_file_is_refused_in_words(
    run: Run, write: Callable[..., str], content: str | bytes, message: str
) -> None:
    code, out, err = run(write(content), "--json")
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected FILE.csv or --paper"),
        ((FIGURE_1, "--paper"), "expected FILE.csv or --paper"),
        (("no_such.csv",), "cannot be read"),
        ((FIGURE_1, "--ranking", "avg_printd"), "did you mean 'avg_printed'"),
        ((FIGURE_1, "--sds", "no_such.csv"), "cannot be read"),
        ((FIGURE_1, "--top", "0"), "'--top': Input should be greater"),
        ((FIGURE_1, "--units", "percent"), "percent"),
    ],
)
def test_wrong_arguments_are_told(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert message in " ".join(err.split())


def test_without_the_extra_it_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    for arguments in ((FIGURE_1,), ("--paper",)):
        code, out, err = run(*arguments)
        assert code == 2
        assert out == ""
        assert "scipy" in err
        assert "pip install 'hubbot[analysis]'" in err


def test_the_papers_claims_as_json_and_as_text(run: Run) -> None:
    code, out, _ = run("--paper", "--shuffles", "2", "--restarts", "1", "--json")
    assert code == 0
    claims = json.loads(out)
    assert {"claim", "where", "published", "recomputed", "difference", "verdict", "note"} <= (
        claims[0].keys()
    )
    code, out, _ = run("--paper", "--shuffles", "2", "--restarts", "1")
    assert code == 0
    for claim in claims:
        assert f"* {claim['claim']} ({claim['where']})" in out
    assert f"{len(claims)} claims: " in out
    assert "not recomputable" in out


def test_a_name_that_would_act_on_the_terminal_is_shown_as_text(
    run: Run, write: Callable[..., str]
) -> None:
    path = write("s,a,b\n\x1b[2J[red]x[/red],1,2\ny,3,-1\nz,0,1\n")
    code, out, _ = run(path, *QUICK)
    assert code == 0
    assert "\x1b" not in out
    assert "[red]x[/red]" in out
