"""The nouns of hubbot as frozen values, carried from stage to stage.

Scores, gains and intervals are in points (0 to 100) or differences of points everywhere.
Only the standard library is imported here: the probing child reads these values too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812 - the field itself is called date
from pathlib import Path
from typing import Any, Literal

HeadName = Literal["linear", "head"]
"""``linear``: multinomial logistic regression; ``head``: pooler, dropout, projection."""

DEFAULT_HEAD: HeadName = "head"
"""The head whose number stands for the probe where one number is asked for."""

SplitName = Literal["train", "validation", "test"]
"""What a split serves as; the data set's own name for it is in the catalog."""

SplitRule = Literal["as-run", "as-written"]
"""Which rows are the test where the makers hide its labels (design, protocols)."""

Pooling = Literal["first", "mean", "last_token", "decoder_eos"]
"""How one vector is taken from the last hidden states (design, protocols)."""

Interval = tuple[float, float]
"""Lower and upper end, in points."""

RepoType = Literal["model", "dataset"]
"""The Hub's word for a kind of repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One pretrained model and how its descendants are recognised and pooled."""

    name: str
    """Name in tables, commands and folders, such as ``roberta-base``."""
    hub_id: str
    """Current Hub id of the pretrained repository."""
    aliases: tuple[str, ...] = ()
    """Older ids that lead to the same repository."""
    revision: str = ""
    """Commit hash of the base model; empty until resolved online."""
    model_type: str
    """``model_type`` of config.json."""
    parameters: int
    """Parameters of the base model, with the head it was pretrained with."""
    shape: Mapping[str, Any]
    """Keys of config.json, as the file names them, and the values that must be there."""
    accepts: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Keys that may be absent or must hold one of these values (old and re-saved files)."""
    vocab_size: int
    """Rows of the embedding matrix in the base model's file."""
    vocab_tolerance: int = 0
    """How many rows more a checkpoint may have (added tokens)."""
    vocab_padding: int = 0
    """Rows that belong to no token: a resized checkpoint may have that many fewer."""
    pooling: Pooling
    """Pooling of the probe, part of the protocol's identity."""
    head_activation: Literal["tanh", "gelu", "relu", "none"]
    """Activation behind the dense layer of this family's classification head."""
    pooler_tensors: tuple[str, ...] = ()
    """Names under which a checkpoint may store that dense layer, without ``.weight``."""
    bin_weights: bool = False
    """Whether the base model itself was only seen with pytorch_model.bin."""
    derived_from: str | None = None
    """Name of the architecture (or Hub id) this one was trained on from, where one is known."""
    relatives: tuple[str, ...] = ()
    """Hub ids of other pretrained models of the same shape: ``base_model`` must be declared."""
    licence: str = ""
    """Licence on the base model's card; empty where none is stated."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """For each group of values, the public page they were read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One entry of the data-set catalog."""

    name: str
    """Name in commands and tables, such as ``mnli``."""
    hub_id: str
    """Hub id of a data set readable without a loading script."""
    config: str | None
    """Configuration of the Hub data set, None for the only one."""
    revision: str
    """Commit hash; empty until resolved online."""
    folders: tuple[str, ...]
    """Folders tried, in order, below ``--data-dir``."""
    text_columns: tuple[str, ...]
    """One or two text columns, in the order in which the tokenizer gets them."""
    label_column: str
    """Column of the class numbers."""
    label_names: tuple[str, ...]
    """Class names in label order."""
    task_type: str
    """Hub task, such as ``text-classification``."""
    metric: str
    """Name of the packaged metric module."""
    splits: Mapping[SplitName, str]
    """Split of the data set that serves as ``train``, ``validation`` and ``test``."""
    sizes: Mapping[str, int]
    """Published number of rows of each named split."""
    licence: str
    """Licence as the makers state it."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """For each group of values, the public page they were read from."""
    groups: tuple[str, ...] = ()
    """Groups of targets that it belongs to, such as ``site36``."""
    alternatives: tuple[str, ...] = ()
    """Other Hub ids seen with the same rows."""
    hub_revision: str = ""
    """Branch that must be read, such as ``refs/convert/parquet``; empty for main."""
    test_is_public: bool = True
    """Whether the makers publish the labels of a test split. Where they do not, the official
    validation split is the test, and the written rule of the papers would cut one from train."""
    casting: str = ""
    """How its rows become texts and a class, by name in ``data.castings``; empty where they are."""
    raw_columns: tuple[str, ...] = ()
    """Columns that the casting reads; empty without one."""
    group_column: str = ""
    """Text column whose equal values stay together when train is cut; empty for rows by rows."""
    cut_test: float = 0.0
    """Where there is no test split: how much of train becomes the test, as a share (below 1) or as
    a number of rows; 0 elsewhere."""
    cut_validation: float = 0.0
    """The same for validation; 0 where it is official or cut off both ends of train."""
    notes: str = ""
    """What is unknown, and what is our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainRecipe:
    """How a checkpoint is fine-tuned on a target (protocols.toml)."""

    learning_rate: float
    """Peak of AdamW's learning rate, reached after the warm-up, falling linearly to 0."""
    weight_decay: float
    """AdamW's decoupled decay."""
    warmup_share: float
    """Share of all steps before the peak, 0 to 1."""
    batch_size: int
    """Rows per step, whatever the memory holds at a time."""
    max_epochs: int
    """Passes over the training rows, at most."""
    validate_every: int | None
    """Training rows between two looks at validation; None for once an epoch."""
    patience: int
    """Looks in a row without improvement after which training stops."""
    threshold: float
    """Points by which validation must improve to count."""
    max_length: int
    """Tokens after which a text, or a pair, is cut, longest side first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainProtocol:
    """How a gain is measured; a number without it is not published."""

    name: str
    """Name without version and size, such as ``gain-minilm``."""
    version: int
    """Raised when the same name would give other numbers."""
    recipe: GainRecipe
    """Fine-tuning."""
    split_rule: SplitRule = "as-run"
    """``as-run``: hidden tests are replaced by the official validation split; ``as-written``: they
    are cut from train, as the papers' text says."""
    max_train: int | None = None
    """Training rows of the label-stratified prefix; None for all."""
    epochs: int | None = None
    """Epochs instead of the recipe's; None for the recipe's."""

    @property
    def identifier(self) -> str:
        """``gain-minilm@1`` or ``gain-minilm@1+as-written+train1000+epochs3``."""
        parts = [f"{self.name}@{self.version}"]
        if self.split_rule != "as-run":
            parts.append(self.split_rule)
        if self.max_train is not None:
            parts.append(f"train{self.max_train}")
        if self.epochs is not None:
            parts.append(f"epochs{self.epochs}")
        return "+".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRecipe:
    """How the ``head`` is trained (protocols.toml)."""

    learning_rate: float
    """Peak of AdamW's learning rate."""
    weight_decay: float
    """AdamW's decoupled decay."""
    batch_size: int
    """Rows per step."""
    epochs: int
    """Passes over the training rows; the best one on validation is kept."""
    dropout: float
    """Probability of a feature being dropped, 0 to 1."""
    seeds: tuple[int, ...]
    """One head is trained for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a number is made; a number without it is not published."""

    name: str
    """Name without version or size, such as ``lp-mnli``."""
    version: int
    """Raised when the same name would give other numbers."""
    dataset: str
    """Name of the data set in the catalog."""
    max_length: int
    """Tokens after which a pair is cut, longest side first."""
    max_train: int | None
    """Training rows of the label-stratified prefix; None for all."""
    dtype: str
    """Precision of encoder and features."""
    l2_grid: tuple[float, ...]
    """Candidates for the L2 weight of ``linear``, chosen on validation."""
    recipe: HeadRecipe
    """Training of ``head``."""

    @property
    def identifier(self) -> str:
        """``lp-mnli`` or ``lp-mnli@20000``: what records and cards print."""
        return self.name if self.max_train is None else f"{self.name}@{self.max_train}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a repository at a revision."""

    path: str
    """Path inside the repository."""
    size: int
    """Bytes."""
    sha256: str | None
    """Digest of the content where the Hub keeps it in LFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCheckpoint:
    """What the Hub says of one repository at one revision."""

    model: str
    """Hub id as the Hub spells it now (renames followed)."""
    revision: str
    """Full commit hash."""
    files: tuple[RemoteFile, ...]
    """All files of the repository."""
    owner: str
    """Namespace of the id; empty for the oldest repositories."""
    is_private: bool
    """Visible to some accounts only."""
    is_gated: bool
    """Asks for consent before files can be read."""
    is_disabled: bool
    """Switched off by the Hub."""
    tags: tuple[str, ...] = ()
    """Tags of the repository."""
    base_models: tuple[str, ...] = ()
    """Declared ``base_model`` ids of the card."""

    @property
    def repo_id(self) -> str:
        """Hub id, as ``RemoteDataset`` calls it."""
        return self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One line of the Hub's list of models: what is known without a call for this one."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash of the main branch; empty where the list does not say."""
    created: str
    """When the repository was made, ISO 8601 with ``Z``; empty where unknown."""
    modified: str
    """When it was last changed, the same."""
    downloads: int
    """Downloads of the last 30 days."""
    likes: int
    """Likes."""
    tags: tuple[str, ...]
    """Tags, those included that the Hub derives."""
    base_models: tuple[str, ...]
    """Declared ``base_model`` ids."""
    relations: tuple[str, ...]
    """How it says it is related to them: ``finetune``, ``adapter``, ``merge``, ``quantized``."""
    languages: tuple[str, ...]
    """Languages of the card's header."""
    model_type: str
    """``model_type`` of config.json; empty where the list does not say."""
    library: str
    """Library, such as ``transformers`` or ``peft``; empty where unknown."""
    task: str
    """Pipeline tag; empty where unknown."""
    parameters: int | None
    """Parameters in its safetensors files; None where it has none or the Hub counted none."""
    weights_gb: float | None
    """Size of these parameters, GiB; the same."""
    is_quantised: bool
    """config.json has a quantisation."""
    is_private: bool
    """Visible to some accounts only."""
    is_gated: bool
    """Asks for consent before files can be read."""
    is_disabled: bool
    """Switched off by the Hub."""
    says_no: bool
    """Its card says ``hubbot: false``."""

    @property
    def owner(self) -> str:
        """Namespace of the id; empty for the oldest repositories."""
        return self.model.rpartition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDataset:
    """What the Hub says of the repository of a data set."""

    dataset: str
    """Hub id as the Hub spells it now (renames followed)."""
    revision: str
    """Full commit hash of the main branch."""
    owner: str
    """Namespace of the id; empty for the oldest repositories."""
    is_private: bool
    """Visible to some accounts only."""
    is_gated: bool
    """Asks for consent before files can be read."""
    is_disabled: bool
    """Switched off by the Hub."""

    @property
    def repo_id(self) -> str:
        """Hub id, as ``RemoteCheckpoint`` calls it."""
        return self.dataset


