"""The whole path on a Hub of its own: real weights, real data, real commands, no internet.

Two intermediate models are fine-tuned on the spot from the MiniLM that a package carries; then the
very commands that an author would type are run against the embedded Hub, as separate processes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from hubbot.errors import HubbotError, SettingsError

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DATASET = "nyu-mll/multi_nli"
MNLI_MODEL = "textlab/minilm-l6-mnli"
GENRE_MODEL = "bookworm/MiniLM-genre-classifier"
PUBLISHED_MODEL = "textlab/roberta-base-squad2-covid"
"""Stands for deepset/roberta-base-squad2-covid of the published table: config and card only."""

BOT, BOT_TOKEN = "hubbot-demo", "hf_demo_bot"
_TRAIN_ROWS, _MATCHED_ROWS = 8_000, 3_000
_LABELS = ("entailment", "neutral", "contradiction")

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSize:
    """How much the demo trains; the defaults end within the promised time on two cores."""

    mnli_pairs: int = 3_000
    """Pairs the MNLI model is fine-tuned on, disjoint from the probe's."""
    genre_texts: int = 2_000
    """Sentences the genre model is fine-tuned on, disjoint from the probe's."""
    probe_pairs: int = 4_000
    """Training pairs of the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRow:
    """What happened to one model of the demo."""

    model: str
    """Id on the embedded Hub."""
    architecture: str
    """Name in the catalog."""
    lp_accuracy: float | None
    """Accuracy of the default head, points."""
    lp_accuracy_interval: tuple[float, float] | None
    """95 % interval."""
    lp_gain: float | None
    """LP(m, MNLI), points."""
    lp_gain_interval: tuple[float, float] | None
    """95 % interval, paired over the test rows."""
    predicted_gain: float | None
    """Points; None where refused."""
    predicted_gain_interval: tuple[float, float] | None
    """90 % interval."""
    note: str
    """Why there is no predicted gain, or how to read it."""
    action: str
    """What the first pass did."""
    second_action: str
    """What the second pass did."""
    url: str | None
    """Pull request."""
    diff: str
    """The change to the card."""
