import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.catalog.datasets import get_dataset
from hubbot.data.catalog_targets import load_target
from hubbot.errors import DatasetError
from hubbot.localhub.server import LocalHub
from hubbot.schema import SplitName, SplitRule, Target


def write(path: Path, columns: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)


def single(prefix: str, n_rows: int, n_classes: int = 2) -> dict[str, Any]:
    """Rows whose texts tell where they come from, classes in turn."""
    return {
        "text": [f"{prefix}{row}" for row in range(n_rows)],
        "label": [row % n_classes for row in range(n_rows)],
    }


def pair(prefix: str, n_rows: int, columns: tuple[str, str]) -> dict[str, Any]:
    rows = single(prefix, n_rows)
    return {columns[0]: rows["text"], columns[1]: ["x"] * n_rows, "label": rows["label"]}


def load(root: Path, name: str, *, rule: SplitRule = "as-run") -> Target:
    return load_target(
        get_dataset(name), rule=rule, data_dir=root, revision="", cache_dir=root / "cache"
    )


def texts(target: Target, role: SplitName) -> list[str]:
    return [str(text) for text in pq.read_table(target.splits[role].path)["text"].to_pylist()]


def rte(root: Path, n_train: int = 100, n_validation: int = 6) -> Path:
    sides = ("sentence1", "sentence2")
    write(root / "glue/rte/train.parquet", pair("t", n_train, sides))
    write(root / "glue/rte/validation.parquet", pair("v", n_validation, sides))
    return root


def irony(root: Path, **splits: dict[str, Any]) -> Path:
    whole = {"train": single("t", 20), "validation": single("v", 10), "test": single("e", 8)}
    for split, rows in (whole | splits).items():
        write(root / f"tweet_eval/irony/{split}.parquet", rows)
    return root


def test_a_hidden_test_is_replaced_by_the_official_validation_split(tmp_path: Path) -> None:
    target = load(rte(tmp_path), "rte")
    assert texts(target, "test") == [f"v{row}" for row in range(6)]
    ends = [*range(5), *range(95, 100)]
    assert texts(target, "validation") == [f"t{row}" for row in ends]
    assert texts(target, "train") == [f"t{row}" for row in range(5, 95)]
    assert target.split_rule.startswith("as-run: test: the official split validation")
    assert "10 rows cut off both ends of train" in target.split_rule
    assert target.is_pair
    assert target.label_names == ("entailment", "not_entailment")


def test_by_the_written_rule_the_test_comes_out_of_train(tmp_path: Path) -> None:
    target = load(rte(tmp_path), "rte", rule="as-written")
    assert texts(target, "test") == [f"t{row}" for row in range(0, 100, 10)]
    assert texts(target, "validation") == [f"v{row}" for row in range(6)]
    assert texts(target, "train") == [f"t{row}" for row in range(100) if row % 10]
    assert target.split_rule.startswith("as-written: test: 10 rows spread evenly over train")


@pytest.mark.parametrize("rule", ["as-run", "as-written"])
def test_public_tests_are_the_test_by_either_rule(tmp_path: Path, rule: SplitRule) -> None:
    target = load(irony(tmp_path), "tweet_ev_irony", rule=rule)
    assert [target.splits[role].n_rows for role in ("train", "validation", "test")] == [20, 10, 8]
    assert texts(target, "test")[0] == "e0"
    assert not target.is_pair


@pytest.mark.parametrize("rule", ["as-run", "as-written"])
def test_mnli_has_a_split_for_each_by_either_rule(tmp_path: Path, rule: SplitRule) -> None:
    for split in ("train", "validation_matched", "validation_mismatched"):
        write(tmp_path / f"mnli/{split}.parquet", pair(split, 9, ("premise", "hypothesis")))
    target = load(tmp_path, "mnli", rule=rule)
    assert texts(target, "validation")[0] == "validation_matched0"
    assert texts(target, "test")[0] == "validation_mismatched0"
    assert target.splits["train"].n_rows == 9


