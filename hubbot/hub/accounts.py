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
class Grant:
    """What a fine-grained token may do at one place."""

    where: str
    """``everywhere``, or kind and name, such as ``org team`` or ``model me/m``."""
    permissions: tuple[str, ...]
    """Names that the Hub gives them, such as ``repo.write`` or ``discussion.write``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account behind a token."""

    name: str
    """User name; empty without a token."""
    orgs: tuple[str, ...] = ()
    """Organisations in which the account may write to every repository; in others it is a guest."""
    role: str = ""
    """What the token may do: ``read``, ``write`` or ``fineGrained``; empty where unknown."""
    is_anonymous: bool = False
    """There is no token."""
    grants: tuple[Grant, ...] | None = None
    """What a fine-grained token may do, by place; None where the Hub does not say."""

    @property
    def may_discuss_everywhere(self) -> bool:
        """Whether pull requests may be opened at strangers' repositories, as far as is known."""
        if self.grants is None:
            return self.role != "read" and not self.is_anonymous
        return any(
            "discussion.write" in one.permissions for one in self.grants if one.where == EVERYWHERE
        )


_OWNING_ROLES = ("admin", "write")
"""Roles in an organisation that make its repositories one's own; ``contributor`` may write to those
that it made, ``read`` to none (the Hub's page on access control in organisations)."""

EVERYWHERE = "everywhere"
"""Place of what a fine-grained token may do at all public repositories."""

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
        if isinstance(org, dict)
        and isinstance(org.get("name"), str)
        and org.get("roleInOrg") in _OWNING_ROLES
    )
    token = (answer.get("auth") or {}).get("accessToken") or {}
    role = str(token.get("role") or "")
    return Account(name=name, orgs=orgs, role=role, grants=_read_grants(token.get("fineGrained")))


def _read_grants(given: Any) -> tuple[Grant, ...] | None:
    """Read what a fine-grained token may do; odd parts of it are left out."""
    if not isinstance(given, Mapping):
        return None
    grants = [Grant(where=EVERYWHERE, permissions=_names(given.get("global")))]
    for one in given.get("scoped") or ():
        entity = one.get("entity") if isinstance(one, Mapping) else None
        if isinstance(entity, Mapping):
            where = " ".join(str(entity[key]) for key in ("type", "name") if entity.get(key))
            grants.append(Grant(where=where, permissions=_names(one.get("permissions"))))
    return tuple(one for one in grants if one.permissions)


def _names(given: Any) -> tuple[str, ...]:
    return tuple(name for name in given if isinstance(name, str)) if isinstance(given, list) else ()


def can_write(account: Account) -> bool:
    """Return whether the token may open pull requests, as far as is known.

    Args:
        account: Ours. A fine-grained token may still lack the permission at one repository.
    """
    if account.is_anonymous or account.role == "read":
        return False
    if account.grants is None:
        return True
    given = {name for grant in account.grants for name in grant.permissions}
    return not given.isdisjoint({"repo.write", "discussion.write"})


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
