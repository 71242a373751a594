"""One result of a shard, judged without asking anybody.

A result is taken only if it agrees with itself, with its list, with the calendar and with the
catalog. ``shard_gathering.py`` reads the files; ``collecting.py`` asks the Hub about the weights.
"""

import datetime
import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist

from pydantic import ValidationError

from hubbot import __version__
from hubbot.bot.shard_files import SAME_REVISION, ShardResult, WorkList, first_problem
from hubbot.bot.shard_values import MAX_SECONDS, is_plain
from hubbot.catalog.architectures import find_architecture, lineage
from hubbot.catalog.datasets import get_dataset, published_rows
from hubbot.catalog.protocols import get_protocol
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.flags import FUSED, SPECIALISED, TRAINED_ON_MNLI, TRAINED_ON_NLI
from hubbot.pipeline import PROTOCOL
from hubbot.printable import printable
from hubbot.records.from_probe import predicted_anew
from hubbot.records.record import SCHEMA_VERSION, Record
from hubbot.schema import DEFAULT_HEAD, HeadName, Interval

NO_GAIN = "No gain is predicted: there is no LP gain, since the base model's probe was not usable."
"""Said on a card in the place of a shard's own words."""

_NO_PREDICTION = {
    **dict.fromkeys(("predicted_gain", "predicted_gain_interval", "probability_positive")),
    **{"prediction_head": None, "interval_level": 0.9, "calibration": "", "target_group": ""},
    "hubbot_version": __version__,
}
"""Values of a record without a prediction."""
_ROUNDING = 1e-3
"""Points by which a record's numbers are rounded, and more."""
_FLAGS = {TRAINED_ON_MNLI, TRAINED_ON_NLI, FUSED, SPECIALISED, "borrowed", "extrapolated"}
_STAGE = re.compile(r"[A-Za-z0-9_ -]{1,40}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_NAMES = 20
"""Stages or versions that a record may name."""
_Z = NormalDist().inv_cdf(0.975)


class RejectedError(Exception):
    """A result that is not taken; its text says why."""


def check_result(result: ShardResult, work_list: WorkList) -> None:
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
    _check_times(record, work_list)
    for head in record.lp_accuracy:
        _check_numbers(record, head)


def _check_same_numbers(record: Record, result: ShardResult) -> None:
    """Refuse a record by the small probe whose numbers are not the result's own."""
    gains, intervals = record.lp_gain or {}, record.lp_gain_interval or {}
    found = (gains.get(DEFAULT_HEAD), *intervals.get(DEFAULT_HEAD, (None, None)))
    said = (result.lp_gain, *(result.lp_gain_interval or (None, None)))
    if any(not is_near(one, other) for one, other in zip(found, said, strict=True)):
        raise RejectedError("its record and its result name different LP gains")


def is_near(one: float | None, other: float | None) -> bool:
    """Return whether two numbers are the same but for rounding; None is only like None."""
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
        if not is_plain(text):
            raise RejectedError(f"its record names {printable(text, limit=80)!r}, which is no name")
    stages = [name for name in record.seconds if not _STAGE.fullmatch(name)]
    if stages or max(len(record.seconds), len(record.versions)) > _MOST_NAMES:
        raise RejectedError("its record names stages or versions that no probe has")


def _check_times(record: Record, work_list: WorkList) -> None:
    # A clock that is ahead is forgiven a day; nothing of a plan is older than the plan.
    today = datetime.datetime.now(tz=datetime.UTC).date()
    if not work_list.made <= record.date <= today + datetime.timedelta(days=1):
        raise RejectedError(
            f"it was measured on {record.date}, the plan is of {work_list.made} and today is "
            f"{today}; look at the machine's clock"
        )
    if any(value > MAX_SECONDS for value in record.seconds.values()):
        raise RejectedError(f"a stage of it took longer than {MAX_SECONDS:.0f} s")


def _check_numbers(record: Record, head: HeadName) -> None:
    """Refuse numbers that no answers to the test rows give, and intervals that are too narrow.

    Source:
        The intervals of ``gains.intervals``. An accuracy over n rows and k seeds counts for at most
        n * k independent answers; of a gain d, answers must differ in a share |d| at least, half of
        which is asked for, since seeds may hang together in odd ways.
    """
    protocol = get_protocol(PROTOCOL)
    n_rows = published_rows(get_dataset(protocol.dataset), "test")
    n_answers = n_rows * (len(protocol.recipe.seeds) if head == "head" else 1)
    accuracy, gain = record.lp_accuracy[head], (record.lp_gain or {}).get(head)
    # Files of one's own may have fewer rows, which gives wider intervals.
    if _COMMIT.fullmatch(record.dataset_revision):
        for name, points in (("accuracy", accuracy), ("gain", gain or 0.0)):
            if not _is_on_grid(points, n_answers):
                raise RejectedError(
                    f"its LP {name} ({head}) of {points} points is no whole number of {n_answers} "
                    "answers"
                )
    known = record.lp_accuracy_interval.get(head)
    if known is None or not _reaches(known, accuracy_interval_of(accuracy, n_answers)):
        raise RejectedError(
            f"its LP accuracy ({head}) of {accuracy} has the interval {known}; {n_answers} answers "
            "leave more in doubt"
        )
    if gain is None:
        return
    least = 100 * _Z * max(1 / n_rows, 0.5 * math.sqrt(_least_variance(gain, n_answers)))
    interval = (record.lp_gain_interval or {}).get(head)
    if interval is None or not _reaches(interval, (gain - least, gain + least)):
        raise RejectedError(
            f"its LP gain ({head}) of {gain} has the interval {interval}; {n_answers} answers "
            "leave more in doubt"
        )


def _is_on_grid(points: float, n_answers: int) -> bool:
    # Four decimals are kept of a record's points.
    answers = points * n_answers / 100
    return abs(answers - round(answers)) <= 1e-4 * n_answers / 100 + 1e-6


def accuracy_interval_of(accuracy: float, n_answers: int) -> Interval:
    """Return the 95 % interval of an accuracy over independent answers, points.

    Args:
        accuracy: Points, 0 to 100.
        n_answers: How many.

    Source:
        Wilson, "Probable inference" (1927).
    """
    share, scale = accuracy / 100, 1 + _Z**2 / n_answers
    centre = (share + _Z**2 / (2 * n_answers)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / n_answers + (_Z / (2 * n_answers)) ** 2)
    return 100 * max(centre - half, 0.0), 100 * min(centre + half, 1.0)


def _least_variance(gain: float, n_answers: int) -> float:
    share = min(abs(gain) / 100, 1.0)
    return share * (1 - share) / n_answers


def _reaches(interval: Interval, least: Interval) -> bool:
    """Return whether an interval holds another, all but rounding; 100 points is the end of all."""
    low, high = max(least[0], -100.0), min(least[1], 100.0)
    return interval[0] <= low + _ROUNDING and interval[1] >= high - _ROUNDING


def of_one_base(
    read: Sequence[tuple[str, ShardResult]],
) -> tuple[list[tuple[str, ShardResult]], dict[str, str]]:
    """Split the results of a shard by whether their gains are over the base model of the others.

    Accuracy minus gain is the base model's accuracy, which a machine measures once: a single number
    that was changed afterwards does not fit the others.

    Args:
        read: Results with their files' names.

    Returns:
        Those that fit; why the others do not, by file.
    """
    bases = {file: _base_of(result) for file, result in read}
    usual: dict[tuple[str, ...], float] = {}
    for key in {base[0] for base in bases.values() if base is not None}:
        values = [base[1] for base in bases.values() if base is not None and base[0] == key]
        near = Counter({one: sum(is_near(one, other) for other in values) for one in values})
        (best, most), *_ = near.most_common(1)
        usual[key] = best if 2 * most > len(values) else math.nan
    odd = {
        file: f"{result.model}: accuracy minus gain is {base[1]:.4f} for the base model, other "
        "results of the shard have another; a number was changed, or the machine is not sound"
        for file, result in read
        if (base := bases[file]) is not None and not is_near(base[1], usual[base[0]])
    }
    return [one for one in read if one[0] not in odd], odd


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
        return record.model_copy(update=_NO_PREDICTION | {"prediction_note": NO_GAIN})
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
    return all(is_near(here, there) for here, there in zip(first, second, strict=True))
