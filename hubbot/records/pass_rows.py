"""What the bot did beside measuring, in the ledger: passes, pull requests, opt-outs, references."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hubbot.records.checkpoint_rows import CheckpointRows
from hubbot.records.ledger_file import LedgerFile

PullRequestKind = Literal["model", "dataset", "github"]
"""On whose card it is, or ``github`` for the scores."""

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestRow:
    """A pull request of ours and its last known state."""

    kind: PullRequestKind
    """Whose card it is on."""
    repository: str
    """Hub id, or ``owner/name`` on GitHub."""
    url: str
    """Its page."""
    owner: str
    """Owner of the repository."""
    state: str
    """``open``, ``merged``, ``closed``, ``conflict``, ``gone`` or ``unwanted``."""
    opened: float
    """Seconds since 1970, by this ledger's clock."""
    changed: float
    """When its state was last seen to change, the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceKey:
    """What a reference probe is of: on each machine of the same kind its result is the same."""

    architecture: str
    """Name in the catalog."""
    protocol: str
    """Identifier of the probe's protocol."""
    device: str
    """Name of the device."""
    weights_digest: str
    """Of the base model's weights."""
    dataset_revision: str
    """Of the probe's data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensedRow:
    """The sensitivity of a target, as it was last measured on the schedule."""

    target: str
    """Name in the catalog, or Hub id."""
    architecture: str
    """Name in the catalog."""
    weights_digest: str
    """Of the intermediate model's weights."""
    model: str
    """The intermediate model."""
    protocol: str
    """Identifier of the gain protocol."""
    state: str
    """``measured`` or ``capped`` (its note is to be sent yet), ``stranger`` (its card belongs to
    somebody who is not asked), ``published``, ``unpublished``, ``failed`` or ``refused``."""
    reason: str
    """Why, in a sentence."""
    note: str
    """What was found, as JSON."""
    url: str
    """Pull request on the data-set card; empty where there is none."""
    attempts: int = 0
    """Times that it failed with these weights."""


