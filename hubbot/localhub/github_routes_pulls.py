"""GitHub's pull requests and labels."""

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from hubbot.localhub import github_changes, github_shapes
from hubbot.localhub.github_answers import (
    GithubCall,
    GithubRefusal,
    Handler,
    invalid,
    not_found,
    page,
    require,
)
from hubbot.localhub.github_changes import merged_files
from hubbot.localhub.github_state import Label, PullRequest, Repository, stamp

_LONGEST_TITLE = 256
_LONGEST_BODY = 65_536
_LONGEST_LABEL = 50


def list_pulls(call: GithubCall) -> Response:
    """GET pulls: open ones unless asked otherwise, newest first."""
    repo = require(call, "read", "pull_requests")
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    found = [
        pull
        for pull in repo.pulls.values()
        if state in {"all", pull.state}
        # Without the owner before the colon GitHub leaves the filter out.
        and (":" not in head or head == f"{repo.owner}:{pull.head}")
        and base in {"", pull.base}
    ]
    if state == "open" and call.state.lagging_lists > 0:
        call.state.lagging_lists -= 1
        found = [pull for pull in found if pull.number != max(repo.pulls)]
    by_update = call.query("sort") == "updated"
    found.sort(
        key=lambda pull: (pull.updated if by_update else pull.created, pull.number),
        reverse=call.query("direction", "desc") == "desc",
    )
    items, headers = page(call, found)
    return JSONResponse([github_shapes.pull(call, repo, item) for item in items], headers=headers)


def create_pull(call: GithubCall) -> Response:
    """POST pulls."""
    repo = require(call, "write", "pull_requests")
    title, base = call.text("title"), call.text("base")
    head = call.text("head").removeprefix(f"{repo.owner}:")
    body = _checked(title, call.json().get("body"))
    for name, branch in (("head", head), ("base", base)):
        if branch not in repo.branches:
            raise invalid("PullRequest", field=name)
    if repo.open_pull(head, base) is not None:
        message = f"A pull request already exists for {repo.owner}:{head}."
        raise invalid("PullRequest", message)
    store = call.store(repo)
    if repo.branches[head] in store.history(repo.branches[base]):
        raise invalid("PullRequest", f"No commits between {base} and {head}")
    now = call.state.clock()
    value = PullRequest(
        number=max(repo.pulls, default=0) + 1,
        title=title,
        body=body,
        author=call.login,
        head=head,
        base=base,
        created=now,
        updated=now,
        head_oid=repo.branches[head],
        base_oid=repo.branches[base],
    )
    repo.pulls[value.number] = value
    return JSONResponse(github_shapes.pull(call, repo, value, full=True), 201)


def get_pull(call: GithubCall) -> Response:
    """GET pulls/N."""
    repo = require(call, "read", "pull_requests")
    return JSONResponse(github_shapes.pull(call, repo, _pull(call, repo), full=True))


def update_pull(call: GithubCall) -> Response:
    """PATCH pulls/N: title, body, state."""
    repo = require(call, "write", "pull_requests")
    value, body = _pull(call, repo), call.json()
    title = body.get("title", value.title)
    text = _checked(title, body.get("body", value.body))
    state = body.get("state", value.state)
    if state not in {"open", "closed"}:
        raise invalid("PullRequest", field="state")
    if state == "closed":
        github_changes.close(call.state, value, call.login)
    elif value.state == "closed":
        try:
            github_changes.reopen(call.state, repo, value, call.login)
        except ValueError as error:
            message = "state cannot be changed."
            raise invalid("PullRequest", message, field="state") from error
    if (title, text) != (value.title, value.body):
        value.title, value.body, value.updated = title, text, call.state.clock()
    return JSONResponse(github_shapes.pull(call, repo, value, full=True))


def merge_pull(call: GithubCall) -> Response:
    """PUT pulls/N/merge, as a merge commit."""
    repo = require(call, "write", "contents")
    value = _pull(call, repo)
    if value.state == "closed" or merged_files(call.store(repo), value.base_oid, value.head_oid)[1]:
        raise GithubRefusal(405, "Pull Request is not mergeable")
    expected = call.json().get("sha", value.head_oid)
    if expected != value.head_oid:
        raise GithubRefusal(409, "Head branch was modified. Review and try the merge again.")
    oid = github_changes.merge(call.state, repo, value, call.login)
    shape = {"sha": oid, "merged": True, "message": "Pull Request successfully merged"}
    return JSONResponse(shape)


