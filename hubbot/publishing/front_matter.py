"""Our result in a card's YAML header: put in, brought up to date, taken out.

Text is inserted, never written anew: positions come from the parsed tree, and the outcome is
parsed again and compared with what it had to be. Lines of ours stand between two comments,
``# hubbot:begin`` and ``# hubbot:end``, which makes taking them out exact. Where the comments
are gone (the Hub's own editor drops them), our result is known by what it says of itself.

What stands behind ``# hubbot:begin`` on its line is text of the card that we had to put aside:
``model-index: []`` becomes ``model-index:`` followed by ``# hubbot:begin []``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hubbot.errors import CardError
from hubbot.publishing.header_tree import Tree, parse, to_plain
from hubbot.publishing.insertion import Insertion, replaced
from hubbot.publishing.placement import WHOLE, check_markers, find_ours, other_content
from hubbot.publishing.removal import removals
from hubbot.publishing.result import is_same_score


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
    check_markers(tree)
    ours = find_ours(tree)
    if ours is None:
        insertion = Insertion(result, name, line_end, WHOLE if new else "")
        return _first_that_holds(tree, result, insertion.candidates(tree))
    if is_same_score(to_plain(ours.node), result):
        return text
    return _first_that_holds(tree, result, iter([lambda: replaced(tree, ours, result, line_end)]))


def remove_from_header(text: str, first_line: int) -> tuple[str, bool]:
    """Return the header without our result, and whether the whole header was ours.

    Raises:
        CardError: If our comments are broken, or the rest would change.
    """
    tree = parse(text, first_line)
    markers = check_markers(tree)
    ours = find_ours(tree)
    if ours is None:
        return text, False
    rest = _first_that_holds(tree, None, removals(tree, ours, markers))
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


def _first_that_holds(
    tree: Tree, result: Mapping[str, Any] | None, candidates: Iterator[Callable[[], str]]
) -> str:
    """Return the first candidate that says what the tree says, but for our result."""
    expected = other_content(tree)
    for candidate in candidates:
        text = candidate()
        try:
            outcome = parse(text, tree.first_line)
            ours = find_ours(outcome)
            said = to_plain(ours.node) if ours else None
        except CardError:
            continue
        if said == result and other_content(outcome) == expected:
            return text
    raise CardError(
        f"README.md line {tree.first_line}: hubbot's result cannot be written into, or taken "
        "out of, this header without changing the rest; edit model-index by hand"
    )
