"""A card header as a tree of nodes that know where they stand in the text.

Nothing here changes text. Nodes come from ruamel.yaml's composer (YAML 1.2); positions are
indices into the header. Aliases make the composer return one node in several places, whose
position is that of the anchor: whoever asks where something *ends* asks the tokens instead.
"""

import bisect
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tokens import BlockEndToken, StreamEndToken

from hubbot.errors import CardError

MODEL_INDEX = "model-index"

_DOCUMENT = re.compile(r"^(?:---(?=\s|\Z)|%)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of text that YAML reads as one thing."""

    start: int
    """Index of its first character."""
    end: int
    """Index behind its last character."""
    kind: str
    """Class name of ruamel.yaml's token."""


@dataclass(frozen=True)
class Tree:
    """A parsed header."""

    text: str
    """The header: whole lines."""
    first_line: int
    """Number of its first line in the file, from 1."""
    root: MappingNode | None
    """The mapping; None where the header is empty or holds comments only."""

    @functools.cached_property
    def tokens(self) -> list[Token]:
        """Tokens in the order of the text, without those that have no width."""
        return list(_scan(_parsed_part(self.text)))

    @functools.cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    @functools.cached_property
    def _ends(self) -> list[int]:
        return [token.end for token in self.tokens]

    @functools.cached_property
    def references(self) -> Counter[int]:
        """How often each node stands in the tree, by ``id``: more than once through aliases."""
        return _count(self.root)

    def line_of(self, index: int) -> int:
        """Return the number in the file of the line that holds ``index``."""
        return self.first_line + self.text.count("\n", 0, index)

    def line_start(self, index: int) -> int:
        """Return the index of the first character of the line that holds ``index``."""
        return self.text.rfind("\n", 0, index) + 1

    def next_line(self, index: int) -> int:
        """Return ``index`` where it begins a line, else where the next line begins."""
        if index == 0 or self.text[index - 1] == "\n":
            return index
        found = self.text.find("\n", index)
        return len(self.text) if found < 0 else found + 1

    def end_of(self, node: Node) -> int:
        """Return the index behind the node's last token; blanks and comments do not count."""
        before = bisect.bisect_right(self._ends, node.end_mark.index)
        start = int(node.start_mark.index)
        return max(start, self.tokens[before - 1].end if before else start)

    def token_index(self, start: int) -> int:
        """Return the position in ``tokens`` of the first one that starts at or behind ``start``."""
        return bisect.bisect_left(self._starts, start)

    def is_comment(self, index: int) -> bool:
        """Tell whether ``index`` lies outside every token, as comments do."""
        before = bisect.bisect_right(self._starts, index)
        return before == 0 or self.tokens[before - 1].end <= index


def parse(text: str, first_line: int) -> Tree:
    """Parse a header.

    Args:
        text: The header, whole lines; huggingface_hub leaves the last line end out, and so
            does the parser here.
        first_line: Number of its first line in the file, from 1.

    Raises:
        CardError: If it is not one YAML mapping with text keys, each once.
    """
    document = _DOCUMENT.search(text)
    if document:
        raise _refusal(
            first_line + text.count("\n", 0, document.start()),
            "a document mark or directive inside the header; a header is one YAML document",
        )
    try:
        # Duplicates are looked for below, where the line is known for both keys.
        root = _yaml().compose(_parsed_part(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        raise _refusal(line, f"the header is not YAML: {error.problem or error.context}") from error
    except (YAMLError, RecursionError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise _refusal(first_line, f"the header is not YAML: {problem}") from error
    if root is not None and not isinstance(root, MappingNode) and not _is_null(root):
        raise _refusal(
            first_line, f"expected keys and values in the header, found a {kind_of(root)}"
        )
    tree = Tree(text, first_line, root if isinstance(root, MappingNode) else None)
    _check_keys(tree)
    return tree


def child(mapping: MappingNode | None, key: str) -> tuple[ScalarNode, Node] | None:
    """Return key node and value node of ``key``, None where the mapping has no such key."""
    for name, value in mapping.value if mapping else ():
        if isinstance(name, ScalarNode) and name.value == key and str(name.tag).endswith(":str"):
            return name, value
    return None


def is_null(node: Node) -> bool:
    """Tell whether the node is YAML's null, written out or left empty."""
    return _is_null(node)


def kind_of(node: Node) -> str:
    """Return ``scalar``, ``sequence`` or ``mapping``."""
    return type(node).__name__.removesuffix("Node").lower()


def to_plain(node: Node) -> Any:
    """Return a node's value as plain Python.

    Raises:
        CardError: If it holds tags or values that plain YAML does not have.
    """
    try:
        return _yaml().constructor.construct_document(node)
    except (YAMLError, RecursionError, ValueError, TypeError) as error:
        raise CardError(f"README.md: a value cannot be read: {str(error)[:200]}") from error


def fingerprint(node: Node | None) -> str:
    """Return a digest of everything the node says: tags, values and order of keys.

    Equal subtrees are digested once, so that aliases of aliases cost nothing.

    Raises:
        CardError: If the header contains itself.
    """
    return _digest(node, {}, set())


def refuse(tree: Tree, index: int, problem: str) -> CardError:
    """Return the error that names the line of ``index``."""
    return _refusal(tree.line_of(index), problem)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    return yaml


def _refusal(line: int, problem: str) -> CardError:
    return CardError(f"README.md line {line}: {problem}; mend it by hand, the card is left as is")


def _parsed_part(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _scan(text: str) -> Iterator[Token]:
    for token in _yaml().scan(text):
        start, end = token.start_mark.index, token.end_mark.index
        if end > start and not isinstance(token, BlockEndToken | StreamEndToken):
            yield Token(start, end, type(token).__name__)


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _children(node: Node | None) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


def _count(root: Node | None) -> Counter[int]:
    counted: Counter[int] = Counter()
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        counted[id(node)] += 1
        if counted[id(node)] == 1:
            waiting.extend(_children(node))
    return counted


def _check_keys(tree: Tree) -> None:
    waiting: list[Node] = [tree.root] if tree.root is not None else []
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting.extend(_children(node))
        if isinstance(node, MappingNode):
            _check_mapping(tree, node)


def _check_mapping(tree: Tree, mapping: MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, ScalarNode):
            raise refuse(tree, key.start_mark.index, "a key is not plain text")
        name = (str(key.tag), str(key.value))
        if name in first:
            raise refuse(
                tree,
                key.start_mark.index,
                f"key {key.value[:60]!r} is there twice, first in line {first[name]}",
            )
        first[name] = tree.line_of(key.start_mark.index)


def _digest(node: Node | None, known: dict[int, str], open_nodes: set[int]) -> str:
    if node is None:
        return ""
    if id(node) in known:
        return known[id(node)]
    if id(node) in open_nodes:
        raise CardError("README.md: the header contains itself through an anchor; mend it by hand")
    open_nodes.add(id(node))
    if isinstance(node, ScalarNode):
        parts = [str(node.value)]
    else:
        parts = [_digest(each, known, open_nodes) for each in _children(node)]
    open_nodes.discard(id(node))
    said = "\x00".join([kind_of(node), str(node.tag), *parts])
    known[id(node)] = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return known[id(node)]
