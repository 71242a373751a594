"""Ways of taking our result out of a header's text, the likeliest first.

Each way is a function that returns the new text; whether the text says what it should is
checked by whoever tries it.
"""

from collections.abc import Callable, Iterator

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from hubbot.errors import CardError
from hubbot.publishing import flow_text
from hubbot.publishing.header_tree import MODEL_INDEX, Tree, child, parse
from hubbot.publishing.placement import BEGIN, IN_FLOW, WHOLE, Marker, Ours, find_markers


def removals(tree: Tree, ours: Ours, markers: list[Marker]) -> Iterator[Callable[[], str]]:
    """Yield ways of taking our result out, to be tried in order.

    Args:
        tree: The header.
        ours: Where our result stands.
        markers: Our two comments, or none.
    """
    if markers:
        begin, end = markers
        if begin.rest == IN_FLOW:
            yield lambda: _cut_and_join(tree.text, begin, end)
        elif begin.rest and begin.rest != WHOLE:
            yield lambda: _cut_and_put_back(tree.text, begin, end)
        yield lambda: tree.text[: begin.start] + tree.text[end.end :]
    yield lambda: _without_markers(_without_node(tree, ours), tree.first_line)


def _cut_and_put_back(text: str, begin: Marker, end: Marker) -> str:
    put_aside = text[begin.hash + len(BEGIN) : begin.end]
    return _without_line_end(text[: begin.start]) + put_aside + text[end.end :]


def _cut_and_join(text: str, begin: Marker, end: Marker) -> str:
    indent = text[begin.start : begin.hash]
    return _without_line_end(text[: begin.start]) + text[end.end :].removeprefix(indent)


def _without_line_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _without_node(tree: Tree, ours: Ours) -> str:
    """Take our result out of its list, and lists and entries that then hold nothing."""
    if len(ours.results.value) > 1:
        return _without_item(tree, ours.results, ours.node)
    index = child(tree.root, MODEL_INDEX)
    if index is None or tree.root is None or not isinstance(index[1], SequenceNode):
        raise CardError("README.md: model-index is gone; nothing was changed")
    if {key.value for key, _ in ours.entry.value} - {"name", "results"}:
        return _without_key(tree, ours.entry, "results")
    if len(index[1].value) > 1:
        return _without_item(tree, index[1], ours.entry)
    return _without_key(tree, tree.root, MODEL_INDEX)


def _without_item(tree: Tree, sequence: SequenceNode, node: Node) -> str:
    start, end = node.start_mark.index, tree.end_of(node)
    if sequence.flow_style:
        return flow_text.remove(tree, start, end)
    dash = tree.tokens[tree.token_index(start) - 1]
    return _without_lines(tree, dash.start, end)


def _without_key(tree: Tree, mapping: MappingNode, name: str) -> str:
    pair = child(mapping, name)
    if pair is None:
        raise CardError(f"README.md: {name} is gone; nothing was changed")
    key, value = pair
    start, end = key.start_mark.index, tree.end_of(value)
    if mapping.flow_style:
        return flow_text.remove(tree, start, end)
    following = [each for each, _ in mapping.value if each.start_mark.index > start]
    if following and tree.text[tree.line_start(start) : start].strip():
        # The key shares its line with the dash of its entry, which the next key now follows.
        return tree.text[:start] + tree.text[following[0].start_mark.index :]
    return _without_lines(tree, start, end)


def _without_lines(tree: Tree, start: int, end: int) -> str:
    return tree.text[: tree.line_start(start)] + tree.text[tree.next_line(end) :]


def _without_markers(text: str, first_line: int) -> str:
    for marker in reversed(find_markers(parse(text, first_line))):
        text = text[: marker.start] + text[marker.end :]
    return text
