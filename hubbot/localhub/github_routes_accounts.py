"""GitHub's accounts and Apps: who a token stands for, and an App's signature checked."""

import hashlib
from datetime import timedelta
from typing import Any

from starlette.responses import JSONResponse, Response

from hubbot.localhub import github_shapes
from hubbot.localhub.github_answers import (
    GithubCall,
    GithubRefusal,
    Handler,
    count,
    not_found,
    require,
)
from hubbot.localhub.github_state import App, GithubState, Installation, Token, stamp

BAD_CREDENTIALS = "Bad credentials"
_LONGEST_S = 600
_CLOCKS_DIFFER_S = 60
_TOKEN_HOURS = 1


def find_caller(state: GithubState, authorization: str | None) -> Token | App | None:
    """Return who an Authorization header stands for; None without one.

    Raises:
        GithubRefusal: 401 if the token is wrong, or a signature does not hold.
    """
    if authorization is None:
        return None
    _, _, text = authorization.partition(" ")
    if text.count(".") == 2:
        return _find_app(state, text)
    token = state.tokens.get(text.strip())
    if token is None or (token.expires is not None and token.expires <= state.clock()):
        raise GithubRefusal(401, BAD_CREDENTIALS)
    return token


def _find_app(state: GithubState, text: str) -> App:
    import jwt  # Comes with the GitHub client; the demo goes without.

    try:
        claims = jwt.decode(text, options={"verify_signature": False})
        app = state.apps.get(int(claims.get("iss", 0)))
        if app is not None:
            # The moments are checked below, by this server's clock.
            moments: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
            jwt.decode(text, app.public_key, algorithms=["RS256"], options=moments)
    except (jwt.PyJWTError, ValueError) as error:
        raise GithubRefusal(401, "A JSON web token could not be decoded") from error
    if app is None:
        raise GithubRefusal(404, "Integration not found")
    _check_moments(claims, state.clock().timestamp())
    return app


def _check_moments(claims: dict[str, Any], now: float) -> None:
    until, since = claims.get("exp"), claims.get("iat")
    if not isinstance(until, int) or until <= now:
        raise GithubRefusal(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future "
            "time at which the assertion expires",
        )
    if until > now + _LONGEST_S + _CLOCKS_DIFFER_S:
        raise GithubRefusal(401, "'Expiration time' claim ('exp') is too far in the future")
    if not isinstance(since, int) or since > now + _CLOCKS_DIFFER_S:
        raise GithubRefusal(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the "
            "assertion was issued",
        )


def get_user(call: GithubCall) -> Response:
    """GET user: a person's own account; an App has none."""
    if call.token is None:
        raise GithubRefusal(401, "Requires authentication")
    if call.token.installation is not None:
        raise GithubRefusal(403, "Resource not accessible by integration")
    scopes = {"X-OAuth-Scopes": "repo"} if call.token.permissions is None else {}
    return JSONResponse(github_shapes.user(call, call.login), headers=scopes)


def get_rate_limit(call: GithubCall) -> Response:
    """GET rate_limit, which is not counted."""
    headers = count(call)
    core = {
        name: int(headers[f"X-RateLimit-{name.title()}"])
        for name in ("limit", "used", "remaining", "reset")
    }
    return JSONResponse({"resources": {"core": core}, "rate": core})


def get_repository(call: GithubCall) -> Response:
    """GET repos/OWNER/NAME."""
    return JSONResponse(github_shapes.repository(call, require(call, "read", "metadata")))


def get_app(call: GithubCall) -> Response:
    """GET app: the App that signed the call."""
    app = _app(call)
    shape = {"id": app.id, "slug": app.slug, "name": app.slug, "url": f"{call.base_url}/app"}
    return JSONResponse(shape)


def get_installation(call: GithubCall) -> Response:
    """GET repos/OWNER/NAME/installation: where the App stands on a repository."""
    app = _app(call)
    name = f"{call.param('owner')}/{call.param('repo')}"
    found = next((item for item in app.installations if name in item.repositories), None)
    if found is None:
        raise not_found()
    return JSONResponse(_installation_shape(call, app, found))


def get_installation_by_number(call: GithubCall) -> Response:
    """GET app/installations/N."""
    app = _app(call)
    return JSONResponse(_installation_shape(call, app, _installation(call, app)))


def create_token(call: GithubCall) -> Response:
    """POST app/installations/N/access_tokens: a token of one hour."""
    app = _app(call)
    found = _installation(call, app)
    asked = call.json().get("permissions") or found.permissions
    if any(found.permissions.get(name) not in {level, "write"} for name, level in asked.items()):
        raise GithubRefusal(422, "The permissions requested are not granted to this installation.")
    state = call.state
    state.issued += 1
    text = f"ghs_{hashlib.sha256(f'{app.id}/{found.id}/{state.issued}'.encode()).hexdigest()[:36]}"
    until = state.clock() + timedelta(hours=_TOKEN_HOURS)
    state.tokens[text] = Token(
        login=app.login, permissions=dict(asked), installation=found.id, expires=until
    )
    shape = {
        "token": text,
        "expires_at": stamp(until),
        "permissions": dict(asked),
        "repository_selection": "selected",
    }
    return JSONResponse(shape, 201)


def _app(call: GithubCall) -> App:
    if not isinstance(call.caller, App):
        raise GithubRefusal(401, "A JSON web token could not be decoded")
    return call.caller


def _installation(call: GithubCall, app: App) -> Installation:
    number = call.param("number")
    found = next((item for item in app.installations if str(item.id) == number), None)
    if found is None:
        raise not_found()
    return found


def _installation_shape(call: GithubCall, app: App, value: Installation) -> dict[str, Any]:
    root = f"{call.base_url}/app/installations/{value.id}"
    return {
        "id": value.id,
        "app_id": app.id,
        "app_slug": app.slug,
        "url": root,
        "access_tokens_url": f"{root}/access_tokens",
        "permissions": dict(value.permissions),
        "repository_selection": "selected",
        "target_type": "User",
    }


ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/user", get_user),
    ("GET", "/rate_limit", get_rate_limit),
    ("GET", "/app", get_app),
    ("GET", "/app/installations/{number}", get_installation_by_number),
    ("POST", "/app/installations/{number}/access_tokens", create_token),
    ("GET", "/repos/{owner}/{repo}/installation", get_installation),
    ("GET", "/repos/{owner}/{repo}", get_repository),
]
