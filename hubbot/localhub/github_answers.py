"""What GitHub's routes take and answer: one call, refusals in GitHub's words, rate limits, paging.

Texts and codes follow GitHub's REST documentation (version 2022-11-28) and answers quoted in
public issues; where neither was seen, the stricter guess was taken.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hubbot.localhub.faults import Fault
from hubbot.localhub.github_contents import PREFIX
from hubbot.localhub.github_objects import ObjectStore
from hubbot.localhub.github_state import App, GithubState, Repository, Token

T = TypeVar("T")

DOCUMENTATION = "https://docs.github.com/rest"
_HOUR_S = 3600
_ANONYMOUS_LIMIT = 60
_MOST_PER_PAGE = 100


class GithubRefusal(Exception):  # noqa: N818 - an answer, not a failure of this program
    """Ends a route with an error answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Any] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """Prepare the answer.

        Args:
            status: HTTP status.
            message: Key ``message`` of the body.
            errors: Key ``errors``; left out where empty.
            headers: More headers.
        """
        super().__init__(message)
        self.status, self.message = status, message
        self.errors, self.headers = list(errors), headers or {}

    def response(self) -> Response:
        """Return the answer."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors
        body |= {"documentation_url": DOCUMENTATION, "status": str(self.status)}
        return JSONResponse(body, self.status, headers=self.headers)


def invalid(resource: str, message: str = "", **more: str) -> GithubRefusal:
    """Return the 422 for a value that is not accepted, GitHub's ``Validation Failed``."""
    error = {"resource": resource, "code": "custom" if message else "invalid", **more}
    return GithubRefusal(
        422, "Validation Failed", errors=[error | ({"message": message} if message else {})]
    )


