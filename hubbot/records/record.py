"""The score record: what was measured on one model, as it is kept and published."""

import math
from collections.abc import Iterator, Mapping
from datetime import date as Date  # noqa: N812 - the field itself is called date
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from hubbot.gains.flags import NOT_COMPARED
from hubbot.schema import DEFAULT_HEAD, HeadName

SCHEMA_VERSION = 1
"""Version of the keys below; a file of a higher version may hold keys unknown here."""

LP_INTERVAL_LEVEL = 0.95
"""Coverage of the intervals of accuracy, LP gain and measured gains (design, protocols)."""

_LEFT_OUT = {
    "MeasuredGain": ("interval", "score", "base_score", "n_train", "n_test"),
    "Record": ("gain_protocol",),
}
"""Keys that are not written where nothing is known. They came after the first records of this
version, which so read and write as they stand; no version of hubbot was released without them, so
they did not make a new one."""


def _without_unknown(model: BaseModel, values: dict[str, Any]) -> dict[str, Any]:
    names = _LEFT_OUT[type(model).__name__]
    return {key: item for key, item in values.items() if item not in (None, "") or key not in names}


def _check_order(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] > interval[1]:
        raise ValueError(f"lower end {interval[0]} lies above upper end {interval[1]}")
    return interval


Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Accuracy = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]
Score = Annotated[float, Field(strict=True, ge=-100, le=100, allow_inf_nan=False)]
Gain = Annotated[float, Field(strict=True, ge=-100, le=100, allow_inf_nan=False)]
GainInterval = Annotated[tuple[Finite, Finite], AfterValidator(_check_order)]
AccuracyInterval = Annotated[tuple[Accuracy, Accuracy], AfterValidator(_check_order)]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=500)]


