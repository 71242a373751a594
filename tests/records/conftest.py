from typing import Any

import pytest


@pytest.fixture
def values() -> dict[str, Any]:
    """A complete record as a file holds it."""
    return {
        "schema_version": 1,
        "model": "someone/probed-model",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "weights_digest": "sha256:5f70",
        "architecture": "roberta-base",
        "base_model": "FacebookAI/roberta-base",
        "lineage": None,
        "protocol": "lp-mnli",
        "dataset_revision": "da70db2af9d09693783c3320c4249840212ee221",
        "lp_accuracy": {"head": 71.5334, "linear": 69.9},
        "lp_accuracy_interval": {"head": [70.6, 72.4], "linear": [69.0, 70.8]},
        "lp_gain": {"head": 16.3, "linear": 14.25},
        "lp_gain_interval": {"head": [15.0, 17.6], "linear": [13.1, 15.4]},
        "predicted_gain": 1.2,
        "predicted_gain_interval": [-0.4, 2.8],
        "interval_level": 0.9,
        "probability_positive": 0.89,
        "prediction_head": "head",
        "prediction_note": "Borrowed.",
        "calibration": "model-recycling-2023",
        "target_group": "in-house 36",
        "measured": {"rte": {"gain": 3.1, "se": 0.4, "seeds": 5}},
        "gain_protocol": "gain-roberta@1",
        "flags": ["borrowed"],
        "source": "hubbot",
        "hubbot_version": "0.1.0",
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
        "device": "cpu",
        "dtype": "float32",
        "seconds": {"download": 1.5, "encode": 61.0},
        "cost": None,
        "date": "2026-01-02",
    }
