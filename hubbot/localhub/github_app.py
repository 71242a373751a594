"""The embedded GitHub's routes, to be mounted beside the Hub's."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hubbot.localhub import (
    github_routes_accounts,
    github_routes_files,
    github_routes_git,
    github_routes_pulls,
)
from hubbot.localhub.github_answers import GithubCall, GithubRefusal, Handler, count, not_found
from hubbot.localhub.github_contents import PREFIX, Github
from hubbot.localhub.github_routes_accounts import find_caller
from hubbot.localhub.state import Caller

_Endpoint = Callable[[Request], Awaitable[Response]]


def github_routes(github: Github) -> list[Route]:
    """Return the routes, each below ``/github``, the last one for what there is none for.

    Args:
        github: What they show and change; locked while a route runs, saved after each request
            that may have changed it.
    """
    tables = (
        *github_routes_accounts.ROUTES,
        *github_routes_git.ROUTES,
        *github_routes_files.ROUTES,
        *github_routes_pulls.ROUTES,
    )
    routes = [
        Route(PREFIX + path, _endpoint(github, handler), methods=[method])
        for method, path, handler in tables
    ]
    anything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes.append(Route(PREFIX + "/{rest:path}", _endpoint(github, _unknown), methods=anything))
    return routes


def find_account(github: Github, authorization: str | None) -> Caller | None:
    """Return the account of an Authorization header, for the request log; None without one."""
    _, _, text = (authorization or "").partition(" ")
    token = github.state.tokens.get(text.strip())
    return None if token is None else Caller(token.login, "write")


def _endpoint(github: Github, handler: Handler) -> _Endpoint:
    """Call a handler under the lock and turn refusals into answers."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        with github.lock:
            answer = _answer(github, request, body, handler)
            if request.method != "GET":
                github.save()
        return answer

    return endpoint


def _answer(github: Github, request: Request, body: bytes, handler: Handler) -> Response:
    headers: dict[str, str] = {}
    try:
        if "user-agent" not in request.headers:
            raise GithubRefusal(403, "Missing or invalid User Agent string.")
        caller = find_caller(github.state, request.headers.get("authorization"))
        call = GithubCall(github.state, request, body, caller)
        headers = count(call)
        answer = handler(call)
    except GithubRefusal as refusal:
        answer = refusal.response()
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


def _unknown(call: GithubCall) -> Response:
    raise not_found()
