from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.data.load import read_label_names
from hubbot.data.own_hub import read_hub
from hubbot.data.own_tables import OwnTables
from hubbot.data.own_targets import load_own_target
from hubbot.errors import DatasetError, SettingsError
from hubbot.localhub.server import LocalHub

N = 60
NAMES = ("sad", "happy")


def add(
    hub: LocalHub,
    tmp_path: Path,
    splits: dict[str, dict[str, Any]],
    *,
    has_names: bool = False,
    names: tuple[str, ...] = NAMES,
) -> str:
    """Put a data set on the embedded Hub and return its revision."""
    import datasets

    files = {}
    for split, columns in splits.items():
        path = tmp_path / f"{split}.parquet"
        part = datasets.Dataset.from_dict(columns)
        if has_names:
            part = part.cast_column("label", datasets.ClassLabel(names=list(names)))
        part.to_parquet(path)
        files[f"data/{split}-00000-of-00001.parquet"] = path
    hub.add_dataset("me/reviews", files)
    return hub.head("me/reviews", kind="datasets")


def rows(kind: str, n_rows: int = N, **more: Any) -> dict[str, Any]:
    texts = [f"{kind} review number {n} of a film" for n in range(n_rows)]
    return {"text": texts, "label": [n % 2 for n in range(n_rows)], **more}


def read(tmp_path: Path, **options: Any) -> OwnTables:
    defaults = {"config": None, "validation": None, "test": None, "revision": "", "token": None}
    return read_hub("me/reviews", cache_dir=tmp_path / "cache", **(defaults | options))


def test_splits_are_found_by_name_and_kept_per_revision(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {role: rows(role) for role in ("train", "validation", "test")})
    tables = read(tmp_path, revision=revision)
    assert list(tables.splits) == ["train", "validation", "test"]
    assert tables.revision == revision
    assert tables.source == f"me/reviews, revision {revision}: splits train, validation, test"
    asked = len(hub.log)
    assert read(tmp_path, revision=revision) == tables
    assert len(hub.log) == asked


def test_a_damaged_cache_is_read_anew(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {"train": rows("train")})
    tables = read(tmp_path, revision=revision)
    tables.splits["train"].paths[0].unlink()
    again = read(tmp_path, revision=revision)
    assert again.splits["train"].paths[0].is_file()


def test_the_makers_class_names_are_kept(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {role: rows(role) for role in ("train", "test")}, has_names=True)
    tables = read(tmp_path, revision=revision)
    assert read_label_names(tables.splits["train"].paths[0], "label") == NAMES
    target = load_own_target("me/reviews", revision=revision, cache_dir=tmp_path / "cache")
    assert target.label_names == NAMES
    assert target.splits["test"].revision == revision
    assert target.name == "me/reviews"
    assert target.licence == ""


@pytest.mark.parametrize("names", [("1", "2"), ("-1", "0")])
def test_class_names_that_are_numbers_are_not_mistaken_for_numbers_of_classes(
    tmp_path: Path, hub: LocalHub, names: tuple[str, ...]
) -> None:
    splits = {role: rows(role) for role in ("train", "validation", "test")}
    revision = add(hub, tmp_path, splits, has_names=True, names=names)
    target = load_own_target("me/reviews", revision=revision, cache_dir=tmp_path / "cache")
    assert target.label_names == names
    for split in target.splits.values():
        assert pq.read_table(split.path)["label"].to_pylist() == rows("")["label"]


def test_a_test_with_hidden_labels_is_passed_over_for_validation(
    tmp_path: Path, hub: LocalHub
) -> None:
    splits = {role: rows(role) for role in ("train", "validation", "test")}
    splits["test"]["label"] = [-1] * N
    revision = add(hub, tmp_path, splits, has_names=True)
    target = load_own_target("me/reviews", revision=revision, cache_dir=tmp_path / "cache")
    texts = pq.read_table(target.splits["test"].path)["text"].to_pylist()
    assert all(text.startswith("validation ") for text in texts)
    sizes = {role: split.n_rows for role, split in target.splits.items()}
    assert sizes["train"] + sizes["validation"] == N
    assert sizes["test"] == N
    assert any("split test: its labels are hidden" in note for note in target.notes)
    assert "its validation split" in target.split_rule


def test_columns_of_lists_are_left_out_and_told(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {"train": rows("train", tags=[["x"]] * N)})
    split = read(tmp_path, revision=revision).splits["train"]
    assert split.columns == ("text", "label")
    assert list(split.unusable) == ["tags"]
    with pytest.raises(
        SettingsError, match=r"--text-column tags: this column of .* holds List val"
    ):
        load_own_target(
            "me/reviews", text_columns=("tags",), revision=revision, cache_dir=tmp_path / "cache"
        )


