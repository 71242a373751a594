"""Tables, pairs and lines: what strangers called their things is shown, and obeyed nowhere."""

import io
import re

import pytest
from rich.cells import cell_len

from hubbot.cli.output import print_pairs, print_table, print_text

STRANGE = ["reviews [v2].csv", "a[/x]b", "[red]alert[/red]", r"back\[slash]"]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("name", STRANGE)
def test_titles_heads_and_cells_are_shown_letter_by_letter(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    print_table(f"{name}: accuracy", ("model", name), [(name, "1.0")])
    assert capsys.readouterr().out.count(name) == 3


@pytest.mark.parametrize("name", STRANGE)
def test_names_and_values_of_pairs_are_shown_letter_by_letter(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    print_pairs([(name, name)])
    assert capsys.readouterr().out.count(name) == 2


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    strange = "a\x1b[2Jb"
    print_table(strange, ("model", strange), [(strange, strange)])
    print_pairs([(strange, strange)])
    print_text(strange)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count(r"a\x1b[2Jb") == 7


LONG = "somebody-with-a-long-name/" + "roberta-base-finetuned-on-very-many-things-of-this-world"
WHY = "other-language: its card says de; the probe is in English"
HEADER = ("model", "architecture", "modified", "downloads", "state", "why")
ROWS = [
    (LONG, "roberta-base", "2026-02-01", "1234567", "skipped", WHY),
    ("me/child", "all-MiniLM-L6-v2", "2026-02-01", "3", "seen", "declares all-MiniLM-L6-v2"),
]


class Terminal(io.StringIO):
    """What is printed, and read by a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 80, 100, 120, 200])
def test_a_long_name_takes_no_other_columns_place(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table("Checkpoints", HEADER, ROWS, wide=("model", "why"))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert "\u2026" not in terminal.getvalue()
    words = {word.strip("│;┃ ") for line in lines for word in line.split()}
    assert {"1234567", "2026-02-01", "me/child", "language"} - words == {"language"}
    # Every letter of the long name is there, over as many lines as it takes.
    letters = "".join(line.strip().split("│")[1 if "│" in line else 0].strip() for line in lines)
    assert LONG in letters


def test_a_pipe_gets_each_row_whole_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    why = WHY * 20
    print_table("Checkpoints", HEADER, [(*ROWS[0][:-1], why)], wide=("model", "why"))
    print_pairs([("problem", why)])
    table, pairs = [line for line in capsys.readouterr().out.splitlines() if why in line]
    assert all(cell in table for cell in ROWS[0][:-1])
    assert pairs == f"problem  {why}"


def test_a_pipe_gets_no_blanks_at_the_end_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_pairs([("a", "b" * 200), ("c", "d")])
    print_table("t", ("a",), [("b" * 200,)])
    out = capsys.readouterr().out
    assert all(line == line.rstrip() for line in out.splitlines())
