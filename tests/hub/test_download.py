"""From a pinned checkpoint to a folder of safe files."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubbot.errors import CheckpointError, RemoteError, StorageError
from hubbot.hub.checkpoints import resolve_checkpoint
from hubbot.hub.client import Backoff, make_api
from hubbot.hub.download import announced_digest, download_checkpoint, local_checkpoint
from hubbot.schema import LocalCheckpoint
from hubbot.settings import DownloadSettings

WEIGHTS = bytes(range(256)) * 400
FILES = {
    "README.md": b"---\nbase_model: a/base\ntags: [nli]\n---\n# hi\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "vocab.txt": b"[PAD]\n",
    "modeling_evil.py": b"raise SystemExit",
    "training_args.bin": b"\x80\x04 pickle",
    "pytorch_model.bin": b"\x80\x04 another pickle",
    "onnx/model.onnx": b"\0onnx",
    "tf_model.h5": b"\0h5",
}
SAFE = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"}
ROOMY = DownloadSettings(min_free_gb=0)

Download = Callable[..., LocalCheckpoint]


@pytest.fixture
def api(hub: Any) -> HfApi:
    hub.add_user("bot", "hf_bot")
    return make_api("hf_bot", timeout_s=5.0)


@pytest.fixture
def download(api: HfApi, quick: Backoff, tmp_path: Path) -> Download:
    """Resolve and download with folders of the test's own."""

    def run(model: str = "ann/m", **options: Any) -> LocalCheckpoint:
        remote = resolve_checkpoint(model, api=api, backoff=quick)
        folders = {"cache_dir": tmp_path / "cache", "view_dir": tmp_path / "views"}
        return download_checkpoint(
            remote, **{"api": api, "limits": ROOMY, "backoff": quick, **folders, **options}
        )

    return run


def fetched(hub: Any) -> list[str]:
    return [r.path.rpartition("/")[2] for r in hub.log if r.method == "GET" and "resolve" in r.path]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_only_safe_files_are_fetched(hub: Any, download: Download) -> None:
    head = hub.add_model("ann/m", FILES)
    local = download()
    assert set(fetched(hub)) == SAFE
    assert (local.model, local.revision) == ("ann/m", head)
    assert (local.base_models, "nli" in local.tags) == (("a/base",), True)
    assert local.weights_files == ("model.safetensors",)
    assert local.weights_digest == f"sha256:{sha256(WEIGHTS)}"


def test_the_folder_holds_the_safe_files_and_no_links(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    folder = download().folder
    assert {path.name for path in folder.iterdir()} == SAFE
    assert all(path.is_file() and not path.is_symlink() for path in folder.iterdir())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: FILES[name] for name in SAFE
    }


