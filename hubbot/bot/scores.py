"""The score records of the bot, filed on GitHub by one pull request."""

import datetime
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError, RemoteError
from hubbot.extras import require_extra
from hubbot.records.pass_rows import PullRequestRow
from hubbot.records.record import Record
from hubbot.records.store import parse_record, read_record, record_text

if TYPE_CHECKING:
    from hubbot.hub.github import PublishedScores, Wording

logger = logging.getLogger(__name__)


def file_scores(work: Workplace) -> dict[str, Any]:
    """Propose all records that GitHub does not have yet, in the open pull request or a new one.

    What became of earlier ones is looked at first and noted in the ledger, whether there is
    something to file or not.

    Args:
        work: Settings, and whether anything is written.

    Returns:
        ``action``, ``url``, ``reason``, ``records`` (how many the pull request changes); empty
        where no repository is set, or there are no records.

    Raises:
        SettingsError: If the section ``github`` is set up wrongly.
    """
    if not work.settings.github.repository:
        return {}
    known = _known(work)
    files = _texts(work)
    if not files and not _open_ones(known):
        return {}
    require_extra("github", purpose="filing scores on GitHub")
    try:
        _follow(work, known)
        return _file(work, files) if files else {}
    except RemoteError as error:
        if not files:
            work.note_problem(f"the pull request with the scores is not followed: {error}")
            return {}
        work.note_problem(f"the scores are not filed: {error}")
        return {"action": "failed", "url": None, "reason": str(error), "records": len(files)}


def _texts(work: Workplace) -> dict[str, str]:
    """Return our records as they are filed, by path inside the folder of the scores."""
    found = {}
    for path in sorted(work.settings.records_dir.glob("*/*.yaml")):
        try:
            found[f"{path.parent.name}/{path.name}"] = record_text(read_record(path))
        except HubbotError as error:
            work.note_problem(f"not filed: {error}")
    return found


def _known(work: Workplace) -> list[PullRequestRow]:
    """Return the pull requests with scores that the ledger knows in this repository."""
    name = work.settings.github.repository
    return [one for one in work.ledger.pull_requests(kind="github") if one.repository == name]


def _open_ones(known: list[PullRequestRow]) -> list[str]:
    return [one.url for one in known if one.state == "open"]


def _follow(work: Workplace, known: list[PullRequestRow]) -> None:
    """Note what became of those that were open, one call each."""
    from hubbot.hub.github import follow_pulls

    for url, state in follow_pulls(_open_ones(known), settings=work.settings.github).items():
        if state != "open":
            work.events[f"pull requests found {state}"] += 1
            _note(work, url, state)


def _note(work: Workplace, url: str, state: str) -> None:
    work.ledger.note_pull_request("github", work.settings.github.repository, url, state=state)


def _file(work: Workplace, files: Mapping[str, str]) -> dict[str, Any]:
    from hubbot.hub.github import number_of, publish_scores

    date = datetime.datetime.now(tz=datetime.UTC).date()
    refused = [one.url for one in _known(work) if one.state == "closed"]
    done = publish_scores(
        files,
        settings=work.settings.github,
        wording=_wording(date),
        branch=f"hubbot/scores-{date.isoformat()}",
        closed=[number for url in refused if (number := number_of(url)) is not None],
        is_sending=work.is_sending,
    )
    _note_done(work, done)
    return {
        "action": done.action,
        "url": done.url,
        "reason": done.reason,
        "records": done.n_files,
    }


def _note_done(work: Workplace, done: "PublishedScores") -> None:
    """Write the states seen: of what was closed, so that it is remembered, and of what is open."""
    for url in done.declined:
        _note(work, url, "closed")
    if done.url and done.action != "skipped":
        _note(work, done.url, "open")


def _wording(date: datetime.date) -> "Wording":
    """Return the words of the pull request, made from what it changes."""
    from hubbot.hub.github import Description, ProposedScores, Wording
    from hubbot.publishing.scores_pull_request import (
        MOST_ROWS,
        ScoreRow,
        is_scores_title,
        scores_body,
        scores_title,
    )

    def describe(proposed: ProposedScores) -> Description:
        rows = []
        for path, file in proposed.files.items():
            record = _parsed(path, file.new)
            if record is not None:
                rows.append(ScoreRow(record=record, old=_parsed(path, file.old)))
        n = len(proposed.paths)
        counts = {
            "score records": n,
            "architectures": len({path.partition("/")[0] for path in proposed.paths}),
        }
        body = scores_body(rows, counts, date, n=n)
        return Description(title=scores_title(n, date), body=body)

    return Wording(describe=describe, is_title=is_scores_title, most_files=MOST_ROWS)


def _parsed(name: str, text: str | None) -> Record | None:
    """Return a record as it is filed; None where there is none, or one that cannot be read."""
    try:
        return None if text is None else parse_record(text, Path(name))
    except HubbotError as error:
        logger.warning("%s", error)
        return None
