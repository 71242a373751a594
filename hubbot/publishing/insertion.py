"""Ways of putting our result into a header's text, the likeliest first.

Each way is a function that returns the new text; whether the text says what it should is
checked by whoever tries it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from hubbot.publishing import flow_text
from hubbot.publishing.header_tree import MODEL_INDEX, Tree, child, kind_of, refuse
from hubbot.publishing.placement import BEGIN, END, IN_FLOW, Ours, is_empty, refuse_alias
from hubbot.records.yaml_text import flow, item_lines

# Behind a key: the colon, null or an empty list (or nothing), perhaps a comment.
_EMPTY_VALUE = re.compile(
    r"([ \t]*:)(?:[ \t]+(null|Null|NULL|~|\[[ \t]*\]))?(?:[ \t]+#[^\r\n]*|[ \t]*)(?=[\r\n]|\Z)"
)


@dataclass(frozen=True)
class Insertion:
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
        refuse_alias(tree, value)
        if is_empty(value):
            yield from self._into_empty(tree, key, value, self._entry())
            return
        if not isinstance(value, SequenceNode):
            raise refuse(
                tree,
                key.start_mark.index,
                f"expected a list in model-index, found a {kind_of(value)}",
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
        refuse_alias(tree, entry)
        if not isinstance(entry, MappingNode):
            raise refuse(
                tree,
                entry.start_mark.index,
                f"expected name and results in the model-index entry, found a {kind_of(entry)}",
            )
        results = child(entry, "results")
        if results is None:
            yield from self._into_entry_without_results(tree, entry)
            return
        key, value = results
        refuse_alias(tree, value)
        if is_empty(value):
            yield from self._into_empty(tree, key, value, self.result)
        elif not isinstance(value, SequenceNode):
            raise refuse(
                tree, key.start_mark.index, f"expected a list in results, found a {kind_of(value)}"
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


def _refuse_merged(tree: Tree, mapping: MappingNode | None, key: str) -> None:
    for name, value in mapping.value if mapping is not None else ():
        if isinstance(name, ScalarNode) and str(name.tag).endswith(":merge"):
            merged = value.value if isinstance(value, SequenceNode) else [value]
            if any(isinstance(each, MappingNode) and child(each, key) for each in merged):
                raise refuse(tree, name.start_mark.index, f"{key} comes from a merged mapping")


def replaced(tree: Tree, ours: Ours, result: Mapping[str, Any], line_end: str) -> str:
    """Return the header with ``result`` where our old one stands, wherever that is."""
    node = ours.node
    if isinstance(node, CollectionNode) and node.flow_style:
        item = flow(result)
    else:
        lines = [line[2:] for line in item_lines(result)]
        item = f"{line_end}{' ' * node.start_mark.column}".join(lines)
    return tree.text[: node.start_mark.index] + item + tree.text[tree.end_of(node) :]
