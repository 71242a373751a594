from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hubbot.publishing.markdown import code, code_blocks, escape

LINES = st.sampled_from(
    ["```", "````", "```py", "``` `", "~~~", "~~~~ x", "   ```", "text", "", "<!-- m -->", "<pre>",
     "x</pre>", "``` ", "~~~x~~~"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(LINES, max_size=12))
def test_code_blocks_are_those_of_a_commonmark_parser(lines: list[str]) -> None:
    """A comment on a line of its own is HTML outside of code, and text inside."""
    text = "".join(f"{line}\n" for line in lines)
    theirs: set[int] = set()
    for token in MarkdownIt("commonmark").parse(text):
        if token.map and is_code(token):
            theirs.update(range(*token.map))
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    ours = {
        number
        for number, start in enumerate(starts[:-1])
        if any(block.start <= start < block.end for block in code_blocks(text))
    }
    comments = {number for number, line in enumerate(lines) if line == "<!-- m -->"}
    assert ours & comments == theirs & comments


@settings(max_examples=300)
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_open_block_is_one_that_swallows_what_is_appended(text: str) -> None:
    last = MarkdownIt("commonmark").parse(f"{text}\n\n<!-- appended -->\n")[-1]
    blocks = list(code_blocks(text + "\n"))
    assert bool(blocks and not blocks[-1].is_closed) == is_code(last)


def is_code(token: Token) -> bool:
    is_raw = token.type == "html_block" and token.content.lstrip().startswith("<pre")
    return token.type == "fence" or is_raw


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _it_ `code` [a](https://evil.example) <b>x</b> a|b ~~s~~ $x$ #1 @all",
        "<!-- hubbot:end -->",
        "http://evil.example www.evil.example HTTPS://EVIL.example",
        "![x](y) <https://evil.example> &lt;script&gt;",
    ],
)
def test_escaped_text_is_shown_letter_by_letter(text: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    inline = parser.parse(escape(text))[1]
    assert inline.children is not None
    kinds = {child.type for child in inline.children}
    assert kinds <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\r\n\tc", "a b c"), ("x\u202egpj.exe", "x gpj.exe"), ("\x1b[31mred", "&#91;31mred")],
)
def test_escaped_text_stays_on_one_line_and_in_one_direction(text: str, expected: str) -> None:
    assert escape(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("me/model", "`me/model`"), ("", ""), ("a`b", "a&#96;b"), ("a|b\n", "a&#124;b")],
)
def test_names_are_code_unless_they_would_break_out(text: str, expected: str) -> None:
    assert code(text) == expected
