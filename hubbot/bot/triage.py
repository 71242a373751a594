"""Whether a listed model is worth a download, decided from its line of the list: no network.

The list says less than config.json: what is included here is recognised for certain before its
weights are fetched. Each model that is left out gets exactly one reason.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

from hubbot.catalog.architectures import find_architecture, load_architectures, normalise_id
from hubbot.schema import Architecture, ListedModel

Reason = Literal[
    "disabled",
    "private",
    "gated",
    "opt-out",
    "base-model",
    "adapter",
    "quantised",
    "other-architecture",
    "undeclared",
    "contradiction",
    "other-size",
    "other-language",
    "no-safetensors",
    "too-large",
]
"""Why a listed model is left out, in one word; ``Triage.text`` says it in a sentence."""

REASONS: tuple[str, ...] = get_args(Reason)

_ENGLISH = {"en", "eng", "english", "multilingual", "mul"}
_ADAPTERS = {"peft", "adapter-transformers", "adapters", "lora", "adapter", "qlora"}
_QUANTISED = re.compile(
    r"gguf|gptq|awq|exl2|bitsandbytes|bnb|ggml|openvino|onnx-quantized|(?:4|8)-bit", re.IGNORECASE
)
_LEAST, _MOST = 0.85, 1.2
"""Share of the base model's parameters that a fine-tuned one has: heads differ, tokens are added,
and a model of another depth is off by far more."""
_LEAST_ENCODER = 0.4
"""The same of an encoder-decoder, whose encoder may be kept alone."""
_FIRST = datetime(2019, 1, 1, tzinfo=UTC)
_YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """What becomes of a listed model."""

    reason: Reason | None
    """Why it is left out; None where it is included."""
    text: str
    """Why it is included or left out, in a sentence without its name."""
    architecture: str = ""
    """Name in the catalog where the list tells it for certain enough, else config.json will; of
    what is left out, the one that it declares."""

    @property
    def is_included(self) -> bool:
        """Whether it is to be measured."""
        return self.reason is None


def triage(
    listed: ListedModel,
    *,
    max_gb: float = math.inf,
    reads_bin: bool = False,
    is_left_alone: bool = False,
) -> Triage:
    """Decide whether a listed model is measured.

    Args:
        listed: Its line of the list.
        max_gb: Largest weights, GiB, that are downloaded.
        reads_bin: Whether strangers' pytorch_model.bin is read (``probe.bin = "sandboxed"``).
        is_left_alone: Whether the owner is on the opt-out list.
    """
    refused = (
        _manners(listed, is_left_alone)
        or _kind(listed)
        or _files(listed, max_gb, reads_bin)
        or _language(listed)
    )
    decided = _architecture(listed) if refused is None else refused
    return decided if decided.is_included else replace(decided, architecture=_said(listed))


def _said(listed: ListedModel) -> str:
    """Return the one architecture that a model names; empty where it names none, or several."""
    itself = find_architecture(listed.model)
    entries = [itself] if itself else [find_architecture(name) for name in listed.base_models]
    names = {entry.name for entry in entries if entry is not None}
    return names.pop() if len(names) == 1 else ""


def value_of(listed: ListedModel) -> float:
    """Return how soon a model should be measured; higher is sooner.

    A new one (a year younger counts as much as ten times the downloads), a downloaded one and a
    liked one (by powers of ten), and one that declares which base model of the catalog it was
    trained from. The weights are a choice, not a measurement.

    What is new adds up from a fixed day, so that the order is the same whenever each was listed,
    by whichever query, and needs no clock.

    Args:
        listed: Its line of the list.

    Source:
        The form of Reddit's ranking of stories: a logarithm of votes, and time in proportion.
    """
    declared = any(find_architecture(name) for name in listed.base_models)
    return (
        _years(listed.modified or listed.created)
        + math.log10(1 + listed.downloads)
        + 0.5 * math.log10(1 + listed.likes)
        + (1.0 if declared else 0.0)
    )


def _manners(listed: ListedModel, is_left_alone: bool) -> Triage | None:
    if listed.is_disabled:
        return Triage(reason="disabled", text="the Hub has disabled it")
    if listed.is_private:
        return Triage(reason="private", text="it is private")
    if listed.is_gated:
        return Triage(reason="gated", text="it is gated: its files need somebody's consent")
    if is_left_alone:
        return Triage(reason="opt-out", text="it or its owner asked to be left alone")
    if listed.says_no:
        return Triage(reason="opt-out", text="its card says hubbot: false")
    return None


def _kind(listed: ListedModel) -> Triage | None:
    if find_architecture(listed.model) is not None:
        return Triage(reason="base-model", text="it is the base model itself")
    tags = {tag.lower() for tag in listed.tags}
    if "adapter" in listed.relations or listed.library.lower() in _ADAPTERS or tags & _ADAPTERS:
        return Triage(reason="adapter", text="it is an adapter, not a whole checkpoint")
    if (
        listed.is_quantised
        or "quantized" in listed.relations
        or any(_QUANTISED.fullmatch(tag) for tag in tags)
    ):
        return Triage(reason="quantised", text="it is quantised")
    return None


def _files(listed: ListedModel, max_gb: float, reads_bin: bool) -> Triage | None:
    has_safetensors = listed.parameters is not None or "safetensors" in listed.tags
    if not has_safetensors and not (reads_bin and "pytorch" in listed.tags):
        return Triage(reason="no-safetensors", text="it has no safetensors file")
    if listed.weights_gb is not None and listed.weights_gb > max_gb:
        return Triage(
            reason="too-large",
            text=f"its weights have {listed.weights_gb:.1f} GiB, over {max_gb:g} (download.max_gb)",
        )
    return None


def _language(listed: ListedModel) -> Triage | None:
    names = {re.split("[-_]", name)[0] for name in listed.languages}
    if names and not names & _ENGLISH:
        return Triage(
            reason="other-language",
            text=f"its card says {', '.join(sorted(names))[:60]}; the probe is in English",
        )
    return None


def _architecture(listed: ListedModel) -> Triage:
    declared = [entry for entry in map(find_architecture, listed.base_models) if entry]
    if declared:
        return _declared(listed, declared)
    same_type = [e for e in load_architectures() if e.model_type == listed.model_type]
    if not same_type:
        return Triage(
            reason="other-architecture",
            text=f"no architecture of the catalog is of model_type {listed.model_type[:40]!r}",
        )
    fitting = [entry for entry in same_type if _has_its_size(listed, entry)]
    if not fitting:
        return Triage(
            reason="other-size",
            text=f"{listed.parameters:,} parameters are those of none of "
            f"{', '.join(entry.name for entry in same_type)}",
        )
    if all(entry.relatives for entry in fitting):
        return Triage(
            reason="undeclared",
            text="it declares no base model of the catalog, and other models share the sizes of "
            f"{fitting[0].name}",
        )
    return _included(listed, [entry for entry in fitting if not entry.relatives])


def _declared(listed: ListedModel, declared: Sequence[Architecture]) -> Triage:
    names = sorted({entry.name for entry in declared})
    if len(names) > 1:
        return Triage(reason="contradiction", text=f"it declares {' and '.join(names)} at once")
    entry = declared[0]
    if listed.model_type and listed.model_type != entry.model_type:
        return Triage(
            reason="contradiction",
            text=f"it declares {entry.name} but is of model_type {listed.model_type[:40]!r}",
        )
    if not _has_its_size(listed, entry):
        return Triage(
            reason="other-size",
            text=f"it declares {entry.name} but has {listed.parameters:,} parameters, not about "
            f"{entry.parameters:,}",
        )
    return _included(listed, [entry])


def _included(listed: ListedModel, fitting: Sequence[Architecture]) -> Triage:
    names = [entry.name for entry in fitting]
    size = "" if listed.parameters is None else f"; {listed.parameters:,} parameters"
    if len(names) > 1:
        return Triage(
            reason=None,
            text=f"model_type {listed.model_type} of {' or '.join(names)}{size}: config.json tells",
        )
    declared = any(find_architecture(name) for name in listed.base_models)
    said = "declares" if declared else f"model_type {listed.model_type} of"
    return Triage(reason=None, text=f"{said} {names[0]}{size}", architecture=names[0])


def _has_its_size(listed: ListedModel, entry: Architecture) -> bool:
    if listed.parameters is None:
        return True  # config.json will tell.
    least = _LEAST_ENCODER if entry.model_type == "t5" else _LEAST
    return least <= listed.parameters / entry.parameters <= _MOST


def _years(moment: str) -> float:
    """Return the years since the first models were on the Hub; 0 where the moment is unknown."""
    try:
        between = datetime.fromisoformat(moment) - _FIRST
    except (ValueError, TypeError):
        return 0.0  # Its date is not known: it is nothing new.
    return max(0.0, between.total_seconds() / 86400 / _YEAR_DAYS)


def queries_of(architectures: Sequence[Architecture]) -> list[tuple[str, ...]]:
    """Return the filters of the list that find the descendants of architectures, each once.

    First those that declare the base model, under its present id and the older ones; then all of
    their model types, for those that declare nothing.

    Args:
        architectures: Entries of the catalog.
    """
    ids = [name for entry in architectures for name in (entry.hub_id, *entry.aliases)]
    types = [entry.model_type for entry in architectures]
    seen: dict[str, tuple[str, ...]] = {}
    for name in ids:
        seen.setdefault(normalise_id(name), (f"base_model:finetune:{name}",))
    return [*seen.values(), *((name,) for name in dict.fromkeys(types))]
