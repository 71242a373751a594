"""Flags read off names and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.gains.flags import (
    COLUMNS,
    FUSED,
    SPECIALISED,
    TRAINED_ON_MNLI,
    TRAINED_ON_NLI,
    flag_table,
    name_flags,
)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("someone/roberta-base-mnli", {TRAINED_ON_MNLI}),
        ("someone/RobertaMNLI", {TRAINED_ON_MNLI}),
        ("someone/bert_multi_nli_v2", {TRAINED_ON_MNLI}),
        ("someone/bert.multinli", {TRAINED_ON_MNLI}),
        ("someone/mnli-snli-anli", {TRAINED_ON_MNLI}),  # the stronger of the two words
        ("someone/roberta-snli", {TRAINED_ON_NLI}),
        ("someone/e-snli-bert", {TRAINED_ON_NLI}),
        ("someone/bert-fever", {TRAINED_ON_NLI}),
        ("someone/bert-textual-entailment", {TRAINED_ON_NLI}),
        ("someone/MedNLI-bert", {TRAINED_ON_NLI, SPECIALISED}),
        ("facebook/muppet-roberta-base", {FUSED}),
        ("ibm/ColD-Fusion-itr13-seed0", {FUSED}),
        ("someone/bert-multi-task", {FUSED}),
        ("someone/deberta-v3-base_10xp3_10xc4_128", {FUSED}),
        ("someone/t5-base-10xP3", {FUSED}),
        ("someone/PubMedBERT", {SPECIALISED}),
        ("someone/legal-bert", {SPECIALISED}),
        ("someone/CodeBERTa-small", {SPECIALISED}),
        ("someone/sci-bert", {SPECIALISED}),
        ("roberta-base", set()),
        ("a-local-folder-mnli", {TRAINED_ON_MNLI}),
        ("", set()),
    ],
)
def test_names_call_for_flags(name: str, flags: set[str]) -> None:
    assert set(name_flags(name)) == flags


@pytest.mark.parametrize(
    "name",
    [
        "someone/alumni-bert",
        "someone/bert-qnli",
        "someone/bert-wnli",
        "someone/confusion-detector",
        "someone/diffusion-captions",
        "someone/outlaw-stories",
        "someone/barcode-reader",
        "someone/medium-articles",
        "someone/bert-biased-news",
        "someone/bios-classifier",
        "someone/html-bert",
        "someone/encoder-decoder",
        "someone/feverish-nights",
        "someone/unlike",
    ],
)
def test_words_that_merely_look_alike_call_for_none(name: str) -> None:
    assert name_flags(name) == ()


@pytest.mark.parametrize("owner", ["mnli", "fusion-lab", "BioMed", "legal", "xnli"])
def test_the_owners_name_says_nothing(owner: str) -> None:
    assert name_flags(f"{owner}/roberta-base-imdb") == ()


@pytest.mark.parametrize(
    ("tag", "flags"),
    [
        ("dataset:nyu-mll/multi_nli", (TRAINED_ON_MNLI,)),
        ("dataset:multi_nli", (TRAINED_ON_MNLI,)),
        ("dataset:MNLI", (TRAINED_ON_MNLI,)),
        ("dataset:stanfordnlp/snli", (TRAINED_ON_NLI,)),
        ("dataset:facebook/anli", (TRAINED_ON_NLI,)),
        ("dataset:xnli", (TRAINED_ON_NLI,)),
        ("dataset:qnli", ()),
        ("dataset:glue", ()),  # holds MNLI beside seven others
        ("dataset:alumni", ()),
        ("mnli", ()),  # any word may stand as a tag; only a data set's counts
        ("license:mnli", ()),
    ],
)
def test_tags_of_data_sets_count_as_names_do(tag: str, flags: tuple[str, ...]) -> None:
    assert name_flags("someone/bert", ["pytorch", tag, "en"]) == flags


@given(st.text(max_size=60))
def test_any_name_gets_each_flag_at_most_once(name: str) -> None:
    found = name_flags(name)
    assert len(set(found)) == len(found)
    assert set(found) <= {TRAINED_ON_MNLI, TRAINED_ON_NLI, FUSED, SPECIALISED}


def test_the_table_has_a_column_for_each_kind() -> None:
    found = flag_table([(TRAINED_ON_MNLI,), (TRAINED_ON_NLI, FUSED), (SPECIALISED, "borrowed"), ()])
    assert COLUMNS == ("nli", "fused", "special")
    assert found.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_the_table_of_no_models_keeps_its_columns() -> None:
    assert flag_table([]).shape == (0, 3)
