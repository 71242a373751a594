"""Every kind of fault, as the official client meets it."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils._http import parse_ratelimit_headers

from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub

Propose = Callable[..., CommitInfo]
COMMIT = "/commit/main[?]create_pr=1"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_server_error_comes_before_or_after_the_effect(
    world: LocalHub, propose: Propose, status: int, when: str, made: int
) -> None:
    world.faults.fail("POST", COMMIT, status, when="before" if when == "before" else "after")
    with pytest.raises(HfHubHTTPError) as caught:
        propose(b"# other\n")
    assert caught.value.response.status_code == status
    assert len(world.pull_requests("me/m")) == made
    assert (world.log[-1].status, world.log[-1].fault) == (status, f"status {status} {when}")
    assert propose(b"# other\n").pr_num == made + 1


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_connection_is_dropped_before_or_after_the_effect(
    world: LocalHub, propose: Propose, when: str, made: int
) -> None:
    world.faults.drop("POST", COMMIT, when="before" if when == "before" else "after")
    with pytest.raises(httpx2.TransportError):
        propose(b"# other\n")
    assert len(world.pull_requests("me/m")) == made
    assert (world.log[-1].status, world.log[-1].fault) == (None, f"drop {when}")
    assert propose(b"# other\n").pr_num == made + 1


def test_a_stale_answer_has_no_effect(world: LocalHub, propose: Propose) -> None:
    world.faults.stale("POST", COMMIT)
    with pytest.raises(HfHubHTTPError, match="412"):
        propose(b"# other\n")
    assert world.pull_requests("me/m") == ()


def test_rate_limits_come_with_and_without_headers(world: LocalHub, propose: Propose) -> None:
    world.faults.limit_rate("POST", COMMIT, reset_s=41)
    world.faults.limit_rate("POST", COMMIT)
    world.faults.limit_rate("POST", COMMIT, retry_after_s=7)
    with pytest.raises(HfHubHTTPError, match="Retry after 41 seconds") as first:
        propose(b"# other\n")
    limit = parse_ratelimit_headers(first.value.response.headers)
    assert limit is not None
    assert (limit.remaining, limit.reset_in_seconds) == (0, 41)
    with pytest.raises(HfHubHTTPError, match="429") as second:
        propose(b"# other\n")
    assert parse_ratelimit_headers(second.value.response.headers) is None
    with pytest.raises(HfHubHTTPError, match="429") as third:
        propose(b"# other\n")
    assert third.value.response.headers["Retry-After"] == "7"
    assert world.pull_requests("me/m") == ()


def test_a_slow_answer_is_right_and_late(world: LocalHub, nobody: HfApi) -> None:
    world.faults.slow("GET", "/api/models/me/m", 0.4)
    start = time.monotonic()
    assert nobody.model_info("me/m").id == "me/m"
    assert time.monotonic() - start >= 0.4


def test_other_requests_go_on_during_a_slow_one(world: LocalHub) -> None:
    world.faults.slow("GET", "/slow-one", 1.0)
    with httpx2.Client() as client, pytest.raises(httpx2.ReadTimeout):
        client.get(f"{world.url}/slow-one", timeout=0.2)
    start = time.monotonic()
    assert httpx2.get(f"{world.url}/", timeout=2.0).status_code == 200
    assert time.monotonic() - start < 1.0


def test_a_truncated_body_promises_more_than_it_holds(world: LocalHub) -> None:
    world.faults.truncate("GET", "/resolve/", 10)
    with pytest.raises(httpx2.RemoteProtocolError, match="received 10 bytes, expected 40"):
        httpx2.get(f"{world.url}/me/m/resolve/main/README.md")


def test_a_download_that_never_comes_whole_is_an_error(world: LocalHub, tmp_path: Path) -> None:
    world.faults.fail("GET", "/resolve/", 500, times=None)
    with pytest.raises(HfHubHTTPError, match="500"):
        hf_hub_download("me/m", "README.md", cache_dir=tmp_path)


def test_rules_are_used_in_order_after_skipping(world: LocalHub, nobody: HfApi) -> None:
    world.faults.fail("GET", "/api/models/me/m$", 500, skip=1, times=2)
    statuses = []
    for _ in range(4):
        try:
            nobody.model_info("me/m")
            statuses.append(200)
        except HfHubHTTPError as error:
            statuses.append(error.response.status_code)
    assert statuses == [200, 500, 500, 200]
    assert world.faults.pending() == 0


def test_a_rule_for_another_method_or_path_waits(world: LocalHub, nobody: HfApi) -> None:
    world.faults.fail("POST", "/api/models/me/m", 500)
    world.faults.fail("*", "/api/models/me/other", 500)
    assert nobody.model_info("me/m").id == "me/m"
    assert world.faults.pending() == 2


def test_counted_limits_say_how_many_requests_are_left(world: LocalHub, stranger: HfApi) -> None:
    world.rate_limits = RateLimits(api=2, window_s=100)
    for _ in range(2):
        stranger.model_info("me/m")
    with pytest.raises(HfHubHTTPError, match="reached your 'api' rate limit") as caught:
        stranger.model_info("me/m")
    limit = parse_ratelimit_headers(caught.value.response.headers)
    assert limit is not None
    assert (limit.limit, limit.remaining, limit.window_seconds) == (2, 0, 100)
    assert 0 < limit.reset_in_seconds <= 100
    assert HfApi(token="hf_me").model_info("me/m").id == "me/m"


def test_the_log_holds_who_asked_for_what(
    world: LocalHub, stranger: HfApi, propose: Propose
) -> None:
    propose(b"# other\n", title="Edit card")
    (record,) = [record for record in world.log if record.is_write]
    assert (record.method, record.path) == ("POST", "/api/models/me/m/commit/main")
    assert (record.query, record.user, record.status) == ((("create_pr", "1"),), "bot", 200)
    assert [line["key"] for line in record.body] == ["header", "file"]
    assert record.body[0]["value"]["summary"] == "Edit card"
    assert record.target.endswith("/commit/main?create_pr=1")
    stranger.create_commit(
        "me/m",
        [CommitOperationAdd("README.md", b"# two\n")],
        commit_message="x",
        revision="refs/pr/1",
    )
    assert world.log[-1].path == "/api/models/me/m/commit/refs/pr/1"
