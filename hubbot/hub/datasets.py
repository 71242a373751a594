"""Data sets on the Hub: which commit is read, and whose repository it is."""

import logging

from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # lazy export

from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.printable import printable
from hubbot.schema import RemoteDataset

logger = logging.getLogger(__name__)


def resolve_dataset(
    hub_id: str, revision: str | None, *, api: HfApi, backoff: Backoff = PATIENT
) -> str:
    """Return the full commit hash of a data set.

    Args:
        hub_id: Id of the data set.
        revision: Branch, tag or commit hash; the main branch without one.
        api: The Hub's client.
        backoff: How patiently to ask.

    Raises:
        SettingsError: If ``hub_id`` is no id.
        RemoteError: If the Hub does not have it or cannot be asked.
    """
    _check_id(hub_id)
    item = f"data set {hub_id}"
    found = retrying(item, lambda: api.dataset_info(hub_id, revision=revision).sha, backoff=backoff)
    if found is None:
        raise RemoteError(f"{item}: the Hub's answer has no commit hash", kind="server")
    return found


def resolve_dataset_repository(
    dataset: str, *, api: HfApi, backoff: Backoff = PATIENT
) -> RemoteDataset:
    """Look a data set's repository up on the Hub, as its main branch stands now.

    Args:
        dataset: Hub id.
        api: The Hub's client.
        backoff: How patiently to ask.

    Returns:
        The repository under its present id.

    Raises:
        SettingsError: If ``dataset`` is no id.
        RemoteError: If the Hub does not have it or cannot be asked; of kind ``disabled`` where
            the Hub has switched it off.
    """
    _check_id(dataset)
    item = f"data set {dataset}"
    info = retrying(item, lambda: api.dataset_info(dataset), backoff=backoff)
    if info.sha is None:
        raise RemoteError(f"{item}: the Hub's answer has no commit hash", kind="server")
    if info.id != dataset:
        logger.warning("%s is called %s on the Hub now", printable(dataset), printable(info.id))
    return RemoteDataset(
        dataset=info.id,
        revision=info.sha,
        owner=info.id.partition("/")[0] if "/" in info.id else "",
        is_private=bool(info.private),
        is_gated=bool(info.gated),
        is_disabled=bool(info.disabled),
    )


def _check_id(dataset: str) -> None:
    try:
        validate_repo_id(dataset)
    except HFValidationError as error:
        raise SettingsError(
            f"{printable(dataset)!r} is not a data set of the Hub: expected owner/name; "
            f"{printable(error)}"
        ) from error