def test_splits_may_be_named_and_must_be_where_two_fit(tmp_path: Path, hub: LocalHub) -> None:
    names = ("train", "test_a", "test_b")
    revision = add(hub, tmp_path, {name: rows(name) for name in names})
    with pytest.raises(SettingsError, match=r"serve as test: test_a, test_b\. Say which with --te"):
        read(tmp_path, revision=revision)
    tables = read(tmp_path, revision=revision, test="test_b", validation="test_a")
    assert tables.splits["test"].name == "me/reviews, split test_b"
    assert tables.splits["validation"].name == "me/reviews, split test_a"
    with pytest.raises(SettingsError, match=r"no split 'gone' for --test; found train, test_a, te"):
        read(tmp_path, revision=revision, test="gone")


def test_a_split_that_is_named_for_one_role_has_no_other(tmp_path: Path, hub: LocalHub) -> None:
    names = ("train", "validation", "test")
    revision = add(hub, tmp_path, {name: rows(name) for name in names})
    tables = read(tmp_path, revision=revision, test="validation")
    assert {role: split.name for role, split in tables.splits.items()} == {
        "train": "me/reviews, split train",
        "test": "me/reviews, split validation",
    }
    for further, message in (
        (
            {"validation": "test", "test": "test"},
            r"split test is named for --validation and for --te",
        ),
        ({"test": "train"}, r"--test train: the model is trained on this; expected other rows"),
        ({"validation": "train"}, r"--validation train: .* or leave --validation out"),
    ):
        with pytest.raises(SettingsError, match=message):
            read(tmp_path, revision=revision, **further)


def test_the_lone_split_is_no_test(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {"whole": rows("whole")})
    with pytest.raises(SettingsError, match=r"--test whole: the model is trained on this"):
        read(tmp_path, revision=revision, test="whole")


def test_where_two_splits_may_be_train_no_option_is_offered(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {name: rows(name) for name in ("train_r1", "train_r2")})
    with pytest.raises(SettingsError, match=r"train_r1, train_r2\. Download its files and give th"):
        read(tmp_path, revision=revision)


def test_a_plain_split_name_goes_before_a_longer_one(tmp_path: Path, hub: LocalHub) -> None:
    names = ("train", "test_hard", "test")
    revision = add(hub, tmp_path, {name: rows(name) for name in names})
    assert read(tmp_path, revision=revision).splits["test"].name == "me/reviews, split test"


def test_a_lone_test_split_is_no_training_data(tmp_path: Path, hub: LocalHub) -> None:
    revision = add(hub, tmp_path, {"test": rows("only", 200)})
    with pytest.raises(SettingsError, match=r"no split named train; found test"):
        read(tmp_path, revision=revision)


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path, hub: LocalHub) -> None:
    with pytest.raises(DatasetError, match=r"me/reviews \(no config, revision main\) cannot be re"):
        read(tmp_path)


def test_a_copy_of_another_revision_does_not_stand_in(tmp_path: Path, hub: LocalHub) -> None:
    add(hub, tmp_path, {"train": rows("train")})
    assert read(tmp_path).splits
    hub.reset()
    with pytest.raises(DatasetError, match=r"me/reviews .* cannot be read"):
        read(tmp_path)
    assert not list((tmp_path / "cache").rglob("reading-*"))


@pytest.mark.parametrize("source", ["not an id", "a/b/c", "a;b", "ü/x"])
def test_what_is_neither_file_nor_id_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(SettingsError, match=r"neither a file nor a Hub id|no such file"):
        load_own_target(source, cache_dir=tmp_path)


def test_names_that_folders_cannot_have_stay_below_the_cache(tmp_path: Path, hub: LocalHub) -> None:
    with pytest.raises(DatasetError):
        read(tmp_path, config="../../../x", revision="refs/convert/parquet")
    assert not [path for path in tmp_path.rglob("*") if path.name == "x"]


def test_nothing_of_pyarrow_is_lost_on_the_way(tmp_path: Path, hub: LocalHub) -> None:
    columns = rows("train") | {"label": ["yes", None] * (N // 2)}
    revision = add(hub, tmp_path, {"train": columns})
    table = pq.read_table(read(tmp_path, revision=revision).splits["train"].paths[0])
    assert table.to_pydict() == pa.table(columns).to_pydict()
