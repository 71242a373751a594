"""Which listed models are measured, why the others are not, and which come first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.bot.triage import REASONS, queries_of, triage, value_of
from hubbot.catalog.architectures import (
    find_architecture,
    get_architecture,
    load_architectures,
    normalise_id,
)
from hubbot.schema import ListedModel

ROBERTA, BERT, T5 = map(get_architecture, ("roberta-base", "bert-base-uncased", "t5-small"))
MINILM = get_architecture("all-MiniLM-L6-v2")


def listed(**facts: Any) -> ListedModel:
    """A sound fine-tuned roberta-base, but for what is said."""
    values: dict[str, Any] = {
        "model": "you/model",
        "revision": "a" * 40,
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-02-01T00:00:00.000Z",
        "downloads": 10,
        "likes": 1,
        "tags": ("transformers", "safetensors", "roberta", "en"),
        "base_models": ("FacebookAI/roberta-base",),
        "relations": ("finetune",),
        "languages": ("en",),
        "model_type": "roberta",
        "library": "transformers",
        "task": "text-classification",
        "parameters": 124_647_170,
        "weights_gb": 0.46,
        "is_quantised": False,
        "is_private": False,
        "is_gated": False,
        "is_disabled": False,
        "says_no": False,
    }
    return ListedModel(**(values | facts))


UNDECLARED: dict[str, Any] = {"base_models": (), "relations": ()}

LEFT_OUT: list[tuple[str, Mapping[str, Any], str]] = [
    ("disabled", {"is_disabled": True}, "the Hub has disabled it"),
    ("private", {"is_private": True}, "it is private"),
    ("gated", {"is_gated": True}, "consent"),
    ("opt-out", {"says_no": True}, "its card says hubbot: false"),
    ("base-model", {"model": "FacebookAI/roberta-base"}, "the base model itself"),
    ("base-model", {"model": "facebookai/RoBERTa-base"}, "the base model itself"),
    ("adapter", {"relations": ("adapter",)}, "an adapter"),
    ("adapter", {"library": "peft"}, "an adapter"),
    ("adapter", {"tags": ("safetensors", "LoRA")}, "an adapter"),
    ("quantised", {"relations": ("quantized",)}, "quantised"),
    ("quantised", {"is_quantised": True}, "quantised"),
    ("quantised", {"tags": ("safetensors", "8-bit")}, "quantised"),
    ("quantised", {"tags": ("safetensors", "GPTQ")}, "quantised"),
    ("no-safetensors", {"parameters": None, "tags": ("pytorch",)}, "no safetensors file"),
    ("too-large", {"weights_gb": 10.5}, "10.5 GiB, over 10"),
    ("other-language", {"languages": ("de",)}, "its card says de"),
    ("other-language", {"languages": ("no",)}, "its card says no"),
    ("other-language", {"languages": ("zh-cn", "ja")}, "its card says ja, zh"),
    ("other-architecture", UNDECLARED | {"model_type": "llama"}, "model_type 'llama'"),
    ("other-architecture", UNDECLARED | {"model_type": ""}, "model_type ''"),
    ("other-size", {"parameters": 355_359_746}, "355,359,746 parameters, not about 124,697,433"),
    ("other-size", UNDECLARED | {"parameters": 10_000_000}, "none of roberta-base, roberta-large"),
    (
        "undeclared",
        UNDECLARED | {"model_type": "bert", "parameters": 22_713_216},
        "share the sizes",
    ),
    ("contradiction", {"model_type": "bert"}, "declares roberta-base but is of model_type 'bert'"),
    (
        "contradiction",
        {"base_models": ("roberta-base", "google-bert/bert-base-uncased")},
        "declares bert-base-uncased and roberta-base at once",
    ),
]


@pytest.mark.parametrize(("reason", "facts", "words"), LEFT_OUT)
def test_each_reason_leaves_a_model_out_and_says_why(
    reason: str, facts: Mapping[str, Any], words: str
) -> None:
    found = triage(listed(**facts), max_gb=10)
    assert (found.reason, found.is_included) == (reason, False)
    assert words in found.text


def test_no_reason_is_without_a_case() -> None:
    assert {reason for reason, _, _ in LEFT_OUT} == set(REASONS)


INCLUDED: list[tuple[Mapping[str, Any], str]] = [
    ({}, "roberta-base"),
    ({"base_models": ("roberta-base",)}, "roberta-base"),
    ({"base_models": ("roberta-base", "FacebookAI/roberta-base")}, "roberta-base"),
    ({"base_models": ("you/unknown", "roberta-base")}, "roberta-base"),
    ({"relations": ("merge",)}, "roberta-base"),
    ({"languages": ()}, "roberta-base"),
    ({"languages": ("en-us",)}, "roberta-base"),
    ({"languages": ("en_gb",)}, "roberta-base"),
    ({"languages": ("de", "en")}, "roberta-base"),
    ({"languages": ("multilingual",)}, "roberta-base"),
    ({"model_type": ""}, "roberta-base"),
    ({"parameters": None, "weights_gb": None}, "roberta-base"),
    # One layer of an embedding more, or the pooler and masked-LM head less.
    ({"parameters": 124_055_040}, "roberta-base"),
    (UNDECLARED | {"parameters": 355_359_746}, "roberta-large"),
    (UNDECLARED | {"parameters": 82_119_938}, "distilroberta-base"),
    # Size and type do not tell these two apart; config.json will.
    (UNDECLARED | {"model_type": "bert", "parameters": 109_483_778}, ""),
    (UNDECLARED | {"parameters": None}, ""),
    # The encoder alone.
    (
        {"base_models": ("t5-small",), "model_type": "t5", "parameters": 35_330_816},
        "t5-small",
    ),
    (
        {
            "base_models": ("sentence-transformers/all-MiniLM-L6-v2",),
            "model_type": "bert",
            "parameters": 22_713_216,
        },
        "all-MiniLM-L6-v2",
    ),
]


@pytest.mark.parametrize(("facts", "architecture"), INCLUDED)
def test_what_may_be_a_checkpoint_of_the_catalog_is_included(
    facts: Mapping[str, Any], architecture: str
) -> None:
    found = triage(listed(**facts))
    assert (found.reason, found.is_included) == (None, True)
    assert found.architecture == architecture
    assert found.text


def test_an_opt_out_comes_from_the_list_as_well() -> None:
    found = triage(listed(), is_left_alone=True)
    assert (found.reason, found.text) == ("opt-out", "it or its owner asked to be left alone")


def test_manners_come_before_everything_that_is_the_models_own() -> None:
    bad = listed(says_no=True, is_quantised=True, languages=("de",), model_type="llama")
    assert triage(bad).reason == "opt-out"
    assert triage(replace(bad, is_gated=True)).reason == "gated"


def test_pickled_weights_count_where_they_are_read_in_the_sandbox() -> None:
    pickled = listed(parameters=None, weights_gb=None, tags=("pytorch",))
    assert triage(pickled).reason == "no-safetensors"
    assert triage(pickled, reads_bin=True).is_included
    assert triage(replace(pickled, tags=()), reads_bin=True).reason == "no-safetensors"


def test_words_of_strangers_are_cut_short() -> None:
    found = triage(listed(**UNDECLARED, model_type="x" * 1000))
    assert len(found.text) < 150
    assert len(triage(listed(languages=("d" * 5000,))).text) < 150


# Random facts

texts = st.text(max_size=12)
facts = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(("you/model", "roberta-base", "FacebookAI/roberta-base", "x")),
        "tags": st.lists(
            st.sampled_from(("safetensors", "pytorch", "gguf", "lora", "en")) | texts
        ).map(tuple),
        "base_models": st.lists(
            st.sampled_from(("roberta-base", "bert-base-cased", "you/other")), max_size=3
        ).map(tuple),
        "relations": st.lists(st.sampled_from(("finetune", "adapter", "quantized"))).map(tuple),
        "languages": st.lists(st.sampled_from(("en", "de", "mul")) | texts).map(tuple),
        "model_type": st.sampled_from(("roberta", "bert", "t5", "llama", "")),
        "library": st.sampled_from(("transformers", "peft", "")),
        "parameters": st.none() | st.integers(1, 10**9),
        "weights_gb": st.none() | st.floats(0, 100),
        **dict.fromkeys(
            ("is_quantised", "is_private", "is_gated", "is_disabled", "says_no"), st.booleans()
        ),
    },
)


@given(facts, st.booleans(), st.booleans())
def test_every_model_is_included_or_left_out_for_one_known_reason(
    given_facts: dict[str, Any], reads_bin: bool, is_left_alone: bool
) -> None:
    one = listed(**given_facts)
    found = triage(one, max_gb=10, reads_bin=reads_bin, is_left_alone=is_left_alone)
    assert found.is_included == (found.reason is None)
    assert found.reason is None or found.reason in REASONS
    assert found.text.strip()
    if found.is_included:
        nos = (one.is_private, one.is_gated, one.is_disabled, one.says_no, one.is_quantised)
        assert not any((*nos, is_left_alone))
    names = {entry.name for entry in load_architectures()}
    assert found.architecture in names | {""}
    if not found.is_included and found.architecture:
        declared = [find_architecture(name) for name in (one.model, *one.base_models)]
        assert get_architecture(found.architecture) in declared


# Order

moments = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
counts = st.integers(0, 2**50)


@given(counts, counts, moments)
def test_more_downloads_or_likes_never_come_later(one: int, other: int, modified: str) -> None:
    low, high = sorted((one, other))
    of = listed(modified=modified)
    assert value_of(replace(of, downloads=low)) <= value_of(replace(of, downloads=high))
    assert value_of(replace(of, likes=low)) <= value_of(replace(of, likes=high))


@given(moments, moments, counts)
def test_the_later_changed_never_comes_later(one: str, other: str, downloads: int) -> None:
    early, late = sorted((one, other))
    of = listed(downloads=downloads)
    assert value_of(replace(of, modified=early)) <= value_of(replace(of, modified=late))


@given(moments | texts, counts, counts)
def test_declaring_a_base_model_of_the_catalog_comes_first_among_equals(
    modified: str, downloads: int, likes: int
) -> None:
    of = listed(modified=modified, downloads=downloads, likes=likes)
    undeclared = replace(of, base_models=("you/unknown",))
    assert value_of(of) > value_of(undeclared)
    assert 0 <= value_of(undeclared) < 2**50


def test_a_year_counts_as_ten_times_the_downloads() -> None:
    old = listed(modified="2024-03-01T00:00:00.000Z", downloads=9999, likes=0)
    new = listed(modified="2025-03-01T06:00:00.000Z", downloads=999, likes=0)  # 365.25 days later
    assert value_of(new) == pytest.approx(value_of(old), abs=1e-9)


def test_where_no_change_is_known_the_day_it_was_made_counts() -> None:
    day = "2025-03-01T00:00:00.000Z"
    made = listed(modified="", created=day)
    assert value_of(made) == value_of(listed(modified=day))
    assert value_of(listed(modified="", created="")) < value_of(made)


# Queries


def test_each_base_model_is_asked_for_under_all_its_ids_and_each_type_once() -> None:
    entries = load_architectures()
    queries = queries_of(entries)
    assert len(queries) == len(set(queries))
    prefix = "base_model:finetune:"
    asked = [query[0].removeprefix(prefix) for query in queries if query[0].startswith(prefix)]
    expected = {normalise_id(name) for entry in entries for name in (entry.hub_id, *entry.aliases)}
    assert {normalise_id(name) for name in asked} == expected
    assert len(asked) == len(expected)
    types = [query[0] for query in queries if not query[0].startswith(prefix)]
    assert sorted(types) == sorted({entry.model_type for entry in entries})


def test_declared_ones_are_asked_for_before_a_whole_model_type() -> None:
    assert queries_of([ROBERTA]) == [
        ("base_model:finetune:FacebookAI/roberta-base",),
        ("base_model:finetune:roberta-base",),
        ("roberta",),
    ]
    assert [query[0] for query in queries_of([BERT, MINILM, T5])][-2:] == ["bert", "t5"]