def test_mrpc_leaves_its_public_test_alone(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        write(tmp_path / f"mrpc/{split}.parquet", pair(split, 40, ("sentence1", "sentence2")))
    target = load(tmp_path, "mrpc")
    assert texts(target, "test")[0] == "validation0"
    assert "as published scores have it" in target.split_rule
    assert target.splits["train"].n_rows == 36


def test_a_public_test_without_validation_cuts_validation_off_train(tmp_path: Path) -> None:
    write(tmp_path / "ag_news/train.parquet", single("t", 100, 4))
    write(tmp_path / "ag_news/test.parquet", single("e", 12, 4))
    target = load(tmp_path, "ag_news")
    assert texts(target, "test")[0] == "e0"
    assert texts(target, "validation")[4:6] == ["t4", "t95"]


def test_isear_is_divided_70_10_20_by_a_rule_of_ours(tmp_path: Path) -> None:
    names = get_dataset("isear").label_names
    rows = {"content": [f"t{row}" for row in range(70)], "emotion": [*names] * 10}
    write(tmp_path / "isear/train.parquet", rows)
    target = load(tmp_path, "isear")
    test = list(range(0, 70, 5))
    rest = [row for row in range(70) if row % 5]
    validation = rest[:: len(rest) // 7]
    assert texts(target, "test") == [f"t{row}" for row in test]
    assert texts(target, "validation") == [f"t{row}" for row in validation]
    assert target.splits["train"].n_rows == 49
    labels = pq.read_table(target.splits["test"].path)["label"].to_pylist()
    assert labels == [row % 7 for row in test]


def test_financial_phrasebank_gives_a_thousand_rows_to_the_test(tmp_path: Path) -> None:
    rows = {"sentence": [f"t{row}" for row in range(4846)], "label": [0, 1] * 2423}
    write(tmp_path / "financial_phrasebank/train.parquet", rows)
    target = load(tmp_path, "financial_phrasebank")
    assert texts(target, "test") == [f"t{i * 4846 // 1000}" for i in range(1000)]
    # 3,846 rows stay: 192.3 of each end.
    assert target.splits["validation"].n_rows == 384
    assert target.splits["train"].n_rows == 3846 - 384


def multirc(root: Path, n_paragraphs: int = 43, n_answers: int = 5) -> Path:
    def rows(prefix: str, count: int) -> dict[str, Any]:
        places = range(count * n_answers)
        return {
            "paragraph": [f"{prefix}{place // n_answers}" for place in places],
            "question": ["q?"] * len(places),
            "answer": [f"a{place}" for place in places],
            "label": [place % 2 for place in places],
        }

    write(root / "super_glue/multirc/train.parquet", rows("p", n_paragraphs))
    write(root / "super_glue/multirc/validation.parquet", rows("o", 3))
    return root


@pytest.mark.parametrize("rule", ["as-run", "as-written"])
def test_no_paragraph_of_multirc_is_split_between_two_splits(
    tmp_path: Path, rule: SplitRule
) -> None:
    target = load(multirc(tmp_path), "multirc", rule=rule)
    roles: tuple[SplitName, ...] = ("train", "validation", "test")
    paragraphs = {role: set(texts(target, role)) for role in roles}
    assert not paragraphs["train"] & paragraphs["validation"]
    assert not paragraphs["train"] & paragraphs["test"]
    assert not paragraphs["validation"] & paragraphs["test"]
    assert "whole groups of rows that share a text" in target.split_rule
    # 215 rows: eleven of each end are three paragraphs of five; 21 as a test are five paragraphs.
    cut, n_rows = ("validation", 30) if rule == "as-run" else ("test", 25)
    assert len(texts(target, cut)) == n_rows  # type: ignore[arg-type]


def test_the_casting_is_told(tmp_path: Path) -> None:
    target = load(multirc(tmp_path), "multirc")
    assert any(re.match(r"cast \(multirc\): A pair for each answer", note) for note in target.notes)
    assert pq.read_table(target.splits["test"].path)["text_pair"][0].as_py() == "q? a0"


def test_rows_without_text_or_label_are_left_out_and_counted(tmp_path: Path) -> None:
    train = single("t", 20)
    train["text"][3:6] = ["", "  ", None]
    train["label"][7:9] = [-1, None]
    target = load(irony(tmp_path, train=train), "tweet_ev_irony")
    assert texts(target, "train") == [f"t{row}" for row in range(20) if row not in (3, 4, 5, 7, 8)]
    assert "train: 3 rows without text left out" in target.notes
    assert "train: 2 rows without a label (or -1) left out" in target.notes


def test_a_pair_with_one_empty_side_stays(tmp_path: Path) -> None:
    rows = pair("t", 20, ("question1", "question2"))
    rows["question2"][5] = None
    for split in ("train", "validation"):
        write(tmp_path / f"glue/qqp/{split}.parquet", rows)
    target = load(tmp_path, "qqp")
    assert pq.read_table(target.splits["test"].path)["text_pair"].to_pylist()[4:7] == ["x", "", "x"]


@pytest.mark.parametrize("cell", ["", "  ", None])
def test_a_side_that_is_empty_throughout_is_refused(tmp_path: Path, cell: str | None) -> None:
    rows = pair("t", 20, ("sentence1", "sentence2")) | {"sentence2": [cell] * 20}
    write(rte(tmp_path) / "glue/rte/train.parquet", rows)
    message = r"rte', split train: every text_pair is empty \(made of sentence1, sentence2\); give"
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, "rte")


def test_numbers_in_place_of_texts_are_refused(tmp_path: Path) -> None:
    rows = single("t", 20) | {"text": list(range(20))}
    with pytest.raises(
        DatasetError, match=r"column 'text' holds int64, expected text; give the fi"
    ):
        load(irony(tmp_path, train=rows), "tweet_ev_irony")


def test_a_split_whose_labels_are_all_hidden_is_refused(tmp_path: Path) -> None:
    hidden = single("e", 8) | {"label": [-1] * 8}
    with pytest.raises(DatasetError, match=r"irony', split test: no row has a label \(-1 means"):
        load(irony(tmp_path, test=hidden), "tweet_ev_irony")


def test_a_label_beyond_the_catalogs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"labels \['2'\] are not in the label map"):
        load(irony(tmp_path, test=single("e", 9, 3)), "tweet_ev_irony")


