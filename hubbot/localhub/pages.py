"""Small pages for people: models, cards, discussions, diffs. Everything shown is escaped."""

from html import escape
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from hubbot.localhub import changes
from hubbot.localhub.access import find_commit, find_repository, require_discussions, require_files
from hubbot.localhub.answers import Call, Handler, Refusal
from hubbot.localhub.state import Discussion, Event, Repository, iso

_MAX_SHOWN = 200_000
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem;
  color: #1b1f24; background: #fff; }
a { color: #0b57d0; }
nav { border-bottom: 1px solid #d5d9de; margin-bottom: 1rem; padding-bottom: .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #e4e7eb; padding: .35rem .6rem; text-align: left; }
pre { background: #f5f7f9; border: 1px solid #e4e7eb; border-radius: 6px; overflow-x: auto;
  padding: .7rem; font-size: 14px; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.diff span { display: block; min-height: 1.4em; }
.add { background: #dff5e3; } .del { background: #fde4e1; } .hunk { color: #6a4caf; }
.head { color: #5a6472; font-weight: 600; }
.status { border-radius: 1rem; color: #fff; font-size: .85rem; padding: .1rem .7rem;
  background: #5a6472; }
.open { background: #1a7f37; } .merged { background: #6f42c1; } .closed { background: #b3261e; }
.muted { color: #5a6472; font-size: .9rem; }
article { border: 1px solid #d5d9de; border-radius: 6px; margin: 1rem 0; padding: .3rem 1rem; }
"""


def _page(title: str, body: str, *, status: int = 200) -> Response:
    text = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<nav><a href="/">All models</a></nav>\n{body}\n</body>\n</html>\n'
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return HTMLResponse(text, status, headers={"Content-Security-Policy": policy})


def _link(path: str, text: str) -> str:
    return f'<a href="/{escape(quote(path), quote=True)}">{escape(text)}</a>'


def _badge(value: Discussion) -> str:
    return f'<span class="status {value.status}">{value.status}</span>'


def _open_pull_requests(repo: Repository) -> list[Discussion]:
    values = repo.discussions.values()
    return [value for value in values if value.is_pull_request and value.status == "open"]


def index(call: Call) -> Response:
    """GET /: models and data sets that everyone may see, with their open pull requests."""
    rows = []
    for repo in call.state.repositories.values():
        if repo.is_private or repo.is_disabled:
            continue
        requests = ", ".join(
            _link(f"{repo.url_path}/discussions/{value.num}", f"#{value.num} {value.title}")
            for value in _open_pull_requests(repo)
        )
        rows.append(
            f"<tr><td>{_link(repo.url_path, repo.id)}</td><td>{repo.kind}</td>"
            f"<td>{len(repo.head.tree)}</td><td>{requests or 'none'}</td></tr>"
        )
    table = (
        "<table>\n<tr><th>Repository</th><th>Kind</th><th>Files</th>"
        "<th>Open pull requests</th></tr>\n" + "\n".join(rows) + "\n</table>"
    )
    return _page("Embedded Hub", f"<h1>Embedded Hub</h1>\n{table}")


def repository(call: Call) -> Response:
    """GET /R: the card as text, and the files."""
    repo = find_repository(call)
    commit = find_commit(call, repo, call.query("revision", "main"))
    head = (
        f"<h1>{escape(repo.id)}</h1>\n<p>{_link(f'{repo.url_path}/discussions', 'Discussions')} "
        f'<span class="muted">at {commit.oid[:12]}: {escape(commit.title)}</span></p>'
    )
    files = "".join(
        f"<tr><td>{_link(f'{repo.url_path}/resolve/{commit.oid}/{path}', path)}</td>"
        f"<td>{entry.size:,} bytes{' (LFS)' if entry.is_lfs else ''}</td></tr>\n"
        for path, entry in commit.tree.items()
    )
    return _page(
        repo.id,
        f"{head}\n<h2>Card</h2>\n{_card(call, repo)}\n"
        f"<h2>Files</h2>\n<table>\n{files or '<tr><td>none</td></tr>'}</table>",
    )


def _card(call: Call, repo: Repository) -> str:
    try:
        require_files(call, repo)
    except Refusal as refusal:
        return f"<p>{escape(str(refusal))}</p>"
    commit = find_commit(call, repo, call.query("revision", "main"))
    content = call.state.read(commit, "README.md")
    if content is None:
        return "<p>No card.</p>"
    return f"<pre>{escape(content[:_MAX_SHOWN].decode('utf-8', 'replace'))}</pre>"


def discussions(call: Call) -> Response:
    """GET /R/discussions."""
    repo = find_repository(call)
    require_discussions(repo)
    rows = "".join(
        f"<tr><td>#{value.num}</td><td>{_badge(value)}</td>"
        f"<td>{_link(f'{repo.url_path}/discussions/{value.num}', value.title)}</td>"
        f"<td>{escape(value.author)}</td></tr>\n"
        for value in sorted(repo.discussions.values(), key=lambda value: -value.num)
    )
    return _page(
        f"Discussions of {repo.id}",
        f"<h1>Discussions of {_link(repo.url_path, repo.id)}</h1>\n"
        f"<table>\n{rows or '<tr><td>none</td></tr>'}</table>",
    )


def discussion(call: Call) -> Response:
    """GET /R/discussions/N: title, history and diff."""
    repo = find_repository(call)
    require_discussions(repo)
    value = repo.discussions.get(int(call.param("number")))
    if value is None:
        raise Refusal(404, "Discussion not found")
    parts = [
        f'<h1>{escape(value.title)} <span class="muted">#{value.num}</span></h1>',
        f"<p>{_badge(value)} by {escape(value.author)} on {_link(repo.url_path, repo.id)}</p>",
        *(_event(event) for event in value.events),
    ]
    if value.is_pull_request:
        clashes = changes.conflicts(call.state, repo, value)
        if clashes:
            parts.append(f"<p>Conflicts with main in {escape(', '.join(clashes))}.</p>")
        parts.append(f"<h2>Changes</h2>\n{_diff(changes.diff(call.state, repo, value))}")
    return _page(value.title, "\n".join(parts))


def _event(event: Event) -> str:
    who = f'<p class="muted">{escape(event.author)}, {iso(event.created)}</p>'
    if event.type == "comment":
        text = "(hidden)" if event.data["hidden"] else str(event.data["latest"]["raw"])
        return f"<article>{who}<pre>{escape(text) or '(no text)'}</pre></article>"
    words = {
        "status-change": f"changed the status to {event.data.get('status')}",
        "commit": f"committed {str(event.data.get('oid'))[:7]}: {event.data.get('subject')}",
        "title-change": f"changed the title from “{event.data.get('from')}”",
    }
    return f'<p class="muted">{escape(event.author)} {escape(words[event.type])}</p>'


def _diff(text: str) -> str:
    if not text:
        return "<p>None.</p>"
    lines = []
    for line in text[:_MAX_SHOWN].removesuffix("\n").split("\n"):
        lines.append(f'<span class="{_line_class(line)}">{escape(line)}</span>')
    return f'<pre class="diff">{"".join(lines)}</pre>'


def _line_class(line: str) -> str:
    if line.startswith(("diff ", "index ", "--- ", "+++ ", "new file", "deleted file")):
        return "head"
    return {"+": "add", "-": "del", "@": "hunk"}.get(line[:1], "same")


def _for_people(handler: Handler) -> Handler:
    """Show refusals as pages, too; redirects stay what they are."""

    def shown(call: Call) -> Response:
        try:
            return handler(call)
        except Refusal as refusal:
            if refusal.status == 307:
                raise
            words = f"<h1>{refusal.status}</h1>\n<p>{escape(str(refusal))}</p>"
            return _page(str(refusal.status), words, status=refusal.status)

    return shown


PAGES: list[tuple[str, Handler]] = [
    ("/", _for_people(index)),
    ("/{kind:prefix}/{repo:repo}/discussions/{number:int}", _for_people(discussion)),
    ("/{kind:prefix}/{repo:repo}/discussions", _for_people(discussions)),
    ("/{kind:prefix}/{repo:repo}", _for_people(repository)),
    ("/{repo:repo}/discussions/{number:int}", _for_people(discussion)),
    ("/{repo:repo}/discussions", _for_people(discussions)),
    ("/{repo:repo}", _for_people(repository)),
]
