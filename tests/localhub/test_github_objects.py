"""Objects are named as git names them: git itself is asked."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.hub.github_files import blob_name
from hubbot.localhub.github_objects import Entry, ObjectStore, git_name

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="asks git itself")


def git(folder: Path, *words: str, text: bytes = b"") -> bytes:
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "HOME": str(folder),
        "GIT_AUTHOR_NAME": "bot",
        "GIT_AUTHOR_EMAIL": "bot@users.noreply.github.com",
        "GIT_AUTHOR_DATE": "1767225600 +0000",
        "GIT_COMMITTER_NAME": "bot",
        "GIT_COMMITTER_EMAIL": "bot@users.noreply.github.com",
        "GIT_COMMITTER_DATE": "1767225600 +0000",
    }
    command = ["git", *words]
    done = subprocess.run(
        command, cwd=folder, input=text, env=environment, capture_output=True, check=True
    )
    return done.stdout.strip()


FILES = {
    "a.txt": b"a\n",
    "a/b.txt": b"b\n",
    "a-b": b"",
    "a0/x": b"\0\xff",
    "cards/scores/bert/me--m.yaml": "gain: ü\n".encode(),
    "z": b"z",
}


@needs_git
def test_trees_and_commits_have_gits_names(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q")
    files = {path: text for path, text in FILES.items() if path != "a.txt"}
    for path, content in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
    git(work, "add", "-A")
    tree = git(work, "write-tree").decode()
    commit = git(work, "commit-tree", tree, "-m", "Scores\n\nMore", text=b"").decode()
    store = ObjectStore(tmp_path / "objects")
    entries = {path: Entry("100644", store.add("blob", text)) for path, text in files.items()}
    assert store.add_files(entries) == tree
    made = store.add_commit(
        tree,
        (),
        author="bot",
        message="Scores\n\nMore\n",
        date=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert made.oid == commit


@needs_git
def test_a_blob_has_gits_name_here_and_in_the_client(tmp_path: Path) -> None:
    for content in FILES.values():
        expected = git(tmp_path, "hash-object", "--stdin", text=content).decode()
        assert git_name("blob", content) == expected
    assert blob_name("gain: ü\n") == git_name("blob", "gain: ü\n".encode())


NAMES = st.text("ab-.0", min_size=1, max_size=3).filter(lambda name: name.strip("."))


@settings(max_examples=50)
@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=4)))
def test_what_was_put_in_a_tree_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, files: dict[tuple[str, ...], bytes]
) -> None:
    store = ObjectStore(tmp_path_factory.mktemp("objects"))
    # A file that is also a folder cannot be.
    alone = {
        "/".join(path): text
        for path, text in files.items()
        if not any(other != path and other[: len(path)] == path for other in files)
    }
    entries = {path: Entry("100644", store.add("blob", text)) for path, text in alone.items()}
    assert store.files(store.add_files(entries)) == entries


def test_a_merge_base_is_the_nearest_common_commit(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    tree = store.add_files({})
    date = datetime(2026, 1, 1, tzinfo=UTC)

    def commit(message: str, *parents: str) -> str:
        return store.add_commit(tree, parents, author="me", message=message, date=date).oid

    root = commit("root")
    left = commit("left", root)
    right = commit("right", root)
    merged = commit("merge", right, left)
    assert store.merge_base(left, right) == root
    assert store.merge_base(left, merged) == left
    assert store.merge_base(merged, commit("later", left)) == left
    assert store.merge_base(left, commit("elsewhere")) is None


def test_what_is_no_object_is_not_read(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    blob = store.add("blob", b"x")
    assert store.read(blob, "tree") is None
    assert store.read("../../etc/passwd", "blob") is None
    assert store.commit("0" * 40) is None
