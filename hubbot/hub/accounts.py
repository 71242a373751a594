"""Who we are on the Hub, and whose repository this is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import LocalTokenNotFoundError

from hubbot.errors import RemoteError
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.refusals import TOKENS_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account behind a token."""

    name: str
    """User name; empty without a token."""
    orgs: tuple[str, ...] = ()
    """Organisations the account belongs to."""
    role: str = ""
    """What the token may do: ``read``, ``write`` or ``fineGrained``; empty where unknown."""
    is_anonymous: bool = False
    """There is no token."""


ANONYMOUS = Account(name="", is_anonymous=True)


def who_am_i(api: HfApi, *, backoff: Backoff = PATIENT) -> Account:
    """Return the account behind the client's token, asked for once per client.

    Args:
        api: The Hub's client.
        backoff: How patiently to ask.

    Raises:
        RemoteError: If the token is wrong, or the Hub cannot be asked.
    """
    try:
        answer = retrying("the account", lambda: api.whoami(cache=True), backoff=backoff)
    except RemoteError as error:
        if isinstance(error.__cause__, LocalTokenNotFoundError):
            return ANONYMOUS
        raise
    return read_account(answer)


def read_account(answer: Mapping[str, Any]) -> Account:
    """Turn the Hub's answer into a value of ours.

    Args:
        answer: JSON object of ``/api/whoami-v2``.

    Raises:
        RemoteError: If it names nobody.
    """
    name = answer.get("name")
    if not isinstance(name, str) or not name:
        raise RemoteError("the account: the Hub's answer names nobody; is HF_ENDPOINT right?")
    orgs = tuple(
        org["name"]
        for org in answer.get("orgs") or ()
        if isinstance(org, dict) and isinstance(org.get("name"), str)
    )
    token = (answer.get("auth") or {}).get("accessToken") or {}
    return Account(name=name, orgs=orgs, role=str(token.get("role") or ""))


def can_write(account: Account) -> bool:
    """Return whether the token may open pull requests, as far as its role tells.

    Args:
        account: Ours. A fine-grained token may still lack the one permission that is needed.
    """
    return not account.is_anonymous and account.role != "read"


def check_may_write(account: Account, model: str) -> None:
    """Refuse an account that could not open a pull request anyway.

    Args:
        account: Ours.
        model: Repository where it would be opened, for the message.

    Raises:
        RemoteError: If there is no token, or one that may only read.
    """
    if account.is_anonymous:
        raise RemoteError(
            f"{model}: a pull request needs a token; log in with `hf auth login`, or set HF_TOKEN "
            "or HUBBOT_WRITE_TOKEN",
            kind="unauthorised",
        )
    if not can_write(account):
        raise RemoteError(
            f"{model}: the token of {account.name} may only read; make one that may write at "
            f"{TOKENS_PAGE}",
            kind="forbidden",
        )


def is_stranger(account: Account, owner: str) -> bool:
    """Return whether a repository belongs to somebody else.

    Args:
        account: Ours.
        owner: Namespace of the repository; empty for the oldest ones, which are nobody's here.
    """
    ours = {name.casefold() for name in (account.name, *account.orgs) if name}
    return owner.casefold() not in ours
