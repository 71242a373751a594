"""What shards wrote, gathered from disk: each in its own folder, each file by itself.

Whatever one shard wrote can cost it its own results and nobody else's: names of files follow from
its list, sizes are bounded, files are read one by one, and what nobody foresaw is one more reason
not to take a file.
"""

import hashlib
import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from hubbot.bot.shard_cells import MAX_CELL_BYTES, CellResult
from hubbot.bot.shard_checks import RejectedError, check_result, of_one_base
from hubbot.bot.shard_files import (
    MANIFEST,
    MAX_BYTES,
    MAX_MANIFEST_BYTES,
    KnownReference,
    Manifest,
    ShardResult,
    TargetOutcome,
    WorkList,
    first_problem,
)
from hubbot.catalog.dataset_groups import targets_of
from hubbot.errors import HubbotError, StorageError
from hubbot.pipeline import PROTOCOL
from hubbot.printable import printable
from hubbot.records.record import Record

logger = logging.getLogger(__name__)

_MOST_TOLD = 20
"""Manifests in the wrong place that are told of."""
_FOLDER = re.compile(r"(?:shard-)?([0-9]{1,6})(?:-[A-Za-z0-9_.-]{1,60})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFile:
    """A fine-tuning that a shard handed back, not yet read."""

    path: Path
    """Its file."""
    name: str
    """The same within the results, for messages."""
    digest: str
    """Hex SHA-256 that the manifest names."""
    shard: int
    """Whose it is."""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What lies in a folder of results; filled while it is read."""

    results: dict[str, ShardResult] = field(default_factory=dict)
    """By model, those that may be taken."""
    rejected: dict[str, str] = field(default_factory=dict)
    """By file or model, and why; fit to be printed."""
    repeated: int = 0
    """Results that came twice and agree."""
    problems: list[str] = field(default_factory=list)
    """What the shards say went wrong that belongs to no checkpoint; fit to be printed."""
    references: list[KnownReference] = field(default_factory=list)
    """Reference probes of the shards."""
    cells: list[CellFile] = field(default_factory=list)
    """Finished fine-tunings of the shards."""
    outcomes: dict[int, list[TargetOutcome]] = field(default_factory=dict)
    """Sensitivities and evaluations that a shard is done with, by shard."""

    def reject(self, name: object, why: object) -> None:
        """Note what is not taken, and why."""
        self.rejected[printable(name)] = printable(why, limit=1000)


def gather(results: Path, plan: str, lists: Mapping[int, WorkList]) -> Gathered:
    """Return the results of a plan that pass every check which needs no network.

    Args:
        results: Folder with a folder ``shard-N`` for each shard N, or such a folder itself. A shard
            that ran on two machines has another beside it, such as ``shard-N-again``.
        plan: Digest of the plan.
        lists: Its work lists by shard.
    """
    found = Gathered()
    for path in _manifests(results):
        with own_fault(path.relative_to(results), found):
            for file, result in _read_shard(path, results, plan, lists, found):
                _add(file, result, found, tolerance=lists[result.shard].tolerance_points)
    for model in found.rejected:
        found.results.pop(model, None)
    return found


def _manifests(results: Path) -> list[Path]:
    """Return the manifests that may be shards', and some that lie too deep, to tell of them."""
    found = [*results.glob(MANIFEST), *results.glob(f"*/{MANIFEST}")]
    return sorted(found) + sorted(islice(results.glob(f"*/*/**/{MANIFEST}"), _MOST_TOLD))


@contextmanager
def own_fault(name: object, found: Gathered) -> Iterator[None]:
    """Turn whatever the block meets into the rejection of one file; the others go on.

    Args:
        name: Of the file, within the results.
        found: Told of it.

    Raises:
        StorageError: If a disk of this machine is at fault.
    """
    try:
        yield
    except StorageError:
        raise
    except (RejectedError, HubbotError) as error:
        found.reject(name, error)
    except Exception as error:
        logger.exception("%s is not taken: an error that hubbot does not know", printable(name))
        found.reject(name, f"an error that hubbot does not know: {error!r}")


def _add(file: str, result: ShardResult, found: Gathered, *, tolerance: float) -> None:
    """Add a result; of two, one that came to an end goes before one that did not."""
    other = found.results.get(result.model)
    if other is None or (not _is_final(other) and _is_final(result)):
        found.results[result.model] = result
    elif _agree(other, result, tolerance):
        found.repeated += 1
    elif _is_final(result):
        found.reject(
            result.model,
            f"two results that do not agree, the second in {file}; neither is taken, the next "
            "plan has it again",
        )


def _is_final(result: ShardResult) -> bool:
    return result.state in ("recorded", "skipped", "refused")


def _agree(one: ShardResult, other: ShardResult, tolerance: float) -> bool:
    """Return whether two machines may have found both: the same but for what machines differ in."""
    names = ("state", "code", "revision", "measured_revision", "weights_digest", "architecture")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    if one.record is None or other.record is None:
        return one.record is other.record
    first, second = Record.model_validate(one.record), Record.model_validate(other.record)
    if first.protocol != second.protocol or set(first.lp_accuracy) != set(second.lp_accuracy):
        return False
    tables = [(first.lp_accuracy, second.lp_accuracy), (first.lp_gain or {}, second.lp_gain or {})]
    return all(
        abs(value - there.get(head, math.inf)) <= tolerance
        for here, there in tables
        for head, value in here.items()
    )


def _read_shard(
    path: Path, results: Path, plan: str, lists: Mapping[int, WorkList], found: Gathered
) -> Iterator[tuple[str, ShardResult]]:
    """Yield the results of one shard that hold, with their files' names; note the rest."""
    place = path.relative_to(results)
    manifest = _read_manifest(path, place, results, plan, lists)
    work_list = lists[manifest.shard]
    said = [f"shard {manifest.shard}: {printable(problem)}" for problem in manifest.problems]
    found.problems += [problem for problem in said if problem not in found.problems]
    read: list[tuple[str, ShardResult]] = []
    before = len(found.rejected)
    for name, digest in sorted(manifest.files.items()):
        with own_fault(place.with_name(name), found):
            result = _read_result(_read(path.with_name(name), MAX_BYTES, digest), work_list)
            read.append((str(place.with_name(name)), result))
    for name, digest in sorted(manifest.cells.items()):
        cell = CellFile(
            path=path.with_name(name),
            name=str(place.with_name(name)),
            digest=digest,
            shard=manifest.shard,
        )
        found.cells.append(cell)
    asked = _asked_of(work_list)
    outcomes = found.outcomes.setdefault(manifest.shard, [])
    outcomes += [
        one
        for one in manifest.outcomes
        if (one.name, one.architecture, one.weights_digest) in asked
    ]
    sound, odd = of_one_base(read)
    yield from sound
    for file, why in odd.items():
        found.reject(file, why)
    if len(found.rejected) == before:
        found.references += [one for one in manifest.references if _is_asked(one, work_list)]


def _read_manifest(
    path: Path, place: Path, results: Path, plan: str, lists: Mapping[int, WorkList]
) -> Manifest:
    """Return a manifest that may speak for its shard.

    Raises:
        RejectedError: If it is none, of another plan, or lies in another shard's folder.
    """
    try:
        manifest = Manifest.model_validate_json(_read(path, MAX_MANIFEST_BYTES))
    except ValidationError as error:
        raise RejectedError(f"no manifest of a shard: {first_problem(error)}") from error
    if manifest.plan != plan or manifest.shard not in lists:
        raise RejectedError("the results of another plan")
    # Each runner fills one folder; what it puts below that is no other shard's.
    folder = place.parts[0] if len(place.parts) == 2 else results.resolve().name
    named = _FOLDER.fullmatch(folder)
    if len(place.parts) > 2 or named is None or int(named[1]) != manifest.shard:
        raise RejectedError(
            f"it says it is of shard {manifest.shard}, whose results lie in shard-{manifest.shard}"
            f"/{MANIFEST}"
        )
    work_list = lists[manifest.shard]
    possible = {f"{number:04d}.json" for number in range(len(work_list.models))}
    if not manifest.files.keys() <= possible or len(manifest.cells) > most_cells(work_list):
        raise RejectedError(
            f"it names {len(manifest.files)} results and {len(manifest.cells)} fine-tunings, its "
            f"list has {len(possible)} and {most_cells(work_list)} at most"
        )
    return manifest


def most_cells(work_list: WorkList) -> int:
    """Return how many fine-tunings a list can ask for: models and base models, with all seeds.

    Args:
        work_list: Of a shard.
    """
    targets = len(targets_of(work_list.evaluate_targets)) if work_list.evaluations else 0
    pairs = len(work_list.sensitivities) + len(work_list.evaluations) * targets
    return 2 * pairs * work_list.gain_seeds


def _asked_of(work_list: WorkList) -> set[tuple[str, str, str]]:
    asked = {(one.target, one.architecture, one.weights_digest) for one in work_list.sensitivities}
    return asked | {(one.model, "", one.weights_digest) for one in work_list.evaluations}


def _is_asked(known: KnownReference, work_list: WorkList) -> bool:
    full = PROTOCOL if work_list.max_train is None else f"{PROTOCOL}@{work_list.max_train}"
    return known.protocol in (f"{PROTOCOL}@{work_list.small_train}", full)


def _read(path: Path, most: int, digest: str | None = None) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RejectedError(f"named by the manifest but not there: {why}") from error
    if len(content) > most:
        raise RejectedError(f"over {most} bytes: no result is as long")
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise RejectedError("its content is not what the manifest says: it was changed or cut off")
    return content


def read_cell(file: CellFile, work_list: WorkList) -> CellResult:
    """Return a fine-tuning that a shard handed back, checked for its shape.

    Args:
        file: As gathered.
        work_list: Of that shard.

    Raises:
        RejectedError: If it is none, was changed, or is of another plan or shard.
    """
    content = _read(file.path, MAX_CELL_BYTES, file.digest)
    try:
        result = CellResult.model_validate_json(content)
    except ValidationError as error:
        raise RejectedError(f"no fine-tuning of a shard: {first_problem(error)}") from error
    if (result.plan, result.shard) != (work_list.plan, work_list.shard):
        raise RejectedError("it is of another plan or shard")
    return result


def _read_result(content: bytes, work_list: WorkList) -> ShardResult:
    try:
        result = ShardResult.model_validate_json(content)
    except ValidationError as error:
        raise RejectedError(f"no result of a shard: {first_problem(error)}") from error
    if (result.plan, result.shard) != (work_list.plan, work_list.shard):
        raise RejectedError("it is of another plan or shard")
    if result.model not in {one.model for one in work_list.models}:
        raise RejectedError(
            f"{printable(result.model)} is not on the list of shard {work_list.shard}"
        )
    try:
        check_result(result, work_list)
    except HubbotError as error:
        raise RejectedError(str(error)) from error
    return result
