"""Published predictions that moved since, and are made anew."""

from typing import TYPE_CHECKING

from hubbot.bot.cards import path_of
from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError

if TYPE_CHECKING:
    from hubbot.records.record import Record


def find_moved(work: Workplace) -> None:
    """Find published checkpoints whose predicted gain moved since, and have them corrected once.

    A new calibration moves predictions without a new probe. Each is corrected once at a revision:
    what moves to and fro is no news.

    Args:
        work: Ledger, settings and tolerance.

    Raises:
        SettingsError: If a record cannot be written.
    """
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.from_probe import predicted_anew
    from hubbot.records.store import read_record, write_record

    calibrations = load_calibrations(work.settings.calibrations_file)
    tolerance = work.settings.bot.tolerance_points
    for row in list(work.ledger.checkpoints(states=("published",))):
        if row.code == "moved":
            continue
        try:
            record = read_record(path_of(row, work))
        except HubbotError as error:
            work.note_problem(f"{row.model}: {error}")
            continue
        anew = predicted_anew(record, calibrations)
        if _is_same(record, anew, tolerance):
            continue
        write_record(anew, work.settings.records_dir)
        work.ledger.note_checkpoint(
            row.model, "recorded", code="moved", reason="its predicted gain moved"
        )
        work.events["corrections"] += 1


def _is_same(record: "Record", anew: "Record", tolerance: float) -> bool:
    old, new = record.predicted_gain, anew.predicted_gain
    if old is None or new is None:
        return (old is None) == (new is None)
    return abs(old - new) <= tolerance
