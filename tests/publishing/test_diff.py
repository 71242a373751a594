import time

import pytest

from hubbot.publishing.diff import diff


def test_diff_is_a_unified_diff() -> None:
    assert diff(b"a\nb\n", b"a\nc\n") == (
        "--- a/README.md\n+++ b/README.md\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    )


def test_equal_cards_differ_in_nothing() -> None:
    assert diff(b"a\n", b"a\n") == ""


def test_missing_line_end_is_told() -> None:
    assert diff(b"a", b"a\n") == (
        "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
    )


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        (b"\x1b[2Jgone\n", "+\\x1b[2Jgone\n"),
        ("\u202etxt\n".encode(), "+\\u202etxt\n"),
        (b"a\r\n", "+a\\x0d\n"),
        (b"\xff\n", "+\\xff\n"),
        ("a\u2028b\x85c\n".encode(), "+a\\u2028b\\x85c\n"),
        ("é🤗 שלום\tx\n".encode(), "+é🤗 שלום\tx\n"),
        ("\U000e0041\n".encode(), "+\\U000e0041\n"),
    ],
)
def test_what_moves_a_terminal_is_written_out(card: bytes, shown: str) -> None:
    assert diff(b"", card).endswith(shown)


def test_hostile_path_is_written_out_too() -> None:
    assert "\x1b" not in diff(b"", b"a\n", path="\x1b[2J\nREADME.md")


@pytest.mark.parametrize("line", [b"a line\n", b"x\ny\nz\n"])
def test_megabyte_with_a_small_change_takes_seconds_at_most(line: bytes) -> None:
    old = line * (1_000_000 // len(line))
    start = time.perf_counter()
    assert diff(old, old + b"new\n").endswith("+new\n")
    assert time.perf_counter() - start < 10
