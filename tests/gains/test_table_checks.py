"""Every planted fault is found and nothing else; the published table's own faults are found."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hubbot.gains.findings import RULES, Finding, Report
from hubbot.gains.levels import KnownLevels
from hubbot.gains.published import (
    load_base_scores,
    load_known_levels,
    load_published_gains,
    load_published_models,
    load_test_sizes,
)
from hubbot.gains.score_table import ScoreTable, read_scores
from hubbot.gains.table_checks import check_table

RAW = Path(__file__).parents[3] / "shared/recycling/models_tested.csv"
ARCHITECTURES = ("roberta-base", "bert-base-uncased")
SIZES = load_test_sizes()
TARGETS = tuple(SIZES)
NOTHING_KNOWN = KnownLevels(base={}, spread={}, best_gain={}, sizes={})
LP_OF_BASE = {"roberta-base": 100 * 5578 / 9832, "bert-base-uncased": 100 * 4644 / 9832}


def a_table(n: int = 40, *, seed: int = 0, places: int | None = None) -> ScoreTable:
    """Sound results: each score near its base model's, a whole number of right answers."""
    random = np.random.default_rng(seed)
    architectures = [ARCHITECTURES[row % 2] for row in range(n)]
    scores = np.empty((n, len(TARGETS)))
    for row, architecture in enumerate(architectures):
        base = load_base_scores(architecture)
        for place, target in enumerate(TARGETS):
            score, size = base[target].mean + random.normal(0, 0.7), SIZES[target]
            scores[row, place] = score if size is None else 100 * round(score * size / 100) / size
    lp = 100 * random.choice(np.arange(4000, 5500), n, replace=False) / 9832
    models = [f"someone/model-{row}" for row in range(n)]
    for row, name in enumerate(ARCHITECTURES[:n]):
        models[row], lp[row] = name, LP_OF_BASE[name]
    if places is not None:
        scores, lp = np.round(scores, places), np.round(lp, places)
    return ScoreTable(
        models=tuple(models),
        architectures=tuple(architectures),
        targets=TARGETS,
        scores=scores,
        lp_accuracy=lp,
        lp_column="lp_accuracy",
        lines=np.arange(2, n + 2),
    )


def check(table: ScoreTable) -> Report:
    return check_table(table, load_known_levels())


def said(report: Report) -> list[tuple[str, str, str | None]]:
    return [(finding.row, finding.rule, finding.column) for finding in report.findings]


def with_scores(table: ScoreTable, change: Callable[[NDArray[np.float64]], object]) -> ScoreTable:
    scores = table.scores.copy()
    change(scores)
    return replace(table, scores=scores)


def with_lp(table: ScoreTable, row: int, lp: float) -> ScoreTable:
    changed = table.lp_accuracy.copy()
    changed[row] = lp
    return replace(table, lp_accuracy=changed)


def renamed(table: ScoreTable, row: int, name: str) -> ScoreTable:
    return replace(table, models=(*table.models[:row], name, *table.models[row + 1 :]))


def column(target: str) -> int:
    return TARGETS.index(target)


def shifted(scores: NDArray[np.float64], row: int, at: int) -> None:
    """As in the published rows: a run is missing, later scores move left, the last is repeated."""
    scores[row, at:-1] = scores[row, at + 1 :]


# Sound tables


@pytest.mark.parametrize("places", [None, 6, 4, 2, 1])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_in_a_sound_table(seed: int, places: int | None) -> None:
    assert said(check(a_table(seed=seed, places=places))) == []


def test_nothing_is_found_in_sound_single_precision() -> None:
    table = a_table()
    half = with_scores(table, lambda scores: None)
    half = replace(half, scores=table.scores.astype(np.float32).astype(np.float64))
    assert said(check(half)) == []


def test_nothing_is_found_though_scores_are_missing() -> None:
    table = with_scores(a_table(), lambda scores: scores.__setitem__((slice(5, 9),), np.nan))
    assert said(check(table)) == []


