import pytest

from hubbot.catalog.dataset_groups import datasets_of_group, group_names, targets_of
from hubbot.catalog.datasets import load_datasets
from hubbot.errors import SettingsError
from hubbot.gains.groups import GROUPS


@pytest.mark.parametrize(
    ("group", "size"),
    [
        ("general", 14),
        ("nli", 6),
        ("twitter", 11),
        ("stance", 5),
        ("site36", 36),
        ("site32", 32),
        ("quick", 4),
    ],
)
def test_groups_have_the_sizes_of_the_papers_and_the_site(group: str, size: int) -> None:
    assert len(datasets_of_group(group)) == size
    assert group in group_names()


def test_all_41_data_sets_are_in_a_group() -> None:
    assert len(load_datasets()) == 41
    assert sum(len(datasets_of_group(group)) for group in ("site36", "stance")) == 41


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_groups_that_gains_are_averaged_over_are_the_same_here(group: str) -> None:
    assert {spec.name for spec in datasets_of_group(group)} == set(GROUPS[group])


def test_nli_and_twitter_are_those_of_the_first_paper() -> None:
    assert [spec.name for spec in datasets_of_group("nli")] == (
        ["mnli", "qnli", "rte", "wnli", "esnli", "anli"]
    )
    stance = datasets_of_group("stance")  # left out there, used in its T5 experiment
    assert {spec.config for spec in datasets_of_group("twitter") if spec not in stance} == (
        {"emotion", "emoji", "irony", "offensive", "hate", "sentiment"}
    )
    assert all(spec in datasets_of_group("twitter") for spec in stance)


def test_an_unknown_group_gets_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"unknown group of targets 'site63'.*'site36'"):
        datasets_of_group("site63")


def test_targets_come_once_and_in_catalog_order() -> None:
    order = [spec.name for spec in load_datasets()]
    found = [spec.name for spec in targets_of("tweet_ev_emotion,quick,rte,emotion")]
    assert found == [name for name in order if name in {*GROUPS["quick"], "tweet_ev_emotion"}]


@pytest.mark.parametrize("text", ["quick", " QUICK ", "rte, cb,mrpc,,cola", "cola,mrpc,cb,rte,"])
def test_spelling_and_order_of_the_list_do_not_matter(text: str) -> None:
    assert targets_of(text) == datasets_of_group("quick")


def test_no_group_is_named_like_a_data_set() -> None:
    assert not set(group_names()) & {spec.name for spec in load_datasets()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no targets in ''; expected groups \(general, nli, .*\) or data sets"),
        (" , ", "no targets"),
        ("quick,generl", "unknown target or group of targets 'generl'; did you mean 'general'"),
        ("quick,imbd", "did you mean 'imdb'"),
        ("quick,trec", "stands for 2 data sets"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        targets_of(text)
