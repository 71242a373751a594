"""The Hub's limit and time, from the headers of one cheap call."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import HfApi

from hubbot.errors import RemoteError
from hubbot.hub.client import Backoff, make_api
from hubbot.hub.limits import hub_time, look_at_hub, rate_limit_left
from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub


@pytest.fixture
def api() -> HfApi:
    make_api(None, timeout_s=5.0)
    return HfApi(token=False)


def test_the_calls_left_are_counted_by_the_hub(hub: LocalHub, api: HfApi) -> None:
    hub.rate_limits = RateLimits(api=10, window_s=300)
    left = [rate_limit_left(api) for _ in range(3)]
    assert [one.calls for one in left if one] == [9, 8, 7]
    assert {one.quota for one in left if one} == {10}
    assert all(one and 0 < one.reset_s <= 301 for one in left)


def test_one_call_for_one_model_is_all_that_is_asked(hub: LocalHub, api: HfApi) -> None:
    for number in range(3):
        hub.add_model(f"me/m{number}", {"config.json": b"{}"})
    look_at_hub(api)
    assert [one.target for one in hub.log] == ["/api/models?limit=1"]


def test_a_hub_without_limits_says_none(hub: LocalHub, api: HfApi) -> None:
    assert rate_limit_left(api) is None


def test_the_token_is_sent_so_that_the_accounts_own_limit_is_told(hub: LocalHub) -> None:
    hub.add_user("me", "hf_me")
    hub.rate_limits = RateLimits(api=10)
    rate_limit_left(HfApi(token=False))
    left = rate_limit_left(make_api("hf_me", timeout_s=5.0))
    assert left is not None
    assert left.calls == 9


def test_this_clock_agrees_with_the_embedded_hubs(hub: LocalHub, api: HfApi) -> None:
    ahead = look_at_hub(api).clock_ahead_s
    assert ahead is not None
    assert abs(ahead) < 5


@pytest.fixture
def slow_clock() -> Iterator[str]:
    """A Hub that lives an hour and a half ago."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) - timedelta(minutes=90), usegmt=True)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_clock_that_is_ahead_of_the_hubs_is_seen(slow_clock: str) -> None:
    look = look_at_hub(HfApi(endpoint=slow_clock, token=False))
    assert look.endpoint == slow_clock
    assert look.clock_ahead_s == pytest.approx(90 * 60, abs=5)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": "Sun, 22 Nov 2026 00:00:14 GMT"}, datetime(2026, 11, 22, 0, 0, 14, tzinfo=UTC)),
        (
            {"Date": "Sun, 22 Nov 2026 00:00:14 GMT", "Age": "60"},
            datetime(2026, 11, 22, 0, 1, 14, tzinfo=UTC),
        ),
        (
            {"Date": "Sun, 22 Nov 2026 01:00:14 +0100", "Age": "soon"},
            datetime(2026, 11, 22, 0, 0, 14, tzinfo=UTC),
        ),
        ({"Date": "yesterday"}, None),
        ({}, None),
    ],
)
def test_the_hubs_time_is_that_of_its_answer(
    headers: dict[str, str], expected: datetime | None
) -> None:
    assert hub_time(headers) == expected


def test_a_refusal_is_translated_and_a_long_window_not_waited_for(
    hub: LocalHub, api: HfApi, quick: Backoff
) -> None:
    hub.faults.limit_rate("GET", "/api/models", reset_s=250)
    begun = time.monotonic()
    with pytest.raises(RemoteError, match=r"too many calls .* in 250 s") as caught:
        look_at_hub(api, backoff=quick)
    assert caught.value.kind == "rate_limited"
    assert time.monotonic() - begun < 5


def test_a_short_failure_is_tried_again(hub: LocalHub, api: HfApi, quick: Backoff) -> None:
    hub.faults.fail("GET", "/api/models", times=2)
    assert look_at_hub(api, backoff=quick).rate_limit is None
    assert hub.faults.pending() == 0
