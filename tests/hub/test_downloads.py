"""What hubbot fetched is deleted again; what others keep in the Hub's cache is theirs."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, scan_cache_dir

from hubbot.hub.checkpoints import resolve_checkpoint
from hubbot.hub.client import make_api
from hubbot.hub.download import download_checkpoint
from hubbot.hub.downloads import kept_downloads
from hubbot.schema import LocalCheckpoint
from hubbot.settings import DownloadSettings
from hubbot.storage import Kept

FILES = {"config.json": b"{}", "model.safetensors": b"\x01" * 5000, "tokenizer.json": b"{}"}


@pytest.fixture
def api(hub: Any) -> HfApi:
    hub.add_user("bot", "hf_bot")
    return make_api("hf_bot", timeout_s=5.0)


@pytest.fixture
def download(api: HfApi, tmp_path: Path) -> Callable[..., LocalCheckpoint]:
    def run(model: str) -> LocalCheckpoint:
        return download_checkpoint(
            resolve_checkpoint(model, api=api),
            api=api,
            limits=DownloadSettings(min_free_gb=0),
            view_dir=tmp_path / "views",
            cache_dir=tmp_path / "cache",
        )

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], list[Kept]]:
    return lambda: kept_downloads(tmp_path / "views", tmp_path / "cache")


def in_cache(tmp_path: Path) -> set[tuple[str, str]]:
    """Return every checkpoint of the Hub's cache, as the client itself sees it."""
    found = scan_cache_dir(tmp_path / "cache")
    return {(repo.repo_id, one.commit_hash) for repo in found.repos for one in repo.revisions}


def weights_on_disk(tmp_path: Path) -> int:
    files = (path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink())
    return len({path.stat().st_ino for path in files if path.stat().st_size >= 5000})


def test_what_hubbot_fetched_is_known_with_its_size_and_deleted_altogether(
    hub: Any,
    download: Callable[..., LocalCheckpoint],
    kept: Callable[[], list[Kept]],
    tmp_path: Path,
) -> None:
    first, other = hub.add_model("ann/m", FILES), hub.add_model("bob/m", FILES)
    local = download("ann/m")
    download("bob/m")
    found = {one.owner: one for one in kept()}
    assert {name: one.n_bytes for name, one in found.items()} == {"ann/m": 5004, "bob/m": 5004}
    assert found["ann/m"].name == f"ann/m@{first[:10]}"
    found["ann/m"].forget()
    assert in_cache(tmp_path) == {("bob/m", other)}
    assert not local.folder.exists()
    assert weights_on_disk(tmp_path) == 1
    assert [one.owner for one in kept()] == ["bob/m"]


def test_it_is_fetched_again_when_it_is_wanted_again(
    hub: Any, download: Callable[..., LocalCheckpoint], kept: Callable[[], list[Kept]]
) -> None:
    hub.add_model("ann/m", FILES)
    before = download("ann/m")
    (one,) = kept()
    one.forget()
    assert download("ann/m") == before
    assert (before.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_what_somebody_else_fetched_is_never_deleted(
    hub: Any,
    api: HfApi,
    download: Callable[..., LocalCheckpoint],
    kept: Callable[[], list[Kept]],
    tmp_path: Path,
) -> None:
    head = hub.add_model("ann/m", FILES)
    api.hf_hub_download("ann/m", "model.safetensors", cache_dir=tmp_path / "cache")
    download("ann/m")
    assert kept() == []
    assert in_cache(tmp_path) == {("ann/m", head)}


def test_another_revision_keeps_the_weights_that_both_have(
    hub: Any,
    api: HfApi,
    download: Callable[..., LocalCheckpoint],
    kept: Callable[[], list[Kept]],
    tmp_path: Path,
) -> None:
    hub.add_model("ann/m", FILES)
    download("ann/m")
    hub.commit("ann/m", {"README.md": b"# new\n"}, "ann")
    theirs = api.hf_hub_download("ann/m", "model.safetensors", cache_dir=tmp_path / "cache")
    (one,) = kept()
    one.forget()
    assert Path(theirs).read_bytes() == FILES["model.safetensors"]
    assert len(in_cache(tmp_path)) == 1


def test_a_checkpoint_that_is_used_again_counts_as_used_now(
    hub: Any,
    download: Callable[..., LocalCheckpoint],
    kept: Callable[[], list[Kept]],
    tmp_path: Path,
) -> None:
    hub.add_model("ann/m", FILES)
    download("ann/m")
    (mark,) = tmp_path.glob("views/*/*.fetched")
    os.utime(mark, (1e9, 1e9))
    assert kept()[0].used == 1e9
    download("ann/m")
    assert kept()[0].used == pytest.approx(time.time(), abs=60)


def test_a_download_that_was_cut_off_leaves_nothing_for_ever(
    hub: Any,
    download: Callable[..., LocalCheckpoint],
    kept: Callable[[], list[Kept]],
    tmp_path: Path,
) -> None:
    hub.add_model("ann/m", FILES)
    local = download("ann/m")
    (blobs,) = tmp_path.glob("cache/models--ann--m/blobs")
    old, young = blobs / "aa.incomplete", blobs / "bb.incomplete"
    for piece in (old, young):
        piece.write_bytes(b"part")
    os.utime(old, (1e9, 1e9))
    # As a process leaves it that was killed before anything was whole.
    snapshots = blobs.parent / "snapshots"
    snapshots.rename(tmp_path / "elsewhere")
    (one,) = kept()
    one.forget()
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"
    assert not local.folder.exists()


def test_a_mark_that_is_none_is_left_alone(
    kept: Callable[[], list[Kept]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "views" / "a--b").mkdir(parents=True)
    (tmp_path / "views" / "a--b" / f"{'0' * 40}.fetched").write_text("[]")
    assert kept() == []
    assert "is not what hubbot wrote there" in caplog.text
