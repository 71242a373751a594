"""Tables, pairs and lines: what strangers called their things is shown, and obeyed nowhere."""

import pytest

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
