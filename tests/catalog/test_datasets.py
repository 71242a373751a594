import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hubbot.catalog.datasets import (
    borrows_validation,
    find_dataset,
    get_dataset,
    load_datasets,
    published_rows,
    split_parts,
)
from hubbot.catalog.tables import read_table
from hubbot.data.castings import casting_names
from hubbot.errors import SettingsError
from hubbot.gains.groups import GROUPS
from hubbot.gains.published import load_test_sizes
from hubbot.schema import DatasetSpec

ENTRIES = pytest.mark.parametrize("spec", load_datasets(), ids=lambda spec: spec.name)


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hub_id: str
    config: str | None = None
    revision: str = ""
    hub_revision: str = ""
    alternatives: list[str] = []
    folders: list[str]
    raw_columns: list[str] = []
    casting: str = ""
    text_columns: list[str]
    group_column: str = ""
    label_column: str
    label_names: list[str]
    task_type: Literal["text-classification", "sentence-similarity"]
    metric: Literal["accuracy", "spearman"]
    splits: dict[Literal["train", "validation", "test"], str]
    sizes: dict[str, int]
    cut_test: int | float = 0.0
    cut_validation: int | float = 0.0
    test_is_public: bool = True
    groups: list[str]
    licence: str
    notes: str = ""
    sources: dict[str, str]


def test_the_file_holds_what_a_data_set_may_hold() -> None:
    TypeAdapter(dict[str, Entry]).validate_python(read_table("datasets.toml"))


def test_mnli_tests_on_mismatched_and_chooses_on_matched() -> None:
    mnli = get_dataset("mnli")
    assert mnli.splits["validation"] == "validation_matched"
    assert mnli.splits["test"] == "validation_mismatched"
    assert mnli.label_names == ("entailment", "neutral", "contradiction")
    assert mnli.text_columns == ("premise", "hypothesis")
    assert mnli.sizes["validation_mismatched"] == 9832


@ENTRIES
def test_every_entry_is_whole(spec: DatasetSpec) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", spec.hub_id)
    assert "train" in spec.splits
    parts = [part for role in spec.splits for part in split_parts(spec, role)]
    assert set(parts) <= set(spec.sizes)
    assert all(size > 0 for size in spec.sizes.values())
    assert 1 <= len(spec.text_columns) <= 2
    assert spec.name in spec.folders
    assert spec.groups
    assert spec.licence
    assert {"columns", "splits"} <= set(spec.sources)
    assert {"id", "sizes", "source"} & set(spec.sources) or spec.name == "mnli"
    assert all(spec.sources.values())


@ENTRIES
def test_labels_are_classes_for_accuracy_and_numbers_for_spearman(spec: DatasetSpec) -> None:
    assert (spec.metric == "spearman") == (not spec.label_names)
    assert len(set(spec.label_names)) == len(spec.label_names) != 1


@ENTRIES
def test_a_test_that_is_not_official_is_cut_from_train_by_a_rule_of_ours(spec: DatasetSpec) -> None:
    assert ("test" in spec.splits) == (spec.cut_test == 0)
    if spec.cut_test:
        assert "ours" in spec.notes
    if spec.cut_validation:
        assert spec.cut_test
        assert "validation" not in spec.splits


@ENTRIES
def test_hidden_tests_are_replaced_by_the_official_validation_split(spec: DatasetSpec) -> None:
    if not spec.test_is_public:
        assert spec.splits["test"].startswith("validation")
    if spec.splits.get("test", "").startswith("validation"):
        assert borrows_validation(spec) == (spec.name != "mnli")
        assert not spec.test_is_public or spec.name == "mrpc"


@ENTRIES
def test_a_casting_names_the_columns_it_reads_and_where_it_comes_from(spec: DatasetSpec) -> None:
    assert spec.casting in casting_names()
    assert bool(spec.casting) == bool(spec.raw_columns) == ("casting" in spec.sources)


@ENTRIES
def test_no_commit_hash_is_written_that_nobody_read_online(spec: DatasetSpec) -> None:
    assert spec.revision == ""
    assert spec.hub_revision in ("", "refs/convert/parquet")
    assert not re.search(r"\b[0-9a-f]{40}\b", repr(spec))


def test_one_repository_is_read_at_one_branch() -> None:
    branches: dict[str, set[str]] = {}
    for spec in load_datasets():
        branches.setdefault(spec.hub_id, set()).add(spec.hub_revision)
    assert all(len(found) == 1 for found in branches.values())


def test_what_no_source_says_is_marked_as_unknown() -> None:
    unknown = {spec.name for spec in load_datasets() if "unknown" in spec.licence}
    assert {"ag_news", "isear", "rotten_tomatoes", "trec_fine", "yahoo_answers"} <= unknown
    assert not {"mnli", "anli", "poem_sentiment", "dbpedia"} & unknown


