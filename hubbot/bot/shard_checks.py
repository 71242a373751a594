"""Results of shards, gathered from disk and judged without asking anybody.

A result is taken only if its manifest knows it, it is of this plan and list, and it agrees with
itself, with the catalog and with what else the same machine measured. ``collecting.py`` asks the
Hub about its weights.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from hubbot import __version__
from hubbot.bot.shard_files import (
    MANIFEST,
    MAX_BYTES,
    SAME_REVISION,
    CellResult,
    KnownReference,
    Manifest,
    ShardResult,
    TargetOutcome,
    WorkList,
    first_problem,
)
from hubbot.bot.shard_targets import cell_of
from hubbot.catalog.architectures import find_architecture, lineage
from hubbot.errors import HubbotError
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.flags import FUSED, SPECIALISED, TRAINED_ON_MNLI, TRAINED_ON_NLI
from hubbot.pipeline import PROTOCOL
from hubbot.printable import printable
from hubbot.records.cells import Cell
from hubbot.records.from_probe import predicted_anew
from hubbot.records.record import SCHEMA_VERSION, Record
from hubbot.schema import DEFAULT_HEAD

NO_GAIN = "No gain is predicted: there is no LP gain, since the base model's probe was not usable."
"""Said on a card in the place of a shard's own words."""

_ROUNDING = 1e-3
"""Points by which a record's numbers are rounded, and more."""
_KEPT = ("recorded", "skipped", "refused", "failed")
_FLAGS = {TRAINED_ON_MNLI, TRAINED_ON_NLI, FUSED, SPECIALISED, "borrowed", "extrapolated"}
_NOT_PLAIN = frozenset('<>[]{}`|*\\"')
_LONGEST_NAME = 200


