"""The folder: what lies in it, and that it can be loaded again."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hubbot.localhub.blobs import BlobStore
from hubbot.localhub.server import LocalHub


def test_a_hub_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with LocalHub(folder=tmp_path) as first:
        first.add_user("me", "hf_me")
        first.add_user("bot", "hf_bot")
        first.add_org("team", ["me"])
        first.add_model("me/old", {"README.md": b"# m\n", "w.bin": b"\0" * 9}, gated="auto")
        first.rename("me/old", "me/m")
        api = HfApi(endpoint=first.url, token="hf_bot")
        api.create_commit(
            "me/m",
            [CommitOperationAdd("new.txt", b"n")],
            commit_message="Add",
            create_pr=True,
        )
        first.comment("me/m", 1, "me", "hm \N{SNOWMAN}")
        before = first.pull_requests("me/m")
        head = first.head("me/m")
    with LocalHub(folder=tmp_path) as second:
        assert second.pull_requests("me/m") == before
        assert second.head("me/m") == head
        assert second.read_file("me/m", "w.bin") == b"\0" * 9
        api = HfApi(endpoint=second.url, token="hf_me")
        assert api.whoami()["orgs"][0]["name"] == "team"
        assert api.model_info("me/old").gated == "auto"
        second.merge_pull_request("me/m", 1, "me")
    assert LocalHub(folder=tmp_path).files("me/m") == ("README.md", "new.txt", "w.bin")


def test_the_log_is_kept_as_json_lines(tmp_path: Path) -> None:
    with LocalHub(folder=tmp_path) as hub:
        # A lone surrogate is valid JSON and no valid text.
        httpx2.post(
            f"{hub.url}/api/validate-yaml",
            content=json.dumps({"content": "\ud800 \N{SNOWMAN}"}),
            headers={"Content-Type": "application/json"},
        )
        httpx2.get(f"{hub.url}/api/models?filter=a&filter=b")
        lines = (tmp_path / "requests.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["path"] for record in records] == ["/api/validate-yaml", "/api/models"]
    assert records[1]["query"] == [["filter", "a"], ["filter", "b"]]


def test_reset_forgets_everything_but_strangers_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    hub = LocalHub(folder=tmp_path)
    hub.add_user("me", "hf_me")
    hub.add_model("me/m", {"README.md": b"# m\n"})
    hub.reset()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(KeyError, match="no me/m among the models: none"):
        hub.head("me/m")


def test_another_versions_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text('{"version": 99}')
    with pytest.raises(ValueError, match="expected version 1, found 99; use a new folder"):
        LocalHub(folder=tmp_path)


def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    with LocalHub() as hub:
        port = int(hub.url.rsplit(":", 1)[-1])
        with pytest.raises(OSError, match="in use"):
            LocalHub(port=port).start()


def test_blobs_lie_nowhere_else(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    (tmp_path / "secret").write_text("s")
    assert not store.has("../../secret")
    with pytest.raises(ValueError, match="expected 64 hex digits"):
        store.path("../../secret")


def test_contents_from_disk_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"first")
    hub = LocalHub(folder=tmp_path / "hub")
    hub.add_model("me/m", {"big.bin": source})
    assert source.read_bytes() == b"first"
    source.write_bytes(b"other")
    assert hub.read_file("me/m", "big.bin") == b"first"


def test_it_runs_in_a_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hubbot.localhub", "--folder", str(tmp_path), "--port", "0"]
    process = subprocess.Popen([*command, "--user", "me=hf_me"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[3].rstrip(",")
        answer = httpx2.get(
            f"{url}/api/whoami-v2", headers={"Authorization": "Bearer hf_me"}, timeout=10
        )
        assert answer.json()["name"] == "me"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with LocalHub(folder=tmp_path) as hub:
        port = int(hub.url.rsplit(":", 1)[-1])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"PUT /lfs-upload/{'a' * 64} HTTP/1.1\r\nHost: hub\r\nContent-Length: 99\r\n\r\n"
            connection.sendall(head.encode() + b"half")
            wait_until(lambda: any((tmp_path / "blobs").glob("incoming-*")))
        wait_until(lambda: not any((tmp_path / "blobs").glob("incoming-*")))
        assert httpx2.get(f"{hub.url}/", timeout=10).status_code == 200


def wait_until(holds: Callable[[], bool], *, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_was_sent_completely_takes_effect_though_the_client_left(tmp_path: Path) -> None:
    with LocalHub(folder=tmp_path) as hub:
        hub.add_user("me", "hf_me")
        hub.add_model("me/m", {"README.md": b"# m\n"})
        hub.faults.slow("POST", "/commit/", 0.3)
        lines = [
            {"key": "header", "value": {"summary": "Add"}},
            {"key": "file", "value": {"path": "a.txt", "content": "YQ==", "encoding": "base64"}},
        ]
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(
                f"{hub.url}/api/models/me/m/commit/main",
                content="\n".join(map(json.dumps, lines)),
                headers={
                    "Content-Type": "application/x-ndjson",
                    "Authorization": "Bearer hf_me",
                },
                timeout=0.1,
            )
        assert hub.files("me/m") == ("README.md",)
        wait_until(lambda: hub.files("me/m") == ("README.md", "a.txt"))