def test_a_train_of_one_class_is_refused(tmp_path: Path) -> None:
    one = single("t", 20) | {"label": [1] * 20}
    with pytest.raises(DatasetError, match="all 20 training rows have label 1; expected two"):
        load(irony(tmp_path, train=one), "tweet_ev_irony")


def test_a_class_that_train_lacks_is_told(tmp_path: Path) -> None:
    rows = single("t", 20, 2)
    for split, n_classes in (("train", 2), ("validation", 2), ("test", 3)):
        write(
            tmp_path / f"tweet_eval/stance_climate/{split}.parquet",
            rows if split == "train" else single(split, 9, n_classes),
        )
    notes = load(tmp_path, "tweet_ev_stance_climate").notes
    assert "test has rows of classes that train lacks: favor" in notes


def test_a_small_train_is_used_and_both_sizes_are_told(tmp_path: Path) -> None:
    notes = load(rte(tmp_path, n_train=32, n_validation=277), "rte").notes
    assert notes == (
        "train: 32 rows here, 2,490 published; scores do not compare with those on the whole data "
        "set",
    )


def test_a_few_rows_less_are_told_without_a_warning(tmp_path: Path) -> None:
    notes = load(rte(tmp_path, n_train=2485, n_validation=277), "rte").notes
    assert notes == ("train: 2,485 rows here, 2,490 published",)


def test_published_sizes_need_no_note(tmp_path: Path) -> None:
    assert load(rte(tmp_path, n_train=2490, n_validation=277), "rte").notes == ()


def test_without_train_validation_serves_and_that_is_told(tmp_path: Path) -> None:
    write(tmp_path / "tweet_eval/sentiment/validation.parquet", single("v", 100, 3))
    write(tmp_path / "tweet_eval/sentiment/test.parquet", single("e", 9, 3))
    target = load(tmp_path, "tweet_ev_sentiment")
    assert texts(target, "train") == [f"v{row}" for row in range(5, 95)]
    assert target.splits["validation"].n_rows == 10
    assert "train: the official split validation, for want of train" in target.split_rule
    assert any(note.startswith("train: 0 rows here, 45,615 published") for note in target.notes)


def test_texts_of_train_in_test_are_counted(tmp_path: Path) -> None:
    test = single("e", 8)
    test["text"][:4] = ["t0", "t1", "t1", "T2"]
    notes = load(irony(tmp_path, test=test), "tweet_ev_irony").notes
    assert (
        "2 different texts of train in test again (3 of 8 test rows): scores may be too high"
        in (notes)
    )


def test_texts_that_validation_shares_are_counted(tmp_path: Path) -> None:
    validation = single("v", 10)
    validation["text"][:3] = ["t0", "t1", "e7"]
    notes = load(irony(tmp_path, validation=validation), "tweet_ev_irony").notes
    assert (
        "1 text of validation in test again (1 of 8 test rows): what was chosen on validation "
        "looks too good on test" in notes
    )
    assert (
        "2 different texts of train in validation again (2 of 10 validation rows): the best epoch "
        "is chosen partly by what was learnt by heart" in notes
    )
    assert not [note for note in notes if "of train in test" in note]


