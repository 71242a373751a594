"""Merges and diffs against git itself."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.localhub.blobs import FileEntry, git_oid
from hubbot.localhub.textmerge import diff_trees, merge_text, merge_trees

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\u2028e\n"]), max_size=12)
TEXTS = st.builds(lambda lines, tail: "".join(lines) + tail, LINES, st.sampled_from(["", "end"]))


class Contents:
    """Contents in memory."""

    def __init__(self) -> None:
        self.by_sha: dict[str, bytes] = {}

    def write(self, path: str, content: bytes) -> FileEntry:
        oid = git_oid(content)
        self.by_sha[oid] = content
        return FileEntry(sha256=oid, oid=oid, size=len(content), is_lfs=False)

    def read(self, entry: FileEntry) -> bytes:
        return self.by_sha[entry.sha256]


def test_blob_names_are_those_of_git() -> None:
    git = subprocess.run(
        ["git", "hash-object", "--stdin"], input=b"hello\n", capture_output=True, check=True
    )
    assert git_oid(b"hello\n") == git.stdout.decode().strip()


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=40, deadline=None)
def test_git_applies_the_diff_and_gets_the_new_text(
    tmp_path_factory: pytest.TempPathFactory, old: str, new: str
) -> None:
    folder = tmp_path_factory.mktemp("apply")
    contents = Contents()
    diff = diff_trees(
        {"README.md": contents.write("README.md", old.encode())},
        {"README.md": contents.write("README.md", new.encode())},
        contents.read,
    )
    card = folder / "README.md"
    card.write_bytes(old.encode())
    if old == new:
        assert diff == ""
        return
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn"], input=diff.encode(), cwd=folder, check=True
    )
    assert card.read_bytes() == new.encode()


def test_git_applies_a_diff_that_adds_and_deletes_files(tmp_path: Path) -> None:
    contents = Contents()
    old = {"gone.txt": contents.write("", b"old\n"), "same.txt": contents.write("", b"same\n")}
    new = {"sub/new.txt": contents.write("", b"new\n"), "same.txt": old["same.txt"]}
    for path, entry in old.items():
        (tmp_path / path).write_bytes(contents.read(entry))
    diff = diff_trees(old, new, contents.read)
    subprocess.run(["git", "apply"], input=diff.encode(), cwd=tmp_path, check=True)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"same.txt", "sub/new.txt"}


def test_files_in_lfs_show_their_pointers() -> None:
    entry = FileEntry(sha256="a" * 64, oid="b" * 40, size=5, is_lfs=True)
    diff = diff_trees({}, {"w.bin": entry}, Contents().read)
    assert f"+oid sha256:{'a' * 64}\n+size 5\n" in diff


EDITS = st.lists(st.sampled_from(["keep", "keep", "keep", "drop", "replace", "insert"]), max_size=9)


def edited(base: list[str], edits: list[str], name: str) -> str:
    """Edit lines that are all different, so that there is one way to match them."""
    result = []
    for number, line in enumerate(base):
        edit = edits[number] if number < len(edits) else "keep"
        result += [] if edit in {"drop", "replace"} else [line]
        result += [f"{name} {number}\n"] if edit in {"replace", "insert"} else []
    return "".join(result)


@given(ours=EDITS, theirs=EDITS)
@settings(max_examples=60, deadline=None)
def test_whatever_merges_is_merged_by_git_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, ours: list[str], theirs: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    base = [f"line {number}\n" for number in range(9)]
    texts = ["".join(base), edited(base, ours, "ours"), edited(base, theirs, "theirs")]
    for name, text in zip(("base", "ours", "theirs"), texts, strict=True):
        (folder / name).write_text(text)
    git = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=folder, capture_output=True
    )
    merged = merge_text(*texts)
    if merged is not None:
        assert (git.returncode, git.stdout.decode()) == (0, merged)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ("a\nb\nc\nd\nX\n", "Y\nb\nc\nd\ne\n", "Y\nb\nc\nd\nX\n"),
        ("a\nb\nX\nd\ne\n", "a\nb\nX\nd\ne\n", "a\nb\nX\nd\ne\n"),
        ("a\nb\nX\nd\ne\n", "a\nb\nY\nd\ne\n", None),
        ("a\nb\nX\nd\ne\n", "a\nb\nc\nY\ne\n", None),
        ("a\nb\nc\nd\ne\nX\n", "a\nb\nc\nd\ne\nY\n", None),
        ("a\nb\nc\nd\ne\nX\n", "Y\na\nb\nc\nd\ne\n", "Y\na\nb\nc\nd\ne\nX\n"),
        ("", "a\nb\nc\nd\ne\n", ""),
        ("", "a\nb\nX\nd\ne\n", None),
    ],
    ids=[
        "apart",
        "same",
        "clash",
        "touching",
        "both-append",
        "both-ends",
        "emptied",
        "empty-clash",
    ],
)
def test_three_way_merge(tmp_path: Path, ours: str, theirs: str, merged: str | None) -> None:
    base = "a\nb\nc\nd\ne\n"
    assert merge_text(base, ours, theirs) == merged
    assert merge_text(base, theirs, ours) == merged
    for name, text in {"base": base, "ours": ours, "theirs": theirs}.items():
        (tmp_path / name).write_text(text)
    git = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=tmp_path, capture_output=True
    )
    assert (git.stdout.decode() if git.returncode == 0 else None) == merged


def test_files_changed_on_one_side_only_merge() -> None:
    contents = Contents()
    a, b, c = (contents.write("", text) for text in (b"a\n", b"b\n", b"c\n"))
    base, ours, theirs = {"x": a, "y": a, "z": a}, {"x": b, "y": a}, {"x": a, "y": c, "z": a}
    merged, conflicts = merge_trees(base, ours, theirs, read=contents.read, write=contents.write)
    assert (merged, conflicts) == ({"x": b, "y": c}, [])


def test_a_file_changed_here_and_deleted_there_conflicts() -> None:
    contents = Contents()
    a, b = (contents.write("", text) for text in (b"a\n", b"b\n"))
    _, conflicts = merge_trees({"x": a}, {"x": b}, {}, read=contents.read, write=contents.write)
    assert conflicts == ["x"]


def test_a_long_card_is_compared_at_once() -> None:
    contents = Contents()
    line = "the same line\n" * 70_000
    old, new = (contents.write("", (line + word + line).encode()) for word in ("old\n", "new\n"))
    diff = diff_trees({"README.md": old}, {"README.md": new}, contents.read)
    assert diff.count("\n") == 2 + 2 + 1 + 3 + 2 + 3