def test_a_single_sound_row_is_silent() -> None:
    assert said(check(a_table(1))) == []


def test_means_over_runs_are_sound_once_their_number_is_said() -> None:
    runs = [a_table(seed=seed) for seed in (1, 2, 3)]
    mean = replace(runs[0], scores=np.mean([table.scores for table in runs], axis=0))
    assert said(check_table(mean, load_known_levels(), n_runs=3)) == []


def test_means_over_runs_are_not_called_misaligned_where_nobody_says_what_they_are() -> None:
    runs = [a_table(seed=seed) for seed in (1, 2, 3)]
    mean = replace(runs[0], scores=np.mean([table.scores for table in runs], axis=0))
    report = check(mean)
    assert said(report) == []
    for target, size in SIZES.items():
        if size is not None:  # three times the size is found, or the check is left out
            assert report.sizes[target] in (size, 3 * size, None), target
    unsized = {target for target, size in report.sizes.items() if size is None} - {"stsb"}
    assert {gap.what for gap in report.not_checked if "--runs" in gap.reason} == unsized


def test_four_rows_of_means_need_to_be_told_what_they_are() -> None:
    """Too few rows to doubt the sizes rather than the scores."""
    runs = [a_table(4, seed=seed) for seed in (1, 2, 3)]
    mean = replace(runs[0], scores=np.mean([table.scores for table in runs], axis=0))
    assert said(check_table(mean, load_known_levels(), n_runs=3)) == []
    assert said(check(mean)) != []


def test_one_column_of_means_over_runs_gets_a_size_of_its_own() -> None:
    """Three runs of 1,000 examples make 3,000, which is the size of other columns too."""
    place = column("financial_phrasebank")

    def mean(scores: NDArray[np.float64]) -> None:
        runs = [a_table(seed=seed).scores[:, place] for seed in (1, 2, 3)]
        scores[:, place] = np.mean(runs, axis=0)

    report = check(with_scores(a_table(), mean))
    assert said(report) == []
    assert report.sizes["financial_phrasebank"] == 3000


def test_a_header_in_the_wrong_order_makes_every_row_misaligned() -> None:
    table = a_table()
    wrong = replace(table, scores=np.roll(table.scores, 1, axis=1))
    report = check(wrong)
    assert report.counts["misaligned"] == table.n_rows


# Planted faults, one at a time: exactly one finding, the right one


@pytest.mark.parametrize("at", [0, 10, 20, 33])
def test_a_shift_by_one_is_found(at: int) -> None:
    table = with_scores(a_table(), lambda scores: shifted(scores, 7, at))
    assert [(row, rule) for row, rule, _ in said(check(table))] == [
        ("someone/model-7", "misaligned")
    ]


def test_a_shift_to_the_right_is_found() -> None:
    table = with_scores(a_table(), lambda scores: scores.__setitem__(7, np.roll(scores[7], 1)))
    assert [(row, rule) for row, rule, _ in said(check(table))] == [
        ("someone/model-7", "misaligned")
    ]


@pytest.mark.parametrize("places", [4, 6])
def test_a_shift_is_found_in_rounded_scores(places: int) -> None:
    table = with_scores(a_table(places=places), lambda scores: shifted(scores, 7, 5))
    assert [(row, rule) for row, rule, _ in said(check(table))] == [
        ("someone/model-7", "misaligned")
    ]


@pytest.mark.parametrize(
    "pair",
    [
        ("cola", "mrpc"),
        ("ag_news", "yahoo_answers"),
        ("ag_news", "dbpedia"),
        ("trec_fine", "trec_coarse"),
        ("wsc", "poem_sentiment"),
    ],
)
def test_swapped_columns_are_found(pair: tuple[str, str]) -> None:
    one, other = map(column, pair)
    row = 7  # of bert-base-uncased, whose levels lie further apart in trec than roberta-base's

    def swap(scores: NDArray[np.float64]) -> None:
        scores[row, [one, other]] = scores[row, [other, one]]

    row = 6 if pair[0] == "wsc" else 7
    (finding,) = check(with_scores(a_table(), swap)).findings
    assert (finding.row, finding.rule) == (f"someone/model-{row}", "misaligned")
    assert set(finding.values) == set(pair)
    assert all(name in finding.message for name in pair)


