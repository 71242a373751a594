"""Cards as they are, byte for byte, and the Hub's own check of them."""

import logging
from http import HTTPStatus
from typing import Any

import httpx2
from huggingface_hub import HfApi, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # lazy export

from hubbot import __version__
from hubbot.errors import CardError, CheckpointError, RemoteError
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.printable import printable
from hubbot.schema import RepoType

logger = logging.getLogger(__name__)

CARD = "README.md"

LARGEST_CARD = 8 * 2**20
"""Bytes above which a card is not read."""


NOUNS: dict[RepoType, str] = {"model": "model", "dataset": "data set"}
"""How messages call a kind of repository."""


def head_of(
    model: str,
    *,
    api: HfApi,
    ref: str = "main",
    backoff: Backoff = PATIENT,
    repo_type: RepoType = "model",
) -> str:
    """Return the commit hash a branch or ``refs/pr/N`` points to now.

    Args:
        model: Hub id.
        api: The Hub's client.
        ref: Branch, tag or ``refs/pr/N``.
        backoff: How patiently to ask.
        repo_type: What ``model`` is the id of.

    Raises:
        RemoteError: If the Hub does not have it or cannot be asked.
    """
    item = f"{NOUNS[repo_type]} {model} at {ref}"
    head = retrying(
        item,
        lambda: api.repo_info(model, revision=ref, repo_type=repo_type).sha,
        backoff=backoff,
    )
    if head is None:
        raise RemoteError(f"{item}: the Hub's answer has no commit hash", kind="server")
    return head


def read_card(
    model: str,
    revision: str,
    *,
    api: HfApi,
    backoff: Backoff = PATIENT,
    repo_type: RepoType = "model",
) -> bytes | None:
    """Return README.md exactly as it stands at a commit; None where there is none.

    Args:
        model: Hub id.
        revision: Commit hash.
        api: The Hub's client.
        backoff: How patiently to ask.
        repo_type: What ``model`` is the id of.

    Raises:
        CardError: If it is larger than ``LARGEST_CARD``.
        RemoteError: If the repository or revision is not there, or the Hub cannot be asked.
    """
    try:
        return read_file(model, revision, CARD, api=api, backoff=backoff, repo_type=repo_type)
    except CheckpointError as error:
        raise CardError(f"{error}; hubbot leaves it alone") from error


def read_file(
    model: str,
    revision: str,
    path: str,
    *,
    api: HfApi,
    backoff: Backoff = PATIENT,
    repo_type: RepoType = "model",
) -> bytes | None:
    """Return a small file exactly as it stands at a commit; None where there is none.

    Args:
        model: Hub id.
        revision: Commit hash.
        path: Path inside the repository.
        api: The Hub's client.
        backoff: How patiently to ask.
        repo_type: What ``model`` is the id of.

    Raises:
        CheckpointError: If it is larger than ``LARGEST_CARD``.
        RemoteError: If the repository or revision is not there, or the Hub cannot be asked.
    """
    url = hf_hub_url(model, path, repo_type=repo_type, revision=revision, endpoint=api.endpoint)
    item = f"{path} of {model} at {revision[:10]}"

    def fetch() -> bytes | None:
        with get_session().stream("GET", url, headers=_headers(api)) as response:
            if response.headers.get("X-Error-Code") == "EntryNotFound":
                return None
            hf_raise_for_status(response)
            return _read_at_most(response, LARGEST_CARD, item)

    return retrying(item, fetch, backoff=backoff)


def _read_at_most(response: httpx2.Response, most: int, item: str) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > most:
            raise CheckpointError(f"{item}: larger than {most} bytes")
    return bytes(content)


def validate_card(
    content: bytes, *, api: HfApi, backoff: Backoff = PATIENT, repo_type: RepoType = "model"
) -> tuple[str, ...]:
    """Have the Hub check the header of a card, without storing it.

    Args:
        content: The exact bytes that are to be committed.
        api: The Hub's client.
        backoff: How patiently to ask.
        repo_type: Whose card it is: the Hub has other rules for data sets.

    Returns:
        The Hub's warnings, which do not stand in the way of a commit.

    Raises:
        CardError: If the Hub would refuse the card, with its messages.
        RemoteError: If the Hub cannot be asked.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CardError(f"the card is not UTF-8 ({error}); the Hub does not take it") from error

    def ask() -> tuple[int, dict[str, Any]]:
        answer = get_session().post(
            f"{api.endpoint}/api/validate-yaml",
            json={"content": text, "repoType": repo_type},
            headers=_headers(api),
        )
        if answer.status_code != HTTPStatus.BAD_REQUEST:
            hf_raise_for_status(answer)
        return answer.status_code, dict(answer.json())

    status, found = retrying("the Hub's check of the card", ask, backoff=backoff)
    errors = _messages(found.get("errors"))
    if errors or status == HTTPStatus.BAD_REQUEST:
        raise CardError(
            f"the Hub refuses this card: {'; '.join(errors) or 'it does not say why'}; "
            "mend its header first"
        )
    warnings = _messages(found.get("warnings"))
    for warning in warnings:
        logger.info("the Hub warns about the card: %s", warning)
    return warnings


def _messages(items: object) -> tuple[str, ...]:
    if not isinstance(items, list):
        return ()
    return tuple(
        printable(item.get("message", item) if isinstance(item, dict) else item) for item in items
    )


def _headers(api: HfApi) -> dict[str, str]:
    return build_hf_headers(token=api.token, library_name="hubbot", library_version=__version__)
