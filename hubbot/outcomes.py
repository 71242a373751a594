"""What fine-tuning verbs answer with, as frozen values; scores and gains in points.

Only the standard library is imported here, as in ``schema``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hubbot.schema import Interval

Search = Literal["ranking", "halving"]
"""How ``hubbot recommend`` spends its budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGain:
    """Gain of a checkpoint over its base model, measured by fine-tuning both on one target."""

    gain: float
    """Mean over seeds of the paired difference of test scores, points."""
    se: float | None
    """Standard error of that mean over seeds, points; None for one seed."""
    interval: Interval
    """95 % interval over seeds and test rows, points; over rows alone for one seed."""
    seeds: int
    """Seeds, the same ones for both."""
    score: float
    """Mean test score of the checkpoint, points."""
    base_score: float
    """Mean test score of the base model, points."""
    n_train: int
    """Training rows used."""
    n_test: int
    """Test rows."""
    metric: str
    """``accuracy`` or ``spearman``."""
    split_rule: str = ""
    """How the splits were made."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the data."""
    flags: tuple[str, ...] = ()
    """Words of warning of the integrity gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What ``hubbot evaluate`` measured on one checkpoint."""

    model: str
    """Hub id or folder name."""
    revision: str
    """Full commit hash; empty for a local folder."""
    architecture: str
    """Name in the catalog."""
    base_model: str
    """Hub id of the pretrained model."""
    weights_digest: str
    """Digest of the checkpoint's weights."""
    protocol: str
    """Identifier of the gain protocol."""
    gains: Mapping[str, TargetGain]
    """By target; those that failed are missing."""
    avg_gain: float | None
    """Mean gain over the targets measured, points; None without any."""
    avg_gain_se: float | None
    """Its standard error over seeds, points; None for one seed."""
    failed: Mapping[str, str]
    """By target: why there is no gain."""
    unfinished: tuple[str, ...] = ()
    """Those of ``failed`` that may be measured another time: their data could not be read now, or
    a fine-tuning did not come to its end."""
    seconds: float
    """Time that the cells took to train, those found in the ledger included."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """The score record as plain values; empty where none was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSize:
    """Gains of the base model fine-tuned on so many rows of a source."""

    source: str
    """Name of the source data set."""
    n_train: int
    """Rows of it that were trained on."""
    folder: str
    """Where the fine-tuned checkpoint is."""
    evaluation: Evaluation
    """Its gains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """What ``hubbot finetune`` made."""

    model: str
    """Hub id or folder name of the checkpoint it started from."""
    revision: str
    """Full commit hash; empty for a local folder."""
    dataset: str
    """Name of the data set."""
    out: str
    """Folder that the fine-tuned checkpoint was saved into."""
    protocol: str
    """Identifier of the gain protocol."""
    seed: int
    """Seed."""
    metric: str
    """``accuracy`` or ``spearman``."""
    score: float
    """Test score, points."""
    validation_score: float
    """Best score on validation, points."""
    n_train: int
    """Training rows used."""
    n_test: int
    """Test rows."""
    seconds: Mapping[str, float]
    """Wall-clock time of each stage."""
    split_rule: str = ""
    """How the splits were made."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensedSize:
    """Gain of a strong model on a target at one number of training rows."""

    n_train: int
    """Training rows used."""
    protocol: str
    """Identifier of the gain protocol."""
    gain: float
    """Points."""
    interval: Interval
    """95 % interval over seeds and test rows, points."""
    se: float | None
    """Standard error over seeds, points; None for one seed."""
    p_value: float
    """Two-sided, that there is no gain."""
    verdict: str
    """The answer as one plain sentence."""
    score: float
    """Mean test score of the strong model, points."""
    base_score: float
    """Mean test score of the base model, points."""
    seeds_needed: int | None
    """Seeds with which a difference worth seeing is found in 80 of 100 cases; None where no number
    of them is enough, or one seed cannot tell."""
    least_visible: float | None
    """Least difference, points, that the test rows can show with any number of seeds."""
    flags: tuple[str, ...] = ()
    """Words of warning from the integrity gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """What ``hubbot sensitivity`` found."""

    dataset: str
    """Name of the data set."""
    source: str
    """Hub id and revision, or the files it was read from."""
    hub_id: str
    """Hub id of the data set; empty for files of one's own."""
    config: str | None
    """Its configuration; None for the only one."""
    data_revision: str
    """Commit hash of the data; empty for local files."""
    architecture: str
    """Name in the catalog."""
    base_model: str
    """Hub id of the pretrained model."""
    model: str
    """The strong intermediate model."""
    revision: str
    """Its full commit hash; empty for a local folder."""
    rank: int | None
    """Its rank; None where named by hand."""
    protocol: str
    """Identifier of the gain protocol, at the largest size."""
    gain: float
    """Gain at the largest size, points."""
    interval: Interval
    """95 % interval over seeds and test rows, points."""
    se: float | None
    """Standard error over seeds, points; None for one seed."""
    p_value: float
    """Two-sided, that there is no gain."""
    verdict: str
    """The answer as one plain sentence."""
    seeds: int
    """Seeds, the same ones for both models."""
    metric: str
    """``accuracy`` or ``spearman``."""
    n_test: int
    """Test rows."""
    sizes: tuple[SensedSize, ...]
    """At each number of training rows, ascending."""
    split_rule: str
    """How the splits were made."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the data."""
    flags: tuple[str, ...] = ()
    """Those of the largest size; with any, nothing is brought to a card."""
    label_column: str = ""
    """Column of the labels, named or guessed; empty for the catalog's data sets."""
    text_columns: tuple[str, ...] = ()
    """Columns of the texts, named or guessed; none for the catalog's data sets."""
    is_sampled: bool = False
    """Whether the data set has more rows than were read (``--max-rows``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One checkpoint that ``hubbot recommend`` fine-tuned."""

    model: str
    """Hub id or folder name."""
    rank: int | None
    """In the ranking; None for the base model, and where named by hand."""
    is_base: bool
    """Whether it is the base model."""
    seeds: int
    """Fine-tunings spent on it."""
    validation_score: float
    """Mean score on validation, points: what chooses."""
    score: float
    """Mean test score, points: reported, never chosen by."""
    gain: float
    """Over the base model with the same seeds, on the test rows, points; 0 for itself."""
    interval: Interval
    """95 % interval of ``gain``, points; over test rows alone for one seed."""
    licence: str
    """Licence of the checkpoint; empty where unknown."""
    flags: tuple[str, ...] = ()
    """Words of warning of the integrity gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What ``hubbot recommend`` found."""

    dataset: str
    """Name of the data set."""
    architecture: str
    """Name in the catalog."""
    choice: str
    """Hub id or folder name to start from."""
    revision: str
    """Its full commit hash; empty for a local folder."""
    is_base: bool
    """Whether that is the plain pretrained model."""
    gain: float
    """Of the choice over the base model on the test rows, points; 0 for the base model."""
    interval: Interval
    """95 % interval of ``gain``, points."""
    licence: str
    """Licence of the choice; empty where unknown."""
    verdict: str
    """The answer as one plain sentence."""
    command: str
    """What to type to fine-tune from it."""
    tried: tuple[Tried, ...]
    """The base model and every checkpoint tried, in that order."""
    failed: Mapping[str, str]
    """By model: why it could not be measured; its fine-tunings are counted in ``spent``."""
    search: Search
    """How the budget was spent."""
    spent: int
    """Fine-tunings, the base model's included."""
    budget: int
    """Fine-tunings allowed."""
    expected_loss: float | None
    """Points lost on average by trying only so many; None where nothing published says it, or the
    base model was chosen."""
    expected_loss_note: str
    """What ``expected_loss`` is of, or why there is none."""
    protocol: str
    """Identifier of the gain protocol."""
    split_rule: str
    """How the splits were made."""
    notes: tuple[str, ...] = ()
    """What a reader should know of the data."""
