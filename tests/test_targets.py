"""Targets as a user names them, and what two of them have in common."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hubbot.data.prepared import ROLES, write_target
from hubbot.errors import SettingsError
from hubbot.schema import SplitName, Target
from hubbot.settings import Settings
from hubbot.targets import Columns, catalog_entry, possible_sizes, read_target, target_digest


def write(folder: Path, **changes: Any) -> Target:
    """A target of six rows a split; changes by split, or of what else ``write_target`` takes."""
    texts = [f"text {number}" for number in range(6)]
    tables: dict[SplitName, pa.Table] = {
        role: pa.table({"text": [f"{role} {text}" for text in texts], "label": [0, 1] * 3})
        for role in ROLES
    }
    tables |= {role: changes.pop(role) for role in tables if role in changes}
    given: dict[str, Any] = {"label_names": ("no", "yes"), "metric": "accuracy", "name": "mine"}
    given |= {"source": "a.csv", "licence": "", "split_rule": "as given"} | changes
    return write_target(given.pop("name"), tables, folder=folder, **given)


OTHER_LABEL = pa.table({"text": [f"one {number}" for number in range(6)], "label": [1, 1] * 3})


@pytest.mark.parametrize(
    "changes",
    [
        {"train": OTHER_LABEL},
        {"validation": OTHER_LABEL},
        {"test": OTHER_LABEL},
        {"metric": "spearman"},
        {"label_names": ("yes", "no")},
        {"label_names": ("no", "yes", "maybe")},
        {"label_names": ("n", "oyes")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_digest_changes_with_each_of_its_parts(tmp_path: Path, changes: dict[str, Any]) -> None:
    digests = {target_digest(write(tmp_path)), target_digest(write(tmp_path, **changes))}
    assert len(digests) == 2


def test_the_digest_changes_where_two_splits_change_places(tmp_path: Path) -> None:
    target = write(tmp_path)
    splits = {**target.splits, "test": target.splits["validation"]}
    splits["validation"] = target.splits["test"]
    assert target_digest(replace(target, splits=splits)) != target_digest(target)


def test_the_digest_knows_where_a_class_name_ends(tmp_path: Path) -> None:
    one = write(tmp_path, label_names=("no\nyes", "maybe"))
    other = write(tmp_path, label_names=("no", "yes\nmaybe"))
    assert target_digest(one) != target_digest(other)


def test_the_digest_is_of_the_rows_alone(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    other = write(tmp_path / "two", name="yours", source="b.csv", notes=("odd",), revision="a" * 40)
    assert target_digest(one) == target_digest(other)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((None,), (None,)),
        ((4, 2), (2, 4)),
        ((2, 2, None), (2, None)),
        ((2, 6), (2, None)),
        ((7, 100, None), (None,)),
    ],
)
def test_sizes_ascend_and_those_beyond_the_rows_are_all(
    tmp_path: Path, sizes: tuple[int | None, ...], expected: tuple[int | None, ...]
) -> None:
    assert possible_sizes(sizes, write(tmp_path)) == expected


@pytest.mark.parametrize(("sizes", "match"), [((), "no training sizes"), ((1, None), "size 1")])
def test_sizes_that_nothing_can_be_trained_on_are_refused(
    tmp_path: Path, sizes: tuple[int | None, ...], match: str
) -> None:
    with pytest.raises(SettingsError, match=match):
        possible_sizes(sizes, write(tmp_path))


# Which data set is meant


@pytest.mark.parametrize("name", ["rte", "facebook/anli", "emotion"])
def test_names_of_the_catalog_stand_for_its_entries(name: str) -> None:
    assert catalog_entry(name) is not None


@pytest.mark.parametrize("name", ["rte", "cb"])
def test_options_for_own_data_do_not_go_with_a_name_of_the_catalog(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is a data set of the catalog"):
        catalog_entry(name, Columns(max_rows=500))


def test_a_hub_id_of_the_catalog_with_columns_is_read_as_the_user_says() -> None:
    assert catalog_entry("facebook/anli", Columns(text=("premise",))) is None


def test_a_folder_named_like_the_catalogs_data_set_is_not_mistaken_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rte").mkdir()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING, logger="hubbot"):
        assert catalog_entry("rte") is not None
    assert "./rte" in caplog.text
    assert catalog_entry("rte", Columns(label="verdict")) is None
    assert catalog_entry("./rte") is None


def test_a_long_file_is_sampled_and_that_is_said(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(2, size=1000)
    rows = "".join(
        f"text number {n},{'yes' if label else 'no'}\n" for n, label in enumerate(labels)
    )
    path = tmp_path / "long.csv"
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    settings = Settings(cache_dir=tmp_path / "cache")
    whole = read_target(str(path), "as-run", settings)
    target = read_target(str(path), "as-run", settings, Columns(max_rows=300))
    assert sum(split.n_rows for split in whole.splits.values()) == 1000
    assert sum(split.n_rows for split in target.splits.values()) == 300
    assert [note for note in target.notes if "300 of its 1,000 rows are used" in note]
    assert not [note for note in whole.notes if "rows are used" in note]
