"""A checkpoint that was renamed since it was listed goes on under its new name."""

from dataclasses import fields

from hubbot.records.checkpoint_rows import CheckpointRow, ListedRow
from hubbot.records.pass_rows import BotLedger


def go_on_under(ledger: BotLedger, row: CheckpointRow, *, model: str, revision: str) -> None:
    """Have a checkpoint wait to be measured under its new name, unless it is known by that already.

    Whether the Hub lists a renamed repository anew is not known, so nothing waits for it. Record
    and card bear the new name; under the old one neither would be found again.

    Args:
        ledger: Open ledger.
        row: Under the old name.
        model: The new name.
        revision: Commit hash of its main branch.

    Raises:
        SettingsError: If the ledger cannot be written.
    """
    if ledger.find_checkpoint(model) is not None:
        return
    listed = {
        one.name: getattr(row, one.name) for one in fields(ListedRow) if hasattr(row, one.name)
    }
    listed |= {"model": model, "revision": revision, "is_included": True, "code": ""}
    ledger.note_listed([ListedRow(**listed)])
