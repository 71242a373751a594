"""Routes: discussions and pull requests."""

from starlette.responses import JSONResponse, Response

from hubbot.localhub import changes, shapes
from hubbot.localhub.access import (
    find_repository,
    require_discussions,
    require_owner,
    require_writer,
)
from hubbot.localhub.answers import Call, Handler, Refusal
from hubbot.localhub.state import Caller, Discussion, Repository, iso

_STATUSES = {"all": (), "open": ("open", "draft"), "closed": ("closed", "merged")}


def discussions(call: Call) -> Response:
    """GET /api/T/R/discussions, newest first."""
    repo = find_repository(call)
    require_discussions(repo)
    type_, status = call.query("type", "all"), call.query("status", "all")
    if type_ not in {"all", "discussion", "pull_request"} or status not in _STATUSES:
        raise Refusal(400, f"Unknown filter: type {type_!r}, status {status!r}")
    number = call.query("p", "0")
    if not number.isdigit():
        raise Refusal(400, '"p" must be a number')
    found = [value for value in repo.discussions.values() if _matches(call, value, type_, status)]
    found.sort(key=lambda value: value.num, reverse=True)
    size = call.state.discussion_page_size
    start = int(number) * size
    items = [shapes.discussion(repo, value) for value in found[start : start + size]]
    return JSONResponse({"discussions": items, "count": len(found), "start": start})


def _matches(call: Call, value: Discussion, type_: str, status: str) -> bool:
    return (
        (type_ == "all" or value.is_pull_request == (type_ == "pull_request"))
        and (status == "all" or value.status in _STATUSES[status])
        and call.query("author", value.author) == value.author
    )


def _find(call: Call) -> tuple[Repository, Discussion]:
    repo = find_repository(call)
    require_discussions(repo)
    value = repo.discussions.get(int(call.param("number")))
    if value is None:
        raise Refusal(404, f"Discussion {call.param('number')} not found")
    return repo, value


def details(call: Call) -> Response:
    """GET /api/T/R/discussions/N."""
    repo, value = _find(call)
    text = changes.diff(call.state, repo, value) if call.flag("diff") else ""
    clashes = changes.conflicts(call.state, repo, value)
    return JSONResponse(shapes.details(repo, value, diff=text, conflicts=clashes))


def create(call: Call) -> Response:
    """POST /api/T/R/discussions; a pull request without commits is a draft."""
    repo = find_repository(call)
    require_discussions(repo)
    caller = require_writer(call)
    is_pull_request = call.json().get("pullRequest") is True
    value = changes.open_discussion(
        call.state,
        repo,
        title=call.text("title", shortest=3, longest=200),
        description=call.text("description"),
        author=caller.name,
        fork=repo.head if is_pull_request else None,
        status="draft" if is_pull_request else "open",
    )
    url = f"{call.base_url}/{repo.url_path}/discussions/{value.num}"
    return JSONResponse({"num": value.num, "url": url, "pullRequest": is_pull_request}, 201)


def comment(call: Call) -> Response:
    """POST /api/T/R/discussions/N/comment."""
    _, value = _find(call)
    caller = require_writer(call)
    event = changes.comment(call.state, value, caller.name, call.text("comment", shortest=1))
    return JSONResponse({"newMessage": shapes.event(event)}, 201)


def _require_part(call: Call, repo: Repository, value: Discussion) -> Caller:
    caller = require_writer(call)
    return caller if caller.name == value.author else require_owner(call, repo)


def status(call: Call) -> Response:
    """POST /api/T/R/discussions/N/status."""
    repo, value = _find(call)
    caller = _require_part(call, repo, value)
    wanted = call.json().get("status")
    if wanted not in {"open", "closed"}:
        raise Refusal(400, '"status" must be "open" or "closed"')
    if value.status == "merged":
        raise Refusal(400, f"Pull request {value.num} is merged")
    if call.text("comment"):
        changes.comment(call.state, value, caller.name, call.text("comment"))
    changes.set_status(call.state, value, wanted, caller.name)
    return JSONResponse({"newStatus": shapes.event(value.events[-1])})


def title(call: Call) -> Response:
    """POST /api/T/R/discussions/N/title."""
    repo, value = _find(call)
    caller = _require_part(call, repo, value)
    changes.set_title(call.state, value, call.text("title", shortest=3, longest=200), caller.name)
    return JSONResponse({"newTitle": shapes.event(value.events[-1])})


def merge(call: Call) -> Response:
    """POST /api/T/R/discussions/N/merge."""
    repo, value = _find(call)
    caller = require_owner(call, repo)
    try:
        changes.merge(call.state, repo, value, caller.name)
    except ValueError as error:
        raise Refusal(409, str(error)) from error
    if call.text("comment"):
        changes.comment(call.state, value, caller.name, call.text("comment"))
    return JSONResponse({"success": True})


def edit(call: Call) -> Response:
    """POST /api/T/R/discussions/N/comment/ID/edit and /hide."""
    repo, value = _find(call)
    event = next((item for item in value.events if item.id == call.param("comment")), None)
    if event is None or event.type != "comment":
        raise Refusal(404, f"Comment {call.param('comment')} not found")
    caller = require_writer(call)
    is_hiding = call.param("what") == "hide"
    if caller.name != event.author and not (is_hiding and call.state.may_write(repo, caller)):
        raise Refusal(403, "You may not change someone else's comment")
    if is_hiding:
        event.data["hidden"] = True
    else:
        moment = iso(call.state.clock())
        fresh = shapes.comment_data(call.text("content", shortest=1), caller.name, moment)
        event.data["history"].append(event.data["latest"])
        event.data.update(edited=True, latest=fresh["latest"])
        event.data["numEdits"] += 1
    return JSONResponse({"updatedComment": shapes.event(event)})


_D = "/api/{kind:kind}/{repo:repo}/discussions"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _D, discussions),
    ("POST", _D, create),
    ("GET", _D + "/{number:int}", details),
    ("POST", _D + "/{number:int}/comment", comment),
    ("POST", _D + "/{number:int}/status", status),
    ("POST", _D + "/{number:int}/title", title),
    ("POST", _D + "/{number:int}/merge", merge),
    ("POST", _D + "/{number:int}/comment/{comment}/{what:edit}", edit),
]
