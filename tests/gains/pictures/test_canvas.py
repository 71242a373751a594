"""Text from outside as it is drawn."""

import pytest

from hubbot.gains.pictures.canvas import footer_lines, shown, signed, text_width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner/model", "owner/model"),
        ("$x^2$", "$x^2$"),
        ("a\nb\x1b[2J\u202e", r"a\nb\x1b[2J\u202e"),
        ("模", r"\u6a21"),
        ("\N{PILE OF POO}", r"\U0001f4a9"),
        ("naïve Ω Ж", "naïve Ω Ж"),
        ("", ""),
    ],
)
def test_text_that_cannot_be_drawn_is_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_long_text_keeps_both_ends() -> None:
    long = "owner/" + "x" * 100 + "-v2"
    assert len(shown(long, limit=20)) == 20
    assert shown(long, limit=20).startswith("owner/xx")
    assert shown(long, limit=20).endswith("x-v2")


def test_a_number_has_its_sign_and_zero_has_none() -> None:
    assert [signed(value) for value in (2.0, -2.0, 0.0)] == ["+2.0", "\N{MINUS SIGN}2.0", "0"]


def test_a_footer_fits_into_the_figure() -> None:
    words = "A rather long line about where all these numbers come from, with Wide LETTERS. " * 5
    for line in footer_lines(6.0, words):
        assert text_width(line, 6.5) <= 5.9
