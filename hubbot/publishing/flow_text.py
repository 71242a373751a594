"""Inserting into and taking out of YAML collections written with brackets."""

import re

from ruamel.yaml.nodes import CollectionNode

from hubbot.publishing.header_tree import Tree, refuse

_OPEN = ("FlowSequenceStartToken", "FlowMappingStartToken")
_COMMA = "FlowEntryToken"
_INDENT = re.compile(r"[ ]*(?:- *)*")


def insert(
    tree: Tree, collection: CollectionNode, item: str, comments: tuple[str, str], line_end: str
) -> str:
    """Return the header with ``item`` as the collection's last one, between two comment lines.

    YAML takes comments between any two parts of such a collection, and commas at the start of
    a line. Taking out everything from the line end before the first comment to the indent
    behind the second one gives the old text again.
    """
    closing = tree.token_index(collection.end_mark.index - 1)
    before = tree.tokens[closing - 1]
    comma = "" if before.kind in (*_OPEN, _COMMA) else ", "
    line = tree.text[tree.line_start(before.start) :]
    indent = _INDENT.match(line)
    # Deeper than the line it breaks, as lines inside brackets have to be.
    margin = line_end + " " * (2 + (indent.end() if indent else 0))
    addition = "".join(margin + part for part in (comments[0], comma + item, comments[1], ""))
    return tree.text[: before.end] + addition + tree.text[before.end :]


def remove(tree: Tree, start: int, end: int) -> str:
    """Return the header without the item (or the key and its value) at ``start`` to ``end``.

    Used where our comments are gone; one comma goes with the item.

    Raises:
        CardError: If the collection has no end.
    """
    first, behind = tree.token_index(start), tree.token_index(end)
    if first == 0 or behind >= len(tree.tokens):
        raise refuse(tree, start, "a list with brackets has no end")
    before, after = tree.tokens[first - 1], tree.tokens[behind]
    text = tree.text
    if after.kind == _COMMA:
        end = after.end + (text[after.end : after.end + 1] == " ")
    elif before.kind == _COMMA:
        start = before.start
    return text[:start] + text[end:]