class PassRows(LedgerFile):
    """The tables beside the checkpoints; a context manager, for one thread."""

    def now(self) -> float:
        """Return the time, never before anything that the ledger holds, seconds since 1970.

        A clock that was set back would let a day's pull requests be opened twice.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            (latest,) = self.connection.execute(
                "SELECT MAX(COALESCE((SELECT MAX(opened) FROM pull_requests), 0), "
                "COALESCE((SELECT MAX(COALESCE(ended, begun)) FROM passes), 0))"
            ).fetchone()
        return max(time.time(), float(latest))

    def begin_pass(self) -> int:
        """Return the number of a new pass.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        with self.transaction():
            cursor = self.connection.execute(
                "INSERT INTO passes (begun, summary) VALUES (?, '')", (now,)
            )
            return int(cursor.lastrowid or 0)

    def end_pass(self, number: int, summary: Mapping[str, Any]) -> None:
        """Write what a pass did.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        with self.transaction():
            self.connection.execute(
                "UPDATE passes SET ended = ?, summary = ? WHERE number = ?",
                (now, json.dumps(summary, sort_keys=True, allow_nan=False), number),
            )

    def last_pass(self) -> tuple[int, float, float | None, Mapping[str, Any]] | None:
        """Return number, begin, end (None: killed, or still at it) and summary of the last pass.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                "SELECT number, begun, ended, summary FROM passes ORDER BY number DESC LIMIT 1"
            ).fetchone()
        if row is None:
            return None
        return row[0], row[1], row[2], json.loads(row[3]) if row[3] else {}

    def note_pull_request(
        self, kind: PullRequestKind, repository: str, url: str, *, state: str = "open"
    ) -> None:
        """Write a pull request and its state; known ones keep the time they were opened.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        owner = repository.rpartition("/")[0]
        with self.transaction():
            self.connection.execute(
                "INSERT INTO pull_requests VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET changed = CASE WHEN state = excluded.state "
                "THEN changed ELSE excluded.changed END, state = excluded.state",
                (kind, repository, url, owner, state, now, now),
            )

    def note_replaced(self, kind: PullRequestKind, repository: str, *, but: str) -> None:
        """Note that another pull request took the place of those that conflicted.

        Args:
            kind: On whose card.
            repository: Hub id.
            but: Page of the one that stays.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        with self.transaction():
            self.connection.execute(
                "UPDATE pull_requests SET state = 'withdrawn', changed = ? WHERE kind = ? "
                "AND repository = ? AND url <> ? AND state IN ('open', 'conflict')",
                (now, kind, repository, but),
            )

    def pull_requests(self, *, kind: PullRequestKind | None = None) -> list[PullRequestRow]:
        """Return the pull requests that the ledger knows, the oldest first.

        Args:
            kind: On whose cards; None for all.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT kind, repository, url, owner, state, opened, changed FROM pull_requests "
                "WHERE ? IS NULL OR kind = ? ORDER BY opened, kind, repository, url",
                (kind, kind),
            ).fetchall()
        names = ("kind", "repository", "url", "owner", "state", "opened", "changed")
        return [PullRequestRow(**dict(zip(names, row, strict=True))) for row in rows]

    def opened_within_a_day(self) -> int:
        """Return how many pull requests on cards were opened in the last 24 hours.

        Raises:
            SettingsError: If the file cannot be read.
        """
        since = self.now() - DAY_S
        return self._count(
            "SELECT COUNT(*) FROM pull_requests WHERE kind <> 'github' AND opened > ?", since
        )

    def open_at_owner(self, owner: str) -> int:
        """Return how many of our pull requests on an owner's cards are open.

        Raises:
            SettingsError: If the file cannot be read.
        """
        return self._count(
            "SELECT COUNT(*) FROM pull_requests WHERE kind <> 'github' AND owner = ? "
            "AND state IN ('open', 'conflict')",
            owner,
        )

    def _count(self, statement: str, value: str | float) -> int:
        with self.translated():
            return int(self.connection.execute(statement, (value,)).fetchone()[0])

    def add_opt_out(self, name: str, reason: str) -> None:
        """Remember that an owner or a repository asked to be left alone.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        with self.transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO opt_outs VALUES (?, ?, ?)", (name, reason, now)
            )

    def opt_outs(self) -> Mapping[str, str]:
        """Return who asked to be left alone, and how we know.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute("SELECT name, reason FROM opt_outs ORDER BY 1")
            return dict(rows.fetchall())

    def reference(self, key: ReferenceKey) -> float | None:
        """Return the LP accuracy of the first reference probe, points; None before it.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                "SELECT lp_accuracy FROM reference_probes WHERE architecture = ? AND protocol = ? "
                "AND device = ? AND weights_digest = ? AND dataset_revision = ?",
                _reference_values(key),
            ).fetchone()
        return None if row is None else float(row[0])

    def references(self) -> Mapping[ReferenceKey, float]:
        """Return the LP accuracies of all first reference probes, points.

        Raises:
            SettingsError: If the file cannot be read.
        """
        names = ("architecture", "protocol", "device", "weights_digest", "dataset_revision")
        with self.translated():
            rows = self.connection.execute(
                f"SELECT {', '.join(names)}, lp_accuracy FROM reference_probes "  # noqa: S608
                "ORDER BY 1, 2, 3, 4, 5"
            ).fetchall()
        return {
            ReferenceKey(**dict(zip(names, row[:-1], strict=True))): float(row[-1]) for row in rows
        }

    def keep_reference(self, key: ReferenceKey, lp_accuracy: float, *, date: str) -> None:
        """Keep the first reference probe of its kind; later ones change nothing.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO reference_probes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*_reference_values(key), lp_accuracy, date),
            )

    def note_sensed(self, row: SensedRow) -> None:
        """Write the sensitivity of a target; it takes the place of an earlier one.

        Failures with the same weights are counted: one that has failed adds its ``attempts``, at
        least 1, to those of before. The earlier one's pull request stays known.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        adds = max(1, row.attempts) if row.state == "failed" else row.attempts
        with self.transaction():
            self.connection.execute(
                "INSERT INTO sensed (target, architecture, weights_digest, model, protocol, "
                "state, reason, note, url, changed, attempts) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "attempts = excluded.attempts + CASE WHEN excluded.state = 'failed' AND "
                "weights_digest = excluded.weights_digest THEN attempts ELSE 0 END, "
                "url = CASE WHEN excluded.url = '' THEN url ELSE excluded.url END, "
                "weights_digest = excluded.weights_digest, model = excluded.model, "
                "protocol = excluded.protocol, state = excluded.state, "
                "reason = excluded.reason, note = excluded.note, changed = excluded.changed",
                (
                    *(row.target, row.architecture, row.weights_digest, row.model, row.protocol),
                    *(row.state, row.reason, row.note, row.url, now, adds),
                ),
            )

    def sensed(self) -> Iterator[SensedRow]:
        """Yield the sensitivities measured on the schedule, by target.

        Raises:
            SettingsError: If the file cannot be read.
        """
        names = (
            *("target", "architecture", "weights_digest", "model", "protocol", "state"),
            *("reason", "note", "url", "attempts"),
        )
        with self.translated():
            rows = self.connection.execute(
                f"SELECT {', '.join(names)} FROM sensed ORDER BY target, architecture"  # noqa: S608
            ).fetchall()
        for row in rows:
            yield SensedRow(**dict(zip(names, row, strict=True)))

    def note_evaluated(
        self, model: str, weights_digest: str, *, state: str, reason: str, attempts: int = 1
    ) -> None:
        """Write what came of measuring a checkpoint's gains.

        Args:
            model: Hub id.
            weights_digest: Of its weights; other weights may be tried again.
            state: ``measured``, ``failed`` or ``refused``.
            reason: Why, in a sentence.
            attempts: What is added to the failures counted so far, where it failed.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now = self.now()
        with self.transaction():
            self.connection.execute(
                "INSERT INTO evaluations (model, weights_digest, state, reason, changed, attempts) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state, "
                "reason = excluded.reason, changed = excluded.changed, "
                "attempts = attempts + excluded.attempts",
                (model, weights_digest, state, reason, now, attempts if state == "failed" else 0),
            )

    def evaluated(self) -> Mapping[tuple[str, str], str]:
        """Return what came of measuring gains, by model and digest of its weights.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT model, weights_digest, state FROM evaluations ORDER BY 1, 2"
            ).fetchall()
        return {(model, digest): state for model, digest, state in rows}

    def evaluations_to_repeat(self, most_attempts: int) -> Mapping[tuple[str, str], int]:
        """Return how often measuring gains failed, by model and weights, where it may yet succeed.

        Args:
            most_attempts: Failures from which on it is given up.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT model, weights_digest, attempts FROM evaluations "
                "WHERE state = 'failed' AND attempts < ? ORDER BY 1, 2",
                (most_attempts,),
            ).fetchall()
        return {(model, digest): attempts for model, digest, attempts in rows}


class BotLedger(CheckpointRows, PassRows):
    """The ledger as the bot sees it; a context manager, for one thread."""

    def begin_pass(self) -> int:
        """Return the number of a new pass, which from now on is written beside all changes."""
        self.pass_number = super().begin_pass()
        return self.pass_number


def _reference_values(key: ReferenceKey) -> tuple[str, ...]:
    return (
        key.architecture,
        key.protocol,
        key.device,
        key.weights_digest,
        key.dataset_revision,
    )
