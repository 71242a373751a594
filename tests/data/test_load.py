import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.catalog.datasets import get_dataset
from hubbot.data.load import load_folder, load_from_hub, read_columns
from hubbot.errors import DatasetError
from hubbot.localhub.server import LocalHub

MNLI = get_dataset("mnli")
SAMPLE = Path(__file__).parents[2] / "hubbot" / "data" / "samples"


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def small_folder(root: Path, **changes: Any) -> Path:
    rows = {"premise": ["a", "b", "c"], "hypothesis": ["d", "e", "f"], "label": [0, 1, 2]}
    for split in MNLI.splits.values():
        write(root / "mnli" / f"{split}.parquet", **(rows | changes))
    return root


def test_the_packaged_sample_is_read_as_the_catalog_says() -> None:
    splits = load_folder(MNLI, SAMPLE)
    assert {role: split.n_rows for role, split in splits.items()} == {
        "train": 19_998,
        "validation": 9_815,
        "test": 999,
    }
    assert splits["validation"].split == "validation_matched"
    assert splits["test"].split == "validation_mismatched"


def test_no_training_pair_of_the_sample_occurs_in_the_other_splits() -> None:
    tables = {
        role: read_columns(MNLI, split.path) for role, split in load_folder(MNLI, SAMPLE).items()
    }
    pairs = {
        role: set(zip(table["premise"].to_pylist(), table["hypothesis"].to_pylist(), strict=True))
        for role, table in tables.items()
    }
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["train"] & pairs["test"]


def test_the_digest_depends_on_content_and_not_on_the_files_layout(tmp_path: Path) -> None:
    rows = {"premise": ["a", "b"], "hypothesis": ["d", "e"], "label": [0, 1]}
    for name, options in (("one", {}), ("two", {"compression": "zstd", "row_group_size": 1})):
        for split in MNLI.splits.values():
            path = tmp_path / name / "mnli" / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(rows), path, **options)
    one, two = (load_folder(MNLI, tmp_path / name)["train"] for name in ("one", "two"))
    other = load_folder(MNLI, small_folder(tmp_path / "three"))["train"]
    assert one.digest == two.digest != other.digest


def test_moving_a_letter_between_rows_changes_the_digest(tmp_path: Path) -> None:
    first = load_folder(MNLI, small_folder(tmp_path / "a", premise=["xy", "b", "c"]))
    second = load_folder(MNLI, small_folder(tmp_path / "b", premise=["x", "yb", "c"]))
    assert first["train"].digest != second["train"].digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": [0, 1, -1]}, r"labels \[-1\] are not in the label map .*hidden"),
        ({"label": [0, 1, 3]}, r"labels \[3\] are not in the label map"),
        ({"label": [0, 1, None]}, "column 'label' lacks 1 values"),
        ({"premise": ["a", None, "c"]}, "column 'premise' lacks 1 values"),
        ({"label": ["x", "y", "z"]}, "expected text and whole-number labels"),
        ({"label": [0.5, 1.0, 2.0]}, "expected text and whole-number labels"),
        ({"premise": [], "hypothesis": [], "label": pa.array([], pa.int64())}, "no rows"),
    ],
)
def test_bad_rows_are_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        load_folder(MNLI, small_folder(tmp_path, **changes))


def test_a_missing_column_names_what_was_found(tmp_path: Path) -> None:
    for split in MNLI.splits.values():
        write(tmp_path / "mnli" / f"{split}.parquet", sentence1=["a"], hypothesis=["b"], label=[0])
    with pytest.raises(DatasetError, match=r"no column 'premise'.*found \['sentence1'"):
        load_folder(MNLI, tmp_path)


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    root = small_folder(tmp_path)
    (root / "mnli" / "train.parquet").write_text("premise,hypothesis,label\n")
    with pytest.raises(DatasetError, match=r"train\.parquet is not a readable Parquet file"):
        load_folder(MNLI, root)


def test_a_folder_without_the_data_set_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no folder holds all of train\.parquet.*multi_nli"):
        load_folder(MNLI, tmp_path)


def test_a_data_set_is_read_by_hub_id_and_kept_per_revision(tmp_path: Path, hub: LocalHub) -> None:
    rows = {"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 1], "genre": ["x", "y"]}
    files = {
        f"data/{split}-00000-of-00001.parquet": write(tmp_path / f"{split}.parquet", **rows)
        for split in MNLI.splits.values()
    }
    hub.add_dataset("nyu-mll/multi_nli", files)
    revision = hub.head("nyu-mll/multi_nli", kind="datasets")
    cache = tmp_path / "cache"
    splits = load_from_hub(MNLI, revision=revision, cache_dir=cache)
    assert splits["test"].n_rows == 2
    assert splits["test"].revision == revision
    assert read_columns(MNLI, splits["test"].path)["label"].to_pylist() == [0, 1]
    asked = len(hub.log)
    assert load_from_hub(MNLI, revision=revision, cache_dir=cache) == splits
    assert len(hub.log) == asked


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path, hub: LocalHub) -> None:
    spec = dataclasses.replace(MNLI, hub_id="nobody/nothing")
    with pytest.raises(DatasetError, match=r"nobody/nothing .*--data-dir"):
        load_from_hub(spec, revision="0" * 40, cache_dir=tmp_path)


def test_another_revision_is_never_served_instead(tmp_path: Path, hub: LocalHub) -> None:
    rows = {"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 1]}
    files = {
        f"data/{split}-00000-of-00001.parquet": write(tmp_path / f"{split}.parquet", **rows)
        for split in MNLI.splits.values()
    }
    hub.add_dataset("nyu-mll/multi_nli", files)
    load_from_hub(MNLI, revision=hub.head("nyu-mll/multi_nli", kind="datasets"), cache_dir=tmp_path)
    with pytest.raises(DatasetError, match=r"revision 111111111111\) cannot be read"):
        load_from_hub(MNLI, revision="1" * 40, cache_dir=tmp_path)