def test_a_repeated_neighbour_is_misaligned_though_it_is_one_cell() -> None:
    table = with_scores(
        a_table(), lambda s: s.__setitem__((7, column("esnli")), s[7, column("anli")])
    )
    (finding,) = check(table).findings
    assert (finding.rule, finding.column) == ("misaligned", "esnli")
    assert "anli" in finding.message


def test_a_short_number_at_another_columns_level_is_misaligned() -> None:
    """52.0 fits every round test set; here it is far from CoLA and near COPA."""
    table = with_scores(a_table(), lambda scores: scores.__setitem__((7, column("cola")), 52.0))
    (finding,) = check(table).findings
    assert (finding.rule, finding.column) == ("misaligned", "cola")


def test_an_odd_number_that_belongs_nowhere_is_off_grid() -> None:
    odd = 100 * 0.8412345678901
    table = with_scores(a_table(), lambda scores: scores.__setitem__((7, column("cola")), odd))
    (finding,) = check(table).findings
    assert (finding.rule, finding.column) == ("off-grid", "cola")
    assert finding.values == {"cola": odd}


def on_other_sets(scores: NDArray[np.float64], row: int, sizes: dict[str, int]) -> None:
    for target, size in sizes.items():
        level = scores[row, column(target)]
        scores[row, column(target)] = 100 * round(level * size / 100) / size


def test_two_odd_numbers_that_belong_nowhere_leave_the_row_in_order() -> None:
    table = with_scores(a_table(), lambda s: on_other_sets(s, 7, {"cola": 857, "mrpc": 367}))
    (finding,) = check(table).findings
    assert (finding.rule, finding.column) == ("off-grid", None)
    assert set(finding.values) == {"cola", "mrpc"}


def test_a_row_measured_on_other_test_sets_is_out_of_order_and_the_reason_is_said() -> None:
    """The sizes of eight published rows; one of the odd numbers may fit a column by accident."""
    sizes = {
        **{"cola": 856, "mrpc": 366, "boolq": 942, "cb": 48, "wic": 542, "wsc": 56, "rte": 248},
        **{"trec_fine": 546, "trec_coarse": 546, "mnli": 9815, "wnli": 64, "qqp": 1000},
    }
    table = with_scores(a_table(), lambda scores: on_other_sets(scores, 7, sizes))
    (finding,) = check(table).findings
    assert finding.rule == "misaligned"
    assert "other test sets" in finding.message
    assert set(finding.values) <= set(sizes)
    assert len(finding.values) >= 9


def test_a_shift_is_found_where_no_name_is_known() -> None:
    """Sizes are told from the table's own scores."""
    table = with_scores(a_table(60), lambda scores: shifted(scores, 7, 3))
    names = tuple(f"target-{place}" for place in range(len(TARGETS)))
    report = check_table(replace(table, targets=names), NOTHING_KNOWN)
    assert [(f.row, f.rule) for f in report.findings] == [("someone/model-7", "misaligned")]
    found = {
        target: report.sizes[name]
        for target, name in zip(TARGETS, names, strict=True)
        if report.sizes[name]
    }
    assert len(found) > 20
    assert {target: SIZES[target] for target in found} == found


def test_sizes_of_the_users_go_first() -> None:
    table = a_table()
    scores = table.scores.copy()
    scores[:, column("cola")] = 100 * np.rint(scores[:, column("cola")] * 857 / 100) / 857
    report = check_table(
        replace(table, scores=scores), load_known_levels(), sizes={"cola": 857, "wsc": None}
    )
    assert said(report) == []
    assert (report.sizes["cola"], report.sizes["wsc"]) == (857, None)


def test_a_copied_row_is_found_on_both_sides() -> None:
    table = with_scores(a_table(), lambda scores: scores.__setitem__(7, scores[9]))
    assert said(check(table)) == [
        ("someone/model-7", "copied", None),
        ("someone/model-9", "copied", None),
    ]