@dataclass(frozen=True, slots=True)
class GithubCall:
    """One request, read completely."""

    state: GithubState
    request: Request
    body: bytes
    caller: Token | App | None

    @property
    def base_url(self) -> str:
        """Address of the interface as the client wrote it."""
        return str(self.request.base_url).rstrip("/") + PREFIX

    @property
    def token(self) -> Token | None:
        """The caller's token; None without one or with an App's own signature."""
        return self.caller if isinstance(self.caller, Token) else None

    @property
    def login(self) -> str:
        """Account of the caller; empty for nobody."""
        return self.caller.login if self.caller is not None else ""

    def param(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """Return one query parameter."""
        return self.request.query_params.get(name, default)

    def value(self) -> Any:
        """Return the body.

        Raises:
            GithubRefusal: 400 if it is not JSON.
        """
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise GithubRefusal(400, "Problems parsing JSON") from error

    def json(self) -> dict[str, Any]:
        """Return the body.

        Raises:
            GithubRefusal: 400 if it is not a JSON object.
        """
        value = self.value()
        if not isinstance(value, dict):
            raise GithubRefusal(400, "Body should be a JSON object")
        return value

    def text(self, name: str) -> str:
        """Return a text of the body that must be there.

        Raises:
            GithubRefusal: 422 if it is missing or no text.
        """
        value = self.json().get(name)
        if not isinstance(value, str) or not value:
            raise GithubRefusal(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        return value

    def store(self, repo: Repository) -> ObjectStore:
        """Return the objects of a repository."""
        return self.state.objects(repo)


Handler = Callable[[GithubCall], Response]


def not_found() -> GithubRefusal:
    """Return the answer for what is not there, and for what the caller may not know of."""
    return GithubRefusal(404, "Not Found")


def require(call: GithubCall, level: str, *permissions: str) -> Repository:
    """Return the repository of the path, if the caller may do this to it.

    Args:
        call: Call.
        level: ``read`` or ``write``.
        permissions: Permissions of which one is enough.

    Raises:
        GithubRefusal: 401 for nobody, 404 where the caller may not see it or, with a classic
            token, may not write to it; 403 where the token lacks the permission.
    """
    repo = _visible(call)
    token, needed = call.token, f"{'; '.join(f'{name}={level}' for name in permissions)}"
    if level == "write" and token is None:
        raise GithubRefusal(401, "Requires authentication")
    if token is None or (level == "read" and not repo.is_private):
        return repo
    allowed = {"read": ("read", "write"), "write": ("write",)}[level]
    if token.permissions is not None and not any(
        token.permissions.get(name) in allowed for name in permissions
    ):
        raise _not_accessible(token, needed)
    if level == "write" and token.installation is None:
        if call.state.role(repo, token.login) == "pull":
            raise not_found() if token.permissions is None else _not_accessible(token, needed)
    elif level == "write" and repo.full_name not in _installed(call.state, token):
        raise _not_accessible(token, needed)
    return repo


def _not_accessible(token: Token, needed: str) -> GithubRefusal:
    return GithubRefusal(
        403,
        f"Resource not accessible by {token.noun}",
        headers={"X-Accepted-GitHub-Permissions": needed},
    )


def _visible(call: GithubCall) -> Repository:
    wanted = f"{call.param('owner')}/{call.param('repo')}".lower()
    found = [r for r in call.state.repositories.values() if r.full_name.lower() == wanted]
    if not found or isinstance(call.caller, App):
        raise not_found()
    repo, token = found[0], call.token
    if token is not None and token.installation is not None:
        if repo.is_private and repo.full_name not in _installed(call.state, token):
            raise not_found()
    elif call.state.role(repo, call.login) is None:
        raise not_found()
    return repo


def _installed(state: GithubState, token: Token) -> set[str]:
    return {
        name
        for app in state.apps.values()
        for item in app.installations
        if item.id == token.installation
        for name in item.repositories
    }


# Rate limits


def count(call: GithubCall) -> dict[str, str]:
    """Count a call and return the headers of its answer.

    Raises:
        GithubRefusal: 403 with the same headers where none is left.
    """
    moment = int(call.state.clock().timestamp())
    key = (call.login or "anonymous", moment // _HOUR_S)
    limit = call.state.hourly_limit if call.login else _ANONYMOUS_LIMIT
    used = call.state.used.get(key, 0)
    is_counted = not call.request.url.path.endswith("/rate_limit")
    if is_counted:
        used += 1
        call.state.used[key] = used
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Used": str(min(limit, used)),
        "X-RateLimit-Reset": str((moment // _HOUR_S + 1) * _HOUR_S),
        "X-RateLimit-Resource": "core",
    }
    if is_counted and used > limit:
        raise GithubRefusal(403, "API rate limit exceeded for user.", headers=headers)
    return headers


def primary_limit(reset_at: float) -> Fault:
    """Return the fault of an hour's allowance that is used up.

    Args:
        reset_at: When the next hour begins, seconds since 1970.
    """
    headers = (
        ("X-RateLimit-Limit", "5000"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", str(int(reset_at))),
    )
    message = "API rate limit exceeded for user ID 1."
    return Fault(kind="status", status=403, message=message, headers=headers)


def secondary_limit(retry_after_s: int | None) -> Fault:
    """Return the fault of writing too fast.

    Args:
        retry_after_s: Seconds asked for; None leaves the header out, as GitHub does at times.
    """
    headers = () if retry_after_s is None else (("Retry-After", str(retry_after_s)),)
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return Fault(kind="status", status=403, message=message, headers=headers)


# Paging


def page(call: GithubCall, items: Sequence[T]) -> tuple[list[T], dict[str, str]]:
    """Cut a page out of a list; the headers link to the next one.

    Raises:
        GithubRefusal: 422 if ``page`` or ``per_page`` are no numbers.
    """
    try:
        number, size = int(call.query("page", "1")), int(call.query("per_page", "30"))
    except ValueError as error:
        raise GithubRefusal(422, "Invalid request: page and per_page are numbers") from error
    number, size = max(1, number), min(_MOST_PER_PAGE, max(1, size))
    end = number * size
    headers = {}
    if end < len(items):
        others = [(k, v) for k, v in call.request.query_params.multi_items() if k != "page"]
        path = call.request.scope["path"]
        address = str(call.request.base_url).rstrip("/") + path
        link = f"{address}?{urlencode([*others, ('page', str(number + 1))])}"
        headers["Link"] = f'<{link}>; rel="next"'
    return list(items[end - size : end]), headers
