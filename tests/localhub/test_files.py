"""Downloads, uploads and data sets through the official clients."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError

from hubbot.localhub.server import LocalHub

WEIGHTS = bytes(range(256)) * 300
CHUNK = 10 * 1024 * 1024


@pytest.fixture
def tree(world: LocalHub) -> LocalHub:
    world.add_model(
        "me/files",
        {
            "README.md": b"# t\n",
            "model.safetensors": WEIGHTS,
            "a/b/c.txt": b"c",
            "a/ d é#?100%41.txt": b"odd name",
        },
    )
    return world


def test_a_snapshot_holds_every_file(tree: LocalHub, tmp_path: Path) -> None:
    folder = Path(snapshot_download("me/files", cache_dir=tmp_path))
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == {path: tree.read_file("me/files", path) for path in tree.files("me/files")}
    assert len(found) == 4


def test_files_in_lfs_are_named_by_their_sha256(tree: LocalHub, tmp_path: Path) -> None:
    metadata = get_hf_file_metadata(hf_hub_url("me/files", "model.safetensors"))
    assert metadata.etag == hashlib.sha256(WEIGHTS).hexdigest()
    assert (metadata.size, metadata.commit_hash) == (len(WEIGHTS), tree.head("me/files"))
    text = get_hf_file_metadata(hf_hub_url("me/files", "README.md"))
    assert text.etag == hashlib.sha1(b"blob 4\0# t\n", usedforsecurity=False).hexdigest()


def test_a_missing_file_is_not_found(tree: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("me/files", "nope.txt", cache_dir=tmp_path)
    assert list(tmp_path.rglob(".no_exist/*/nope.txt"))


def test_the_tree_is_shown_by_folder_or_whole(tree: LocalHub, nobody: HfApi) -> None:
    tree.state.page_size = 2
    top = {item.path for item in nobody.list_repo_tree("me/files")}
    assert top == {"README.md", "model.safetensors", "a"}
    below = {item.path for item in nobody.list_repo_tree("me/files", "a", recursive=True)}
    assert below == {"a/b", "a/b/c.txt", "a/ d é#?100%41.txt"}
    with pytest.raises(RemoteEntryNotFoundError):
        list(nobody.list_repo_tree("me/files", "nowhere"))


def test_paths_info_leaves_out_what_is_missing(tree: LocalHub, nobody: HfApi) -> None:
    tree.commit("me/files", {"a/b/c.txt": b"cc"}, "me", title="Longer")
    found = nobody.get_paths_info("me/files", ["a", "a/b/c.txt", "README.md", "nope"], expand=True)
    assert [item.path for item in found] == ["a", "a/b/c.txt", "README.md"]
    titles = [item.last_commit.title for item in found if item.last_commit is not None]
    assert titles == ["Longer", "Longer", "initial commit"]


def test_an_interrupted_download_goes_on_where_it_stopped(tree: LocalHub, tmp_path: Path) -> None:
    # The client writes chunks of 10 MiB: only whole ones survive.
    content = WEIGHTS * 140
    tree.commit("me/files", {"model.safetensors": content}, "me")
    tree.faults.truncate("GET", "/resolve/.*safetensors", CHUNK + 5000)
    path = hf_hub_download("me/files", "model.safetensors", cache_dir=tmp_path)
    assert Path(path).read_bytes() == content
    gets = [record for record in tree.log if record.method == "GET" and "/resolve/" in record.path]
    assert [record.status for record in gets] == [200, 206]
    assert gets[1].headers["range"] == f"bytes={CHUNK}-"


def test_an_upload_to_lfs_comes_back_whole(world: LocalHub, owner: HfApi, tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    source.write_bytes(WEIGHTS)
    owner.upload_file(path_or_fileobj=source, path_in_repo="model.safetensors", repo_id="me/m")
    path = hf_hub_download("me/m", "model.safetensors", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == WEIGHTS
    steps = [record.path.rsplit("/", 1)[-1] for record in world.log if record.method != "GET"]
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert steps[:5] == ["main", "batch", sha256, "verify", "main"]
    owner.upload_file(path_or_fileobj=source, path_in_repo="copy.safetensors", repo_id="me/m")
    assert sum(record.method == "PUT" for record in world.log) == 1


def test_a_damaged_upload_is_refused(world: LocalHub, owner: HfApi) -> None:
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    answer = httpx2.put(f"{world.url}/lfs-upload/{sha256}", content=WEIGHTS[:-1])
    assert answer.status_code == 400
    world.faults.fail("PUT", "/lfs-upload/", 400)
    with pytest.raises(RuntimeError, match=r"Error while uploading 'w\.bin'"):
        owner.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="w.bin", repo_id="me/m")
    assert not world.state.blobs.has(sha256)
    assert "w.bin" not in world.files("me/m")


def test_files_are_added_copied_and_deleted_in_one_commit(world: LocalHub, owner: HfApi) -> None:
    world.commit("me/m", {"x/1.txt": b"1", "x/2.txt": b"2", "w.bin": WEIGHTS}, "me")
    owner.create_commit(
        "me/m",
        [
            CommitOperationAdd("new.txt", b"n"),
            CommitOperationCopy("w.bin", "w2.bin"),
            CommitOperationDelete("x/", is_folder=True),
            CommitOperationDelete("config.json"),
        ],
        commit_message="Tidy",
    )
    assert world.files("me/m") == ("README.md", "new.txt", "w.bin", "w2.bin")
    assert world.read_file("me/m", "w2.bin") == WEIGHTS


@pytest.mark.parametrize("path", ["a//b", "../x", ".git/config"])
def test_paths_that_leave_the_repository_are_refused(
    world: LocalHub, owner: HfApi, path: str
) -> None:
    operation = CommitOperationAdd("harmless", b"x")
    operation.path_in_repo = path
    with pytest.raises(HfHubHTTPError, match="Invalid path"):
        owner.create_commit("me/m", [operation], commit_message="x")


def test_an_unchanged_file_makes_no_commit(world: LocalHub, owner: HfApi) -> None:
    card = world.read_file("me/m", "README.md")
    info = owner.create_commit(
        "me/m", [CommitOperationAdd("README.md", card)], commit_message="x", create_pr=True
    )
    assert info.pr_url is None
    assert world.pull_requests("me/m") == ()
    assert not [record for record in world.log if record.is_write]


def test_datasets_loads_parquet_by_hub_id(world: LocalHub, tmp_path: Path) -> None:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split, rows in {"train": 30, "validation": 5}.items():
        table = pa.table({"text": [f"{split} {n}" for n in range(rows)], "label": [0] * rows})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    head = world.add_dataset(
        "me/d",
        {
            "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n"
            b"  - {split: train, path: data/train-*}\n"
            b"  - {split: validation, path: data/validation-*}\n---\n# d\n",
            "data/train-00000-of-00001.parquet": tmp_path / "train.parquet",
            "data/validation-00000-of-00001.parquet": tmp_path / "validation.parquet",
        },
    )
    for revision in (None, head):
        loaded = datasets.load_dataset("me/d", revision=revision, cache_dir=str(tmp_path / "cache"))
        assert {name: split.num_rows for name, split in loaded.items()} == {
            "train": 30,
            "validation": 5,
        }
        assert loaded["train"][29]["text"] == "train 29"
