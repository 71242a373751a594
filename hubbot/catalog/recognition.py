"""Which architecture a checkpoint is of, decided from its own config.json.

The sizes in the file decide. What the repository says of itself (its id, the declared
``base_model``, ``_name_or_path``) can confirm them and break ties, never overrule them: names are
typed by people. Two that fit, a contradiction, or none is a refusal, not a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubbot.catalog.architectures import (
    find_architecture,
    lineage,
    load_architectures,
    normalise_id,
)
from hubbot.catalog.config_file import check_config
from hubbot.errors import CheckpointError
from hubbot.schema import Architecture

_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One key in which a configuration is not that of an architecture."""

    key: str
    """Key of config.json."""
    expected: str
    """What the architecture's files hold there, as text."""
    found: str
    """What this file holds, as text; ``nothing`` where the key is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a repository says of itself."""

    said: str
    """The claim in words, for messages."""
    architecture: Architecture
    """The entry of the catalog that it names."""


def recognise(
    config: Mapping[str, Any], base_models: Sequence[str] = (), *, model: str = ""
) -> Architecture:
    """Return the architecture whose descendant a checkpoint is.

    Args:
        config: config.json as read by ``read_config``, nothing filled in.
        base_models: Declared ``base_model`` ids of the card.
        model: Hub id of the checkpoint, or the folder's name.

    Raises:
        CheckpointError: If no architecture fits, two fit and nothing says which, or a name that
            the repository gives contradicts the sizes. The message has both sides.
    """
    name = model or "this checkpoint"
    check_config(dict(config), model=name)
    fits = [entry for entry in load_architectures() if not differences(entry, config)]
    own = find_architecture(model) if model else None
    declared = _claims("declares base_model", base_models)
    typed = _claims("config.json has _name_or_path", [config.get("_name_or_path")])
    at_home = [_Claim(said=f"is {own.hub_id}", architecture=own)] if own else []

    ancestors = {ancestor for claim in at_home for ancestor in _ancestors(claim)}
    _refuse_contradictions(at_home + declared, ancestors, fits, config, name)
    ancestors |= {ancestor for claim in declared for ancestor in _ancestors(claim)}
    _refuse_contradictions(typed, ancestors, fits, config, name)
    if not fits:
        raise CheckpointError(_explain_no_fit(config, name))
    return _choose(fits, at_home, declared, typed, base_models, name)


def differences(architecture: Architecture, config: Mapping[str, Any]) -> list[Difference]:
    """Return the keys in which a configuration is not that of an architecture.

    Args:
        architecture: An entry of the catalog.
        config: config.json, nothing filled in.

    Returns:
        One entry per key; empty where the configuration fits. A file without ``model_type``
        (the oldest have none) is judged by its sizes alone.
    """
    found = [
        _difference(key, repr(value), config)
        for key, value in architecture.shape.items()
        if not _is_same(config.get(key, _ABSENT), value)
    ]
    found += [
        _difference(key, " or ".join(repr(value) for value in values), config)
        for key, values in architecture.accepts.items()
        if key in config and not any(_is_same(config[key], value) for value in values)
    ]
    if config.get("model_type", architecture.model_type) != architecture.model_type:
        found.insert(0, _difference("model_type", repr(architecture.model_type), config))
    least = architecture.vocab_size - architecture.vocab_padding
    most = architecture.vocab_size + architecture.vocab_tolerance
    rows = config.get("vocab_size")
    if not isinstance(rows, int) or isinstance(rows, bool) or not least <= rows <= most:
        found.append(_difference("vocab_size", f"{least} to {most}", config))
    return found


