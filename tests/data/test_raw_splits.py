import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.catalog.datasets import get_dataset
from hubbot.data.raw_splits import read_raw_folder, read_raw_from_hub
from hubbot.errors import DatasetError
from hubbot.localhub.server import LocalHub

PAIR = {"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 1]}


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def parquet(columns: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink)
    return sink.getvalue()


def test_parts_of_a_split_are_joined_in_the_order_of_the_catalog(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        for number in (3, 1, 2):
            write(
                tmp_path / f"anli/{split}_r{number}.parquet",
                **PAIR | {"premise": [split, f"{number}"]},
            )
    raw = read_raw_folder(get_dataset("anli"), tmp_path)
    assert raw.tables["validation"]["premise"].to_pylist() == ["dev", "1", "dev", "2", "dev", "3"]
    assert raw.source == "local files anli/*.parquet"


def test_parts_may_differ_in_the_width_of_their_types(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        for number, kind in enumerate((pa.string(), pa.large_string(), pa.string()), start=1):
            columns = {name: pa.array(PAIR[name]) for name in PAIR}
            columns["premise"] = columns["premise"].cast(kind)
            write(tmp_path / f"anli/{split}_r{number}.parquet", **columns)
    assert read_raw_folder(get_dataset("anli"), tmp_path).tables["test"].num_rows == 6


def test_folders_are_tried_in_order_and_a_half_filled_one_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "super_glue/cb/train.parquet", **PAIR)
    for split in ("train", "validation"):
        write(tmp_path / f"cb/{split}.parquet", **PAIR | {"premise": ["x", "y"]})
    raw = read_raw_folder(get_dataset("cb"), tmp_path)
    assert raw.source == "local files cb/*.parquet"
    assert raw.tables["train"]["premise"].to_pylist() == ["x", "y"]


def test_only_the_columns_of_the_catalog_are_read(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write(tmp_path / f"cb/{split}.parquet", **PAIR | {"idx": [1, 2]})
    table = read_raw_folder(get_dataset("cb"), tmp_path).tables["train"]
    assert table.column_names == ["premise", "hypothesis", "label"]


def test_a_folder_without_train_serves_where_there_are_both_others(tmp_path: Path) -> None:
    for split in ("validation", "test"):
        write(tmp_path / f"tweet_eval/irony/{split}.parquet", text=["a", "b"], label=[0, 1])
    raw = read_raw_folder(get_dataset("tweet_ev_irony"), tmp_path)
    assert set(raw.tables) == {"validation", "test"}


@pytest.mark.parametrize(
    ("name", "there"),
    [("cb", "validation"), ("ag_news", "test"), ("tweet_ev_irony", "train"), ("isear", "test")],
)
def test_a_folder_that_cannot_do_says_what_is_wanted_and_where(
    tmp_path: Path, name: str, there: str
) -> None:
    spec = get_dataset(name)
    write(tmp_path / spec.folders[0] / f"{there}.parquet", text=["a"], label=[0])
    with pytest.raises(
        DatasetError, match=rf"'{name}': no folder holds all of train\.parquet.*looked"
    ):
        read_raw_folder(spec, tmp_path)


def test_a_missing_column_names_the_file(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write(tmp_path / f"super_glue/cb/{split}.parquet", sentence1=["a"], label=[0])
    with pytest.raises(DatasetError, match=r"train\.parquet: no column 'premise'; .*'sentence1'"):
        read_raw_folder(get_dataset("cb"), tmp_path)


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write(tmp_path / f"cb/{split}.parquet", **PAIR)
    (tmp_path / "cb/train.parquet").write_text("premise,hypothesis,label\n")
    with pytest.raises(DatasetError, match=r"train\.parquet is not a readable Parquet file"):
        read_raw_folder(get_dataset("cb"), tmp_path)


CARD = """---
configs:
- config_name: rte
  data_files:
  - split: train
    path: rte/train-*
  - split: validation
    path: rte/validation-*
- config_name: cola
  data_files:
  - split: train
    path: cola/train-*
  - split: validation
    path: cola/validation-*
---
"""


def add_glue(hub: LocalHub) -> str:
    files: dict[str, bytes | Path] = {"README.md": CARD.encode()}
    for split in ("train", "validation"):
        pair = {"sentence1": [f"rte {split}", "b"], "sentence2": ["c", "d"], "label": [0, 1]}
        single = {"sentence": [f"cola {split}", "b"], "label": [0, 1], "idx": [0, 1]}
        files[f"rte/{split}-00000-of-00001.parquet"] = parquet(pair)
        files[f"cola/{split}-00000-of-00001.parquet"] = parquet(single)
    return hub.add_dataset("nyu-mll/glue", files)


@pytest.mark.parametrize(("name", "column"), [("rte", "sentence1"), ("cola", "sentence")])
def test_the_configuration_of_the_catalog_is_read_from_the_hub(
    tmp_path: Path, hub: LocalHub, name: str, column: str
) -> None:
    revision = add_glue(hub)
    raw = read_raw_from_hub(get_dataset(name), revision=revision, cache_dir=tmp_path)
    assert raw.tables["test"][column].to_pylist() == [f"{name} validation", "b"]
    assert raw.source == f"nyu-mll/glue ({name}) at {revision}"


def test_a_commit_is_read_from_the_hub_once(tmp_path: Path, hub: LocalHub) -> None:
    revision = add_glue(hub)
    first = read_raw_from_hub(get_dataset("rte"), revision=revision, cache_dir=tmp_path)
    asked = len(hub.log)
    again = read_raw_from_hub(get_dataset("rte"), revision=revision, cache_dir=tmp_path)
    assert again.tables["train"].equals(first.tables["train"])
    assert len(hub.log) == asked > 0


def test_without_a_commit_the_head_of_the_main_branch_is_read_anew(
    tmp_path: Path, hub: LocalHub
) -> None:
    add_glue(hub)
    rte = get_dataset("rte")
    first = read_raw_from_hub(rte, revision="", cache_dir=tmp_path)
    assert first.source.endswith("at main")
    new = {"sentence1": ["new", "b"], "sentence2": ["c", "d"], "label": [0, 1]}
    hub.commit(
        "nyu-mll/glue",
        {"rte/train-00000-of-00001.parquet": parquet(new)},
        "nyu-mll",
        kind="datasets",
    )
    second = read_raw_from_hub(rte, revision="", cache_dir=tmp_path)
    assert second.tables["train"]["sentence1"].to_pylist() == ["new", "b"]


@pytest.mark.parametrize("is_resolved", [True, False])
def test_the_converted_branch_is_read_where_main_holds_a_script(
    tmp_path: Path, hub: LocalHub, is_resolved: bool
) -> None:
    spec = get_dataset("trec_coarse")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "coarse_label": datasets.ClassLabel(names=list(spec.label_names)),
            "fine_label": datasets.ClassLabel(names=["x", "y"]),
        }
    )
    rows = {"text": ["q1", "q2"], "coarse_label": [5, 0], "fine_label": [1, 0]}
    sink = io.BytesIO()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(sink)
    hub.add_dataset("CogComp/trec", {"trec.py": b"raise SystemExit('a loading script ran')"})
    revision = hub.commit(
        "CogComp/trec",
        {f"default/{split}/0000.parquet": sink.getvalue() for split in ("train", "test")}
        | {"trec.py": None},
        "parquet-converter",
        revision="refs/convert/parquet",
        kind="datasets",
    )
    asked = revision if is_resolved else ""
    raw = read_raw_from_hub(spec, revision=asked, cache_dir=tmp_path)
    assert raw.tables["train"].to_pydict() == {"text": ["q1", "q2"], "coarse_label": [5, 0]}
    assert raw.label_names == spec.label_names
    assert raw.source.endswith(revision if is_resolved else "refs/convert/parquet")


def test_a_configuration_of_the_converted_branch_is_found_by_its_folder(
    tmp_path: Path, hub: LocalHub
) -> None:
    """Nothing there says that there is a configuration of that name, so it cannot be asked for."""
    hub.add_dataset("esnli/esnli", {"esnli.py": b"raise SystemExit('a loading script ran')"})
    files: dict[str, bytes | Path | None] = {
        f"plain_text/{split}/0000.parquet": parquet(PAIR | {"premise": [split, "b"]})
        for split in ("train", "validation", "test")
    }
    revision = hub.commit(
        "esnli/esnli",
        files | {"esnli.py": None},
        "parquet-converter",
        revision="refs/convert/parquet",
        kind="datasets",
    )
    raw = read_raw_from_hub(get_dataset("esnli"), revision=revision, cache_dir=tmp_path)
    assert {role: table["premise"][0].as_py() for role, table in raw.tables.items()} == {
        "train": "train",
        "validation": "validation",
        "test": "test",
    }


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path, hub: LocalHub) -> None:
    message = r"nyu-mll/glue \(split train, validation, revision 0{12}\) .*--data-dir"
    with pytest.raises(DatasetError, match=message):
        read_raw_from_hub(get_dataset("rte"), revision="0" * 40, cache_dir=tmp_path)


def test_a_column_that_the_hub_lacks_is_named(tmp_path: Path, hub: LocalHub) -> None:
    files = {f"{split}.parquet": parquet(PAIR) for split in ("train", "test")}
    revision = hub.add_dataset("fancyzhx/ag_news", files)
    with pytest.raises(DatasetError, match=r"fancyzhx/ag_news .* cannot be read: .*text"):
        read_raw_from_hub(get_dataset("ag_news"), revision=revision, cache_dir=tmp_path)
