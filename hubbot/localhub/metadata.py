"""Tags and facts that the Hub derives from a repository's files."""

import json
import struct
from collections.abc import Collection
from typing import Any

from hubbot.localhub.cards import as_list, read_header
from hubbot.localhub.state import Commit, HubState, RepoKind

_TASKS = {
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "ForCausalLM": ("text-generation", "AutoModelForCausalLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "ForConditionalGeneration": ("text2text-generation", "AutoModelForSeq2SeqLM"),
}
_FORMATS = {
    ".safetensors": "safetensors",
    "pytorch_model.bin": "pytorch",
    "tf_model.h5": "tf",
    "flax_model.msgpack": "jax",
    ".onnx": "onnx",
}
_MAX_SAFETENSORS_HEADER = 100_000_000


def card_data(state: HubState, commit: Commit) -> dict[str, Any]:
    """Return the header of README.md as JSON values, empty where it cannot be read."""
    return read_header(state.read(commit, "README.md"))


def config_summary(config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of config.json that the Hub shows."""
    keys = ("architectures", "model_type", "auto_map", "quantization_config")
    return {key: config[key] for key in keys if key in config}


def transformers_info(config: dict[str, Any]) -> dict[str, str] | None:
    """Guess task and auto class from config.json; None for other libraries."""
    if not isinstance(config.get("model_type"), str):
        return None
    names = [name for name in as_list(config.get("architectures")) if isinstance(name, str)]
    for suffix, (task, auto_class) in _TASKS.items():
        if any(name.endswith(suffix) for name in names):
            return {"auto_model": auto_class, "pipeline_tag": task, "processor": "AutoTokenizer"}
    return {
        "auto_model": "AutoModel",
        "pipeline_tag": "feature-extraction",
        "processor": "AutoTokenizer",
    }


def library_name(header: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Return the library as declared, or as config.json gives away."""
    declared = header.get("library_name")
    if isinstance(declared, str):
        return declared
    return "transformers" if isinstance(config.get("model_type"), str) else None


def pipeline_tag(header: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Return the task as declared, or as config.json gives away."""
    declared = header.get("pipeline_tag")
    if isinstance(declared, str):
        return declared
    info = transformers_info(config)
    return info["pipeline_tag"] if info else None


def tags(
    kind: RepoKind, paths: Collection[str], header: dict[str, Any], config: dict[str, Any]
) -> list[str]:
    """Return a repository's tags, by which lists are filtered.

    Args:
        kind: Models or data sets.
        paths: Files.
        header: Header of the card.
        config: Contents of config.json.
    """
    found: list[Any] = []
    if kind == "models":
        found += [library_name(header, config), *_formats(paths), config.get("model_type")]
        found += [pipeline_tag(header, config)]
    else:
        found += [f"task_categories:{name}" for name in as_list(header.get("task_categories"))]
    found += as_list(header.get("tags"))
    prefix = "" if kind == "models" else "language:"
    found += [f"{prefix}{name}" for name in as_list(header.get("language"))]
    found += [f"dataset:{name}" for name in as_list(header.get("datasets"))]
    relation = header.get("base_model_relation", "finetune")
    for base in as_list(header.get("base_model")):
        found += [f"base_model:{base}", f"base_model:{relation}:{base}"]
    if "model-index" in header:
        found.append("model-index")
    found += [f"license:{name}" for name in as_list(header.get("license"))]
    found.append("region:us")
    return list(dict.fromkeys(tag for tag in found if isinstance(tag, str)))


def _formats(paths: Collection[str]) -> list[str]:
    return [tag for end, tag in _FORMATS.items() if any(path.endswith(end) for path in paths)]


def safetensors_summary(state: HubState, commit: Commit) -> dict[str, Any] | None:
    """Count parameters by dtype over the safetensors files' headers; None without a valid one."""
    counts: dict[str, int] = {}
    for path, entry in commit.tree.items():
        if path.endswith(".safetensors") and "/" not in path:
            for dtype, number in _count_parameters(state, entry.sha256).items():
                counts[dtype] = counts.get(dtype, 0) + number
    return {"parameters": counts, "total": sum(counts.values())} if counts else None


def _count_parameters(state: HubState, sha256: str) -> dict[str, int]:
    with state.blobs.path(sha256).open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        head = file.read(length) if length <= _MAX_SAFETENSORS_HEADER else b""
    counts: dict[str, int] = {}
    try:
        for name, tensor in json.loads(head or b"{}").items():
            if name != "__metadata__":
                number = 1
                for size in tensor["shape"]:
                    number *= int(size)
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + number
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}  # Other people's files may be broken; the Hub then shows no count.
    return counts