class MeasuredGain(BaseModel):
    """Gain measured by fine-tuning on one target data set."""

    model_config = ConfigDict(extra="allow", frozen=True)

    gain: Gain
    """Points, mean over seeds."""
    se: NotNegative | None = None
    """Standard error of the paired difference, points; None for one seed."""
    seeds: Annotated[int, Field(ge=1)] | tuple[int, ...]
    """Number of seeds, or the seeds themselves."""
    interval: GainInterval | None = None
    """95 % interval over seeds and test rows, points; over rows alone for one seed."""
    score: Score | None = None
    """Mean test score, points: accuracy, or a correlation (which may be below 0)."""
    base_score: Score | None = None
    """Mean test score of the base model with the same seeds, points."""
    n_train: Annotated[int, Field(ge=1)] | None = None
    """Training rows."""
    n_test: Annotated[int, Field(ge=1)] | None = None
    """Test rows."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.interval is not None and not _is_inside(self.gain, self.interval):
            raise ValueError(f"gain {self.gain} lies outside its interval {self.interval}")
        if self.score is not None and self.base_score is not None:
            expected = self.score - self.base_score
            if not math.isclose(self.gain, expected, abs_tol=0.01):
                raise ValueError(
                    f"gain {self.gain} is not score {self.score} minus base_score "
                    f"{self.base_score}, {expected:.4f}"
                )
        return self

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unknown(self, handler(self))


class Record(BaseModel):
    """Everything a card, a ranking and a later run need to know of one measurement."""

    model_config = ConfigDict(extra="allow", frozen=True, validate_default=True)

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    """Version of this list of keys."""
    model: Name
    """Hub id, or the name of a local folder."""
    revision: Text
    """Full commit hash; empty for a local folder."""
    weights_digest: Text
    """``sha256:`` and the hex digest; empty where a published table gave the score."""
    architecture: Name
    """Name in the catalog."""
    base_model: Text
    """Hub id of the pretrained model that the gain is taken against."""
    lineage: Text | None = None
    """What the architecture's pretrained model was itself trained on from, where known."""
    protocol: Text
    """Identifier of the probe's protocol, such as ``lp-mnli@20000``; empty without a probe."""
    dataset_revision: Text
    """Commit hash of the data set, or the digest of local files; empty where unknown."""
    lp_accuracy: dict[HeadName, Accuracy]
    """Test accuracy of each head, points; empty where only gains were measured."""
    lp_accuracy_interval: dict[HeadName, AccuracyInterval] = Field(default_factory=dict)
    """95 % interval of each accuracy, points."""
    lp_gain: dict[HeadName, Gain] | None = None
    """LP(m, MNLI) of each head, points; None without a base model's accuracy."""
    lp_gain_interval: dict[HeadName, GainInterval] | None = None
    """95 % interval of each LP gain, points."""
    predicted_gain: Gain | None = None
    """Expected average gain over the target group, points; None where refused."""
    predicted_gain_interval: GainInterval | None = None
    """Interval of ``interval_level``, points."""
    interval_level: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Nominal coverage of ``predicted_gain_interval``, 0 to 1."""
    probability_positive: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability that the gain is above 0."""
    prediction_head: HeadName | None = None
    """Head whose LP gain the prediction used; None where there is no prediction."""
    prediction_note: Text = ""
    """Plain sentences: how to read the prediction, or why there is none."""
    calibration: Text = ""
    """Name of the calibration; empty where there is none."""
    target_group: Text = ""
    """Group of targets that the predicted gain averages over."""
    measured: dict[str, MeasuredGain] = Field(default_factory=dict)
    """Gains measured by fine-tuning, by target data set."""
    gain_protocol: Text = ""
    """Identifier of the protocol of ``measured``; empty where nothing says."""
    flags: tuple[Text, ...] = ()
    """Short words of warning, such as ``borrowed`` or ``extrapolated``."""
    source: Text = "hubbot"
    """Who measured: ``hubbot``, or the published table the score was taken from."""
    hubbot_version: Text
    """Version of hubbot that made the record."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of torch and transformers."""
    device: Text = ""
    """Device of the encoder; empty where unknown."""
    dtype: Text = ""
    """Precision of the encoder; empty where unknown."""
    seconds: dict[str, NotNegative] = Field(default_factory=dict)
    """Wall-clock seconds of each stage."""
    cost: NotNegative | None = None
    """Price of the run in US dollars; None where unknown."""
    date: Date
    """Day of the measurement."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [
            *_unknown_keys(self),
            *_without_numbers(self),
            *_outside_interval(self),
            *_half_predictions(self),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unknown(self, handler(self))

    @property
    def has_probe(self) -> bool:
        """Whether the model was probed; if not, gains were measured and nothing else."""
        return bool(self.lp_accuracy)

    @property
    def head(self) -> HeadName:
        """The head whose numbers stand for the probe where one number is asked for.

        Raises:
            ValueError: If the model was not probed.
        """
        if not self.has_probe:
            raise ValueError(f"the record of {self.model} holds no probe; ask has_probe first")
        for head in (self.prediction_head, DEFAULT_HEAD):
            if head is not None and head in self.lp_accuracy:
                return head
        return next(iter(sorted(self.lp_accuracy)))

    @property
    def compared(self) -> dict[str, MeasuredGain]:
        """Measured gains that compare with other models' on the same target, by target."""
        return {
            target: gain
            for target, gain in self.measured.items()
            if not any(f"{flag} on {target}" in self.flags for flag in NOT_COMPARED)
        }

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values (JSON's kinds), keys in the order above."""
        return self.model_dump(mode="json")


def _unknown_keys(record: Record) -> Iterator[str]:
    if record.schema_version <= SCHEMA_VERSION:
        for key in record.model_extra or {}:
            yield (
                f"unknown key {key!r} in a record of schema_version {record.schema_version}; "
                "remove it or correct its spelling"
            )


def _without_numbers(record: Record) -> Iterator[str]:
    if record.has_probe:
        if not record.protocol:
            yield "protocol is empty, expected the probe's, such as 'lp-mnli'"
        return
    if not record.measured:
        yield "lp_accuracy and measured are both empty; expected at least one number"
    elif not record.gain_protocol:
        yield "gain_protocol is empty, expected that of the measured gains"
    if record.protocol:
        yield f"protocol is {record.protocol!r}, but lp_accuracy is empty"
    if record.predicted_gain is not None:
        yield f"predicted_gain is {record.predicted_gain}, but lp_accuracy is empty"


def _outside_interval(record: Record) -> Iterator[str]:
    gains, gain_intervals = record.lp_gain or {}, record.lp_gain_interval or {}
    tables: tuple[tuple[str, Mapping[Any, float], Mapping[Any, tuple[float, float]]], ...] = (
        ("lp_accuracy", record.lp_accuracy, record.lp_accuracy_interval),
        ("lp_gain", gains, gain_intervals),
    )
    for name, values, intervals in tables:
        for head, interval in intervals.items():
            if head not in values:
                yield f"{name}_interval has {head!r}, {name} has not"
            elif not _is_inside(values[head], interval):
                yield f"{name}.{head} {values[head]} lies outside its interval {interval}"
    if record.lp_gain is not None and set(gains) != set(record.lp_accuracy):
        yield f"lp_gain has {sorted(gains)}, expected the heads of lp_accuracy"
    gain, interval_ = record.predicted_gain, record.predicted_gain_interval
    if gain is not None and interval_ is not None and not _is_inside(gain, interval_):
        yield f"predicted_gain {gain} lies outside its interval {interval_}"


def _half_predictions(record: Record) -> Iterator[str]:
    if (record.predicted_gain is None) != (record.predicted_gain_interval is None):
        yield "predicted_gain and predicted_gain_interval go together; one of them is missing"


def _is_inside(value: float, interval: tuple[float, float]) -> bool:
    # Both may have been rounded to two decimals on their way here.
    return interval[0] - 0.01 <= value <= interval[1] + 0.01 and math.isfinite(value)
