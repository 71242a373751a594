"""From what a user typed to one repository at one commit."""

import difflib
import logging
from collections.abc import Iterable

from huggingface_hub import HfApi, ModelInfo
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # lazy export

from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.refusals import translate_errors
from hubbot.printable import printable
from hubbot.schema import RemoteCheckpoint, RemoteFile

logger = logging.getLogger(__name__)

_RELATIONS = ("finetune", "adapter", "merge", "quantized")
"""Words the Hub puts between ``base_model:`` and the id in a tag."""

_LISTED = 100
"""Ids of one author that are looked through for a near spelling."""


def resolve_checkpoint(
    model: str,
    *,
    api: HfApi,
    revision: str | None = None,
    known: Iterable[str] = (),
    backoff: Backoff = PATIENT,
) -> RemoteCheckpoint:
    """Look a model up on the Hub and pin its revision.

    Args:
        model: Hub id, or ``id@revision``.
        api: The Hub's client.
        revision: Branch, tag or commit hash; the main branch without one.
        known: Ids that may have been meant, such as those of the catalog.
        backoff: How patiently to ask.

    Returns:
        The repository under its present id, with its full commit hash.

    Raises:
        SettingsError: If ``model`` is no id, or names another revision than ``revision``.
        RemoteError: If the Hub does not have it or cannot be asked; names near ids.
    """
    name, revision = split_revision(model, revision)
    item = f"model {name}" if revision is None else f"model {name} at {revision}"
    try:
        info = retrying(
            item,
            lambda: api.model_info(name, revision=revision, files_metadata=True),
            backoff=backoff,
        )
    except RemoteError as error:
        if error.kind != "not_found":
            raise
        raise RemoteError(
            f"{error}{_suggestion(name, api=api, known=known)}", kind=error.kind
        ) from error
    if info.id != name:
        logger.warning("%s is called %s on the Hub now", printable(name), printable(info.id))
    return read_info(info)


def split_revision(model: str, revision: str | None = None) -> tuple[str, str | None]:
    """Take ``id@revision`` apart.

    Args:
        model: What the user typed.
        revision: The revision named beside it, if any.

    Raises:
        SettingsError: If this is no id, or the two name different revisions.

    >>> split_revision("me/my-model@refs/pr/1")
    ('me/my-model', 'refs/pr/1')
    """
    name, at, named = model.partition("@")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise SettingsError(
            f"{printable(model)!r} is not a model: expected owner/name, owner/name@revision or a "
            f"folder that exists; {printable(error)}"
        ) from error
    if at and (not named or named != named.strip() or not named.isprintable()):
        raise SettingsError(f"{printable(model)!r}: expected a branch, tag or commit after the @")
    if at and revision is not None and named != revision:
        raise SettingsError(f"{printable(model)!r} and revision {printable(revision)!r} disagree")
    return name, named if at else revision


def read_info(info: ModelInfo) -> RemoteCheckpoint:
    """Turn the Hub's description, untrusted, into a value of ours.

    Args:
        info: As answered with ``files_metadata=True``.

    Raises:
        RemoteError: If a part that is needed is missing or of another kind.
    """
    item = f"model {printable(info.id)}"
    if not isinstance(info.sha, str) or not _is_commit(info.sha):
        raise RemoteError(f"{item}: the Hub gave no commit hash but {info.sha!r}", kind="server")
    with translate_errors(item):
        validate_repo_id(info.id)
        files = tuple(
            RemoteFile(
                path=str(sibling.rfilename),
                size=int(sibling.size),  # type: ignore[arg-type]  # None: the answer is unusable
                sha256=sibling.lfs.sha256 if sibling.lfs else None,
            )
            for sibling in info.siblings or ()
        )
    tags = tuple(tag for tag in info.tags or () if isinstance(tag, str))
    return RemoteCheckpoint(
        model=info.id,
        revision=info.sha,
        files=files,
        owner=info.id.partition("/")[0] if "/" in info.id else "",
        is_private=bool(info.private),
        is_gated=bool(info.gated),
        is_disabled=bool(info.disabled),
        tags=tags,
        base_models=declared_base_models(getattr(info.card_data, "base_model", None), tags),
    )


def declared_base_models(declared: object, tags: Iterable[str]) -> tuple[str, ...]:
    """Collect the base models that a card and its tags declare, each once, in order.

    Args:
        declared: ``base_model`` of the card's header: an id, a list of ids, or anything else.
        tags: Tags of the repository.

    >>> declared_base_models("a/b", ["base_model:finetune:a/b", "base_model:c/d", "en"])
    ('a/b', 'c/d')
    """
    listed = declared if isinstance(declared, list) else [declared]
    found = [name for name in listed if isinstance(name, str)]
    for tag in tags:
        prefix, _, name = tag.partition(":")
        if prefix == "base_model":
            relation, _, rest = name.partition(":")
            found.append(rest if relation in _RELATIONS else name)
    return tuple(dict.fromkeys(name for name in found if _is_id(name)))


def _is_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _is_commit(text: str) -> bool:
    return len(text) == 40 and not set(text) - set("0123456789abcdef")


def _suggestion(name: str, *, api: HfApi, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with ids that exist, or nothing."""
    owner, slash, short = name.rpartition("/")
    candidates = set(known)
    searches: list[dict[str, str]] = [{"search": short}]
    if slash:
        searches.append({"author": owner})
    for search in searches:
        try:
            with translate_errors(f"near ids of {name}"):
                found = api.list_models(**search, limit=_LISTED)  # type: ignore[arg-type]  # strings all
                candidates.update(info.id for info in found)
        except RemoteError as error:  # A suggestion is a kindness; the lookup's error is said.
            logger.debug("%s", error)
    near = difflib.get_close_matches(name, sorted(candidates - {name}), n=3, cutoff=0.75)
    return f"; did you mean {' or '.join(map(printable, near))}?" if near else ""