RemoteRepository = RemoteCheckpoint | RemoteDataset
"""A repository whose card may be annotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCheckpoint:
    """A checkpoint on disk, ready to be handed to the child."""

    model: str
    """Hub id, or the folder's name."""
    revision: str
    """Full commit hash; empty for a folder that did not come from the Hub."""
    folder: Path
    """Holds config.json, the weights and the tokenizer's files, nothing executable."""
    weights_files: tuple[str, ...]
    """File names of the weights inside ``folder``."""
    weights_digest: str
    """``sha256:`` and the hex digest of the weights (of the shards' digests where sharded)."""
    tokenizer_digest: str
    """``sha256:`` and the hex digest over the tokenizer's files."""
    base_models: tuple[str, ...] = ()
    """Declared ``base_model`` ids of the card."""
    tags: tuple[str, ...] = ()
    """Tags of the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSplit:
    """One split on disk as plain Parquet."""

    path: Path
    """Parquet file with the text columns and the label column of the data set's entry."""
    digest: str
    """``sha256:`` and the hex digest of texts and labels, whatever the file's layout."""
    n_rows: int
    """Rows in the file."""
    split: str
    """Name of the split in the data set."""
    revision: str
    """Commit hash of the data set; empty for a local folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A data set made ready for fine-tuning: cast, split and checked."""

    name: str
    """Name in the catalog, Hub id, or the file's name."""
    splits: Mapping[SplitName, DataSplit]
    """``train``, ``validation`` and ``test``: Parquet files with the columns ``text`` (string),
    for pairs ``text_pair`` (string), and ``label`` (int64 class number, or float64)."""
    is_pair: bool
    """Whether there is a column ``text_pair``."""
    label_names: tuple[str, ...]
    """Class names in label order; empty for a regression."""
    metric: str
    """``accuracy``, or ``spearman`` for a regression."""
    source: str
    """Hub id and revision, or the files it was read from."""
    licence: str
    """Licence as the makers state it; empty where unknown."""
    split_rule: str
    """How the three splits were made, in a sentence."""
    notes: tuple[str, ...] = ()
    """What a user should know: guessed columns, overlaps, sampling."""
    is_catalog: bool = False
    """Whether it is the catalog's data set, so that its name means the same everywhere."""
    is_whole: bool = True
    """Whether it has all rows that there are: none sampled, and for the catalog's, the rows that
    its makers published. What is measured on part of a data set does not compare."""
    label_column: str = ""
    """Column that the labels are from, named or guessed; empty for the catalog's."""
    text_columns: tuple[str, ...] = ()
    """One or two columns that the texts are from; none for the catalog's."""

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers instead of classes."""
        return not self.label_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What ``hubbot probe`` measured on one checkpoint."""

    model: str
    """Hub id or folder name."""
    revision: str
    """Full commit hash; empty for a local folder."""
    architecture: str
    """Name in the catalog."""
    base_model: str
    """Hub id of the pretrained model the gain is taken against."""
    protocol: str
    """Identifier of the protocol."""
    dataset_revision: str
    """Commit hash of the data set, or the digest of the local files."""
    weights_digest: str
    """Digest of the checkpoint's weights."""
    lp_accuracy: Mapping[HeadName, float]
    """Test accuracy of each head, points; for ``head`` the mean over seeds."""
    lp_accuracy_interval: Mapping[HeadName, Interval]
    """95 % interval: test-set sampling, and seeds for ``head``."""
    lp_gain: Mapping[HeadName, float] | None
    """LP(m, MNLI): accuracy minus the base model's, points; None without a base model."""
    lp_gain_interval: Mapping[HeadName, Interval] | None
    """95 % interval of the gain, from the same test rows (paired)."""
    base_lp_accuracy: Mapping[HeadName, float] | None
    """The base model's own accuracy, points."""
    n_train: int
    """Training rows."""
    n_test: int
    """Test rows."""
    seconds: Mapping[str, float]
    """Wall-clock time of ``download``, ``tokenize``, ``encode`` and ``head``."""
    device: str
    """Device of the encoder, such as ``cpu`` or the GPU's name."""
    dtype: str
    """Precision of the encoder."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Spread over seeds, chosen L2, origin of the pooler, share of truncated pairs, flags."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of torch and transformers in the child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Predicted gain of fine-tuning from a checkpoint instead of its base model."""

    architecture: str
    """Name in the catalog."""
    gain: float | None
    """Expected average gain over the target group, points; None where refused."""
    interval: Interval | None
    """Interval of ``level``; None where refused."""
    level: float
    """Nominal coverage of the interval, 0 to 1."""
    probability_positive: float | None
    """Probability that the gain is above 0; None where refused."""
    n: int
    """Models behind the calibration."""
    calibration: str
    """Name of the calibration; empty where there is none."""
    target_group: str
    """Group of targets the average runs over."""
    is_borrowed: bool
    """Calibrated under another protocol than the one measured."""
    is_extrapolated: bool
    """Outside the LP range that the calibration has seen."""
    note: str
    """Plain sentences: how to read the number, or why there is none."""
    form: str = ""
    """Form that the calibration chose by cross-validation, such as ``curve and flags``."""
    flags: tuple[str, ...] = ()
    """Flags of the checkpoint that the prediction took into account."""
    quick_targets: tuple[str, ...] = ()
    """Quick targets whose measured scores the prediction took into account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSummary:
    """What ``hubbot calibrate`` found for one architecture, protocol and group of targets."""

    architecture: str
    """Name in the catalog."""
    protocol: str
    """Protocol of LP and gains."""
    target_group: str
    """Group of targets the average gain runs over."""
    knows: str
    """What the form may use: ``lp``, ``lp+flags``, ``lp+quick`` or ``lp+flags+quick``."""
    n: int
    """Models."""
    form: str
    """Form chosen by leaving one model out; empty where there is no calibration."""
    slope: float | None
    """Of the least-squares line, points of gain per point of LP."""
    intercept: float | None
    """Of the same line, points."""
    rmse: float | None
    """Root mean squared left-out error of the form, points."""
    rmse_line: float | None
    """The same of the straight line."""
    rmse_constant: float | None
    """The same of the mean gain."""
    tried: Mapping[str, float]
    """The same of every form tried."""
    lp_range: Interval | None
    """Least and greatest LP seen, points."""
    reason: str
    """Why there is none; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityNote:
    """What a data-set card says of one architecture: is fine-tuning on it worth another start?"""

    dataset: str
    """Hub id of the data set."""
    revision: str
    """Commit hash of the data that was read; empty where unknown."""
    target: str
    """Name in the catalog; the Hub id where it has none."""
    config: str | None
    """Configuration of the data set; None for the only one."""
    architecture: str
    """Name in the catalog."""
    base_model: str
    """Hub id of the pretrained model."""
    intermediate_model: str
    """Hub id of the strong intermediate model it was compared with."""
    intermediate_revision: str
    """Commit hash of that model; empty where unknown."""
    gain: float
    """Mean over seeds of test score on the intermediate model minus on the base model, points."""
    interval: Interval
    """Interval of ``level`` over seeds and test rows, points."""
    level: float
    """Nominal coverage of the interval, between 0 and 1."""
    se: float | None
    """Standard error of the gain, points; None for one seed."""
    seeds: int
    """Number of seeds, the same on both sides."""
    n_test: int
    """Test rows."""
    metric: str = "accuracy"
    """What the test score is: ``accuracy``, or ``spearman`` for a regression."""
    protocol: str
    """Identifier of the protocol, such as ``gain-minilm@1``."""
    verdict: str
    """The answer as one plain sentence."""
    date: Date
    """Day of the measurement."""
    hubbot_version: str
    """Version that measured."""
    label_column: str = ""
    """Column of the labels; empty for a data set of the catalog."""
    text_columns: str = ""
    """Columns of the texts, commas between; empty for a data set of the catalog."""
    n_train: int | None = None
    """Training rows where the data set has more than were used; None where all were, but for
    those that the protocol's name leaves out."""

    @property
    def is_short(self) -> bool:
        """Whether it is of part of the rows, or of other passes than the recipe's."""
        return "+" in self.protocol or self.n_train is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change to one card, ready to be published."""

    model: str
    """Hub id, of a data set where ``repo_type`` says so."""
    parent: str
    """Commit hash on the main branch that ``new`` was made from."""
    old: bytes
    """README.md at ``parent``; empty where there is none."""
    new: bytes
    """README.md as proposed."""
    title: str
    """Title of the pull request and of its commit."""
    body: str
    """Description of the pull request; holds the marker."""
    repo_type: RepoType = "model"
    """Whether it is the card of a model or of a data set."""

    @property
    def item(self) -> str:
        """The repository as messages name it."""
        return self.model if self.repo_type == "model" else f"data set {self.model}"


Action = Literal["would-open", "would-update", "opened", "updated", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a proposal."""

    action: Action
    """In one word."""
    reason: str
    """Why, in a sentence; empty where the action says it."""
    url: str | None
    """Address of the pull request."""
    change: Proposal | None = field(default=None, compare=False)
    """What was or would be committed, against the card it replaces; None where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Outcome of ``hubbot annotate`` for one checkpoint."""

    model: str
    """Hub id."""
    action: Action
    """In one word."""
    reason: str
    """Why, in a sentence; empty where the action says it."""
    url: str | None
    """Address of the pull request."""
    diff: str
    """Unified diff of what was or would be committed to the card; empty where nothing is."""
    record: Mapping[str, Any]
    """The score record as plain values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetAnnotation:
    """What became of a note for a data-set card."""

    dataset: str
    """Hub id."""
    action: Action
    """In one word."""
    reason: str
    """Why, in a sentence; empty where the action says it."""
    url: str | None
    """Address of the pull request."""
    diff: str
    """Unified diff of what was or would be committed to the card; empty where nothing is."""
