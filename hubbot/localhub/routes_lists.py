"""Route: lists of models and data sets."""

from typing import Any, cast
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, JSONResponse, Response

from hubbot.localhub import shapes
from hubbot.localhub.answers import Call, Handler, Refusal
from hubbot.localhub.listing import SORTS, Cursor, Listing, Query
from hubbot.localhub.oddities import MAINTENANCE_PAGE, Oddity
from hubbot.localhub.requestlog import target_of
from hubbot.localhub.state import HubState, RepoKind


def routes(state: HubState) -> list[tuple[str, str, Handler]]:
    """Return the routes, which share what they remember of the lists."""
    listing = Listing(state)
    return [("GET", "/api/{kind:kind}", lambda call: repositories(call, listing))]


def repositories(call: Call, listing: Listing) -> Response:
    """GET /api/T."""
    query, cursor = _query(call), Cursor.read(call.query("cursor"))
    expand = shapes.check_expand(query.kind, call.expand())
    oddities = _oddities(call, cursor)
    odd = {oddity.kind: oddity for oddity in oddities}
    if "html" in odd:
        return HTMLResponse(MAINTENANCE_PAGE, odd["html"].status)
    if "empty" in odd:
        return JSONResponse([], headers=_link(call, listing.again(cursor, query)))
    size = call.state.page_size
    if call.query("limit").isdigit():
        size = max(1, min(size, int(call.query("limit"))))
    before = odd["repeat"].count if "repeat" in odd else 0
    page = listing.page(query, cursor, size, before=before)
    extra = shapes.list_extras(
        full=call.flag("full"), card=call.flag("cardData"), config=call.flag("config")
    )
    items = [
        shapes.select(shape, expand=expand, extra=extra) for shape in (*page.before, *page.items)
    ]
    middle = len(items) // 2
    items[middle:middle] = [dict(item) for oddity in oddities for item in oddity.items]
    return JSONResponse(items, headers=_link(call, page.next))


def _query(call: Call) -> Query:
    given = call.request.query_params
    tags = given.getlist("filter")
    tags += [given[name] for name in ("pipeline_tag", "library") if name in given]
    sort = call.query("sort", "trendingScore")
    if sort not in SORTS:
        raise Refusal(400, f'"sort" must be one of {", ".join(SORTS)}, not {sort!r}')
    return Query(
        kind=cast(RepoKind, call.param("kind", "models")),
        tags=tuple(tags),
        author=given.get("author"),
        search=call.query("search"),
        is_gated=call.flag("gated") if "gated" in given else None,
        sort=sort,
        caller=call.caller,
    )


def _oddities(call: Call, cursor: Cursor) -> list[Oddity]:
    items = tuple(call.request.query_params.multi_items())
    return call.state.oddities.take(cursor.page, target_of(call.request.url.path, items))


def _link(call: Call, cursor: Cursor | None) -> dict[str, str]:
    """Return the header that leads to the next page; empty on the last."""
    if cursor is None:
        return {}
    items = call.request.query_params.multi_items()
    others: list[tuple[str, Any]] = [item for item in items if item[0] != "cursor"]
    query = urlencode([*others, ("cursor", cursor.write())])
    return {"Link": f'<{call.base_url}{call.request.scope["path"]}?{query}>; rel="next"'}
