"""One model-index result: what it says, how it is told from others, how it is read back."""

import re
from collections.abc import Mapping
from typing import Any

from hubbot.errors import CardError
from hubbot.gains.measured_checks import is_about
from hubbot.publishing.links import Links
from hubbot.records.record import LP_INTERVAL_LEVEL, Record
from hubbot.schema import HeadName

SOURCE = "hubbot"
"""``source.name`` of our result."""

MARK = "hubbot"
"""Key of every metric's ``args`` that tells our metrics; its value is hubbot's version."""

ACCURACY, LP_GAIN, PREDICTED = "accuracy", "lp_gain", "predicted_intertraining_gain"

_COMMIT = re.compile(r"[0-9a-f]{40}")


def build_result(record: Record, links: Links) -> dict[str, Any]:
    """Return the result for a card's model-index, as plain values.

    Numbers are points, rounded to two decimals. ``source`` is left out while no page about
    hubbot is configured: huggingface_hub's ``EvalResult`` refuses a source with a name and no
    url, and every ``ModelCard.load`` of the card would fail.

    Raises:
        CardError: If the record holds measured gains alone: a card shows a probe.
    """
    if not record.has_probe:
        raise CardError(
            f"the record of {record.model} holds measured gains ({len(record.measured)}) and no "
            "probe, which is what a card shows; probe the model first (hubbot annotate without "
            "--record)"
        )
    dataset: dict[str, Any] = {
        "type": "nyu-mll/multi_nli",
        "name": "MultiNLI",
        "split": "validation_mismatched",
    }
    if _COMMIT.fullmatch(record.dataset_revision):
        dataset["revision"] = record.dataset_revision
    result: dict[str, Any] = {
        "task": {"type": "text-classification"},
        "dataset": dataset,
        "metrics": [_accuracy(record), *_lp_gain(record), *_predicted_gain(record)],
    }
    if links.source_url:
        result["source"] = {"name": SOURCE, "url": links.source_url}
    return result


def is_mixed(result: Mapping[str, Any]) -> bool:
    """Tell whether a tool merged other people's metrics into our result."""
    return not all(_is_marked(metric) for metric in _metrics(result))


def is_same_score(old: Any, new: Any) -> bool:
    """Tell whether two results say the same of the same weights.

    Dates, notes, hubbot's version, the address of its page and the commit are left aside:
    merging our own pull request makes a new commit, and must not call for another one.
    """
    return bool(_core(old) == _core(new))


def read_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record's fields as far as the result holds them."""
    fields: dict[str, Any] = {}
    revision = _mapping(result.get("dataset")).get("revision")
    if revision is not None:
        fields["dataset_revision"] = revision
    for metric in _metrics(result):
        reader = _READERS.get(str(_mapping(metric).get("type")))
        if reader is not None:
            reader(fields, _mapping(metric).get("value"), _mapping(_mapping(metric).get("args")))
    return fields


def _accuracy(record: Record) -> dict[str, Any]:
    head = record.head
    args: dict[str, Any] = {MARK: record.hubbot_version, "schema_version": record.schema_version}
    for name in ("model", "revision", "weights_digest", "architecture", "base_model", "protocol"):
        args[name] = getattr(record, name)
    if not _COMMIT.fullmatch(record.dataset_revision):
        args["dataset_revision"] = record.dataset_revision
    args |= _numbers(head, record.lp_accuracy_interval)
    args |= _others(head, record.lp_accuracy, record.lp_accuracy_interval)
    args["note"] = record.prediction_note
    # Flags of measured gains belong to numbers that are not on the card.
    args["flags"] = [
        flag
        for flag in record.flags
        if not any(is_about(flag, target) for target in record.measured)
    ]
    args["source"] = record.source if record.source != SOURCE else ""
    args["date"] = record.date.isoformat()
    return {
        "type": ACCURACY,
        "name": "MNLI linear-probe accuracy",
        "value": points(record.lp_accuracy[head]),
        "args": _filled(args),
    }


def _lp_gain(record: Record) -> list[dict[str, Any]]:
    if not record.lp_gain:
        return []
    head = record.head
    intervals = record.lp_gain_interval or {}
    args: dict[str, Any] = {MARK: record.hubbot_version, "protocol": record.protocol}
    args["revision"] = record.revision
    args["base_model"] = record.base_model
    args |= _numbers(head, intervals) | _others(head, record.lp_gain, intervals)
    value = points(record.lp_gain[head])
    return [{"type": LP_GAIN, "name": "LP(m, MNLI)", "value": value, "args": _filled(args)}]


