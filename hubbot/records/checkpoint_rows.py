"""Checkpoints in the ledger: one row a model, in exactly one state, for exactly one reason.

A model is listed as ``seen`` or ``skipped``. What is seen is claimed by one process, measured and
``recorded``; then ``published``, or ``unpublished`` where its card is left as it is. What cannot be
measured is ``refused`` (its numbers do not add up), ``failed`` (it will be tried again, until its
attempts are used up) or ``skipped`` (it is not what the list said).
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from hubbot.records.claims import Holder, is_gone, is_me, this_process
from hubbot.records.ledger_file import LedgerFile

logger = logging.getLogger(__name__)

State = Literal[
    "seen",
    "downloaded",
    "probed",
    "recorded",
    "published",
    "unpublished",
    "skipped",
    "refused",
    "failed",
]
"""Where a checkpoint stands."""  # fmt: skip

STATES: tuple[str, ...] = get_args(State)
OPEN_STATES: tuple[State, ...] = ("seen", "downloaded", "probed", "failed")
"""States from which a checkpoint is (again) measured."""

_COLUMNS = (
    *("model", "revision", "architecture", "state", "code", "reason", "attempts", "value"),
    *("created", "modified", "downloads", "likes", "parameters", "weights_digest"),
    *("measured_revision", "protocol", "lp_gain", "lp_gain_low", "lp_gain_high", "seconds"),
    *("action", "url", "listed", "changed", "pass", "host", "pid", "started", "since"),
)
_ALL = ", ".join(_COLUMNS)
_NOBODY = {"host": "", "pid": 0, "started": 0.0, "since": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """What a listing says of a model, ready for the ledger."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash of the main branch."""
    architecture: str
    """Name in the catalog; empty where config.json has to tell."""
    is_included: bool
    """Whether it is to be measured."""
    code: str
    """Why it is left out, in one word; empty where it is included."""
    reason: str
    """Why it is included or left out, in a sentence."""
    value: float
    """How soon it should be measured; higher is sooner."""
    created: str
    """ISO 8601 with ``Z``."""
    modified: str
    """The same."""
    downloads: int
    """Downloads of the last 30 days."""
    likes: int
    """Likes."""
    parameters: int | None
    """Parameters of its safetensors files; None where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """A checkpoint as the ledger knows it."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash that it was listed with."""
    architecture: str
    """Name in the catalog; empty where not known yet."""
    state: State
    """Where it stands."""
    code: str
    """Why, in one word: of a reason for skipping, a check, a kind of error; may be empty."""
    reason: str
    """Why, in a sentence."""
    attempts: int
    """Times it failed at this revision."""
    value: float
    """How soon it should be measured; higher is sooner."""
    created: str
    """ISO 8601 with ``Z``."""
    modified: str
    """The same."""
    downloads: int
    """Downloads of the last 30 days when it was listed."""
    likes: int
    """Likes when it was listed."""
    parameters: int | None
    """Parameters; None where unknown."""
    weights_digest: str
    """Of the weights that were measured; empty before."""
    measured_revision: str
    """Commit hash that was measured; empty before."""
    protocol: str
    """Protocol of the last probe."""
    lp_gain: float | None
    """LP gain of the default head by that protocol, points; None where there is none."""
    lp_gain_interval: tuple[float, float] | None
    """Its 95 % interval."""
    seconds: float
    """Seconds spent on it in all."""
    action: str
    """What was last done to its card; empty for nothing."""
    url: str
    """Its pull request; empty where there is none."""
    listed: float
    """When it was last on the list, seconds since 1970."""
    changed: float
    """When its state last changed, seconds since 1970."""
    pass_number: int
    """Pass that changed it last; 0 for a listing by itself."""


