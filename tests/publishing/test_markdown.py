import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hubbot.publishing.markdown import code, escape, lines_of, unclosed_block

LINES = st.sampled_from(
    ["```", "````", "```py", "``` `", "~~~", "~~~~ x", "   ```", "text", "", "<!-- m -->", "<pre>",
     "</pre>", "``` ", "~~~x~~~"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_code_blocks_are_those_of_a_commonmark_parser(text: str) -> None:
    """A comment on a line of its own is HTML outside of code, and text inside."""
    tokens = MarkdownIt("commonmark").parse(text + "\n")
    in_code: set[int] = set()
    for token in tokens:
        is_raw = token.type == "html_block" and token.content.lstrip().startswith("<pre")
        if (token.type == "fence" or is_raw) and token.map:
            in_code.update(range(*token.map))
    found = {number for number, line in enumerate(lines_of(text)) if line.block is not None}
    comments = {n for n, line in enumerate(text.split("\n")) if line == "<!-- m -->"}
    assert found & comments == in_code & comments


@settings(max_examples=300)
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_comment_appended_behind_an_open_block_would_be_code(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{text}\n\n<!-- appended -->\n")
    last = tokens[-1]
    is_swallowed = last.type == "fence" or last.content.lstrip().startswith("<pre")
    assert (unclosed_block(text + "\n") is not None) == is_swallowed


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
