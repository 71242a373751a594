from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hubbot.catalog.datasets import get_dataset, load_datasets
from hubbot.catalog.tables import read_table
from hubbot.errors import SettingsError


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    hub_id: str
    config: str | None = None
    revision: str = ""
    folders: list[str]
    text_columns: list[str]
    label_column: str
    label_names: list[str]
    task_type: str
    metric: Literal["accuracy"]
    splits: dict[Literal["train", "validation", "test"], str]
    sizes: dict[str, int]
    licence: str
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


def test_every_entry_is_whole() -> None:
    for spec in load_datasets():
        assert set(spec.splits) == {"train", "validation", "test"}
        assert set(spec.splits.values()) <= set(spec.sizes)
        assert 1 <= len(spec.text_columns) <= 2
        assert spec.name in spec.folders
        assert spec.revision == ""
        assert spec.sources


def test_the_hub_id_finds_the_entry_too() -> None:
    assert get_dataset("nyu-mll/multi_nli").name == "mnli"


def test_an_unknown_data_set_gets_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match="did you mean 'mnli'"):
        get_dataset("mnly")