class CheckpointRows(LedgerFile):
    """The table of checkpoints; a context manager, for one thread."""

    pass_number = 0
    """The pass that is at work; written beside what it changes."""

    def note_listed(self, rows: Iterable[ListedRow]) -> int:
        """Write a page of a listing, in one step.

        A model that is known at the same commit keeps its state, unless nobody looked at it yet and
        list or settings say otherwise now, or it waits to be measured and is left out now. At
        another commit it is seen anew, with no attempts used.

        Args:
            rows: At most a page or so.

        Returns:
            How many were not in the ledger before.

        Raises:
            SettingsError: If the file cannot be written.
        """
        now, n_new = time.time(), 0
        with self.transaction():
            for row in rows:
                known = self._row(row.model)
                n_new += known is None
                self._note_one(row, known, now)
        return n_new

    def _note_one(self, row: ListedRow, known: CheckpointRow | None, now: float) -> None:
        state = "seen" if row.is_included else "skipped"
        facts: dict[str, Any] = {
            "value": row.value,
            "created": row.created,
            "modified": row.modified,
            "downloads": row.downloads,
            "likes": row.likes,
            "parameters": row.parameters,
            "listed": now,
        }
        fresh = facts | {
            "revision": row.revision or (known.revision if known else ""),
            "state": state,
            "code": row.code,
            "reason": row.reason,
            "attempts": 0,
            "architecture": row.architecture,
            "changed": now,
            "pass": self.pass_number,
        }
        if known is None:
            empty = dict.fromkeys(("weights_digest", "measured_revision", "protocol"), "")
            empty |= {"action": "", "url": ""}
            values = {"model": row.model, "seconds": 0.0, **empty, **_NOBODY, **fresh}
            self._insert(values)
        else:
            self._update(row.model, fresh if _is_news(known, row, state) else facts)

    def find_checkpoint(self, model: str) -> CheckpointRow | None:
        """Return what is known of a model; None where nothing is.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            return self._row(model)

    def checkpoints(
        self,
        *,
        states: Iterable[str] = STATES,
        architectures: Iterable[str] = (),
        listed_since: float = 0.0,
        limit: int | None = None,
    ) -> Iterator[CheckpointRow]:
        """Yield checkpoints, the most valuable first.

        Args:
            states: States wanted.
            architectures: Names wanted, those not known yet with them; none named: all.
            listed_since: Only those on a list since then, seconds since 1970.
            limit: Most rows; None for all.

        Raises:
            SettingsError: If the file cannot be read.
        """
        wanted, names = tuple(states), tuple(architectures)
        where = [f"state IN ({_marks(wanted)})", "listed >= ?"]
        values: list[Any] = [*wanted, listed_since]
        if names:
            where.append(f"architecture IN ({_marks(names)}, '')")
            values += names
        most = -1 if limit is None else limit
        with self.translated():
            cursor = self.connection.execute(
                f"SELECT {_ALL} FROM checkpoints WHERE {' AND '.join(where)} "  # noqa: S608
                "ORDER BY value DESC, model LIMIT ?",
                (*values, most),
            )
            while rows := cursor.fetchmany(1000):
                for row in rows:
                    yield _from_row(row)

    def count_checkpoints(self, *, pass_number: int | None = None) -> Mapping[tuple[str, str], int]:
        """Return how many checkpoints are in each state, by state and code.

        Args:
            pass_number: Only those that this pass changed last; None for all.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT state, code, COUNT(*) FROM checkpoints WHERE ? IS NULL OR pass = ? "
                "GROUP BY state, code ORDER BY 1, 2",
                (pass_number, pass_number),
            ).fetchall()
        return {(state, code): number for state, code, number in rows}

    def same_weights(self, digest: str, *, other_than: str) -> str | None:
        """Return another model that was measured with these weights; None where there is none.

        Args:
            digest: Digest of the weights.
            other_than: The model itself.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                "SELECT model FROM checkpoints WHERE weights_digest = ? AND weights_digest <> '' "
                "AND model <> ? AND state IN ('recorded', 'published', 'unpublished') "
                "ORDER BY changed, model LIMIT 1",
                (digest, other_than),
            ).fetchone()
        return None if row is None else str(row[0])

    def measured_weights(self) -> list[tuple[str, str]]:
        """Return digest of the weights and model of all that was measured.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            return self.connection.execute(
                "SELECT weights_digest, model FROM checkpoints WHERE weights_digest <> '' AND "
                "state IN ('recorded', 'published', 'unpublished') ORDER BY 2"
            ).fetchall()

    def note_measured_elsewhere(self, known: Iterable[tuple[str, str]]) -> None:
        """Write what another ledger has measured, so that copies of it are told.

        Args:
            known: Digest of the weights and model; models that this ledger knows stay as they are.

        Raises:
            SettingsError: If the file cannot be written.
        """
        row = ListedRow(
            **dict.fromkeys(("model", "revision", "architecture", "created", "modified"), ""),
            is_included=True,
            code="",
            reason="measured elsewhere",
            value=0.0,
            downloads=0,
            likes=0,
            parameters=None,
        )
        with self.transaction():
            for digest, model in known:
                if self._row(model) is None:
                    self._note_one(replace(row, model=model), None, time.time())
                    self._update(model, {"state": "unpublished", "weights_digest": digest})

    def lp_gains(self) -> Mapping[tuple[str, str], list[float]]:
        """Return the LP gains by small probes, points, by architecture and protocol.

        Raises:
            SettingsError: If the file cannot be read.
        """
        found: dict[tuple[str, str], list[float]] = {}
        with self.translated():
            rows = self.connection.execute(
                "SELECT architecture, protocol, lp_gain FROM checkpoints "
                "WHERE lp_gain IS NOT NULL ORDER BY 1, 2, 3"
            ).fetchall()
        for architecture, protocol, gain in rows:
            found.setdefault((architecture, protocol), []).append(float(gain))
        return found

    def count_screened(self) -> int:
        """Return of how many checkpoints an LP gain by a small probe is known.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            (number,) = self.connection.execute(
                "SELECT COUNT(*) FROM checkpoints WHERE lp_gain IS NOT NULL"
            ).fetchone()
        return int(number)

    def bands(self) -> Mapping[tuple[str, str], float]:
        """Return where upper bands begin, points, by architecture and protocol.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT architecture, protocol, begins FROM bands ORDER BY 1, 2"
            ).fetchall()
        return {(architecture, protocol): begins for architecture, protocol, begins in rows}

    def keep_bands(self, bands: Mapping[tuple[str, str], float]) -> None:
        """Write where upper bands begin, in the place of earlier ones.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self.connection.executemany(
                "INSERT OR REPLACE INTO bands VALUES (?, ?, ?)",
                [(*key, begins) for key, begins in bands.items()],
            )

    def claim_checkpoint(self, model: str) -> bool:
        """Claim a checkpoint for this process; False where another living process is at it.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            row = self.connection.execute(
                "SELECT host, pid, started, since FROM checkpoints WHERE model = ?", (model,)
            ).fetchone()
            if row is None:
                return False
            host, pid, started, since = row
            if host:
                holder = Holder(host=host, pid=pid, started=started, since=since)
                if not is_me(holder) and not is_gone(holder):
                    return False
            own = this_process()
            self._update(
                model,
                {"host": own.host, "pid": own.pid, "started": own.started, "since": own.since},
            )
            return True

    def claimed_checkpoints(self) -> tuple[str, ...]:
        """Return the checkpoints that a living process is at.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            rows = self.connection.execute(
                "SELECT model, host, pid, started, since FROM checkpoints WHERE host <> '' "
                "ORDER BY model"
            ).fetchall()
        return tuple(
            model
            for model, host, pid, started, since in rows
            if not is_gone(Holder(host=host, pid=pid, started=started, since=since))
        )

    def release_checkpoint(self, model: str) -> None:
        """Give this process's claim back; another's stays.

        Raises:
            SettingsError: If the file cannot be written.
        """
        own = this_process()
        with self.transaction():
            self.connection.execute(
                "UPDATE checkpoints SET host = '', pid = 0, started = 0, since = 0 "
                "WHERE model = ? AND host = ? AND pid = ?",
                (model, own.host, own.pid),
            )

    def note_checkpoint(self, model: str, state: State, **values: Any) -> None:
        """Move a checkpoint to a state, in one step.

        Args:
            model: Hub id; in the ledger already.
            state: The new one.
            values: Other columns, by name; ``reason`` and ``code`` are emptied where not given.

        Raises:
            SettingsError: If the file cannot be written.
        """
        plain = {"code": "", "reason": "", "changed": time.time(), **values, "state": state}
        plain["pass"] = self.pass_number
        if "lp_gain_interval" in plain:
            interval = plain.pop("lp_gain_interval") or (None, None)
            plain |= {"lp_gain_low": interval[0], "lp_gain_high": interval[1]}
        with self.transaction():
            self._update(model, plain)

    def note_card(self, model: str, *, action: str, url: str) -> None:
        """Write what was last done to a model's card.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self._update(model, {"action": action, "url": url})

    def add_seconds(self, model: str, seconds: float) -> None:
        """Add to the time spent on a checkpoint.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self.connection.execute(
                "UPDATE checkpoints SET seconds = seconds + ? WHERE model = ?", (seconds, model)
            )

    def newest_listed(self, query: str) -> str:
        """Return the latest change that a complete listing of a query saw; empty before the first.

        Args:
            query: The query as text.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                "SELECT newest FROM listings WHERE query = ?", (query,)
            ).fetchone()
        return "" if row is None else str(row[0])

    def finish_listing(self, query: str, newest: str) -> None:
        """Note that a listing came to its end.

        Args:
            query: The query as text.
            newest: Latest change that it saw, by the Hub's clock; never goes back.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self.connection.execute(
                "INSERT INTO listings VALUES (?, ?, ?) ON CONFLICT (query) DO UPDATE SET "
                "newest = MAX(newest, excluded.newest), finished = excluded.finished",
                (query, newest, time.time()),
            )

    def _row(self, model: str) -> CheckpointRow | None:
        row = self.connection.execute(
            f"SELECT {_ALL} FROM checkpoints WHERE model = ?",  # noqa: S608 - our own names
            (model,),
        ).fetchone()
        return None if row is None else _from_row(row)

    def _insert(self, values: Mapping[str, Any]) -> None:
        names = tuple(values)
        self.connection.execute(
            f"INSERT INTO checkpoints ({', '.join(names)}) VALUES ({_marks(names)})",  # noqa: S608
            tuple(values.values()),
        )

    def _update(self, model: str, values: Mapping[str, Any]) -> None:
        unknown = set(values) - set(_COLUMNS)
        if unknown:
            raise ValueError(f"the table has no columns {sorted(unknown)}")
        assignments = ", ".join(f"{name} = ?" for name in values)
        self.connection.execute(
            f"UPDATE checkpoints SET {assignments} WHERE model = ?",  # noqa: S608 - our own names
            (*values.values(), model),
        )


def _is_news(known: CheckpointRow, row: ListedRow, state: str) -> bool:
    # A list that once leaves the commit out says nothing of a new one.
    if row.revision and known.revision != row.revision:
        return True
    if not row.is_included and known.state in OPEN_STATES:
        return True  # Its owner asked for it meanwhile, say: it is not tried again.
    # What was looked at and found to be something else stays so.
    was_looked_at = known.measured_revision != "" and known.measured_revision == known.revision
    is_by_list = known.state in ("seen", "skipped") and not was_looked_at
    return is_by_list and (known.state, known.code) != (state, row.code)


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _from_row(row: tuple[Any, ...]) -> CheckpointRow:
    values = dict(zip(_COLUMNS, row, strict=True))
    low, high = values.pop("lp_gain_low"), values.pop("lp_gain_high")
    for name in _NOBODY:
        del values[name]
    return CheckpointRow(
        **{name: value for name, value in values.items() if name != "pass"},
        pass_number=values["pass"],
        lp_gain_interval=None if low is None or high is None else (low, high),
    )
