from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.catalog.architectures import load_architectures
from hubbot.catalog.gain_protocols import (
    gain_protocol_of,
    get_gain_protocol,
    load_gain_protocols,
)
from hubbot.catalog.tables import read_table
from hubbot.errors import SettingsError
from hubbot.schema import GainProtocol

ARCHITECTURES = [entry.name for entry in load_architectures()]


def test_every_architecture_of_the_catalog_has_exactly_one_protocol() -> None:
    named = Counter(
        architecture
        for protocol in load_gain_protocols()
        for architecture in read_table("protocols.toml")[protocol.name]["architectures"]
    )
    assert named == Counter(ARCHITECTURES)


@pytest.mark.parametrize(
    ("architecture", "learning_rate", "weight_decay"),
    [("roberta-base", 5e-5, 0.01), ("bert-base-uncased", 2e-5, 0.0), ("t5-base", 1e-4, 0.0)],
)
def test_recipes_are_those_of_the_paper(
    architecture: str, learning_rate: float, weight_decay: float
) -> None:
    """Where to start? (Choshen et al.), appendix B."""
    recipe = gain_protocol_of(architecture).recipe
    assert (recipe.learning_rate, recipe.weight_decay) == (learning_rate, weight_decay)
    assert recipe.warmup_share == 0.006
    assert recipe.batch_size == 256
    assert recipe.validate_every == 50 * 256
    assert recipe.patience * recipe.validate_every == 20 * 50 * 256
    assert recipe.threshold == 0.001


def test_roberta_trains_for_ten_epochs_and_t5_until_it_stops_early() -> None:
    assert gain_protocol_of("roberta-base").recipe.max_epochs == 10
    assert gain_protocol_of("t5-small").recipe.max_epochs >= 100


def test_minilm_has_a_recipe_of_its_own_that_validates_each_epoch() -> None:
    protocol = gain_protocol_of("all-MiniLM-L6-v2")
    assert protocol.identifier == "gain-minilm@1"
    assert protocol.recipe.validate_every is None


@given(
    protocol=st.sampled_from(load_gain_protocols()),
    max_train=st.none() | st.integers(2, 10**9),
    epochs=st.none() | st.integers(1, 1000),
    as_written=st.booleans(),
)
def test_an_identifier_leads_back_to_its_protocol(
    protocol: GainProtocol, max_train: int | None, epochs: int | None, as_written: bool
) -> None:
    architecture = read_table("protocols.toml")[protocol.name]["architectures"][0]
    varied = gain_protocol_of(
        architecture, max_train=max_train, epochs=epochs, as_written=as_written
    )
    assert get_gain_protocol(varied.identifier) == varied
    assert (varied.recipe, varied.max_train, varied.epochs) == (protocol.recipe, max_train, epochs)


def test_the_identifier_names_all_that_differs() -> None:
    protocol = gain_protocol_of("bert-base-cased", max_train=1000, epochs=3, as_written=True)
    assert protocol.identifier == "gain-bert@1+as-written+train1000+epochs3"
    assert protocol.split_rule == "as-written"
    assert gain_protocol_of("bert-base-cased").identifier == "gain-bert@1"


@pytest.mark.parametrize("name", ["FacebookAI/roberta-base", "roberta-base"])
def test_hub_ids_of_an_architecture_find_its_protocol(name: str) -> None:
    assert gain_protocol_of(name).name == "gain-roberta"


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("gain-mini@1", "did you mean 'gain-minilm'"),
        ("lp-mnli@1", "unknown gain protocol 'lp-mnli'"),
        ("", "unknown gain protocol ''"),
        ("gain-minilm", r"version missing, known is gain-minilm@1"),
        ("gain-minilm@2", r"version 2, known is gain-minilm@1"),
        ("gain-minilm@01", r"version 01"),
        ("gain-minilm@1+", r"'' is not known"),
        ("gain-minilm@1+train", "after train comes a whole number, found ''"),
        ("gain-minilm@1+train-5", "found '-5'"),
        ("gain-minilm@1+train1e3", "found '1e3'"),
        ("gain-minilm@1+train٤", "found '٤'"),
        ("gain-minilm@1+train1", "expected 2 training rows or more"),
        ("gain-minilm@1+epochs0", "expected 1 or more"),
        ("gain-minilm@1+epochs3+train1000", r"'train1000' is not known; .*in this order"),
        ("gain-minilm@1+train1000+as-written", r"'as-written' is not known; .*in this order"),
        ("gain-minilm@1+train10+train10", "'train10' is not known"),
        ("gain-minilm@1+fast", "'fast' is not known"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(identifier: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_gain_protocol(identifier)


@pytest.mark.parametrize(
    ("identifier", "same"),
    [("gain-minilm@1+train007", "gain-minilm@1+train7"), (" gain-t5@1 ", "gain-t5@1")],
)
def test_two_spellings_give_one_identifier(identifier: str, same: str) -> None:
    assert get_gain_protocol(identifier).identifier == same


def test_an_unknown_architecture_gets_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"did you mean .*'roberta-base'"):
        gain_protocol_of("roberta-bas")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_train": 1}, "--max-train 1: expected 2 training rows or more"),
        ({"max_train": -3}, "--max-train -3"),
        ({"epochs": 0}, "--epochs 0: expected 1 or more"),
    ],
)
def test_numbers_that_train_nothing_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        gain_protocol_of("roberta-base", **options)  # type: ignore[arg-type]