def test_equal_scores_and_equal_lp_are_one_model_under_two_names() -> None:
    table = with_scores(a_table(), lambda scores: scores.__setitem__(7, scores[9]))
    report = check(with_lp(table, 7, float(table.lp_accuracy[9])))
    assert {finding.rule for finding in report.findings} == {"same-weights"}
    assert len(report.findings) == 2


def test_rows_that_agree_in_what_most_rows_have_are_not_copies() -> None:
    """Models that learn nothing predict the largest class, as many others do."""

    def fail(scores: NDArray[np.float64]) -> None:
        scores[:, 2:] = scores[0, 2:]  # every row of the table
        scores[7] = scores[9]

    table = with_scores(a_table(), fail)
    assert "copied" not in check(replace(table, architectures=("",) * 40)).counts


def test_four_equal_scores_are_too_few_to_call_a_copy() -> None:
    table = a_table()
    fine = [column(target) for target in ("qqp", "stsb", "imdb", "mnli", "tweet_ev_emoji")]
    for places, rules in ((fine[:4], []), (fine, ["copied", "copied"])):
        few = replace(
            table, targets=tuple(TARGETS[k] for k in places), scores=table.scores[:, places]
        )
        copied = with_scores(few, lambda scores: scores.__setitem__(7, scores[9]))
        assert [rule for _, rule, _ in said(check(copied))] == rules


def test_a_duplicate_row_is_the_one_with_fewer_numbers() -> None:
    table = renamed(with_lp(a_table(), 9, np.nan), 9, "someone/model-7")
    (finding,) = check(table).findings
    assert (finding.rule, finding.line) == ("duplicate", 11)
    assert "line 9" in finding.message


@pytest.mark.parametrize("answers", [3463, 3129, 3240])
def test_a_probe_at_the_share_of_a_class_is_found(answers: int) -> None:
    table = with_lp(a_table(), 7, 100 * answers / 9832)
    assert said(check(table)) == [("someone/model-7", "class-prior", "lp_accuracy")]


def test_one_answer_more_than_the_share_of_a_class_is_sound() -> None:
    assert said(check(with_lp(a_table(), 7, 100 * 3464 / 9832))) == []


def test_an_lp_equal_to_the_base_models_is_found() -> None:
    table = with_lp(a_table(), 7, LP_OF_BASE["bert-base-uncased"])
    assert said(check(table)) == [("someone/model-7", "same-as-base", "lp_accuracy")]
    other = with_lp(a_table(), 7, LP_OF_BASE["roberta-base"])
    assert said(check(other)) == []


def test_without_the_base_models_row_equal_lps_say_nothing() -> None:
    table = renamed(renamed(a_table(), 0, "someone/first"), 1, "someone/second")
    report = check(with_lp(table, 7, float(table.lp_accuracy[-1])))
    assert said(report) == []
    assert {gap.what for gap in report.not_checked if gap.rule == "same-as-base"} == {
        "bert-base-uncased, roberta-base"
    }


@pytest.mark.parametrize("lp", [0.0, np.nan, 100 * 3463 / 9832])
def test_a_base_model_without_a_probe_that_can_be_used_is_found(lp: float) -> None:
    rules = {(row, rule) for row, rule, _ in said(check(with_lp(a_table(), 0, lp)))}
    assert ("roberta-base", "base-unusable") in rules
    assert {row for row, _ in rules} == {"roberta-base"}


def test_zero_stands_for_missing() -> None:
    table = with_lp(a_table(), 7, 0.0)
    assert said(check(table)) == [("someone/model-7", "missing-as-zero", "lp_accuracy")]
    table = with_scores(a_table(), lambda scores: scores.__setitem__((7, column("rte")), 0.0))
    assert said(check(table)) == [("someone/model-7", "missing-as-zero", "rte")]


