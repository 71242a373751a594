"""A repository on GitHub beside an embedded Hub, for the workflows that really measure.

Checkpoints and data are those of the command line's tests.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub
from tests.cli.conftest import (
    base_tensors,
    cache_dir,
    data_dir,
    films,
    measured,
    session_environment,
    sound,
    sound_weights,
    weights,
)
from tests.workflows.runner import Runner

__all__ = [
    "base_tensors",
    "cache_dir",
    "data_dir",
    "films",
    "measured",
    "session_environment",
    "sound",
    "sound_weights",
    "weights",
]

BASE = "sentence-transformers/all-MiniLM-L6-v2"
SETTINGS = """\
[bot]
operator = "Ann"
contact = "ann@example.org"
architectures = ["all-MiniLM-L6-v2"]
screen_train = 100
"""
# Packages come from the index, which tests do not ask; the ones of the tests stand in.
INSTALL = f'mkdir "$RUNNER_TEMP/hubbot" && ln -s "{Path(sys.executable).parent}" "$_/bin"'


@pytest.fixture
def runner(
    hub: LocalHub,
    sound: Mapping[str, Any],
    session_environment: dict[str, str],
    measured: None,
    tmp_path: Path,
) -> Runner:
    """Give a repository with its settings and a secret, and a Hub with a model and its base."""
    minilm = sound["config.json"].parent / "model.safetensors"
    hub.add_model(BASE, {**sound, "model.safetensors": minilm})
    hub.add_user("me", "hf_of_the_workflow")
    hub.add_model("me/child", dict(sound))
    source = tmp_path / "repository"
    source.mkdir()
    (source / "hubbot.toml").write_text(SETTINGS, "utf-8")
    return Runner(
        source=source,
        folder=tmp_path / "github",
        secrets={"HUBBOT_WRITE_TOKEN": "hf_of_the_workflow"},
        machine_environment={
            "HF_ENDPOINT": os.environ["HF_ENDPOINT"],
            "HF_HOME": os.environ["HF_HOME"],  # the downloads, once
            "HF_HUB_DISABLE_XET": "1",
            **session_environment,
        },
        replaced={"Install hubbot": INSTALL},
        limit_s=240,
    )
