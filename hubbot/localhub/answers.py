"""What routes take and answer: one call, refusals with the Hub's error codes, paging."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hubbot.localhub.state import Caller, HubState

T = TypeVar("T")

BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - a text, not a token


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of this program
    """Ends a route with an error answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        """Prepare the answer.

        Args:
            status: HTTP status.
            message: Goes into ``X-Error-Message`` and the body's ``error``.
            code: ``X-Error-Code``, by which the client chooses its exception.
            headers: More headers.
            body: More keys of the body.
        """
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        # Header values are Latin-1 and one line; names from requests may be neither.
        self.headers["X-Error-Message"] = (
            " ".join(message.split()).encode("ascii", "replace").decode()
        )
        if code is not None:
            self.headers["X-Error-Code"] = code
        self.body = {"error": message, **(body or {})}

    def response(self) -> Response:
        """Return the answer."""
        return JSONResponse(self.body, self.status, headers=self.headers)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read completely."""

    state: HubState
    request: Request
    body: bytes
    caller: Caller | None

    @property
    def base_url(self) -> str:
        """Address of this Hub as the client wrote it, without a slash at the end."""
        return str(self.request.base_url).rstrip("/")

    def param(self, name: str, default: str = "") -> str:
        """Return a part of the path."""
        return str(self.request.path_params.get(name, default))

    def query(self, name: str, default: str = "") -> str:
        """Return one query parameter."""
        return self.request.query_params.get(name, default)

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is switched on."""
        return self.query(name).lower() in {"1", "true"}

    def expand(self) -> list[str]:
        """Return the keys asked for by ``expand``."""
        query = self.request.query_params
        return [*query.getlist("expand"), *query.getlist("expand[]")]

    def json(self) -> dict[str, Any]:
        """Return the body.

        Raises:
            Refusal: 400 if it is not a JSON object.
        """
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, f"Invalid JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "Invalid JSON: expected an object")
        return value

    def text(self, name: str, *, shortest: int = 0, longest: int = 65_536) -> str:
        """Return a text of the body.

        Raises:
            Refusal: 400 if it is missing, no text, or of another length.
        """
        value = self.json().get(name, "" if shortest == 0 else None)
        if not isinstance(value, str) or not shortest <= len(value) <= longest:
            raise Refusal(400, f'"{name}" must be a string of {shortest} to {longest} characters')
        return value


Handler = Callable[[Call], Response]


def page(call: Call, items: Sequence[T], size: int) -> tuple[list[T], dict[str, str]]:
    """Cut a page out of a list; the headers link to the next one as the Hub does."""
    try:
        start = int(base64.urlsafe_b64decode(call.query("cursor") or b"MA=="))
    except ValueError as error:
        raise Refusal(400, "Invalid cursor") from error
    end = start + size
    if end >= len(items):
        return list(items[start:]), {}
    cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
    others = [
        (key, value) for key, value in call.request.query_params.multi_items() if key != "cursor"
    ]
    path = call.request.scope["path"]
    link = f'<{call.base_url}{path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'
    return list(items[start:end]), {"Link": link}
