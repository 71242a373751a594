import pytest
from huggingface_hub.repocard import REGEX_YAML_BLOCK
from hypothesis import given
from hypothesis import strategies as st

from hubbot.errors import CardError
from hubbot.publishing.layout import split


@given(st.lists(st.sampled_from(["---", "--- ", "---x", "a: 1", "", " ", "\n", "\r\n", "\t"])))
def test_header_is_what_the_hub_client_takes_for_one(parts: list[str]) -> None:
    text = "".join(parts)
    theirs = REGEX_YAML_BLOCK.search(text)
    try:
        layout = split(text.encode())
    except CardError:
        return
    assert layout.join().decode() == text
    if layout.header:
        assert theirs is not None
        assert layout.opening == theirs[1]
        assert layout.header.removesuffix("\n").removesuffix("\r") == theirs[2]
        assert layout.body == text[theirs.end() :]
    elif not layout.has_header:
        assert theirs is None


@pytest.mark.parametrize(
    ("card", "line"), [("---\na: 1\n---\nx", 2), ("\r\n\r\n---\r\na: 1\r\n---", 4)]
)
def test_first_line_counts_from_the_top_of_the_file(card: str, line: int) -> None:
    assert split(card.encode()).first_line == line


@pytest.mark.parametrize(
    ("card", "match"),
    [
        (b"\n\n---\na: 1\n", "line 3: '---' opens a header"),
        (b"---", "line 1: '---' opens a header"),
        (b"---\na: 1\rb: 2\n---\n", "carriage returns alone"),
        (b"a\n\x80", "line 2: expected UTF-8, found byte 0x80"),
    ],
)
def test_half_a_header_is_refused(card: bytes, match: str) -> None:
    with pytest.raises(CardError, match=match):
        split(card)