def _choose(
    fits: list[Architecture],
    at_home: list[_Claim],
    declared: list[_Claim],
    typed: list[_Claim],
    base_models: Sequence[str],
    name: str,
) -> Architecture:
    if at_home:
        return at_home[0].architecture
    _refuse_relatives(fits, base_models, name)
    claims = declared or typed
    if claims:
        chosen = claims[0].architecture
        allowed = {chosen.name} if claims is typed else {chosen.name, *lineage(chosen)}
        if {claim.architecture.name for claim in declared} - {chosen.name} or {
            claim.architecture.name for claim in typed
        } - allowed:
            raise CheckpointError(
                f"{name}: {' but '.join(claim.said for claim in declared + typed)}: expected one "
                "base model, found two that share their sizes; correct the one that is wrong"
            )
        return chosen
    if len(fits) > 1:
        raise CheckpointError(
            f"{name}: config.json fits {_listed(entry.name for entry in fits)}, which share "
            "their sizes, and the card does not say which; declare base_model in the card: "
            f"{_listed((entry.hub_id for entry in fits), 'or')}"
        )
    if fits[0].relatives:
        raise CheckpointError(
            f"{name}: config.json fits {fits[0].name}, but {_listed(fits[0].relatives)} have the "
            f"same sizes; declare base_model: {fits[0].hub_id} in the card if it was trained from "
            "there"
        )
    return fits[0]


def _refuse_relatives(fits: list[Architecture], base_models: Sequence[str], name: str) -> None:
    for entry in fits:
        relatives = {normalise_id(relative) for relative in entry.relatives}
        for said in (name, *base_models):
            if normalise_id(said) in relatives:
                raise CheckpointError(
                    f"{name}: {said} has the sizes of {entry.name} but is another pretrained "
                    f"model, which the catalog does not have; expected {entry.hub_id} or a model "
                    "trained from it"
                )


def _refuse_contradictions(
    claims: list[_Claim],
    excused: set[str],
    fits: list[Architecture],
    config: Mapping[str, Any],
    name: str,
) -> None:
    names = {entry.name for entry in fits}
    for claim in claims:
        if claim.architecture.name in names or claim.architecture.name in excused:
            continue
        fitting = f"; its sizes are those of {_listed(names, 'or')}" if names else ""
        raise CheckpointError(
            f"{name}: {claim.said}, but config.json is not of {claim.architecture.name}: "
            f"{_spelt(differences(claim.architecture, config))}{fitting}. Correct the name or "
            "the file"
        )


def _explain_no_fit(config: Mapping[str, Any], name: str) -> str:
    ranked = sorted(
        ((differences(entry, config), entry) for entry in load_architectures()),
        key=lambda pair: len(pair[0]),
    )
    unlike, nearest = ranked[0]
    if len(unlike) > len(nearest.shape):
        types = sorted({entry.model_type for entry in load_architectures()})
        return (
            f"{name}: no architecture of the catalog is like model_type "
            f"{config.get('model_type')!r} of this config.json; known model types: "
            f"{', '.join(types)}. Choose a checkpoint of an architecture in the catalog"
        )
    return (
        f"{name}: no architecture of the catalog fits this config.json; nearest is "
        f"{nearest.name}: {_spelt(unlike)}. Choose a checkpoint of an architecture in the catalog"
    )


def _claims(said: str, ids: Sequence[object]) -> list[_Claim]:
    named = [(text, find_architecture(text)) for text in ids if isinstance(text, str)]
    return [_Claim(said=f"{said} {text}", architecture=entry) for text, entry in named if entry]


def _ancestors(claim: _Claim) -> tuple[str, ...]:
    return lineage(claim.architecture)


def _is_same(found: object, expected: object) -> bool:
    # JSON tells true from 1; Python's == does not.
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def _difference(key: str, expected: str, config: Mapping[str, Any]) -> Difference:
    found = repr(config[key])[:60] if key in config else "nothing"
    return Difference(key=key, expected=expected, found=found)


def _spelt(unlike: list[Difference]) -> str:
    return "; ".join(f"{item.key}: expected {item.expected}, found {item.found}" for item in unlike)


def _listed(names: Any, last: str = "and") -> str:
    items = sorted(names)
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), items[-1])))
