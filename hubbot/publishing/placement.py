"""Where our result stands in a header, and what the header says beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hubbot.publishing.header_tree import (
    MODEL_INDEX,
    Tree,
    child,
    fingerprint,
    is_null,
    refuse,
    to_plain,
)
from hubbot.publishing.result import MARK, SOURCE, is_mixed

BEGIN, END = "# hubbot:begin", "# hubbot:end"
WHOLE = " (header)"
"""Behind BEGIN: the whole header is ours, and goes when our lines go."""
IN_FLOW = " (inside brackets)"
"""Behind BEGIN: the two comments break a line of the card, which is joined again."""

_MARKER = re.compile(r"^[ \t]*(# hubbot:(?:begin|end)\b)([^\r\n]*)(?:\r\n|\n|\Z)", re.MULTILINE)


@dataclass(frozen=True)
class Ours:
    """Where our result stands."""

    results: SequenceNode
    """The list that holds it."""
    entry: MappingNode
    """The model-index entry that holds the list."""
    node: Node
    """The result itself."""


@dataclass(frozen=True)
class Marker:
    """One of our two comments."""

    text: str
    """BEGIN or END."""
    rest: str
    """What follows on the line."""
    start: int
    """Index of the line's first character."""
    hash: int
    """Index of the number sign."""
    end: int
    """Index of the next line."""


def find_ours(tree: Tree) -> Ours | None:
    """Return where our result stands, None where there is none.

    Raises:
        CardError: If there are two, or a tool mixed other metrics into it.
    """
    found = list(_all_ours(tree))
    if not found:
        return None
    if len(found) > 1:
        raise refuse(tree, found[1].node.start_mark.index, "a second hubbot result; one must go")
    ours = found[0]
    value = to_plain(ours.node)
    if is_mixed(value):
        raise refuse(
            tree,
            ours.node.start_mark.index,
            "hubbot's result also holds metrics that are not hubbot's",
        )
    for node in (ours.results, ours.entry, ours.node):
        refuse_alias(tree, node)
    return ours


def _all_ours(tree: Tree) -> Iterator[Ours]:
    index = child(tree.root, MODEL_INDEX)
    entries = index[1].value if index and isinstance(index[1], SequenceNode) else []
    for entry in entries:
        results = child(entry, "results") if isinstance(entry, MappingNode) else None
        if results and isinstance(results[1], SequenceNode):
            for node in results[1].value:
                if isinstance(node, MappingNode) and _looks_ours(node):
                    yield Ours(results[1], entry, node)


def _looks_ours(result: MappingNode) -> bool:
    """Look at nodes alone: other people's results may hold tags that cannot be read."""
    source, metrics = child(result, "source"), child(result, "metrics")
    if source and isinstance(source[1], MappingNode):
        name = child(source[1], "name")
        if name and isinstance(name[1], ScalarNode) and name[1].value == SOURCE:
            return True
    items = metrics[1].value if metrics and isinstance(metrics[1], SequenceNode) else []
    return any(isinstance(metric, MappingNode) and _is_marked(metric) for metric in items)


def _is_marked(metric: MappingNode) -> bool:
    args = child(metric, "args")
    return args is not None and isinstance(args[1], MappingNode) and bool(child(args[1], MARK))


def is_empty(node: Node) -> bool:
    """Tell whether the node is null or a list without items."""
    return is_null(node) or (isinstance(node, SequenceNode) and not node.value)


def refuse_alias(tree: Tree, node: Node) -> None:
    """Refuse a node that an anchor and its aliases show in several places.

    Raises:
        CardError: If a change of the node would change another part of the header.
    """
    if tree.references[id(node)] > 1 and not is_null(node):
        raise refuse(
            tree,
            node.start_mark.index,
            "this part of model-index is used in another place through an anchor",
        )


def find_markers(tree: Tree) -> list[Marker]:
    """Return our two comments, those that are text inside a value left aside."""
    return [
        Marker(found[1], found[2], found.start(), found.start(1), found.end())
        for found in _MARKER.finditer(tree.text)
        if tree.is_comment(found.start(1))
    ]


def check_markers(tree: Tree) -> list[Marker]:
    """Return our two comments, or an empty list.

    Raises:
        CardError: If they are broken, doubled, or hold no result of ours between them.
    """
    markers = find_markers(tree)
    texts = [marker.text for marker in markers]
    if texts not in ([], [BEGIN, END]):
        wrong = markers[2] if len(markers) > 2 else markers[-1]
        raise refuse(
            tree,
            wrong.start,
            f"expected one '{BEGIN}' and below it one '{END}' in the header, "
            f"found {len(texts)} such lines",
        )
    if markers and find_ours(tree) is None:
        raise refuse(
            tree, markers[0].start, f"no result between '{BEGIN}' and '{END}'; delete both lines"
        )
    return markers


def other_content(tree: Tree) -> str:
    """Return a digest of what the header says beside our result.

    Empty lists, entries of nothing but a name, and null count as absent: that is what our
    result finds or leaves.
    """
    if tree.root is None:
        return fingerprint(None)
    ours = {id(each.node) for each in _all_ours(tree)}
    kept = [
        (key, _index_without(value, ours) if _is_model_index(key) else value)
        for key, value in tree.root.value
    ]
    pairs = [(key, value) for key, value in kept if value is not None]
    if not pairs:
        return fingerprint(None)
    return fingerprint(MappingNode(tree.root.tag, pairs))


def _is_model_index(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == MODEL_INDEX


def _index_without(index: Node, ours: set[int]) -> Node | None:
    if is_empty(index):
        return None
    if not isinstance(index, SequenceNode):
        return index
    entries = [_entry_without(entry, ours) for entry in index.value]
    kept = [entry for entry in entries if entry is not None]
    return SequenceNode(index.tag, kept) if kept else None


def _entry_without(entry: Node, ours: set[int]) -> Node | None:
    if not isinstance(entry, MappingNode):
        return entry
    pairs = []
    for key, value in entry.value:
        if isinstance(key, ScalarNode) and key.value == "results" and _holds_only(value, ours):
            continue
        if isinstance(value, SequenceNode):
            items = [each for each in value.value if id(each) not in ours]
            value = SequenceNode(value.tag, items)
        pairs.append((key, value))
    if [key.value for key, _ in pairs] == ["name"]:
        return None
    return MappingNode(entry.tag, pairs)


def _holds_only(value: Node, ours: set[int]) -> bool:
    if is_null(value):
        return True
    return isinstance(value, SequenceNode) and all(id(each) in ours for each in value.value)
