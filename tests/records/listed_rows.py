"""One line of a listing, as the tests of the ledger change it."""

from typing import Any

from hubbot.records.checkpoint_rows import ListedRow

SHA, OTHER = "a" * 40, "b" * 40
DATE = "2026-01-02T03:04:05.000Z"


def a_row(model: str = "you/x", **changes: Any) -> ListedRow:
    values: dict[str, Any] = {
        "model": model,
        "revision": SHA,
        "architecture": "roberta-base",
        "is_included": True,
        "code": "",
        "reason": "declares roberta-base",
        "value": 1.5,
        "created": DATE,
        "modified": DATE,
        "downloads": 3,
        "likes": 2,
        "parameters": 124_697_433,
    }
    return ListedRow(**(values | changes))