def test_a_gain_that_no_model_reaches_is_found() -> None:
    base = load_base_scores("bert-base-uncased")["mnli"].mean  # row 7
    lifted = 100 * round((base + 40) * 98.32) / 9832
    capped = min(lifted, 100 * 9831 / 9832)
    table = with_scores(a_table(), lambda s: s.__setitem__((7, column("wnli")), 100 * 69 / 71))
    (finding,) = check(table).findings
    assert (finding.rule, finding.column) == ("impossible-gain", "wnli")
    assert capped > base
    assert finding.values["gain"] == pytest.approx(
        100 * 69 / 71 - load_base_scores("bert-base-uncased")["wnli"].mean
    )


@pytest.mark.parametrize("score", [-3.0, 250.0, 1e300])
def test_a_score_out_of_range_is_found(score: float) -> None:
    table = with_scores(a_table(), lambda s: s.__setitem__((7, column("copa")), score))
    assert said(check(table)) == [("someone/model-7", "out-of-range", "copa")]
    table = with_lp(a_table(), 7, score)
    assert said(check(table)) == [("someone/model-7", "out-of-range", "lp_accuracy")]


def test_a_negative_correlation_is_a_score() -> None:
    table = with_scores(a_table(), lambda s: s.__setitem__((7, column("stsb")), -3.17))
    assert said(check(table)) == []


def test_a_row_in_fractions_is_found() -> None:
    table = with_scores(a_table(), lambda scores: scores.__setitem__(7, scores[7] / 100))
    assert said(check(table)) == [("someone/model-7", "mixed-units", None)]


def test_an_unknown_architecture_is_found_once_with_the_nearest_names() -> None:
    table = a_table()
    names = tuple("roberta-bse" if name == "roberta-base" else name for name in table.architectures)
    (finding,) = check(replace(table, architectures=names)).findings
    assert finding.rule == "unknown-architecture"
    assert "did you mean 'roberta-base'" in finding.message


def test_an_unknown_architecture_with_its_base_models_row_is_held_against_it() -> None:
    table = a_table()
    names = tuple("new-base" if name == "roberta-base" else name for name in table.architectures)
    table = renamed(replace(table, architectures=names), 0, "new-base")
    assert said(check(table)) == []
    table = with_scores(table, lambda s: s.__setitem__((8, column("wnli")), 100 * 70 / 71))
    assert said(check(table)) == [("someone/model-8", "impossible-gain", "wnli")]


def test_every_planted_fault_is_found_in_one_table() -> None:
    table = a_table(60)

    def plant(scores: NDArray[np.float64]) -> None:
        shifted(scores, 10, 4)
        news, answers = column("ag_news"), column("yahoo_answers")
        scores[11, [news, answers]] = scores[11, [answers, news]]
        scores[12] = scores[13]
        scores[14, column("rte")] = 0.0

    table = with_scores(table, plant)
    table = with_lp(with_lp(table, 15, 100 * 3463 / 9832), 16, LP_OF_BASE["roberta-base"])
    table = renamed(with_lp(table, 18, np.nan), 18, "someone/model-17")
    assert [
        (line - 2, rule) for line, rule in ((f.line, f.rule) for f in check(table).findings)
    ] == [
        (10, "misaligned"),
        (11, "misaligned"),
        (12, "copied"),
        (13, "copied"),
        (14, "missing-as-zero"),
        (15, "class-prior"),
        (16, "same-as-base"),
        (18, "duplicate"),
    ]


# What could not run is said


def test_checks_without_data_are_named() -> None:
    table = a_table()
    bare = replace(
        table,
        architectures=("",) * table.n_rows,
        lp_accuracy=np.full(table.n_rows, np.nan),
        lp_column="",
        targets=tuple(f"t{place}" for place in range(len(TARGETS))),
    )
    report = check(bare)
    assert said(report) == []
    rules = {gap.rule for gap in report.not_checked}
    assert rules >= {"class-prior", "same-as-base", "base-unusable", "impossible-gain"}


