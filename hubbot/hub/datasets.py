"""Data sets on the Hub: which commit is read."""

from huggingface_hub import HfApi

from hubbot.errors import RemoteError
from hubbot.hub.client import PATIENT, Backoff, retrying


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
        RemoteError: If the Hub does not have it or cannot be asked.
    """
    item = f"data set {hub_id}"
    found = retrying(item, lambda: api.dataset_info(hub_id, revision=revision).sha, backoff=backoff)
    if found is None:
        raise RemoteError(f"{item}: the Hub's answer has no commit hash", kind="server")
    return found
