"""What a user may set: flags > environment > ``hubbot.toml`` > defaults, read once.

The environment uses ``HUBBOT_`` and two underscores between levels, such as
``HUBBOT_PROBE__DEVICE=cuda``. ``HUBBOT_CONFIG`` names another file than ``./hubbot.toml``.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hubbot.errors import SettingsError


def _config_file() -> Path:
    return Path(os.environ.get("HUBBOT_CONFIG", "hubbot.toml"))


def _user_folder(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "hubbot"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Settings(BaseSettings):
    """All settings; see ``hubbot.toml`` in the README."""

    model_config = SettingsConfigDict(
        env_prefix="HUBBOT_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    cache_dir: Path = Field(default_factory=lambda: _user_folder("XDG_CACHE_HOME", ".cache"))
    """Features, tokens, data sets and finished probes; safe to delete."""
    records_dir: Path = Field(
        default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "scores"
    )
    """Score records, ``<architecture>/<owner>--<model>.yaml``."""
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
        toml = TomlConfigSettingsSource(settings_cls, toml_file=_config_file())
        return (init_settings, env_settings, toml)


def load_settings(**flags: Any) -> Settings:
    """Read the settings once.

    Args:
        flags: Values from the command line; a mapping for a section. None means not given.

    Returns:
        Settings, with the sections of ``flags`` merged over file and environment.

    Raises:
        SettingsError: If the file is not TOML, a key is unknown or a value of the wrong kind.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if _config_file().is_dir():
        raise SettingsError(f"{_config_file()} is a folder, not a settings file")
    if "HUBBOT_CONFIG" in os.environ and not _config_file().exists():
        raise SettingsError(f"HUBBOT_CONFIG names {_config_file()}, which does not exist")
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{_config_file()} is not TOML: {error}; mend that line") from error


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown setting {where!r}{_nearest(item['loc'])}")
        else:
            lines.append(f"setting {where!r}: {item['msg']} (found {item.get('input')!r})")
    return "; ".join(lines) + f"; see {_config_file()} and HUBBOT_* in the environment"


def _nearest(location: tuple[int | str, ...]) -> str:
    model: Any = Settings
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    names = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f"; did you mean {names[0]!r}?" if names else ""