def test_what_other_programs_fetched_of_it_is_not_in_the_folder(
    hub: Any, download: Download, api: HfApi, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    api.hf_hub_download("ann/m", "modeling_evil.py", cache_dir=tmp_path / "cache")
    assert {path.name for path in download().folder.iterdir()} == SAFE


def test_nothing_is_fetched_twice(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    first = download()
    kept = (first.folder / "config.json").stat().st_ino
    hub.clear_log()
    second = download()
    assert fetched(hub) == []
    assert second == first
    assert (second.folder / "config.json").stat().st_ino == kept


def test_the_files_lie_in_the_hubs_own_cache(
    hub: Any, download: Download, api: HfApi, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    local = download()
    hub.clear_log()
    path = api.hf_hub_download(
        "ann/m", "model.safetensors", revision=local.revision, cache_dir=tmp_path / "cache"
    )
    assert len(hub.log) == 0
    assert Path(path).samefile(local.folder / "model.safetensors")


def test_an_older_revision_is_fetched_as_it_was(hub: Any, download: Download) -> None:
    first = hub.add_model("ann/m", FILES)
    hub.commit("ann/m", {"config.json": b'{"model_type": "other"}'}, "ann")
    local = download(f"ann/m@{first}")
    assert (local.folder / "config.json").read_bytes() == FILES["config.json"]


def test_another_revision_gets_a_folder_of_its_own(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    first = download()
    hub.commit("ann/m", {"config.json": b'{"model_type": "other"}'}, "ann")
    second = download()
    assert second.folder != first.folder
    assert (first.folder / "config.json").read_bytes() == FILES["config.json"]


def test_shards_are_fetched_with_their_index(hub: Any, download: Download) -> None:
    one, two = b"\0one" * 50, b"\0two" * 60
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = f'{{"weight_map": {{"a": "{names[0]}", "b": "{names[1]}"}}}}'.encode()
    files = {
        "config.json": b"{}",
        names[0]: one,
        names[1]: two,
        "model.safetensors.index.json": index,
    }
    hub.add_model("ann/m", files)
    local = download()
    assert local.weights_files == names
    by_hand = sha256("\n".join(sorted([sha256(one), sha256(two)])).encode())
    assert local.weights_digest == f"sha256:{by_hand}"
    assert {path.name for path in local.folder.iterdir()} == set(files)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no weight_map"),
        (b'{"weight_map": {"a": "../../etc/passwd"}}', "leads out of its folder"),
        (b'{"weight_map": {"a": "model-00009-of-00009.safetensors"}}', "incomplete"),
    ],
)
def test_a_bad_index_ends_it_before_the_weights(
    hub: Any, download: Download, index: bytes, words: str
) -> None:
    shard = "model-00001-of-00001.safetensors"
    hub.add_model(
        "ann/m", {"config.json": b"{}", shard: b"\0x", "model.safetensors.index.json": index}
    )
    with pytest.raises(CheckpointError, match=words):
        download()
    assert shard not in fetched(hub)


def test_a_pickle_is_fetched_only_where_it_is_allowed(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", {"config.json": b"{}", "pytorch_model.bin": b"\x80pickle"})
    with pytest.raises(CheckpointError, match=r'only pytorch_model\.bin, .*= "sandboxed"'):
        download()
    assert fetched(hub) == []
    assert download(allow_bin=True).weights_files == ("pytorch_model.bin",)


@pytest.mark.parametrize("path", ["../evil.py", "a/../../x", "/abs"])
def test_a_listing_that_leads_out_of_the_folder_is_refused(
    hub: Any, download: Download, path: str
) -> None:
    hub.add_model("ann/m", FILES | {path: b"x"})
    with pytest.raises(CheckpointError, match="leads out of its folder"):
        download()
    assert fetched(hub) == []


# Caps


def test_a_checkpoint_over_the_cap_is_not_fetched(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    cap = DownloadSettings(max_gb=50_000 / 2**30, min_free_gb=0)
    with pytest.raises(CheckpointError, match=r"ann/m@.* to fetch, .*raise download\.max_gb"):
        download(limits=cap)
    assert fetched(hub) == []


def test_files_that_are_not_fetched_do_not_count_for_the_cap(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES | {"optimizer.pt": b"\0" * 500_000})
    download(limits=DownloadSettings(max_gb=200_000 / 2**30, min_free_gb=0))


def test_a_download_that_would_fill_the_disk_is_not_begun(
    hub: Any, download: Download, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    with pytest.raises(StorageError, match=r"would leave .* GiB free in .*HF_HOME") as caught:
        download(limits=DownloadSettings(min_free_gb=10**9))
    assert str(tmp_path / "cache") in str(caught.value)
    assert fetched(hub) == []


def test_a_full_disk_does_not_keep_what_is_there_from_being_used(
    hub: Any, download: Download
) -> None:
    hub.add_model("ann/m", FILES)
    download()
    assert download(limits=DownloadSettings(min_free_gb=10**9)).weights_files


def test_a_disk_that_fills_up_is_named_with_the_next_step(hub: Any, tmp_path: Path) -> None:
    """In a process of its own that may not write files beyond 64 KiB: what a quota does."""
    hub.add_model("ann/m", FILES)
    script = """
import resource, sys
from pathlib import Path
from hubbot.errors import StorageError
from hubbot.hub.checkpoints import resolve_checkpoint
from hubbot.hub.client import make_api
from hubbot.hub.download import download_checkpoint
from hubbot.settings import DownloadSettings
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
api = make_api(None, timeout_s=5.0)
remote = resolve_checkpoint("ann/m", api=api)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    local = download_checkpoint(
        remote, api=api, limits=DownloadSettings(min_free_gb=0),
        view_dir=folder / "views", cache_dir=folder / "cache",
    )
except StorageError as error:
    sys.stdout.write(f"refused: {error}")
else:
    sys.stdout.write(f"done: {local.weights_digest}")
"""

    def run(limit: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), str(limit)],
            env=os.environ | {"HF_ENDPOINT": hub.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    refusal = run(65_536)
    assert refusal.startswith("refused: ann/m@")
    assert str(tmp_path / "cache") in refusal
    assert "the disk is full; make room there or point HF_HOME at a larger disk" in refusal
    assert not list((tmp_path / "cache").rglob("*.incomplete"))
    hub.clear_log()
    assert run(10**8) == f"done: sha256:{sha256(WEIGHTS)}"
    assert fetched(hub) == ["model.safetensors"]


def test_a_cache_that_cannot_be_written_is_named(
    hub: Any, download: Download, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="may read and write there"):
        download(cache_dir=tmp_path / "file")


# Broken connections and bytes


def test_a_connection_cut_half_way_is_gone_on_with(hub: Any, download: Download) -> None:
    """The client hands out blocks of 10 MiB, so only a larger file can be gone on with."""
    large = os.urandom(11 * 2**20)
    hub.add_model("ann/m", {"config.json": b"{}", "model.safetensors": large})
    hub.faults.truncate("GET", r"/resolve/.*safetensors", 10 * 2**20 + 5)
    seen: list[tuple[int, int]] = []
    local = download(on_progress=lambda done, total: seen.append((done, total)))
    assert hub.faults.pending() == 0
    assert local.weights_digest == f"sha256:{sha256(large)}"
    ranges = [r.headers.get("range") for r in hub.log if "safetensors" in r.path]
    assert ranges[-1] == f"bytes={10 * 2**20}-"
    total = len(large) + 2
    assert {whole for _, whole in seen} == {total}
    assert max(done for done, _ in seen) == seen[-1][0] == total


def test_a_run_that_ended_half_way_is_gone_on_with(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    hub.faults.fail("GET", r"/resolve/.*safetensors", 403)
    with pytest.raises(RemoteError, match=r"ann/m: file model\.safetensors: "):
        download()
    hub.clear_log()
    download()
    assert fetched(hub) == ["model.safetensors"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failing_hub_is_asked_again(hub: Any, download: Download, status: int) -> None:
    hub.add_model("ann/m", FILES)
    hub.faults.fail("GET", r"/resolve/.*vocab", status)
    assert (download().folder / "vocab.txt").read_bytes() == FILES["vocab.txt"]
    assert hub.faults.pending() == 0


def test_a_hub_that_went_away_is_named(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    hub.faults.drop("GET", r"/resolve/.*safetensors", times=None)
    with pytest.raises(RemoteError, match=r"file model\.safetensors: .*broke off") as caught:
        download(backoff=Backoff(attempts=1))
    assert caught.value.kind == "unreachable"


def test_damage_in_the_cache_is_mended(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    local = download()
    (local.folder / "model.safetensors").write_bytes(b"\1" * len(WEIGHTS))
    again = download()
    assert again.weights_digest == local.weights_digest == f"sha256:{sha256(WEIGHTS)}"
    assert (again.folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_cut_short_in_the_cache_is_mended(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    (download().folder / "vocab.txt").write_bytes(b"")
    assert (download().folder / "vocab.txt").read_bytes() == FILES["vocab.txt"]


def test_bytes_that_are_not_those_announced_are_refused(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES)
    hub.state.blobs.path(sha256(WEIGHTS)).write_bytes(b"\1" * len(WEIGHTS))
    with pytest.raises(CheckpointError, match=r"model\.safetensors has SHA-256 .*announced"):
        download()
    assert fetched(hub).count("model.safetensors") == 2


def test_a_gated_checkpoint_says_so(hub: Any, download: Download) -> None:
    hub.add_model("ann/m", FILES, gated="manual")
    with pytest.raises(RemoteError, match="asks for consent") as caught:
        download()
    assert caught.value.kind == "gated"


def test_the_digest_is_known_before_the_download(
    hub: Any, download: Download, api: HfApi, quick: Backoff
) -> None:
    hub.add_model("ann/m", FILES)
    remote = resolve_checkpoint("ann/m", api=api, backoff=quick)
    announced = announced_digest(remote)
    assert fetched(hub) == []
    assert announced == download().weights_digest


# Folders


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_is_a_checkpoint_like_one_from_the_hub(
    hub: Any, download: Download, tmp_path: Path
) -> None:
    hub.add_model("ann/m", FILES)
    remote = download()
    local = local_checkpoint(write(tmp_path / "mine", FILES), view_dir=tmp_path / "views")
    assert (local.model, local.revision) == ("mine", "")
    assert local.weights_digest == remote.weights_digest
    assert local.tokenizer_digest == remote.tokenizer_digest
    assert (local.base_models, local.tags) == (("a/base",), ("nli",))
    assert {path.name for path in local.folder.iterdir()} == SAFE


def test_two_folders_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    one = write(tmp_path / "one" / "m", FILES)
    two = write(tmp_path / "two" / "m", FILES | {"config.json": b'{"other": 1}'})
    views = [local_checkpoint(folder, view_dir=tmp_path / "v").folder for folder in (one, two)]
    assert views[0] != views[1]
    assert (views[0] / "config.json").read_bytes() == FILES["config.json"]


def test_a_folder_that_changed_gets_a_fresh_view(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", FILES)
    local_checkpoint(folder, view_dir=tmp_path / "v")
    (folder / "vocab.txt").unlink()
    fresh = tmp_path / "fresh"
    fresh.write_bytes(b'{"new": 1}')
    fresh.rename(folder / "config.json")
    local = local_checkpoint(folder, view_dir=tmp_path / "v")
    assert {path.name for path in local.folder.iterdir()} == SAFE - {"vocab.txt"}
    assert (local.folder / "config.json").read_bytes() == b'{"new": 1}'
    assert len(list((tmp_path / "v" / "local").iterdir())) == 1


def test_a_folder_of_links_is_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "real", FILES)
    links = tmp_path / "links"
    links.mkdir()
    for name in SAFE:
        (links / name).symlink_to(folder / name)
    local = local_checkpoint(links, view_dir=tmp_path / "v")
    assert local.weights_digest == f"sha256:{sha256(WEIGHTS)}"
    assert not any(path.is_symlink() for path in local.folder.iterdir())


@pytest.mark.parametrize("card", [b"---\na: [\n---\n", b"---\n- 1\n---\n", b"\xff", b"", b"---\n"])
def test_a_folder_with_an_unreadable_card_declares_nothing(tmp_path: Path, card: bytes) -> None:
    folder = write(tmp_path / "m", FILES | {"README.md": card})
    local = local_checkpoint(folder, view_dir=tmp_path / "v")
    assert (local.base_models, local.tags) == ((), ())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a folder; expected one with"):
        local_checkpoint(tmp_path / "nowhere", view_dir=tmp_path / "v")


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", {"config.json": b"{}", "tf_model.h5": b"x"})
    with pytest.raises(CheckpointError, match=r"no weights that hubbot reads.*tf_model\.h5"):
        local_checkpoint(folder, view_dir=tmp_path / "v")
