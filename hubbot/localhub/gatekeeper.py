"""The outermost layer: request log, rate limits, faults. Plain ASGI around the routes."""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubbot.localhub.faults import Fault, Faults
from hubbot.localhub.limits import Counter
from hubbot.localhub.oddities import MAINTENANCE_PAGE
from hubbot.localhub.requestlog import RequestLog, RequestRecord, target_of
from hubbot.localhub.state import Caller

TRANSPORT = "hubbot.transport"
"""Key of the scope under which the server puts the connection, so that it can be cut."""

_JSON_KINDS = ("application/json", "application/x-ndjson", "application/vnd.git-lfs+json")
_KEPT_HEADERS = ("user-agent", "range", "content-type")


@dataclass(slots=True)
class _Exchange:
    """One request on its way through."""

    scope: Scope
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    body: Any
    caller: Caller | None
    fault: Fault | None = None

    @property
    def account(self) -> str:
        return self.caller.name if self.caller else "anonymous"


class Gatekeeper:
    """ASGI application that logs, limits and disturbs another one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: RequestLog,
        faults: Faults,
        counter: Counter,
        find_caller: Callable[[str | None], Caller | None],
    ) -> None:
        """Wrap ``app``.

        Args:
            app: The routes.
            log: Gets every request.
            faults: Queue of faults.
            counter: Rate limits.
            find_caller: Gives the account of an Authorization header.
        """
        self._app = app
        self._log = log
        self._faults = faults
        self._counter = counter
        self._find_caller = find_caller
        self._kept: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the record is written before the client sees the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange, receive = await self._read(scope, receive)
        target = target_of(exchange.path, exchange.query)
        exchange.fault = self._faults.take(scope["method"], target)
        is_allowed, headers = self._counter.take(exchange.account, exchange.path)
        headers.append(("X-Request-Id", uuid.uuid4().hex))
        send = self._recording(exchange, send, headers)
        if exchange.fault is not None:
            await self._disturb(exchange, exchange.fault, receive, send)
        elif is_allowed:
            await self._app(exchange.scope, receive, send)
        else:
            message = "We had to rate limit you, you hit the quota of requests per 5 minutes period"
            await _error(429, message)(exchange.scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> tuple[_Exchange, Receive]:
        """Route by the undecoded path, where ``refs%2Fpr%2F1`` is one part; read JSON bodies."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0]
        body: Any = None
        # All but uploads are read now: what is sent completely takes effect, also if the client
        # hangs up during a slow answer.
        if scope["method"] != "PUT" or kind == "application/json":
            content, receive = await _buffer(receive)
            if kind in _JSON_KINDS:
                body = _parse(content, is_lines=kind == "application/x-ndjson")
        exchange = _Exchange(
            scope={**scope, "path": raw.decode("ascii")},
            path=unquote(raw.decode("ascii")),
            query=tuple(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)),
            headers=headers,
            body=body,
            caller=self._find_caller(headers.get("authorization")),
        )
        return exchange, receive

    def _recording(self, exchange: _Exchange, send: Send, extra: list[tuple[str, str]]) -> Send:
        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._record(exchange, message["status"])
                more = [(key.lower().encode(), value.encode()) for key, value in extra]
                known = {key for key, _ in message["headers"]}
                more = [item for item in more if item[0] not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        return recording

    def _record(self, exchange: _Exchange, status: int | None) -> None:
        headers = exchange.headers
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        kept["authorization"] = "yes" if "authorization" in headers else "no"
        # A hundred thousand requests come with a handful of headers; each is kept once.
        kept = self._kept.setdefault(tuple(kept.items()), kept)
        self._log.append(
            RequestRecord(
                method=exchange.scope["method"],
                path=exchange.path,
                query=exchange.query,
                user=exchange.caller.name if exchange.caller else None,
                status=status,
                fault=exchange.fault.name if exchange.fault else None,
                body=exchange.body,
                headers=kept,
            )
        )

    async def _disturb(
        self, exchange: _Exchange, fault: Fault, receive: Receive, send: Send
    ) -> None:
        scope = exchange.scope
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
            return
        if fault.kind == "truncate":
            await self._app(scope, receive, _cutting(scope, send, fault.keep_bytes))
            await _gone(receive)
            return
        if fault.when == "after":
            await self._app(scope, receive, _swallow)
        if fault.kind != "drop":
            await _answer(fault)(scope, receive, send)
            return
        self._record(exchange, None)
        _cut(scope, "abort")
        await _gone(receive)


def _answer(fault: Fault) -> Response:
    """Return what comes instead of the right answer."""
    if fault.kind == "html":
        return HTMLResponse(MAINTENANCE_PAGE, fault.status)
    if fault.kind == "empty":
        return Response(status_code=fault.status, media_type="application/json")
    return _error(fault.status, fault.message, dict(fault.headers))


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    fields = {**(headers or {}), "X-Error-Message": message}
    # The Hub says ``error``, GitHub ``message``.
    return JSONResponse({"error": message, "message": message}, status, headers=fields)


async def _swallow(message: Message) -> None:
    """Take an answer and throw it away."""


def _cutting(scope: Scope, send: Send, keep_bytes: int) -> Send:
    left = keep_bytes
    is_cut = False

    async def cutting(message: Message) -> None:
        nonlocal left, is_cut
        if is_cut:
            return
        if message["type"] == "http.response.start":
            await send(message)
            return
        body = message.get("body", b"")[:left]
        left -= len(body)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if left <= 0 or not message.get("more_body", False):
            is_cut = True
            _cut(scope, "close")

    return cutting


def _cut(scope: Scope, how: Literal["abort", "close"]) -> None:
    """Close the connection: ``close`` sends what is buffered first, ``abort`` resets."""
    transport = scope[TRANSPORT]
    transport.abort() if how == "abort" else transport.close()


async def _gone(receive: Receive) -> None:
    """Wait until the server has noticed that the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _buffer(receive: Receive) -> tuple[bytes, Receive]:
    """Read a body and return it with a ``receive`` that gives it once more."""
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            break
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return content, again


def _parse(content: bytes, *, is_lines: bool) -> Any:
    try:
        if is_lines:
            return [json.loads(line) for line in content.splitlines() if line.strip()]
        return json.loads(content) if content else None
    except ValueError:
        return None