class RejectedError(Exception):
    """A result that is not taken; its text says why."""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What lies in a folder of results; filled while it is read."""

    results: dict[str, ShardResult] = field(default_factory=dict)
    """By model, those that may be taken."""
    rejected: dict[str, str] = field(default_factory=dict)
    """By file or model, and why."""
    repeated: int = 0
    """Results that came twice and agree."""
    problems: list[str] = field(default_factory=list)
    """What the shards say went wrong that belongs to no checkpoint."""
    references: list[KnownReference] = field(default_factory=list)
    """Reference probes of the shards."""
    cells: list[Cell] = field(default_factory=list)
    """Finished fine-tunings of the shards."""
    outcomes: list[TargetOutcome] = field(default_factory=list)
    """Sensitivities and evaluations that could not be measured."""


def gather(results: Path, plan: str, lists: Mapping[int, WorkList]) -> Gathered:
    """Return the results of a plan that pass every check which needs no network.

    Args:
        results: Folder with a folder for each shard, at any depth.
        plan: Digest of the plan.
        lists: Its work lists by shard.
    """
    found = Gathered()
    for path in sorted(results.rglob(MANIFEST)):
        for file, result in _read_shard(path, results, plan, lists, found):
            _add(file, result, found, tolerance=lists[result.shard].tolerance_points)
    for model in found.rejected:
        found.results.pop(model, None)
    return found


def _add(file: str, result: ShardResult, found: Gathered, *, tolerance: float) -> None:
    """Add a result; of two, one that came to an end goes before one that did not."""
    other = found.results.get(result.model)
    if other is None or (not _is_final(other) and _is_final(result)):
        found.results[result.model] = result
    elif _agree(other, result, tolerance):
        found.repeated += 1
    elif _is_final(result):
        found.rejected[result.model] = (
            f"two results that do not agree, the second in {file}; neither is taken, the next "
            "plan has it again"
        )


def _is_final(result: ShardResult) -> bool:
    return result.state in _KEPT and result.state != "failed"


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
    place = path.relative_to(results)
    try:
        manifest = Manifest.model_validate_json(_read(path))
        if manifest.plan != plan or manifest.shard not in lists:
            raise RejectedError("the results of another plan")
    except ValidationError as error:
        found.rejected[printable(place)] = f"no manifest of a shard: {first_problem(error)}"
        return
    except RejectedError as error:
        found.rejected[printable(place)] = str(error)
        return
    said = [f"shard {manifest.shard}: {printable(problem)}" for problem in manifest.problems]
    found.problems += [problem for problem in said if problem not in found.problems]
    read: list[tuple[str, ShardResult]] = []
    before = len(found.rejected)
    for name, digest in sorted(manifest.files.items()):
        file = printable(place.with_name(Path(name).name or "nameless"))
        try:
            content = _read(path.with_name(Path(name).name or "nameless"))
            read.append((file, _read_result(content, digest, lists[manifest.shard])))
        except RejectedError as error:
            found.rejected[file] = str(error)
    found.outcomes += manifest.outcomes
    for name, digest in sorted(manifest.cells.items()):
        file = printable(place.with_name(Path(name).name or "nameless"))
        try:
            content = _read(path.with_name(Path(name).name or "nameless"))
            found.cells.append(_read_cell(content, digest, lists[manifest.shard]))
        except RejectedError as error:
            found.rejected[file] = str(error)
    yield from _of_one_base(read, found)
    if len(found.rejected) == before:
        found.references += manifest.references


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RejectedError(f"named by the manifest but not there: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RejectedError(f"over {MAX_BYTES} bytes: no result is as long")
    return content


def _read_cell(content: bytes, digest: str, work_list: WorkList) -> Cell:
    if hashlib.sha256(content).hexdigest() != digest:
        raise RejectedError("its content is not what the manifest says: it was changed or cut off")
    try:
        result = CellResult.model_validate_json(content)
        if (result.plan, result.shard) != (work_list.plan, work_list.shard):
            raise RejectedError("it is of another plan or shard")
        return cell_of(result, work_list)
    except ValidationError as error:
        raise RejectedError(f"no fine-tuning of a shard: {first_problem(error)}") from error
    except (ValueError, HubbotError) as error:
        raise RejectedError(printable(error)) from error


def _read_result(content: bytes, digest: str, work_list: WorkList) -> ShardResult:
    if hashlib.sha256(content).hexdigest() != digest:
        raise RejectedError("its content is not what the manifest says: it was changed or cut off")
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
    _check_result(result, work_list)
    return result


def _check_result(result: ShardResult, work_list: WorkList) -> None:
    """Refuse a result that does not agree with itself, with its list or with the catalog."""
    has_record = result.state == "recorded" and result.code != SAME_REVISION
    if has_record != (result.record is not None):
        there = "has a record" if result.record is not None else "has no record"
        raise RejectedError(f"it is {result.state} ({result.code or 'no code'}), yet {there}")
    if result.attempts > work_list.max_attempts:
        raise RejectedError(f"it was tried {result.attempts} times, at most it is so often tried")
    if result.record is None:
        return
    try:
        record = Record.model_validate(result.record)
    except ValidationError as error:
        raise RejectedError(f"its record does not hold: {first_problem(error)}") from error
    _check_record(record, result, work_list)


def _check_record(record: Record, result: ShardResult, work_list: WorkList) -> None:
    told = (record.model, record.weights_digest, record.architecture, record.revision)
    said = (result.model, result.weights_digest, result.architecture, result.measured_revision)
    if told != said or not all(said):
        raise RejectedError(
            f"its record is of {printable(record.model)} and other weights or another revision"
        )
    entry = find_architecture(record.architecture)
    if entry is None or entry.name != record.architecture or entry.hub_id != record.base_model:
        raise RejectedError(
            f"{printable(record.architecture)} over {printable(record.base_model)} is not in the "
            "catalog"
        )
    small = f"{PROTOCOL}@{work_list.small_train}"
    full = PROTOCOL if work_list.max_train is None else f"{PROTOCOL}@{work_list.max_train}"
    if result.protocol != small or record.protocol not in (small, full):
        raise RejectedError(
            f"it was measured by {printable(record.protocol)}, the plan asks for {small} or {full}"
        )
    if record.protocol == small:
        _check_same_numbers(record, result)
    _check_words(record)


def _check_same_numbers(record: Record, result: ShardResult) -> None:
    """Refuse a record by the small probe whose numbers are not the result's own."""
    gains, intervals = record.lp_gain or {}, record.lp_gain_interval or {}
    found = (gains.get(DEFAULT_HEAD), *intervals.get(DEFAULT_HEAD, (None, None)))
    said = (result.lp_gain, *(result.lp_gain_interval or (None, None)))
    if any(not _is_near(one, other) for one, other in zip(found, said, strict=True)):
        raise RejectedError("its record and its result name different LP gains")


