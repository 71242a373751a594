"""The record of a sound probe on the smallest architecture, as tests of the bot file it."""

from typing import Any

from hubbot import __version__
from hubbot.records.from_probe import predicted_anew
from hubbot.records.record import Record

ARCHITECTURE = "all-MiniLM-L6-v2"
BASE = "sentence-transformers/all-MiniLM-L6-v2"


def a_probed_record(model: str, revision: str, weights_digest: str, **changes: Any) -> Record:
    heads = ("linear", "head")
    values: dict[str, Any] = {
        "model": model,
        "revision": revision,
        "weights_digest": weights_digest,
        "architecture": ARCHITECTURE,
        "base_model": BASE,
        "protocol": "lp-mnli@100",
        "dataset_revision": "1" * 40,
        "lp_accuracy": dict.fromkeys(heads, 50.0),
        "lp_accuracy_interval": dict.fromkeys(heads, (45.0, 55.0)),
        "lp_gain": dict.fromkeys(heads, 5.0),
        "lp_gain_interval": dict.fromkeys(heads, (3.0, 7.0)),
        "hubbot_version": __version__,
        "date": "2026-01-02",
    }
    return predicted_anew(Record.model_validate(values | changes))
