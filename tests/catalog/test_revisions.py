"""The lock file of commits that ``hubbot doctor --datasets`` writes."""

from pathlib import Path

import pytest

from hubbot.catalog.revisions import Revisions, read_revisions, write_revisions
from hubbot.errors import SettingsError


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "revisions.toml"
    revisions = Revisions(models={"b/b": "1" * 40, "a/a": "0" * 40}, datasets={"c/c": "2" * 40})
    write_revisions(path, revisions)
    assert read_revisions(path) == revisions
    assert [found.name for found in path.parent.iterdir()] == ["revisions.toml"]


def test_without_a_lock_nothing_is_pinned(tmp_path: Path) -> None:
    assert read_revisions(tmp_path / "none.toml") == Revisions(models={}, datasets={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[models]\n"a/b" = "main"\n', "'a/b' should have a full commit hash.*'main'"),
        ("models = [", "is not a lock file"),
        ('[datasets]\n"a/b" = 3\n', "'a/b' should have a full commit hash"),
    ],
)
def test_a_lock_that_is_not_ours_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "revisions.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_revisions(path)
