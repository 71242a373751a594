"""The score records of the bot, filed on GitHub by one pull request."""

import datetime
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError, RemoteError
from hubbot.extras import require_extra
from hubbot.records.record import Record
from hubbot.records.store import parse_record, read_record, record_text

logger = logging.getLogger(__name__)


def file_scores(work: Workplace) -> dict[str, Any]:
    """Propose all records that GitHub does not have yet, in the open pull request or a new one.

    Args:
        work: Settings, and whether anything is written.

    Returns:
        ``action``, ``url``, ``branch``, ``reason``; empty where no repository is set.

    Raises:
        SettingsError: If the section ``github`` is set up wrongly.
    """
    if not work.settings.github.repository:
        return {}
    require_extra("github", purpose="filing scores on GitHub")
    records = _records(work)
    if not records:
        return {}
    files = {name: record_text(record) for name, record in records.items()}
    try:
        return _file(work, records, files)
    except RemoteError as error:
        work.note_problem(f"the scores are not filed: {error}")
        return {"action": "failed", "url": None, "reason": str(error), "records": len(files)}


def _records(work: Workplace) -> dict[str, Record]:
    found = {}
    for path in sorted(work.settings.records_dir.glob("*/*.yaml")):
        try:
            found[f"{path.parent.name}/{path.name}"] = read_record(path)
        except HubbotError as error:
            work.note_problem(f"not filed: {error}")
    return found


def _file(
    work: Workplace, records: Mapping[str, Record], files: Mapping[str, str]
) -> dict[str, Any]:
    from hubbot.hub.github import publish_scores
    from hubbot.hub.github_reading import read_scores
    from hubbot.publishing.scores_pull_request import ScoreRow, scores_body, scores_title

    github = work.settings.github
    there = read_scores(files, settings=github)
    told: dict[str, Any] = {"url": there.url, "records": len(there.pending)}
    if not there.pending:
        return told | {"action": "unchanged", "reason": "GitHub has them all"}
    if not work.is_sending:
        return told | {"action": "would-file", "reason": ""}
    rows = [
        ScoreRow(record=record, old=_parsed(name, there.base.get(name)))
        for name, record in records.items()
        if name in there.pending
    ]
    date = datetime.datetime.now(tz=datetime.UTC).date()
    # Of the records alone: what a pass did besides would edit the text on every pass.
    counts = {
        "score records": len(rows),
        "architectures": len({r.record.architecture for r in rows}),
    }
    done = publish_scores(
        {name: text for name, text in files.items() if name in there.pending},
        settings=github,
        title=scores_title(len(there.pending), date),
        body=scores_body(rows, counts, date),
        branch=f"hubbot/scores-{date.isoformat()}",
    )
    if done.url:
        work.ledger.note_pull_request("github", github.repository, done.url)
    return told | {"action": done.action, "url": done.url, "reason": done.reason}


def _parsed(name: str, text: str | None) -> Record | None:
    """Return a record as it is filed; None where there is none, or one that cannot be read."""
    try:
        return None if text is None else parse_record(text, Path(name))
    except HubbotError as error:
        logger.warning("%s", error)
        return None
