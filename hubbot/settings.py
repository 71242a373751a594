"""What a user may set: flags > environment > ``hubbot.toml`` > defaults, read once.

The environment uses ``HUBBOT_`` and two underscores between levels, such as
``HUBBOT_PROBE__DEVICE=cuda``. ``HUBBOT_CONFIG`` names another file than ``./hubbot.toml``.
"""

import logging
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from hubbot.errors import SettingsError
from hubbot.settings_file import (
    advice_on,
    config_file,
    explain,
    read_settings_file,
    unknown_variables,
)
from hubbot.settings_values import LEVEL, PREFIX, as_meant

logger = logging.getLogger(__name__)


def _user_folder(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "hubbot"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    _as_meant = field_validator("*", mode="before")(as_meant)


class ProbeSettings(_Section):
    """How the probing child is run."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    tokens_per_batch: int | None = Field(default=None, ge=128)
    """Padded tokens of one encoder batch; None: 2,048 on a CPU, 32,768 on a GPU."""
    timeout_s: float = Field(default=6 * 3600, gt=0)
    """Seconds after which the child is killed."""
    memory_gb: float = Field(default=16.0, gt=0)
    """Resident memory, GiB, above which the child is killed."""
    file_gb: float = Field(default=8.0, gt=0)
    """Largest file, GiB, that the child may write."""
    bin: Literal["base-models", "sandboxed", "never"] = "base-models"
    """Whose pytorch_model.bin may be read (weights_only) inside the child."""


class FinetuneSettings(_Section):
    """How the fine-tuning child is run; its device is the probe's."""

    timeout_s: float = Field(default=12 * 3600, gt=0)
    """Seconds after which one fine-tuning is killed."""
    memory_gb: float = Field(default=24.0, gt=0)
    """Resident memory, GiB, above which the child is killed."""
    file_gb: float = Field(default=8.0, gt=0)
    """Largest file, GiB, that the child may write."""
    trains: bool = True
    """Whether what the ledger lacks is fine-tuned; off: it is an error that names it."""


class DownloadSettings(_Section):
    """What may be fetched."""

    max_gb: float = Field(default=5.0, gt=0)
    """Largest checkpoint, GiB over the files that are fetched."""
    min_free_gb: float = Field(default=2.0, ge=0)
    """Disk space, GiB, that must stay free."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds without an answer after which a call to the Hub is given up."""


class BotSettings(_Section):
    """How hubbot behaves towards other people's repositories."""

    opt_out: tuple[str, ...] = ()
    """Owners and models that asked to be left alone."""
    operator: str = ""
    """Who runs this bot, as named in pull requests; needed for strangers' repositories."""
    contact: str = ""
    """Address for complaints; needed for strangers' repositories."""
    homepage: str = ""
    """Page about hubbot, linked from cards; left out where empty."""
    ranking_url: str = ""
    """Page with the live ranking, linked from cards; left out where empty."""
    strangers: bool = False
    """Whether ``run`` may open pull requests on other people's repositories."""
    max_pull_requests_per_day: int = Field(default=20, ge=0)
    """Most pull requests that are opened within 24 hours."""
    max_open_per_owner: int = Field(default=1, ge=0)
    """Most pull requests of ours that are open at one owner's repositories at once."""
    architectures: tuple[str, ...] = ()
    """Architectures that are looked for; none named: all of the catalog."""
    screen_train: int = Field(default=20_000, ge=100)
    """Training rows of the small probe that every checkpoint gets."""
    max_train: int | None = Field(default=None, ge=100)
    """Training rows of the full probe; None for all."""
    full_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the checkpoints outside the upper band that get the full probe all the same."""
    max_attempts: int = Field(default=3, ge=1)
    """Times that a checkpoint is tried in all, in a pass of its own each, where it failed."""
    budget_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which a pass begins nothing new; None for no limit."""
    max_models: int | None = Field(default=None, ge=0)
    """Most checkpoints that a pass measures; None for no limit."""
    keep_gb: float = Field(default=20.0, ge=0)
    """Disk space, GiB, that fetched checkpoints, features and tokens may take; after each
    checkpoint of a pass, what was not used for longest is deleted."""
    price_per_hour: float | None = Field(default=None, ge=0)
    """Price of an hour of this machine, in any currency; told per checkpoint where it is set."""
    watch: tuple[str, ...] = ()
    """Data sets, by name in the catalog or Hub id, whose sensitivity is kept up to date."""
    sensitivities_per_pass: int = Field(default=1, ge=0)
    """Most data sets whose sensitivity a pass measures."""
    evaluations_per_pass: int = Field(default=1, ge=0)
    """Most checkpoints whose gains a pass measures by fine-tuning."""
    evaluate_targets: str = "quick"
    """Groups and names of the catalog on which they are measured."""
    target_share: float = Field(default=0.25, ge=0, le=1)
    """Share of a pass's minutes that is kept for sensitivities and gains while some are due."""
    gain_seeds: int = Field(default=5, ge=1)
    """Seeds of each fine-tuning of a pass."""
    gain_train: int | None = Field(default=None, ge=1)
    """Training rows of a fine-tuning of a pass; None for all."""
    gain_epochs: int | None = Field(default=None, ge=1)
    """Passes over them; None for the recipe's."""
    tolerance_points: float = Field(default=1.0, gt=0)
    """Points by which a score or a predicted gain moves before a card is corrected, and by which
    the reference checkpoint may differ from its first probe."""


class GithubSettings(_Section):
    """Where the score records are filed by pull request."""

    repository: str = Field(default="", pattern=r"^$|^[\w.-]+/[\w.-]+$")
    """``owner/name``; empty: records stay in ``records_dir``."""
    token: SecretStr | None = None
    """Token that may write contents and pull requests there."""
    app_id: int | None = Field(default=None, gt=0)
    """Number of a GitHub App, used in place of a token."""
    private_key_file: Path | None = None
    """PEM file with the App's private key."""
    installation_id: int | None = Field(default=None, gt=0)
    """Number of the App's installation; found from the repository where it is not given."""
    base_url: str = "https://api.github.com"
    """Address of GitHub's REST interface."""
    base: str = "main"
    """Branch that pull requests are for."""
    folder: str = Field(default="cards/scores", pattern=r"^[\w.-]+(/[\w.-]+)*$")
    """Folder of the records in the repository."""
    labels: tuple[str, ...] = ("hubbot",)
    """Labels of the pull request."""


class _SettingsFile(PydanticBaseSettingsSource):
    """The file as it stands; pydantic's own source folds upper and lower case together."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return read_settings_file(config_file())


class Settings(BaseSettings):
    """All settings; ``hubbot init`` writes them down with what they mean."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=LEVEL,
        # A workflow's input that was left out arrives as an empty variable.
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
    )

    _as_meant = field_validator("*", mode="before")(as_meant)

    cache_dir: Path = Field(default_factory=lambda: _user_folder("XDG_CACHE_HOME", ".cache"))
    """Features, tokens, data sets and finished probes; safe to delete."""
    records_dir: Path = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "scores"
    )
    """Score records, ``<architecture>/<owner>--<model>.yaml``."""
    filed_dir: Path | None = None
    """Records that others file as well, such as a checkout's: a pass takes over what is missing in
    ``records_dir``, or was measured later. Nothing is written there."""
    revisions_file: Path = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "revisions.toml"
    )
    """Commits of base models and data sets, resolved by ``doctor --datasets``."""
    calibrations_file: Path = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "calibrations.json"
    )
    """Calibrations refitted by ``hubbot calibrate``; the packaged ones where there is none."""
    ledger_file: Path = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "ledger.sqlite"
    )
    """What was fine-tuned, one row a model, target and seed; a killed run goes on from there."""
    data_dir: Path | None = None
    """Folder of Parquet files, ``<dataset>/<split>.parquet``, read instead of the Hub."""
    read_token: SecretStr | None = None
    """Token for reading; without it the one of ``hf auth login`` or HF_TOKEN."""
    write_token: SecretStr | None = None
    """Token for opening pull requests; without it the one of ``hf auth login`` or HF_TOKEN."""
    probe: ProbeSettings = ProbeSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    download: DownloadSettings = DownloadSettings()
    bot: BotSettings = BotSettings()
    github: GithubSettings = GithubSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, file."""
        return (init_settings, env_settings, _SettingsFile(settings_cls))


def load_settings(**flags: Any) -> Settings:
    """Read the settings once.

    Args:
        flags: Values from the command line; a mapping for a section. None means not given.

    Returns:
        Settings, with the sections of ``flags`` merged over file and environment.

    Raises:
        SettingsError: If the file cannot be read, a key is unknown or a value of the wrong kind;
            names file (or variable) and key.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        text = explain(error, Settings, flags=given, path=config_file())
        raise SettingsError(text) from error
    for name, near in unknown_variables(Settings).items():
        logger.warning("%s", advice_on(name, near))
    return settings