def test_classes_that_validation_lacks_are_told(tmp_path: Path) -> None:
    train = single("t", 100) | {"label": [row // 25 for row in range(100)]}
    write(tmp_path / "ag_news/train.parquet", train)
    write(tmp_path / "ag_news/test.parquet", single("e", 12, 4))
    target = load(tmp_path, "ag_news")
    assert texts(target, "validation")[4:6] == ["t4", "t95"]
    lacking = ", ".join(get_dataset("ag_news").label_names[1:3])
    told = f"validation has no row of classes that train has ({lacking}): how well they are told"
    assert [note for note in target.notes if note.startswith(told)]


def test_a_pair_overlaps_only_where_both_sides_do(tmp_path: Path) -> None:
    sides = ("sentence1", "sentence2")
    rte(tmp_path)
    test = pair("v", 6, sides)
    test["sentence1"][0:2] = ["t50", "t51"]
    test["sentence2"][0] = "other"
    write(tmp_path / "glue/rte/validation.parquet", test)
    notes = load(tmp_path, "rte").notes
    assert "1 text of train in test again (1 of 6 test rows): scores may be too high" in notes


def test_three_rows_are_enough_and_two_are_not(tmp_path: Path) -> None:
    write(tmp_path / "ag_news/train.parquet", single("t", 4))
    write(tmp_path / "ag_news/test.parquet", single("e", 2))
    assert load(tmp_path, "ag_news").splits["train"].n_rows == 2
    write(tmp_path / "ag_news/train.parquet", single("t", 2))
    with pytest.raises(DatasetError, match="validation: no rows"):
        load(tmp_path, "ag_news")


def test_reading_twice_gives_the_same_target_and_writes_nothing_new(tmp_path: Path) -> None:
    first = load(rte(tmp_path), "rte")
    files = sorted((tmp_path / "cache").rglob("*.parquet"))
    assert load(tmp_path, "rte") == first
    assert sorted((tmp_path / "cache").rglob("*.parquet")) == files


def parquet(rows: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))}
    )
    sink = io.BytesIO()
    datasets.Dataset.from_dict(dict(rows), features=features).to_parquet(sink)
    return sink.getvalue()


def add_tweets(hub: LocalHub, names: tuple[str, ...]) -> str:
    card = "---\nconfigs:\n"
    files: dict[str, bytes | Path] = {}
    for config in ("irony", "hate"):
        card += f"- config_name: {config}\n  data_files:\n"
        for split in ("train", "validation", "test"):
            path = f"{config}/{split}-00000-of-00001.parquet"
            card += f"  - split: {split}\n    path: {path}\n"
            files[path] = parquet(single(f"{config} {split} ", 9), names)
    return hub.add_dataset("cardiffnlp/tweet_eval", files | {"README.md": f"{card}---\n".encode()})


def load_hub(root: Path, name: str, revision: str) -> Target:
    return load_target(
        get_dataset(name), rule="as-run", data_dir=None, revision=revision, cache_dir=root
    )


@pytest.mark.parametrize("config", ["irony", "hate"])
def test_a_configuration_is_read_by_hub_id(tmp_path: Path, hub: LocalHub, config: str) -> None:
    spec = get_dataset(f"tweet_ev_{config}")
    revision = add_tweets(hub, spec.label_names)
    target = load_hub(tmp_path, spec.name, revision)
    assert texts(target, "test") == [f"{config} test {row}" for row in range(9)]
    assert target.source == f"cardiffnlp/tweet_eval ({config}) at {revision}"
    assert target.splits["train"].revision == revision
    assert target.licence == spec.licence


def test_class_names_may_be_spelt_otherwise(tmp_path: Path, hub: LocalHub) -> None:
    revision = add_tweets(hub, ("Non-Hate", "hate"))
    notes = load_hub(tmp_path, "tweet_ev_hate", revision).notes
    assert not any("name the classes" in note for note in notes)


def test_other_class_names_are_told(tmp_path: Path, hub: LocalHub) -> None:
    revision = add_tweets(hub, ("no", "yes"))
    notes = load_hub(tmp_path, "tweet_ev_hate", revision).notes
    assert any(note.startswith("the files name the classes ['no', 'yes']") for note in notes)


@pytest.mark.parametrize("names", [("hate", "non-hate"), ("non-hate", "hate", "unsure")])
def test_another_order_or_number_of_classes_is_refused(
    tmp_path: Path, hub: LocalHub, names: tuple[str, ...]
) -> None:
    revision = add_tweets(hub, names)
    with pytest.raises(DatasetError, match="expected the same in the same order"):
        load_hub(tmp_path, "tweet_ev_hate", revision)


def test_a_single_configuration_is_read_by_hub_id(tmp_path: Path, hub: LocalHub) -> None:
    names = get_dataset("ag_news").label_names
    files = {
        f"data/{s}-00000-of-00001.parquet": parquet(single(s, 40, 4), names)
        for s in ("train", "test")
    }
    revision = hub.add_dataset("fancyzhx/ag_news", files)
    target = load_hub(tmp_path, "ag_news", revision)
    assert {role: split.n_rows for role, split in target.splits.items()} == {
        "train": 36,
        "validation": 4,
        "test": 40,
    }
    asked = len(hub.log)
    assert load_hub(tmp_path, "ag_news", revision) == target
    assert len(hub.log) == asked
