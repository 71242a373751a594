"""A model card with hubbot's score on it: header and section, nothing else touched.

Everything here is a function from bytes to bytes or values. What a card must not lose (other
keys, comments, quoting, line ends, byte order mark) is kept because text is only inserted;
that it was kept is checked each time on the outcome.
"""

import re
from dataclasses import replace
from typing import Any

from ruamel.yaml.nodes import ScalarNode

from hubbot.errors import CardError
from hubbot.publishing import front_matter, header_tree
from hubbot.publishing.diff import diff
from hubbot.publishing.layout import Layout, split
from hubbot.publishing.links import Links
from hubbot.publishing.result import build_result, read_result
from hubbot.publishing.section import drop_section, find_section, put_section
from hubbot.publishing.wording import render_section
from hubbot.records.record import Record

__all__ = ["annotate", "diff", "is_opted_out", "read_annotation", "remove_annotation"]

_OPT_OUT = re.compile(rb"(?im)^[ \t]*[\"']?hubbot[\"']?[ \t]*:[ \t]*[\"']?(?:false|no|off)\b")
_NO = ("false", "no", "off")


def annotate(card: bytes, record: Record, *, links: Links | None = None) -> bytes:
    """Return the card with the record's score in its header and in one section of its body.

    Args:
        card: README.md; empty where the repository has none.
        record: What was measured.
        links: Addresses to print.

    Returns:
        The card. The same bytes where header and section are there and the header already
        says the same of the same weights, whatever day it was measured.

    Raises:
        CardError: If the card opted out, or cannot be edited without touching the rest: it
            names the line and what to do.
    """
    if is_opted_out(card):
        raise CardError("README.md: 'hubbot: false' in the header asks to be left alone")
    links = links or Links()
    layout = split(card)
    section = find_section(layout)
    header = front_matter.annotate_header(
        layout.header,
        layout.first_line,
        build_result(record, links),
        name=record.model.rsplit("/", 1)[-1],
        line_end=layout.line_end,
        new=not layout.has_header,
    )
    if header == layout.header and section is not None:
        return card
    layout = _with_header(layout, header)
    body = put_section(layout, render_section(record, links))
    annotated = replace(layout, body=body).join()
    _check_untouched(card, annotated)
    return annotated


def remove_annotation(card: bytes) -> bytes:
    """Return the card without anything of ours, as it was before the first annotation.

    Raises:
        CardError: If it cannot be taken out without touching the rest.
    """
    layout = drop_section(split(card))
    header, is_ours = front_matter.remove_from_header(layout.header, layout.first_line)
    if is_ours:
        return (layout.bom + layout.body).encode()
    return replace(layout, header=header).join()


def read_annotation(card: bytes) -> dict[str, Any] | None:
    """Return the record's fields as far as the card's header holds them, None where it has none.

    Raises:
        CardError: If the header cannot be read.
    """
    layout = split(card)
    result = front_matter.read_header(layout.header, layout.first_line)
    return None if result is None else read_result(result)


def is_opted_out(card: bytes) -> bool:
    """Tell whether the header says ``hubbot: false`` (or ``no``, ``off``, in any case).

    A card that cannot be read is searched for such a line: nobody is annotated for a typing
    error elsewhere in the header.
    """
    if b"hubbot" not in card:
        return False
    try:
        layout = split(card)
        tree = header_tree.parse(layout.header, layout.first_line)
    except CardError:
        return bool(_OPT_OUT.search(card))
    pair = header_tree.child(tree.root, "hubbot")
    value = pair[1] if pair else None
    return isinstance(value, ScalarNode) and str(value.value).strip().lower() in _NO


def _with_header(layout: Layout, header: str) -> Layout:
    rule = f"---{layout.line_end}"
    return replace(
        layout, opening=layout.opening or rule, header=header, closing=layout.closing or rule
    )


def _check_untouched(card: bytes, annotated: bytes) -> None:
    """Refuse an outcome that the Hub would cut elsewhere, or whose body cannot be restored."""
    old, new = drop_section(split(card)), split(annotated)
    if find_section(new) is None or not new.has_header or new.bom != old.bom:
        raise CardError("README.md: the section would not be found again; edit the card by hand")
    rest = drop_section(new)
    if rest.body != old.body or (old.has_header and rest.closing != old.closing):
        raise CardError("README.md: the body would change outside the markers; edit it by hand")
