"""Our result in a card's YAML header: put in, brought up to date, taken out.

Text is inserted, never written anew: positions come from the parsed tree, and the outcome is
parsed again and compared with what it had to be. Lines of ours stand between two comments,
``# hubbot:begin`` and ``# hubbot:end``, which makes taking them out exact. Where the comments
are gone (the Hub's own editor drops them), our result is known by what it says of itself.

What stands behind ``# hubbot:begin`` on its line is text of the card that we had to put aside:
``model-index: []`` becomes ``model-index:`` followed by ``# hubbot:begin []``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from hubbot.errors import CardError
from hubbot.publishing import flow_text
from hubbot.publishing.header_tree import (
    MODEL_INDEX,
    Tree,
    child,
    fingerprint,
    is_null,
    parse,
    refuse,
    to_plain,
)
from hubbot.publishing.result import is_mixed, is_ours, is_same_score
from hubbot.records.yaml_text import flow, item_lines, scalar

BEGIN, END = "# hubbot:begin", "# hubbot:end"
WHOLE = " (header)"
"""Behind BEGIN: the whole header is ours, and goes when our lines go."""
IN_FLOW = " (inside brackets)"
"""Behind BEGIN: the two comments break a line of the card, which is joined again."""

_MARKER = re.compile(r"^[ \t]*(# hubbot:(?:begin|end)\b)([^\r\n]*)(?:\r\n|\n|\Z)", re.MULTILINE)
# Behind a key: the colon, null or an empty list (or nothing), perhaps a comment.
_EMPTY_VALUE = re.compile(
    r"([ \t]*:)(?:[ \t]+(null|Null|NULL|~|\[[ \t]*\]))?(?:[ \t]+#[^\r\n]*|[ \t]*)(?=[\r\n]|\Z)"
)


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


def annotate_header(
    text: str, first_line: int, result: Mapping[str, Any], *, name: str, line_end: str, new: bool
) -> str:
    """Return the header with our result in it.

    Args:
        text: The header, whole lines.
        first_line: Number of its first line in the file, from 1.
        result: Our result as plain values.
        name: Name of a new model-index entry, where there is none.
        line_end: Line end to write.
        new: Whether the card has no header of its own, so that all of it will be ours.

    Returns:
        The header; the same text where it already says the same of the same weights.

    Raises:
        CardError: If that cannot be done without touching the rest.
    """
    tree = parse(text, first_line)
    _check_markers(tree)
    ours = find_ours(tree)
    if ours is None:
        insertion = _Insertion(result, name, line_end, WHOLE if new else "")
        return _first_that_holds(tree, result, insertion.candidates(tree))
    if is_same_score(to_plain(ours.node), result):
        return text
    return _first_that_holds(tree, result, iter([lambda: _replaced(tree, ours, result, line_end)]))


def remove_from_header(text: str, first_line: int) -> tuple[str, bool]:
    """Return the header without our result, and whether the whole header was ours.

    Raises:
        CardError: If our comments are broken, or the rest would change.
    """
    tree = parse(text, first_line)
    markers = _check_markers(tree)
    ours = find_ours(tree)
    if ours is None:
        return text, False
    rest = _first_that_holds(tree, None, _removals(tree, ours, markers))
    was_ours = bool(markers) and markers[0].rest == WHOLE
    return rest, not rest.strip() and (was_ours or not markers)


def read_header(text: str, first_line: int) -> Mapping[str, Any] | None:
    """Return our result as plain values, None where the header has none.

    Raises:
        CardError: If the header cannot be read.
    """
    ours = find_ours(parse(text, first_line))
    value = to_plain(ours.node) if ours else None
    return value if isinstance(value, Mapping) else None


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
        _refuse_alias(tree, node)
    return ours


def _all_ours(tree: Tree) -> Iterator[Ours]:
    index = child(tree.root, MODEL_INDEX)
    entries = index[1].value if index and isinstance(index[1], SequenceNode) else []
    for entry in entries:
        results = child(entry, "results") if isinstance(entry, MappingNode) else None
        if results and isinstance(results[1], SequenceNode):
            for node in results[1].value:
                if isinstance(node, MappingNode) and is_ours(_surface(node)):
                    yield Ours(results[1], entry, node)


def _surface(node: MappingNode) -> Any:
    # Other people's results may hold tags we cannot read; only ours has to be readable.
    source, metrics = child(node, "source"), child(node, "metrics")
    surface: dict[str, Any] = {}
    try:
        if source:
            surface["source"] = to_plain(source[1])
        if metrics:
            surface["metrics"] = to_plain(metrics[1])
    except CardError:
        return surface
    return surface


# --- inserting ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Insertion:
    """What is inserted, and every way of doing it, the likeliest first."""

    result: Mapping[str, Any]
    name: str
    line_end: str
    remark: str

    def candidates(self, tree: Tree) -> Iterator[Callable[[], str]]:
        """Yield ways of inserting, to be tried in order."""
        index = child(tree.root, MODEL_INDEX)
        if index is None:
            yield from self._into_root(tree)
            return
        key, value = index
        _refuse_alias(tree, value)
        if _is_empty(value):
            yield from self._into_empty(tree, key, value, self._entry())
            return
        if not isinstance(value, SequenceNode):
            raise refuse(
                tree, key.start_mark.index, f"expected a list in model-index, found a {value.id}"
            )
        yield from self._into_entry(tree, value.value[0])

    def _entry(self) -> dict[str, Any]:
        return {"name": self.name, "results": [self.result]}

    def _into_root(self, tree: Tree) -> Iterator[Callable[[], str]]:
        _refuse_merged(tree, tree.root, MODEL_INDEX)
        root = tree.root
        if root is not None and root.flow_style:
            addition = f"{MODEL_INDEX}: {flow([self._entry()])}"
            yield lambda: self._put_in_flow(tree, root, addition)
            return
        lines = [f"{MODEL_INDEX}:", *item_lines(self._entry())]
        column = root.value[0][0].start_mark.column if root is not None and root.value else 0
        ends = re.search(r"^\.\.\.(?=\s|\Z)", tree.text, re.MULTILINE)
        bottom = ends.start() if ends else len(tree.text)
        yield lambda: self._put(tree, bottom, column, lines)
        # A block of text at the very end would gain a line end.
        yield lambda: self._put(tree, 0, column, lines)

    def _into_entry(self, tree: Tree, entry: Node) -> Iterator[Callable[[], str]]:
        _refuse_alias(tree, entry)
        if not isinstance(entry, MappingNode):
            raise refuse(
                tree,
                entry.start_mark.index,
                f"expected name and results in the model-index entry, found a {entry.id}",
            )
        results = child(entry, "results")
        if results is None:
            yield from self._into_entry_without_results(tree, entry)
            return
        key, value = results
        _refuse_alias(tree, value)
        if _is_empty(value):
            yield from self._into_empty(tree, key, value, self.result)
        elif not isinstance(value, SequenceNode):
            raise refuse(
                tree, key.start_mark.index, f"expected a list in results, found a {value.id}"
            )
        else:
            yield from self._into_results(tree, value)

    def _into_entry_without_results(
        self, tree: Tree, entry: MappingNode
    ) -> Iterator[Callable[[], str]]:
        _refuse_merged(tree, entry, "results")
        if entry.flow_style:
            yield lambda: self._put_in_flow(tree, entry, f"results: {flow([self.result])}")
            return
        lines = ["results:", *item_lines(self.result)]
        column = entry.value[0][0].start_mark.column
        yield lambda: self._put(tree, tree.next_line(tree.end_of(entry)), column, lines)

    def _into_results(self, tree: Tree, results: SequenceNode) -> Iterator[Callable[[], str]]:
        if results.flow_style:
            yield lambda: self._put_in_flow(tree, results, flow(self.result))
            return
        lines = item_lines(self.result)
        first_dash = tree.tokens[tree.token_index(_first_dash(tree, results))].start
        column = first_dash - tree.line_start(first_dash)
        yield lambda: self._put(tree, tree.next_line(tree.end_of(results)), column, lines)
        yield lambda: self._put(tree, tree.line_start(first_dash), column, lines)

    def _into_empty(
        self, tree: Tree, key: Node, value: Node, item: Mapping[str, Any]
    ) -> Iterator[Callable[[], str]]:
        """Fill ``key:``, ``key: null`` or ``key: []``."""
        lines, column = item_lines(item), key.start_mark.column
        line = _EMPTY_VALUE.match(tree.text, key.end_mark.index)
        is_left_out = value.start_mark.index == value.end_mark.index
        if line and (is_left_out or value.start_mark.index <= line.end()):
            colon, below = line.end(1), tree.next_line(line.end() + 1)
            if line[2]:
                yield lambda: self._put_aside(tree, colon, column, lines)
            else:
                yield lambda: self._put(tree, below, column, lines)
        elif isinstance(value, SequenceNode):
            yield lambda: self._put_in_flow(tree, value, flow(item))
        else:
            raise refuse(
                tree,
                key.start_mark.index,
                "expected a list, found null written so that it cannot be kept; write []",
            )

    def _put(self, tree: Tree, at: int, column: int, lines: list[str]) -> str:
        block = [BEGIN + self.remark, *lines, END]
        text = "".join(f"{' ' * column}{line}{self.line_end}" for line in block)
        return tree.text[:at] + text + tree.text[at:]

    def _put_in_flow(self, tree: Tree, collection: CollectionNode, item: str) -> str:
        comments = (BEGIN + IN_FLOW, END)
        return flow_text.insert(tree, collection, item, comments, self.line_end)

    def _put_aside(self, tree: Tree, at: int, column: int, lines: list[str]) -> str:
        indent = " " * column
        begin = f"{self.line_end}{indent}{BEGIN}"
        below = tree.next_line(at + 1)
        block = "".join(f"{indent}{line}{self.line_end}" for line in [*lines, END])
        return tree.text[:at] + begin + tree.text[at:below] + block + tree.text[below:]


def _first_dash(tree: Tree, sequence: SequenceNode) -> int:
    for token in tree.tokens[tree.token_index(sequence.start_mark.index) :]:
        if token.kind == "BlockEntryToken":
            return token.start
    raise refuse(tree, sequence.start_mark.index, "a list without dashes")


def _is_empty(node: Node) -> bool:
    return is_null(node) or (isinstance(node, SequenceNode) and not node.value)


def _refuse_alias(tree: Tree, node: Node) -> None:
    if tree.references[id(node)] > 1 and not is_null(node):
        raise refuse(
            tree,
            node.start_mark.index,
            "this part of model-index is used in another place through an anchor",
        )


def _refuse_merged(tree: Tree, mapping: MappingNode | None, key: str) -> None:
    for name, value in mapping.value if mapping is not None else ():
        if isinstance(name, ScalarNode) and name.tag.endswith(":merge"):
            merged = value.value if isinstance(value, SequenceNode) else [value]
            if any(isinstance(each, MappingNode) and child(each, key) for each in merged):
                raise refuse(tree, name.start_mark.index, f"{key} comes from a merged mapping")


# --- replacing ---------------------------------------------------------------------------------


def _replaced(tree: Tree, ours: Ours, result: Mapping[str, Any], line_end: str) -> str:
    node = ours.node
    if isinstance(node, CollectionNode) and node.flow_style:
        item = flow(result)
    else:
        lines = [line[2:] for line in item_lines(result)]
        item = f"{line_end}{' ' * node.start_mark.column}".join(lines)
    return tree.text[: node.start_mark.index] + item + tree.text[tree.end_of(node) :]


# --- removing ----------------------------------------------------------------------------------


def _removals(tree: Tree, ours: Ours, markers: list[Marker]) -> Iterator[Callable[[], str]]:
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
    for marker in reversed(_markers(parse(text, first_line))):
        text = text[: marker.start] + text[marker.end :]
    return text


# --- checking ----------------------------------------------------------------------------------


def _markers(tree: Tree) -> list[Marker]:
    return [
        Marker(found[1], found[2], found.start(), found.start(1), found.end())
        for found in _MARKER.finditer(tree.text)
        if tree.is_comment(found.start(1))
    ]


def _check_markers(tree: Tree) -> list[Marker]:
    markers = _markers(tree)
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


def _first_that_holds(
    tree: Tree, result: Mapping[str, Any] | None, candidates: Iterator[Callable[[], str]]
) -> str:
    """Return the first candidate that says what the tree says, but for our result."""
    expected = _others(tree)
    for candidate in candidates:
        text = candidate()
        try:
            outcome = parse(text, tree.first_line)
            ours = find_ours(outcome)
            said = to_plain(ours.node) if ours else None
        except CardError:
            continue
        if said == result and _others(outcome) == expected:
            return text
    raise CardError(
        f"README.md line {tree.first_line}: hubbot's result cannot be written into, or taken "
        "out of, this header without changing the rest; edit model-index by hand"
    )


def _others(tree: Tree) -> str:
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
    if _is_empty(index):
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