def _predicted_gain(record: Record) -> list[dict[str, Any]]:
    if record.predicted_gain is None or record.predicted_gain_interval is None:
        return []
    args: dict[str, Any] = {
        MARK: record.hubbot_version,
        "protocol": record.protocol,
        "revision": record.revision,
        "head": record.prediction_head,
        "interval": [points(end) for end in record.predicted_gain_interval],
        "interval_level": record.interval_level,
        "probability_positive": _rounded(record.probability_positive),
        "calibration": record.calibration,
        "target_group": record.target_group,
    }
    return [
        {
            "type": PREDICTED,
            "name": "Predicted intertraining gain",
            "value": points(record.predicted_gain),
            "args": _filled(args),
        }
    ]


def points(value: float) -> float:
    """Return points as cards print them: two decimals, no negative zero."""
    return round(float(value), 2) + 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _numbers(head: HeadName, intervals: Mapping[HeadName, tuple[float, float]]) -> dict[str, Any]:
    if head not in intervals:
        return {"head": head}
    interval = [points(end) for end in intervals[head]]
    return {"head": head, "interval": interval, "interval_level": LP_INTERVAL_LEVEL}


def _others(
    head: HeadName,
    values: Mapping[HeadName, float],
    intervals: Mapping[HeadName, tuple[float, float]],
) -> dict[str, Any]:
    others: dict[str, Any] = {}
    for name in sorted(set(values) - {head}):
        others[name] = {"value": points(values[name])}
        if name in intervals:
            others[name]["interval"] = [points(end) for end in intervals[name]]
    return {"other_heads": others}


def _filled(args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if value not in (None, "", [], {})}


def _metrics(result: Mapping[str, Any]) -> list[Any]:
    metrics = result.get("metrics")
    return metrics if isinstance(metrics, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    """Return a copy of a mapping; cards are edited by hand, so anything else counts as empty."""
    return dict(value) if isinstance(value, Mapping) else {}


def _is_marked(metric: Any) -> bool:
    return MARK in _mapping(_mapping(metric).get("args"))


def _core(result: Any) -> Any:
    metrics = [_mapping(metric) for metric in _metrics(result)]
    is_digest_known = any(_mapping(one.get("args")).get("weights_digest") for one in metrics)
    for metric in metrics:
        args = _mapping(metric.get("args"))
        for name in (MARK, "date", "note"):
            args.pop(name, None)
        if is_digest_known:
            args.pop("revision", None)
        metric["args"] = args
    rest = {key: value for key, value in result.items() if key not in ("metrics", "source")}
    return rest, metrics


def _read_heads(value: Any, args: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    head = str(args.pop("head", "head"))
    values, intervals = {head: value}, {}
    if "interval" in args:
        intervals[head] = args.pop("interval")
    for name, other in _mapping(args.pop("other_heads", None)).items():
        values[name] = _mapping(other).get("value")
        if "interval" in _mapping(other):
            intervals[name] = other["interval"]
    return values, intervals


def _read_accuracy(fields: dict[str, Any], value: Any, args: dict[str, Any]) -> None:
    values, intervals = _read_heads(value, args)
    fields["hubbot_version"] = args.pop(MARK, None)
    args.pop("interval_level", None)
    if "note" in args:
        fields["prediction_note"] = args.pop("note")
    fields |= args
    fields |= {"lp_accuracy": values, "lp_accuracy_interval": intervals}


def _read_lp_gain(fields: dict[str, Any], value: Any, args: dict[str, Any]) -> None:
    fields["lp_gain"], fields["lp_gain_interval"] = _read_heads(value, args)


def _read_predicted(fields: dict[str, Any], value: Any, args: dict[str, Any]) -> None:
    fields["predicted_gain"] = value
    names = {"head": "prediction_head", "interval": "predicted_gain_interval"}
    for name in ("head", "interval", "interval_level", "probability_positive", "calibration"):
        if name in args:
            fields[names.get(name, name)] = args[name]
    if "target_group" in args:
        fields["target_group"] = args["target_group"]


_READERS = {ACCURACY: _read_accuracy, LP_GAIN: _read_lp_gain, PREDICTED: _read_predicted}
