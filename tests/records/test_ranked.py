"""What a ranking is made from: published rows, score records, a table of one's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.catalog.architectures import get_architecture
from hubbot.errors import SettingsError
from hubbot.gains.entries import Entries
from hubbot.gains.groups import GROUPS
from hubbot.gains.published import load_published_models
from hubbot.records.entry_table import read_entries
from hubbot.records.filters import Filters, apply_filters
from hubbot.records.merging import merge
from hubbot.records.ranked import gather, rank_models
from hubbot.records.record import Record
from hubbot.records.store import write_record

ROBERTA = "roberta-base"


def rows_of(entries: Entries) -> dict[str, int]:
    return {model: row for row, model in enumerate(entries.model)}


def entry(model: str, **known: Any) -> dict[str, Any]:
    return {"model": model, "source": "test", "protocol": "model-recycling-2023", **known}


# Gathering


@pytest.mark.parametrize(
    ("architecture", "n"), [("roberta-base", 1183), ("google/t5-v1_1-base", 132)]
)
def test_every_published_model_is_there_once_and_so_is_the_base_model(
    architecture: str, n: int
) -> None:
    entries = gather(architecture, None)
    names = {row.model for row in load_published_models(architecture)}
    assert len(entries) == len(names) == n
    assert entries.is_base.sum() == 1
    assert entries.model[entries.is_base].tolist() == [get_architecture(architecture).hub_id]


def test_the_better_known_of_two_published_rows_is_kept() -> None:
    entries = gather("google/t5-v1_1-base", None)
    row = rows_of(entries)["shaiman12/flan-t5-base-samsum"]
    assert np.isfinite(entries.lp_accuracy[row])
    assert np.isfinite(entries.measured[row])


def test_misaligned_scores_are_flagged_and_not_believed() -> None:
    entries = gather(ROBERTA, None)
    row = rows_of(entries)["facebook/muppet-roberta-base"]
    assert "scores misaligned" in entries.flags[row]
    assert np.isnan(entries.measured[row])


def test_an_alias_is_the_architecture_and_a_wrong_name_offers_near_ones() -> None:
    assert len(gather("FacebookAI/roberta-base", None)) == len(gather(ROBERTA, None))
    with pytest.raises(SettingsError, match="did you mean 'roberta-base'"):
        gather("roberta-bsae", None)


def test_a_score_record_joins_the_ranking(values: dict[str, Any], tmp_path: Path) -> None:
    write_record(Record.model_validate(values), tmp_path)
    entries = gather(ROBERTA, tmp_path)
    row = rows_of(entries)["someone/probed-model"]
    assert entries.lp_accuracy[row] == 71.5334
    assert entries.lp_gain[row] == 16.3
    assert entries.source[row] == "hubbot"
    ranking, _ = rank_models(ROBERTA, records_dir=tmp_path)
    line = next(line for line in ranking.lines() if line.model == "someone/probed-model")
    assert line.flags == ("borrowed",)
    assert line.rank is not None


def test_a_record_with_all_targets_has_a_measured_average_and_its_error(
    values: dict[str, Any], tmp_path: Path
) -> None:
    measured = {
        target: {"gain": float(at), "se": 0.6, "seeds": 5}
        for at, target in enumerate(GROUPS["site36"])
    }
    write_record(Record.model_validate(values | {"measured": measured}), tmp_path)
    entries = gather(ROBERTA, tmp_path)
    row = rows_of(entries)["someone/probed-model"]
    assert entries.measured[row] == pytest.approx(17.5)
    assert entries.measured_sd[row] == pytest.approx(0.6 / 6)


def test_a_broken_record_is_told_of_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ROBERTA).mkdir()
    (tmp_path / ROBERTA / "a--b.yaml").write_text("model: [", encoding="utf-8")
    assert len(gather(ROBERTA, tmp_path)) == len(gather(ROBERTA, None))
    assert "a--b.yaml" in caplog.text


# Merging


def test_the_same_weights_under_two_names_are_one_model() -> None:
    merged = merge(
        Entries.of(
            [
                entry("b/copy", digest="sha256:1", lp_accuracy=70.0, date="2024-01-01"),
                entry("a/other", digest="sha256:2", lp_accuracy=70.0),
                entry("c/first", digest="sha256:1", lp_accuracy=70.0, date="2023-01-01"),
            ]
        )
    )
    assert merged.model.tolist() == ["a/other", "c/first"]
    assert merged.also_known_as == {"c/first": ("b/copy",)}


def test_the_most_measured_name_is_kept_before_the_oldest() -> None:
    merged = merge(
        Entries.of(
            [
                entry("a/old", digest="sha256:1", lp_accuracy=70.0, date="2020-01-01"),
                entry("b/new", digest="sha256:1", measured=1.0, date="2024-01-01"),
            ]
        )
    )
    assert merged.model.tolist() == ["b/new"]
    assert merged.also_known_as == {"b/new": ("a/old",)}


def test_names_and_digests_join_in_chains() -> None:
    merged = merge(
        Entries.of(
            [
                entry("a/x", digest="sha256:1", date="1"),
                entry("A/X", digest="sha256:2", date="2"),
                entry("b/y", digest="sha256:2", date="3"),
            ]
        )
    )
    assert merged.model.tolist() == ["a/x"]
    assert merged.also_known_as == {"a/x": ("b/y",)}


def test_what_the_dropped_row_knows_is_kept() -> None:
    rows = [
        entry("a/x", measured=1.0),
        entry("a/x", licence="mit", parameters=5.0, language="en"),
    ]
    merged = merge(Entries.of(rows))
    assert (merged.licence[0], merged.parameters[0], merged.language[0]) == ("mit", 5.0, "en")


def test_empty_digests_join_nothing() -> None:
    assert len(merge(Entries.of([entry("a/x"), entry("b/y")]))) == 2


# Filters


def some() -> Entries:
    return Entries.of(
        [
            entry("base", is_base=True),
            entry("a/mit", licence="MIT", parameters=10.0, language="en;de"),
            entry("b/apache", licence="apache-2.0", parameters=20.0, language="fr"),
            entry("c/unknown"),
        ]
    )


@pytest.mark.parametrize(
    ("filters", "kept", "notice"),
    [
        (Filters(), ["a/mit", "b/apache", "c/unknown"], None),
        (Filters(licence="mit"), ["a/mit"], "because their licence is not known: 1"),
        (Filters(max_parameters=15), ["a/mit"], "number of parameters is not known"),
        (Filters(language="DE"), ["a/mit"], "language is not known"),
        (Filters(language="d"), [], "language is not known"),
        (Filters(source="test"), ["a/mit", "b/apache", "c/unknown"], None),
    ],
)
def test_filters_keep_what_passes_and_the_base_model(
    filters: Filters, kept: list[str], notice: str | None
) -> None:
    left, notices = apply_filters(some(), filters)
    assert left.model.tolist() == ["base", *kept]
    assert len(notices) == (notice is not None)
    assert notice is None or notice in notices[0]


def test_a_model_unknown_to_two_filters_is_counted_once() -> None:
    _, notices = apply_filters(some(), Filters(licence="mit", language="en"))
    assert len(notices) == 1


def test_a_source_that_nothing_comes_from_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"source 'tset': .* there are test"):
        apply_filters(some(), Filters(source="tset"))


# A table of one's own


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "models.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_gives_the_rows_of_its_architecture(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "architecture,model,lp_accuracy,measured_gain,quick_rte,licence\n"
        "roberta-base,a/x-mnli,70.5,,72,mit\n"
        "FacebookAI/roberta-base,a/y,,1.5,,\n"
        "bert-base-cased,a/z,50,,,\n",
    )
    entries = read_entries(path, ROBERTA)
    assert entries.model.tolist() == ["a/x-mnli", "a/y"]
    assert entries.lp_accuracy == pytest.approx([70.5, np.nan], nan_ok=True)
    assert entries.measured == pytest.approx([np.nan, 1.5], nan_ok=True)
    assert entries.flags[0] == ("trained on MNLI",)
    assert entries.licence.tolist() == ["mit", ""]
    assert entries.source.tolist() == ["models.csv"] * 2
    assert np.isfinite(entries.quick[0, 0])
    assert entries.quick[0, 0] < 10  # a gain, not a score


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        ("architecture,model,lp_accuracy\n", "no row below it"),
        ("model,lp_accuracy\na,70\n", "column 'architecture'"),
        ("architecture,model\nroberta-base,a\n", "none of the columns lp_accuracy"),
        ("architecture,model,lp_accuracy\nroberta-bsae,a,70\n", "line 2: .*did you mean"),
        ("architecture,model,lp_accuracy\nroberta-base,a,high\n", "'high' is not a number"),
        ("architecture,model,lp_accuracy\nroberta-base,a,inf\n", "the number is infinite"),
        ("architecture,model,lp_accuracy\nroberta-base,a,0.7\n", "multiply them by 100"),
        ("architecture,model,lp_accuracy\nroberta-base,a,70\nroberta-base,b,0.7\n", "line 3"),
        ("architecture,model,lp_accuracy\nroberta-base,a,170\n", "points above 1, up to 100"),
        ("architecture,model,measured_gain\nroberta-base,a,-170\n", "points from -100 to 100"),
        ("architecture,model,measured_gain\nroberta-base,a,76.2\n", "at most .*a score stands"),
        (
            "architecture,model,lp_accuracy,lp_gain\nroberta-base,a,70,3\n",
            "line 2: .* do not agree: the base model's published LP is 56.73, .* gain of 13.27",
        ),
        (
            "architecture,model,lp_gain\n"
            + "".join(f"roberta-base,m{at},0.{at}\n" for at in range(10, 25)),
            "column 'lp_gain': all numbers lie within -1 to 1.* multiply them by 100",
        ),
        (
            "architecture,model,measured_gain\n"
            + "".join(f"roberta-base,m{at},0.0{at}\n" for at in range(10, 25)),
            "column 'measured_gain': all numbers lie within -1 to 1.* multiply them by 100",
        ),
        ("architecture,model,lp_accuracy\nroberta-base,a,7\nroberta-base,A,8\n", "lines 2 and 3"),
        ("architecture,model,lp_accuracy\nroberta-base,,70\n", "line 2: the model has no name"),
        ("architecture,model,lp_gain,protocol\nroberta-base,a,7,lp-mlni\n", "lp-mnli"),
        (
            "architecture,model,lp_accuracy,parameters\nroberta-base,a,7,-1\n",
            "a number of weights above 0",
        ),
    ],
)
def test_a_table_that_does_not_add_up_is_refused_in_words(
    tmp_path: Path, text: str, match: str
) -> None:
    with pytest.raises(SettingsError, match=match):
        read_entries(table(tmp_path, text), ROBERTA)


def test_both_lp_columns_are_read_where_they_agree(tmp_path: Path) -> None:
    rows = "roberta-base,a/x,70.00,13.27,\nroberta-base,a/y,70.00,3,lp-mnli\n"
    path = table(tmp_path, f"architecture,model,lp_accuracy,lp_gain,protocol\n{rows}")
    entries = read_entries(path, ROBERTA)
    assert entries.lp_accuracy.tolist() == [70.0, 70.0]
    assert entries.lp_gain.tolist() == [13.27, 3.0]


def test_nine_small_gains_and_many_honest_ones_are_points(tmp_path: Path) -> None:
    few = "".join(f"roberta-base,m{at},0.{at}\n" for at in range(1, 10))
    path = table(tmp_path, f"architecture,model,lp_gain\n{few}")
    assert len(read_entries(path, ROBERTA)) == 9
    many = "".join(f"roberta-base,m{at},{(at - 20) / 20}\n" for at in range(41))
    path = table(tmp_path, f"architecture,model,measured_gain\n{many}")
    assert len(read_entries(path, ROBERTA)) == 41


def test_a_published_gain_is_never_called_impossible(tmp_path: Path) -> None:
    rows = [
        f"{row.architecture},{row.model},{row.avg_gain}\n"
        for row in load_published_models("microsoft/deberta-v3-base")
        if row.avg_gain is not None
    ]
    path = table(tmp_path, "architecture,model,measured_gain\n" + "".join(rows))
    assert len(read_entries(path, "microsoft/deberta-v3-base")) == len(rows) > 40


def test_columns_that_are_not_used_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "architecture,model,lp_accuracy,lisence\nroberta-base,a,70,mit\n"
    read_entries(table(tmp_path, text), ROBERTA)
    assert "columns not used: lisence" in caplog.text


@pytest.mark.parametrize("cells", ["70,", ",", "70,1.5", ",1.5"])
def test_one_row_is_enough_whatever_is_missing(tmp_path: Path, cells: str) -> None:
    text = f"architecture,model,lp_accuracy,measured_gain\nalbert-base-v2,a/x,{cells}\n"
    ranking, _ = rank_models("albert-base-v2", records_dir=None, table=table(tmp_path, text))
    assert {line.model for line in ranking.lines()} == {"a/x", "albert/albert-base-v2"}


def test_a_row_of_a_published_model_adds_to_it(tmp_path: Path) -> None:
    name = "ibm/ColD-Fusion-itr13-seed0"
    text = f"architecture,model,lp_accuracy,licence\nroberta-base,{name},40,mit\n"
    path = table(tmp_path, text)
    entries = gather(ROBERTA, None, table=read_entries(path, ROBERTA))
    row = rows_of(entries)[name]
    assert entries.licence[row] == "mit"
    assert entries.lp_accuracy[row] > 80
    assert len(entries) == len(gather(ROBERTA, None))


# Measured gains alone


def measured_alone(values: dict[str, Any], model: str, gains: dict[str, Any]) -> Record:
    alone = {
        **{"model": model, "protocol": "", "lp_accuracy": {}, "lp_accuracy_interval": {}},
        **{"lp_gain": None, "lp_gain_interval": None, "prediction_head": None},
        **{"predicted_gain": None, "predicted_gain_interval": None, "probability_positive": None},
        **{"measured": gains, "weights_digest": ""},
    }
    return Record.model_validate(values | alone)


def test_a_model_without_a_probe_is_ranked_by_gains_on_the_whole_group(
    values: dict[str, Any], tmp_path: Path
) -> None:
    gain = {"gain": 3.0, "se": 0.6, "seeds": 3}
    write_record(measured_alone(values, "a/whole", dict.fromkeys(GROUPS["site36"], gain)), tmp_path)
    write_record(measured_alone(values, "a/part", dict.fromkeys(GROUPS["quick"], gain)), tmp_path)
    ranking, _ = rank_models(ROBERTA, records_dir=tmp_path)
    lines = {line.model: line for line in ranking.lines()}
    assert lines["a/whole"].knowledge == "measured"
    assert lines["a/whole"].measured_gain == 3.0
    assert lines["a/whole"].lp_accuracy is None
    assert lines["a/whole"].rank is not None
    assert lines["a/part"].rank is None
    assert lines["a/part"].measured_gain is None
    assert lines["a/part"].note


def test_gains_by_a_shortened_protocol_do_not_stand_beside_published_ones(
    values: dict[str, Any], tmp_path: Path
) -> None:
    gains = {target: {"gain": 3.0, "se": 0.6, "seeds": 3} for target in GROUPS["site36"]}
    own = values | {"measured": gains, "weights_digest": ""}
    short = {"gain_protocol": "gain-roberta@1+train1000"}
    write_record(Record.model_validate(own | short | {"model": "a/short"}), tmp_path)
    write_record(Record.model_validate(own | {"model": "a/full"}), tmp_path)
    entries = gather(ROBERTA, tmp_path)
    short_row, full_row = (rows_of(entries)[name] for name in ("a/short", "a/full"))
    assert np.isnan(entries.measured[short_row])
    assert np.isnan(entries.quick[short_row]).all()
    assert "gains by gain-roberta@1+train1000" in entries.flags[short_row]
    assert entries.measured[full_row] == 3.0
    assert not [flag for flag in entries.flags[full_row] if flag.startswith("gains by")]


def test_where_nothing_is_published_the_commonest_protocol_counts(
    values: dict[str, Any], tmp_path: Path
) -> None:
    gains = {target: {"gain": 3.0, "se": 0.6, "seeds": 3} for target in GROUPS["site36"]}
    own = values | {"architecture": "all-MiniLM-L6-v2", "measured": gains}
    for number, protocol in enumerate(["m@1+train10", "m@1+train10", "m@2+train10"]):
        changes = {
            "model": f"a/m{number}",
            "gain_protocol": protocol,
            "weights_digest": f"{number}",
        }
        write_record(Record.model_validate(own | changes), tmp_path)
    entries = gather("all-MiniLM-L6-v2", tmp_path)
    measured = {model: entries.measured[row] for model, row in rows_of(entries).items()}
    assert (measured["a/m0"], measured["a/m1"]) == (3.0, 3.0)
    assert np.isnan(measured["a/m2"])


@pytest.mark.parametrize(
    ("architecture", "is_said"),
    [("google/t5-v1_1-base", True), (ROBERTA, False), ("all-MiniLM-L6-v2", False)],
)
def test_failing_runs_of_the_base_model_are_told_where_they_were_seen(
    values: dict[str, Any], tmp_path: Path, architecture: str, is_said: bool
) -> None:
    base = get_architecture(architecture).hub_id
    named = {"architecture": architecture, "base_model": base}
    write_record(Record.model_validate(values | named), tmp_path)
    ranking, _ = rank_models(architecture, records_dir=tmp_path)
    assert any("own runs fail" in sentence for sentence in ranking.reading()) == is_said


def test_gains_on_part_of_a_data_set_do_not_stand_beside_others(
    values: dict[str, Any], tmp_path: Path
) -> None:
    gains = {target: {"gain": 3.0, "se": 0.6, "seeds": 3} for target in GROUPS["site36"]}
    gains["rte"] = {"gain": 39.0, "se": 0.6, "seeds": 3}
    own = values | {"measured": gains, "weights_digest": "", "flags": ["partial data on rte"]}
    write_record(Record.model_validate(own | {"model": "a/part"}), tmp_path)
    entries = gather(ROBERTA, tmp_path)
    row = rows_of(entries)["a/part"]
    assert entries.measured[row] == 3.0, "39 does not count"
    assert np.isnan(entries.quick[row]).sum() == 1
