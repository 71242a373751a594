"""Names of cache entries: everything that decides a number goes into its key, nothing else.

Standard library only; parent and child compute the same keys.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hubbot.errors import CheckpointError
from hubbot.probing.job import SPLITS, ProbeJob
from hubbot.schema import SplitName

LAYOUT = 1
"""Raised when the same key would mean other content."""

_CONFIG_BYTES = 1 << 20
# Of no influence on hidden states; dropped so that a re-saved file finds the same entries.
_IDLE_CONFIG = frozenset(
    {
        "_name_or_path",
        "_num_labels",
        "architectures",
        "dtype",
        "finetuning_task",
        "gradient_checkpointing",
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "task_specific_params",
        "torch_dtype",
        "transformers_version",
    }
)


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json as it stands.

    Raises:
        CheckpointError: If it is missing, larger than 1 MiB, or not a JSON object.
    """
    path = folder / "config.json"
    try:
        if path.stat().st_size > _CONFIG_BYTES:
            raise CheckpointError(f"{path}: larger than 1 MiB, which no configuration is")
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: config.json cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: config.json is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(config).__name__}")
    return config


def used_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what config.json says of the network, without what changes nothing."""
    return {name: value for name, value in config.items() if name not in _IDLE_CONFIG}


def tokens_key(job: ProbeJob, split: SplitName) -> str:
    """Return the key of one split's tokens; checkpoints with the same tokenizer share it."""
    return _key({"kind": "tokens", **_tokens(job, split)})


def features_key(job: ProbeJob, split: SplitName, config: Mapping[str, Any]) -> str:
    """Return the key of one split's features."""
    return _key({"kind": "features", **_features(job, split, config)})


def probe_key(job: ProbeJob, config: Mapping[str, Any]) -> str:
    """Return the key of the finished heads of one job."""
    return _key(
        {
            "kind": "probe",
            "splits": [_features(job, split, config) for split in SPLITS],
            "protocol": job.protocol,
            "n_classes": job.n_classes,
            "heads": sorted(job.heads),
            "l2_grid": job.l2_grid,
            "recipe": asdict(job.recipe),
            "activation": job.head_activation,
            "pooler_tensors": job.pooler_tensors,
        }
    )


def _tokens(job: ProbeJob, split: SplitName) -> dict[str, object]:
    return {
        "tokenizer": job.tokenizer_digest,
        "model_type": job.model_type,  # decides the tokenizer's class where its files do not
        "transformers": version("transformers"),
        "data": job.splits[split].digest,
        "columns": [*job.text_columns, job.label_column],
        "max_length": job.max_length,
        "max_train": job.max_train if split == "train" else None,
    }


def _features(job: ProbeJob, split: SplitName, config: Mapping[str, Any]) -> dict[str, object]:
    tokens = _tokens(job, split)
    # A new release of transformers tokenises again (cheap) but keeps features (dear); the entry
    # remembers with which release they were made.
    del tokens["transformers"]
    return tokens | {
        "weights": job.weights_digest,
        "config": used_config(config),
        "pooling": job.pooling,
        "dtype": job.dtype,
    }


def _key(parts: Mapping[str, object]) -> str:
    text = json.dumps({"layout": LAYOUT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]
