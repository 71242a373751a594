"""Column names on their way from the command line to the data."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.cli.gain_options import columns_of
from hubbot.settings import Settings
from hubbot.targets import Columns, read_target

Hubbot = Callable[..., Any]


def columns(*text: str) -> Columns:
    return columns_of(list(text), "", None, None, None, None, Columns().max_rows)


@pytest.mark.parametrize("nothing", [(), ("",), (",",), (" , ",)])
def test_no_name_is_a_guess(nothing: tuple[str, ...]) -> None:
    assert columns(*nothing) == Columns()


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    rows = [
        f'"a film of day {n}","{n} words, all true",{"good" if n % 2 else "bad"}\n'
        for n in range(200)
    ]
    path.write_text('title,"review, long",label\n' + "".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "is_pair"),
    [(("review, long",), False), (("title", "review, long"), True), (("title,label",), None)],
)
def test_a_column_whose_name_holds_a_comma_can_be_named(
    hubbot: Hubbot, reviews: Path, tmp_path: Path, text: tuple[str, ...], is_pair: bool | None
) -> None:
    if is_pair is None:  # two names in one value, as before
        ran = hubbot("sensitivity", reviews, "-a", "all-MiniLM-L6-v2", f"--text-column={text[0]}")
        assert ran.code == 2
        assert "--label-column" in ran.err
        return
    given = columns(*text)
    target = read_target(str(reviews), "as-run", Settings(cache_dir=tmp_path / "cache"), given)
    assert target.is_pair is is_pair


def test_the_name_survives_being_printed_and_pasted() -> None:
    from hubbot.catalog.gain_protocols import get_gain_protocol
    from hubbot.recommending import _arguments

    given = columns("review, long", "it's")
    printed = _arguments("my.csv", given, get_gain_protocol("gain-minilm@1"), Settings())
    pasted = [word.partition("=")[2] for word in shlex.split(printed) if "--text-column" in word]
    assert columns(*pasted) == given
