"""The Starlette application: routes, and what is common to all of them.

Shapes and codes are those the official client sends and reads. Where the real Hub was not seen,
the stricter guess was taken: the texts of refusals for disabled discussions and read-only tokens,
no commits on closed or merged pull requests (403), 409 for a merge that conflicts, headers checked
by the commit route too, ``closed`` as a filter that includes merged ones.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import cast
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hubbot.localhub import (
    pages,
    routes_commits,
    routes_discussions,
    routes_files,
    routes_lists,
    routes_repos,
)
from hubbot.localhub.answers import BAD_TOKEN, Call, Handler, Refusal
from hubbot.localhub.state import RESERVED_NAMES, Caller, HubState


class _Part(Convertor[str]):
    """A part of the undecoded path that is decoded for the handler."""

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return value


def _part(regex: str) -> Convertor[str]:
    """Make the convertor of a kind of part; Starlette reads ``regex`` from the class."""
    return cast(Convertor[str], type("_Part", (_Part,), {"regex": regex})())


_SLASH = "(?:/|%2[Ff])"
for _name, _regex in {
    "kind": "models|datasets",
    "prefix": "datasets",
    # One part for the oldest repositories, unless the second one is an action.
    "repo": rf"[^/]+(?:/(?!(?:{'|'.join(sorted(RESERVED_NAMES))})(?:/|$))[^/]+)?",
    "revision": f"refs{_SLASH}(?:pr|convert|heads|tags){_SLASH}[^/]+|[^/]+",
    "file": ".+",
    "what": "branch|tag",
    "edit": "edit|hide",
}.items():
    register_url_convertor(_name, _part(_regex))


def find_caller(state: HubState, authorization: str | None) -> Caller | None:
    """Return the account of an Authorization header; None without one or with an unknown token."""
    kind, _, token = (authorization or "").partition(" ")
    return state.tokens.get(token.strip()) if kind.lower() == "bearer" else None


def make_app(state: HubState, save: Callable[[], None], more: Sequence[Route] = ()) -> Starlette:
    """Return the application over a state.

    Args:
        state: What it shows and changes; locked while a route runs.
        save: Called, with the lock held, after each request that may have changed the state.
        more: Routes that come first, such as GitHub's.
    """
    tables = (
        *routes_repos.ROUTES,
        *routes_lists.routes(state),
        *routes_files.ROUTES,
        *routes_commits.ROUTES,
        *routes_discussions.ROUTES,
    )
    routes = list(more)
    routes += [
        Route(path, _endpoint(state, save, handler), methods=[method])
        for method, path, handler in tables
    ]
    routes.append(Route("/lfs-upload/{oid}", _lfs_upload(state), methods=["PUT"]))
    routes.append(Route("/api/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"]))
    routes += [Route(path, _endpoint(state, save, handler)) for path, handler in pages.PAGES]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


Endpoint = Callable[[Request], Awaitable[Response]]


def _endpoint(state: HubState, save: Callable[[], None], handler: Handler) -> Endpoint:
    """Call a handler under the state's lock and turn refusals into answers."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        authorization = request.headers.get("authorization")
        caller = find_caller(state, authorization)
        if authorization is not None and caller is None:
            return Refusal(401, BAD_TOKEN).response()
        with state.lock:
            try:
                answer = handler(Call(state, request, body, caller))
            except Refusal as refusal:
                return refusal.response()
            if request.method not in {"GET", "HEAD"}:
                save()
        return answer

    return endpoint


async def _unknown(request: Request) -> Response:
    """Answer for every other address below /api, lest it be taken for a repository's page."""
    return Refusal(404, "Sorry, we can't find the page you are looking for.").response()


def _lfs_upload(state: HubState) -> Endpoint:
    """PUT /lfs-upload/OID: the bytes of one object, without a token as on the real storage."""

    async def endpoint(request: Request) -> Response:
        expected = str(request.path_params["oid"])
        try:
            sha256, _, received = await state.blobs.receive(request.stream())
        except ClientDisconnect:
            return Response(status_code=400)  # Nobody is there to read it.
        if sha256 != expected:
            received.unlink()
            return Refusal(400, f"Content has SHA-256 {sha256}, not {expected}").response()
        state.blobs.keep(received, sha256)
        return Response(status_code=200)

    return endpoint