def _is_near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _ROUNDING


def _check_words(record: Record) -> None:
    """Refuse what a probe never writes: a record ends on a stranger's card."""
    odd = sorted(set(record.flags) - _FLAGS)
    if record.schema_version != SCHEMA_VERSION or record.model_extra:
        raise RejectedError("its record has keys that are not known here; update hubbot")
    if record.measured or record.gain_protocol or record.source != "hubbot":
        raise RejectedError("its record holds more than a probe measures")
    if odd:
        raise RejectedError(f"its record has a flag that hubbot does not set: {printable(odd[0])}")
    texts = (record.device, record.dtype, record.dataset_revision, record.hubbot_version)
    for text in (*texts, *record.versions, *record.versions.values()):
        if len(text) > _LONGEST_NAME or not text.isprintable() or not _NOT_PLAIN.isdisjoint(text):
            raise RejectedError(f"its record names {printable(text, limit=80)!r}, which is no name")


def _of_one_base(
    read: Sequence[tuple[str, ShardResult]], found: Gathered
) -> Iterator[tuple[str, ShardResult]]:
    """Yield the results of a shard whose gains are over the base model that the others have, too.

    Accuracy minus gain is the base model's accuracy, which a machine measures once: a single number
    that was changed afterwards does not fit the others.
    """
    bases = {file: _base_of(result) for file, result in read}
    usual: dict[tuple[str, ...], float] = {}
    for key in {base[0] for base in bases.values() if base is not None}:
        values = [base[1] for base in bases.values() if base is not None and base[0] == key]
        near = Counter({one: sum(_is_near(one, other) for other in values) for one in values})
        (best, most), *_ = near.most_common(1)
        usual[key] = best if 2 * most > len(values) else math.nan
    for file, result in read:
        base = bases[file]
        if base is None or _is_near(base[1], usual[base[0]]):
            yield file, result
            continue
        found.rejected[file] = (
            f"{result.model}: accuracy minus gain is {base[1]:.4f} for the base model, other "
            "results of the shard have another; a number was changed, or the machine is not sound"
        )


def _base_of(result: ShardResult) -> tuple[tuple[str, ...], float] | None:
    if result.record is None:
        return None
    record = Record.model_validate(result.record)
    if record.lp_gain is None or DEFAULT_HEAD not in record.lp_gain:
        return None
    key = (record.architecture, record.protocol, record.dataset_revision, record.device)
    return key, record.lp_accuracy[DEFAULT_HEAD] - record.lp_gain[DEFAULT_HEAD]


def record_to_keep(result: ShardResult, calibrations: Calibrations) -> Record:
    """Return a result's record with everything that follows from its numbers made here.

    Args:
        result: As gathered; with a record.
        calibrations: Those of this machine.

    Raises:
        RejectedError: If its predicted gain does not follow from its LP gain.
    """
    record = Record.model_validate(result.record)
    entry = find_architecture(record.architecture)
    names = () if entry is None else lineage(entry)
    record = record.model_copy(update={"lineage": " < ".join(names) or None, "cost": None})
    if record.lp_gain is None or DEFAULT_HEAD not in record.lp_gain:
        if record.predicted_gain is not None:
            raise RejectedError("it has a predicted gain without an LP gain")
        return record.model_copy(update={"prediction_note": NO_GAIN})
    anew = predicted_anew(record, calibrations)
    is_same = _is_same_prediction(record, anew)
    # A shard may not have this machine's calibrations; then it used the packaged ones.
    if record.hubbot_version == __version__ and not (
        is_same or _is_same_prediction(record, predicted_anew(record))
    ):
        raise RejectedError("its predicted gain does not follow from its LP gain")
    if not is_same:
        return anew
    # The same but for the rounding of the LP gain: as a pass on one machine writes it.
    kept = ("predicted_gain", "predicted_gain_interval", "probability_positive")
    return anew.model_copy(update={name: getattr(record, name) for name in kept})


def _is_same_prediction(one: Record, other: Record) -> bool:
    first, second = (
        (
            record.predicted_gain,
            *(record.predicted_gain_interval or (None, None)),
            record.probability_positive,
        )
        for record in (one, other)
    )
    return all(_is_near(here, there) for here, there in zip(first, second, strict=True))