OTHER_TEST_SIZE: Mapping[str, str] = {
    "ag_news": "3,000 of the official 7,600 rows, draw unknown",
    "dbpedia": "3,000 of the official 70,000 rows, draw unknown",
    "yahoo_answers": "3,000 of the official 60,000 rows, draw unknown",
    "isear": "20 % of 7,666 source rows; the copy on the Hub has 7,516",
}
"""Targets whose test cannot be the site's, and why (catalog, notes)."""


def planned_test_rows(spec: DatasetSpec) -> int:
    if not spec.cut_test:
        return published_rows(spec, "test")
    train = published_rows(spec, "train")
    return int(spec.cut_test) if spec.cut_test >= 1 else -int(-spec.cut_test * train // 1)


@ENTRIES
def test_the_test_has_the_size_that_published_scores_show(spec: DatasetSpec) -> None:
    size = load_test_sizes().get(spec.name)
    if size is None:
        assert spec.name == "stsb" or "site36" not in spec.groups
    elif spec.name in OTHER_TEST_SIZE:
        assert planned_test_rows(spec) != size
        assert f"{size:,}" in spec.notes
    else:
        assert planned_test_rows(spec) == size


def test_the_published_tables_and_the_catalog_use_the_same_names() -> None:
    site = {spec.name for spec in load_datasets() if "site36" in spec.groups}
    assert site == set(load_test_sizes()) == set(GROUPS["site36"])


@pytest.mark.parametrize(
    ("name", "first", "n_classes"),
    [
        ("cb", ("entailment", "contradiction", "neutral"), 3),
        ("wnli", ("not_entailment", "entailment"), 2),
        ("rte", ("entailment", "not_entailment"), 2),
        ("trec_coarse", ("ABBR", "ENTY", "DESC"), 6),
        ("trec_fine", ("ABBR:abb", "ABBR:exp"), 50),
        ("poem_sentiment", ("negative", "positive", "no_impact", "mixed"), 4),
        ("financial_phrasebank", ("negative", "neutral", "positive"), 3),
        ("tweet_ev_stance_climate", ("none", "against", "favor"), 3),
        ("tweet_ev_emotion", ("anger", "joy", "optimism", "sadness"), 4),
        (
            "tweet_ev_emoji",
            ("\N{HEAVY BLACK HEART}", "\N{SMILING FACE WITH HEART-SHAPED EYES}"),
            20,
        ),
        ("20_newsgroup", ("alt.atheism", "comp.graphics"), 20),
        ("dbpedia", ("Company", "EducationalInstitution"), 14),
        ("yahoo_answers", ("Society & Culture", "Science & Mathematics"), 10),
    ],
)
def test_label_orders_that_are_easily_mixed_up(
    name: str, first: tuple[str, ...], n_classes: int
) -> None:
    names = get_dataset(name).label_names
    assert names[: len(first)] == first
    assert len(names) == n_classes


def test_the_rounds_of_anli_are_joined() -> None:
    anli = get_dataset("anli")
    assert split_parts(anli, "validation") == ("dev_r1", "dev_r2", "dev_r3")
    assert published_rows(anli, "train") == 16_946 + 45_460 + 100_459


def test_folders_lead_to_one_entry_each_but_for_the_two_of_trec() -> None:
    counts = Counter(folder for spec in load_datasets() for folder in set(spec.folders))
    assert {folder for folder, count in counts.items() if count > 1} == {"trec", "CogComp/trec"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("mnli", "mnli"),
        ("nyu-mll/multi_nli", "mnli"),
        ("Facebook/ANLI", "anli"),
        ("glue/rte", "rte"),
        ("tweet_eval/emotion", "tweet_ev_emotion"),
        ("emotion", "tweet_ev_emotion"),
        (" ag_news ", "ag_news"),
        ("multi_nli", "mnli"),
    ],
)
def test_names_hub_ids_and_folders_find_the_entry(given: str, name: str) -> None:
    assert get_dataset(given).name == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "nyu-mll/glue",
            r"stands for 8 data sets .*: qnli, rte, wnli, cola, sst2, mrpc, qqp, stsb",
        ),
        ("trec", r"stands for 2 data sets .*: trec_coarse, trec_fine"),
    ],
)
def test_an_id_of_several_data_sets_asks_which(given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_dataset(given)


@pytest.mark.parametrize("given", ["me/my-data", "reviews.csv", "./data", "", "dair-ai/emotion"])
def test_other_data_is_not_taken_for_the_catalogs(given: str) -> None:
    assert find_dataset(given) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mnly", "did you mean 'mnli'"),
        ("tweet_emotion", "did you mean .*'tweet_ev_emotion'"),
        ("stanfordnlp/imbd", "did you mean 'stanfordnlp/imdb'"),
    ],
)
def test_an_unknown_data_set_gets_the_nearest_names(given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_dataset(given)