def list_events(call: GithubCall) -> Response:
    """GET issues/N/events, oldest first."""
    repo = require(call, "read", "issues", "pull_requests")
    value = _pull(call, repo)
    root = f"{github_shapes.address(call, repo)}/issues/events"
    shapes = [
        {
            "id": 1000 * value.number + number,
            "url": f"{root}/{1000 * value.number + number}",
            "event": event["event"],
            "actor": github_shapes.user(call, event["actor"]),
            "created_at": event["created"][:19] + "Z",
        }
        for number, event in enumerate(value.events)
    ]
    items, headers = page(call, shapes)
    return JSONResponse(items, headers=headers)


def get_issue(call: GithubCall) -> Response:
    """GET issues/N: a pull request seen as an issue."""
    repo = require(call, "read", "issues", "pull_requests")
    value = _pull(call, repo)
    shape = github_shapes.pull(call, repo, value)
    address = f"{github_shapes.address(call, repo)}/issues/{value.number}"
    kept = ("number", "state", "title", "body", "user", "html_url", "labels", "closed_at")
    issue = {name: shape[name] for name in kept}
    issue |= {"url": address, "created_at": stamp(value.created)}
    return JSONResponse(issue | {"pull_request": {"url": shape["url"]}})


# Labels


def list_labels(call: GithubCall) -> Response:
    """GET labels."""
    repo = require(call, "read", "issues", "pull_requests")
    items, headers = page(call, list(repo.labels.values()))
    return JSONResponse([github_shapes.label(call, repo, item) for item in items], headers=headers)


def get_label(call: GithubCall) -> Response:
    """GET labels/NAME."""
    repo = require(call, "read", "issues", "pull_requests")
    found = repo.labels.get(call.param("name").lower())
    if found is None:
        raise not_found()
    return JSONResponse(github_shapes.label(call, repo, found))


def create_label(call: GithubCall) -> Response:
    """POST labels."""
    repo = require(call, "write", "issues", "pull_requests")
    body, name = call.json(), call.text("name")
    color = str(body.get("color", "ededed"))
    if len(name) > _LONGEST_LABEL:
        raise invalid("Label", field="name")
    if not re.fullmatch(r"[0-9a-fA-F]{6}", color):
        raise invalid("Label", field="color")
    if name.lower() in repo.labels:
        error = {"resource": "Label", "code": "already_exists", "field": "name"}
        raise GithubRefusal(422, "Validation Failed", errors=[error])
    made = Label(name=name, color=color, description=str(body.get("description") or ""))
    repo.labels[name.lower()] = made
    return JSONResponse(github_shapes.label(call, repo, made), 201)


def add_labels(call: GithubCall) -> Response:
    """POST or PUT issues/N/labels: add them, or put them in the place of all; made where new."""
    repo = require(call, "write", "issues", "pull_requests")
    value, body = _pull(call, repo), call.value()
    names = body.get("labels") if isinstance(body, dict) else body
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise GithubRefusal(422, 'Invalid request.\n\n"labels" wasn\'t supplied.')
    for name in names:
        repo.labels.setdefault(name.lower(), Label(name=name, color="ededed"))
    kept = [] if call.request.method == "PUT" else value.labels
    value.labels = list(dict.fromkeys([*kept, *(repo.labels[n.lower()].name for n in names)]))
    github_changes.add_event(call.state, value, "labeled", call.login)
    shapes = [github_shapes.label(call, repo, repo.labels[n.lower()]) for n in value.labels]
    return JSONResponse(shapes)


def _pull(call: GithubCall, repo: Repository) -> PullRequest:
    number = call.param("number")
    if not number.isdecimal() or int(number) not in repo.pulls:
        raise not_found()
    return repo.pulls[int(number)]


def _checked(title: Any, body: Any) -> str:
    text = "" if body is None else body
    if not isinstance(title, str) or not title.strip() or len(title) > _LONGEST_TITLE:
        raise invalid("PullRequest", "title is empty or too long", field="title")
    if not isinstance(text, str) or len(text) > _LONGEST_BODY:
        raise invalid("PullRequest", "body is too long (maximum is 65536 characters)", field="body")
    return text


_R = "/repos/{owner}/{repo}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _R + "/pulls", list_pulls),
    ("POST", _R + "/pulls", create_pull),
    ("GET", _R + "/pulls/{number}", get_pull),
    ("PATCH", _R + "/pulls/{number}", update_pull),
    ("PUT", _R + "/pulls/{number}/merge", merge_pull),
    ("GET", _R + "/issues/{number}", get_issue),
    ("GET", _R + "/issues/{number}/events", list_events),
    ("POST", _R + "/issues/{number}/labels", add_labels),
    ("PUT", _R + "/issues/{number}/labels", add_labels),
    ("GET", _R + "/labels", list_labels),
    ("POST", _R + "/labels", create_label),
    ("GET", _R + "/labels/{name:file}", get_label),
]