def test_copies_are_not_told_where_rows_agree_by_chance() -> None:
    random = np.random.default_rng(0)
    scores = 100 * random.integers(40, 60, (20_000, 5)) / 100
    table = replace(
        a_table(1),
        models=tuple(f"m{row}" for row in range(20_000)),
        architectures=("",) * 20_000,
        targets=tuple("abcde"),
        scores=scores,
        lp_accuracy=np.full(20_000, np.nan),
        lines=np.arange(2, 20_002),
    )
    report = check(table)
    assert "copied" not in report.counts
    assert "copied" in {gap.rule for gap in report.not_checked}


# Invariances


def _faulty() -> ScoreTable:
    def plant(scores: NDArray[np.float64]) -> None:
        shifted(scores, 10, 4)
        scores[12] = scores[13]
        scores[14, column("rte")] = 0.0
        scores[20, column("wnli")] = 100 * 70 / 71

    table = with_lp(with_scores(a_table(30), plant), 15, 100 * 3463 / 9832)
    return renamed(with_lp(table, 18, np.nan), 18, "someone/model-17")


FAULTY = _faulty()
FOUND = sorted(said(check(FAULTY)), key=str)


@given(st.permutations(range(FAULTY.n_rows)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_rows_changes_no_finding(order: list[int]) -> None:
    table = replace(
        FAULTY,
        models=tuple(FAULTY.models[row] for row in order),
        architectures=tuple(FAULTY.architectures[row] for row in order),
        scores=FAULTY.scores[order],
        lp_accuracy=FAULTY.lp_accuracy[order],
    )
    assert sorted(said(check(table)), key=str) == FOUND


@given(st.permutations(range(len(TARGETS))))
@settings(max_examples=15, deadline=None)
def test_the_order_of_columns_changes_no_finding(order: list[int]) -> None:
    table = replace(
        FAULTY, targets=tuple(TARGETS[place] for place in order), scores=FAULTY.scores[:, order]
    )
    assert sorted(said(check(table)), key=str) == FOUND


@given(st.text(alphabet="abcxyz-", min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_the_names_of_models_change_no_finding(prefix: str) -> None:
    def name(model: str) -> str:
        return model if model in ARCHITECTURES else f"{prefix}/{model}"

    table = replace(FAULTY, models=tuple(map(name, FAULTY.models)))
    expected = sorted(((name(row), rule, place) for row, rule, place in FOUND), key=str)
    assert sorted(said(check(table)), key=str) == expected


# Published results


@pytest.fixture(scope="module")
def packaged() -> ScoreTable:
    """The packaged scores, in points with four decimals, with the LPs of their models."""
    lp = {
        (row.architecture, row.model): row.lp_accuracy
        for row in load_published_models()
        if "duplicate" not in row.findings
    }
    models: list[str] = []
    architectures: list[str] = []
    parts = []
    for architecture in sorted({row.architecture for row in load_published_models()}):
        part = load_published_gains(architecture)
        base = load_base_scores(architecture)
        parts.append(np.round(part.gains + [base[t].mean for t in part.targets], 4))
        models += part.models
        architectures += [architecture] * len(part.models)
    known = (lp[key] for key in zip(architectures, models, strict=True))
    return ScoreTable(
        models=tuple(models),
        architectures=tuple(architectures),
        targets=TARGETS,
        scores=np.vstack(parts),
        lp_accuracy=np.array([np.nan if one is None else one for one in known]),
        lp_column="lp_accuracy",
        lines=np.arange(2, len(models) + 2),
    )


def test_the_packaged_scores_raise_no_alarm(packaged: ScoreTable) -> None:
    """Hundreds of real models, some of which collapsed in fine-tuning."""
    assert packaged.n_rows > 600
    assert set(check(packaged).counts) <= {"class-prior"}


def test_shifts_planted_in_the_packaged_scores_are_found(packaged: ScoreTable) -> None:
    random = np.random.default_rng(0)
    bad = random.choice(packaged.n_rows, packaged.n_rows // 4, replace=False)

    def plant(scores: NDArray[np.float64]) -> None:
        for row in bad:
            shifted(scores, row, int(random.integers(0, 33)))

    report = check(with_scores(packaged, plant))
    found = {f.line - 2 for f in report.findings if f.rule == "misaligned"}
    assert found <= set(bad)
    assert len(found) >= 0.99 * len(bad)


@pytest.fixture(scope="module")
def raw_report() -> Report:
    if not RAW.exists():
        pytest.skip("the raw published table is not on this machine")
    return check(read_scores(RAW, SIZES))


@pytest.fixture(scope="module")
def raw_flags() -> list[dict[str, str]]:
    if not RAW.exists():
        pytest.skip("the raw published table is not on this machine")
    with RAW.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def lines_with(report: Report, *rules: str) -> set[int]:
    return {finding.line for finding in report.findings if finding.rule in rules}


def flagged(rows: list[dict[str, str]], name: str) -> set[int]:
    return {line for line, row in enumerate(rows, start=2) if row[name] == "True"}


def test_the_misaligned_rows_of_the_raw_table_are_found(
    raw_report: Report, raw_flags: list[dict[str, str]]
) -> None:
    expected = flagged(raw_flags, "columns_misaligned")
    found = lines_with(raw_report, "misaligned")
    assert len(expected) == 297
    assert found == expected


def test_eight_rows_of_the_raw_table_were_measured_on_other_test_sets(
    raw_report: Report, raw_flags: list[dict[str, str]]
) -> None:
    """Their scores fit one and the same set of other sizes, MNLI's matched part among them."""
    found = {f.line for f in raw_report.findings if "other test sets" in f.message}
    assert len(found) == 8
    for target, size in (("cola", 856), ("mrpc", 366), ("rte", 248), ("wnli", 64), ("mnli", 9815)):
        for line in found:
            answers = float(raw_flags[line - 2][target]) * size
            assert answers == pytest.approx(round(answers), abs=1e-6)


def test_the_usable_rows_of_the_raw_table_raise_no_false_alarm(
    raw_report: Report, raw_flags: list[dict[str, str]]
) -> None:
    usable = flagged(raw_flags, "usable")
    assert len(usable) == 687
    of_usable = {(f.line, f.rule) for f in raw_report.findings if f.line in usable}
    assert {rule for _, rule in of_usable} <= {"class-prior", "same-as-base", "base-unusable"}
    for rule, name in (
        ("class-prior", "lp_is_class_prior"),
        ("same-as-base", "lp_same_as_pretrained"),
    ):
        assert {line for line, one in of_usable if one == rule} == usable & flagged(raw_flags, name)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("class-prior", "lp_is_class_prior"),
        ("same-as-base", "lp_same_as_pretrained"),
        ("copied", "scores_copied"),
    ],
)
def test_other_faults_of_the_raw_table_are_those_known(
    raw_report: Report, raw_flags: list[dict[str, str]], rule: str, name: str
) -> None:
    assert lines_with(raw_report, rule) == flagged(raw_flags, name)


def test_zeros_and_duplicates_of_the_raw_table_are_those_known(
    raw_report: Report, raw_flags: list[dict[str, str]]
) -> None:
    zero_lp = {
        f.line for f in raw_report.findings if f.column == "mnli_lp" and not f.values["mnli_lp"]
    }
    assert zero_lp == flagged(raw_flags, "lp_missing")
    # Of seven copies without LP, the row with LP of two is not in this file.
    names = Counter(row["model_name"] for row in raw_flags)
    twice = {
        line
        for line in flagged(raw_flags, "duplicate_row")
        if names[raw_flags[line - 2]["model_name"]] > 1
    }
    assert lines_with(raw_report, "duplicate") == twice


def test_findings_are_ordered_and_their_rules_have_meanings(raw_report: Report) -> None:
    order = list(RULES)
    keys = [(f.line, order.index(f.rule)) for f in raw_report.findings]
    assert keys == sorted(keys)
    assert sum(raw_report.counts.values()) == len(raw_report.findings)
    assert all(isinstance(f, Finding) and f.message for f in raw_report.findings)
