"""What hubbot fetched is deleted again; what others keep in the Hub's cache is theirs."""

import os
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Shelf:
    """What lies on disk."""

    api: HfApi
    folder: Path

    def download(self, model: str) -> LocalCheckpoint:
        return download_checkpoint(
            resolve_checkpoint(model, api=self.api),
            api=self.api,
            limits=DownloadSettings(min_free_gb=0),
            view_dir=self.folder / "views",
            cache_dir=self.folder / "cache",
        )

    def fetch_as_others_do(self, model: str) -> Path:
        cache = self.folder / "cache"
        return Path(self.api.hf_hub_download(model, "model.safetensors", cache_dir=cache))

    def kept(self) -> list[Kept]:
        return kept_downloads(self.folder / "views", self.folder / "cache")

    def in_cache(self) -> set[tuple[str, str]]:
        """Return every checkpoint of the Hub's cache, as the client itself sees it."""
        found = scan_cache_dir(self.folder / "cache")
        return {(repo.repo_id, one.commit_hash) for repo in found.repos for one in repo.revisions}


@pytest.fixture
def shelf(api: HfApi, tmp_path: Path) -> Shelf:
    return Shelf(api, tmp_path)


def weights_on_disk(tmp_path: Path) -> int:
    files = (path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink())
    return len({path.stat().st_ino for path in files if path.stat().st_size >= 5000})


def test_what_hubbot_fetched_is_known_with_its_size_and_deleted_altogether(
    hub: Any, shelf: Shelf, tmp_path: Path
) -> None:
    first, other = hub.add_model("ann/m", FILES), hub.add_model("bob/m", FILES)
    local = shelf.download("ann/m")
    shelf.download("bob/m")
    found = {one.owner: one for one in shelf.kept()}
    assert {name: one.n_bytes for name, one in found.items()} == {"ann/m": 5004, "bob/m": 5004}
    assert found["ann/m"].name == f"ann/m@{first[:10]}"
    found["ann/m"].forget()
    assert shelf.in_cache() == {("bob/m", other)}
    assert not local.folder.exists()
    assert weights_on_disk(tmp_path) == 1
    assert [one.owner for one in shelf.kept()] == ["bob/m"]


def test_it_is_fetched_again_when_it_is_wanted_again(hub: Any, shelf: Shelf) -> None:
    hub.add_model("ann/m", FILES)
    before = shelf.download("ann/m")
    (one,) = shelf.kept()
    one.forget()
    assert shelf.download("ann/m") == before
    assert (before.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_what_somebody_else_fetched_is_never_deleted(
    hub: Any, shelf: Shelf, tmp_path: Path
) -> None:
    head = hub.add_model("ann/m", FILES)
    shelf.fetch_as_others_do("ann/m")
    shelf.download("ann/m")
    assert shelf.kept() == []
    assert shelf.in_cache() == {("ann/m", head)}


def test_another_revision_keeps_the_weights_that_both_have(
    hub: Any, shelf: Shelf, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    shelf.download("ann/m")
    hub.commit("ann/m", {"README.md": b"# new\n"}, "ann")
    theirs = shelf.fetch_as_others_do("ann/m")
    (one,) = shelf.kept()
    one.forget()
    assert theirs.read_bytes() == FILES["model.safetensors"]
    assert len(shelf.in_cache()) == 1


def test_a_checkpoint_that_is_used_again_counts_as_used_now(
    hub: Any, shelf: Shelf, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    shelf.download("ann/m")
    (mark,) = tmp_path.glob("views/*/*.fetched")
    os.utime(mark, (1e9, 1e9))
    assert shelf.kept()[0].used == 1e9
    shelf.download("ann/m")
    assert shelf.kept()[0].used == pytest.approx(time.time(), abs=60)


def test_a_download_that_was_cut_off_leaves_nothing_for_ever(
    hub: Any, shelf: Shelf, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    local = shelf.download("ann/m")
    (blobs,) = tmp_path.glob("cache/models--ann--m/blobs")
    old, young = blobs / "aa.incomplete", blobs / "bb.incomplete"
    for piece in (old, young):
        piece.write_bytes(b"part")
    os.utime(old, (1e9, 1e9))
    # As a process leaves it that was killed before anything was whole.
    snapshots = blobs.parent / "snapshots"
    snapshots.rename(tmp_path / "elsewhere")
    (one,) = shelf.kept()
    one.forget()
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"
    assert not local.folder.exists()


def test_a_mark_that_is_none_is_left_alone(
    shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "views" / "a--b").mkdir(parents=True)
    (tmp_path / "views" / "a--b" / f"{'0' * 40}.fetched").write_text("[]")
    assert shelf.kept() == []
    assert "is not what hubbot wrote there" in caplog.text
