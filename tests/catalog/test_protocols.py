from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hubbot.catalog.datasets import get_dataset
from hubbot.catalog.protocols import get_protocol, load_protocols
from hubbot.catalog.tables import read_table
from hubbot.errors import SettingsError


class Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    dropout: float
    seeds: list[int]


class FinetuningRecipe(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    learning_rate: float
    weight_decay: float
    warmup_share: float
    batch_size: int
    max_epochs: int
    validate_every: int | None = None
    patience: int
    threshold: float
    max_length: int


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: int
    dataset: str
    max_length: int
    dtype: str
    l2_grid: list[float]
    recipe: Recipe


class GainEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["gain"]
    version: int
    architectures: list[str]
    recipe: FinetuningRecipe


def test_the_file_holds_what_a_protocol_may_hold() -> None:
    kinds = TypeAdapter(dict[str, GainEntry | Entry])
    entries = kinds.validate_python(read_table("protocols.toml"))
    assert {type(entry) for entry in entries.values()} == {GainEntry, Entry}


def test_protocols_that_fine_tune_are_not_taken_for_probes() -> None:
    probes = {name for name, table in read_table("protocols.toml").items() if "kind" not in table}
    assert {protocol.name for protocol in load_protocols()} == probes
    with pytest.raises(SettingsError, match="unknown protocol 'gain-bert'"):
        get_protocol("gain-bert")


def test_lp_mnli_is_as_the_design_writes_it() -> None:
    protocol = get_protocol("lp-mnli")
    recipe = protocol.recipe
    assert (protocol.identifier, protocol.max_train, protocol.max_length) == ("lp-mnli", None, 128)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch_size) == (1e-3, 0.0, 256)
    assert (recipe.epochs, recipe.dropout, len(recipe.seeds)) == (10, 0.1, 3)
    assert protocol.dtype == "float32"


def test_every_protocol_names_a_data_set_of_the_catalog() -> None:
    for protocol in load_protocols():
        assert get_dataset(protocol.dataset).name == protocol.dataset
        assert list(protocol.l2_grid) == sorted(set(protocol.l2_grid))
        assert min(protocol.l2_grid) > 0


@pytest.mark.parametrize("rows", [3, 4000, 20_000, 392_701])
def test_a_size_becomes_part_of_the_identifier(rows: int) -> None:
    protocol = get_protocol(f"lp-mnli@{rows}")
    assert (protocol.max_train, protocol.identifier) == (rows, f"lp-mnli@{rows}")


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("lp-mnl", "did you mean 'lp-mnli'"),
        ("model-recycling-2023", "unknown protocol"),
        ("", "known: lp-mnli"),
        ("lp-mnli@", "number of training rows"),
        ("lp-mnli@0", "number of training rows"),
        ("lp-mnli@-5", "number of training rows"),
        ("lp-mnli@4k", "number of training rows"),
        ("lp-mnli@04", "number of training rows"),
        ("lp-mnli@٤", "number of training rows"),
        ("lp-mnli@4@5", "number of training rows"),
        ("lp-mnli@2", "cannot hold the 3 classes"),
        ("lp-mnli@392702", "use lp-mnli for all"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(identifier: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_protocol(identifier)
