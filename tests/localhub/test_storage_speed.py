"""What a change writes: the repository it belongs to, and nothing else; at any moment all whole."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hubbot.localhub.server import LocalHub

SEEN = "seen by nobody since"


@pytest.fixture
def hub(tmp_path: Path) -> LocalHub:
    """A Hub of four models, with a mark in each file on disk: one that is written loses it."""
    hub = LocalHub(folder=tmp_path)
    hub.add_user("me", "hf_me")
    for name in "abcd":
        hub.add_model(f"me/{name}", {"README.md": b"# m\n"})
    mark(tmp_path)
    return hub


def mark(folder: Path) -> None:
    for file in (folder / "repos" / "models").iterdir():
        file.write_text(SEEN)


def written(hub: LocalHub) -> set[str]:
    files = (hub.folder / "repos" / "models").iterdir()
    return {file.stem.removeprefix("me--") for file in files if file.read_text() != SEEN}


def test_a_commit_writes_one_repository(hub: LocalHub) -> None:
    hub.commit("me/b", {"a.txt": b"a"}, "me")
    assert written(hub) == {"b"}


def test_every_change_through_the_interface_is_written(hub: LocalHub) -> None:
    hub.configure("me/a", gated="auto")
    assert written(hub) == {"a"}
    hub.rename("me/b", "me/z")
    assert written(hub) == {"a", "z"}
    hub.delete_repository("me/c")
    hub.commit("me/d", {"a.txt": b"a"}, "me", revision="draft")
    assert written(hub) == {"a", "z", "d"}
    mark(hub.folder)
    hub.delete_branch("me/d", "draft")
    assert written(hub) == {"d"}


@pytest.mark.parametrize("revision", ["main", "refs/heads/main"])
def test_main_stays(hub: LocalHub, revision: str) -> None:
    with pytest.raises(ValueError, match="main of me/a cannot be deleted; delete_repository can"):
        hub.delete_branch("me/a", revision)
    with pytest.raises(KeyError, match="me/a has no branch other"):
        hub.delete_branch("me/a", "other")


def test_every_change_over_http_is_written(hub: LocalHub) -> None:
    with hub:
        api = HfApi(endpoint=hub.url, token="hf_me")
        add = [CommitOperationAdd("a.txt", b"a")]
        info = api.create_commit("me/a", add, commit_message="A", create_pr=True)
        assert info.pr_num == 1
        assert written(hub) == {"a"}
        for change in (
            lambda: api.comment_discussion("me/a", 1, "hm"),
            lambda: api.change_discussion_status("me/a", 1, "closed"),
            lambda: api.change_discussion_status("me/a", 1, "open"),
            lambda: api.rename_discussion("me/a", 1, "Another"),
            lambda: api.merge_pull_request("me/a", 1),
            lambda: api.create_branch("me/a", branch="draft"),
            lambda: api.delete_branch("me/a", branch="draft"),
            lambda: api.create_tag("me/a", tag="v1"),
            lambda: api.delete_tag("me/a", tag="v1"),
            lambda: api.update_repo_settings("me/a", gated="auto"),
        ):
            mark(hub.folder)
            change()
            assert written(hub) == {"a"}
        mark(hub.folder)
        api.move_repo("me/b", "me/z")
        api.delete_repo("me/c")
        api.create_repo("me/new")
        assert written(hub) == {"z", "new"}
        assert not (hub.folder / "repos" / "models" / "me--c.json").exists()


def test_reading_writes_nothing(hub: LocalHub) -> None:
    with hub:
        for path in ("/api/models", "/api/models/me/a", "/me/a/resolve/main/README.md", "/"):
            assert httpx2.get(hub.url + path).status_code == 200
    assert written(hub) == set()


def test_a_bulk_is_written_once_at_its_end(hub: LocalHub) -> None:
    with hub.bulk():
        hub.add_model("me/e", {"README.md": b"# e\n"})
        with hub.bulk():
            hub.commit("me/a", {"a.txt": b"a"}, "me")
        assert written(hub) == set()
    assert written(hub) == {"a", "e"}


def test_a_bulk_that_fails_is_written_all_the_same(hub: LocalHub) -> None:
    def add_two() -> None:
        with hub.bulk():
            hub.add_model("me/e", {})
            hub.add_model("me/a", {})

    with pytest.raises(ValueError, match="already hold me/a"):
        add_two()
    assert written(hub) == {"e"}


def test_an_unknown_name_does_not_list_thousands(hub: LocalHub) -> None:
    with hub.bulk():
        for number in range(30):
            hub.add_model(f"me/n{number}", {})
    with pytest.raises(KeyError, match=r"me/a, .*me/n5, and 24 more") as caught:
        hub.head("me/none")
    assert "me/n6" not in str(caught.value)


def test_an_owner_may_open_a_closed_pull_request_again(hub: LocalHub) -> None:
    with hub:
        api = HfApi(endpoint=hub.url, token="hf_me")
        api.create_pull_request("me/a", title="Words")
    hub.close_pull_request("me/a", 1, "me")
    hub.reopen_pull_request("me/a", 1, "me")
    assert [value.status for value in hub.pull_requests("me/a")] == ["open"]


def test_a_renaming_cut_short_is_finished_or_taken_back(tmp_path: Path) -> None:
    hub = LocalHub(folder=tmp_path)
    hub.add_model("me/a", {"README.md": b"# a\n"})
    hub.add_model("me/b", {"README.md": b"# b\n"})
    hub.rename("me/a", "me/a2")
    files = tmp_path / "repos" / "models"
    old_a2, old_b = (files / "me--a2.json").read_text(), (files / "me--b.json").read_text()
    hub.rename("me/a2", "me/a3")
    hub.rename("me/b", "me/b2")
    # Killed when the accounts were written but not a3, and when b2 was but b not yet deleted.
    (files / "me--a3.json").unlink()
    (files / "me--a2.json").write_text(old_a2)
    (files / "me--b.json").write_text(old_b)
    again = LocalHub(folder=tmp_path)
    assert {name for _, name in again.state.repositories} == {"me/a2", "me/b2"}
    assert again.state.renames == {("models", "me/a"): "me/a2", ("models", "me/b"): "me/b2"}
    again.add_user("me", "hf_me")
    assert {name for _, name in LocalHub(folder=tmp_path).state.repositories} == {"me/a2", "me/b2"}
    assert not (files / "me--b.json").exists()


BUSY = """
import sys
from pathlib import Path
from hubbot.localhub.server import LocalHub
hub = LocalHub(folder=Path(sys.argv[1]))
start = len(hub.state.repositories)
print("ready", flush=True)
for number in range(start, 10**6):
    name = f"me/m{number}"
    hub.add_model(name, {"README.md": str(number).encode(), "w.bin": b"w" * number})
    hub.add_listed([{"id": f"you/m{number}"}])
    hub.commit(name, {"README.md": b"new"}, "me")
    hub.rename(name, name + "-new")
"""


def test_a_killed_hub_is_whole_when_loaded_again(tmp_path: Path) -> None:
    for delay_s in (0.013, 0.101, 0.057, 0.289):
        process = subprocess.Popen(
            [sys.executable, "-c", BUSY, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    hub = LocalHub(folder=tmp_path)
    assert len(hub.state.repositories) > 4
    names = [name for _, name in hub.state.repositories]
    # All but those that the kills met have gone the whole way.
    assert sum(not name.endswith("-new") for name in names) <= 4
    for name in names:
        number = name.removeprefix("me/m").removesuffix("-new")
        assert hub.files(name) == ("README.md", "w.bin")
        assert hub.read_file(name, "README.md") in {number.encode(), b"new"}
        assert hub.read_file(name, "w.bin") == b"w" * int(number)
    assert len(hub.state.listed) >= len(names) - 4
    for line in (tmp_path / "listed.jsonl").read_text().splitlines():
        assert json.loads(line)["id"].startswith("you/m")
