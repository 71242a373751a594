"""Time limits, retries, and the words for everything that can go wrong."""

import json
import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, get_session
from huggingface_hub.errors import OfflineModeIsEnabled

from hubbot.errors import RemoteError
from hubbot.hub.client import Backoff, make_api, retrying, wait_for
from hubbot.hub.refusals import seconds_to_wait, translate_errors
from hubbot.printable import printable

INFO = json.dumps({"id": "me/m", "sha": "a" * 40}).encode()


def ask(url: str, *, timeout_s: float = 5.0) -> Any:
    make_api("hf_x", timeout_s=timeout_s)
    with translate_errors("model me/m"):
        return HfApi(endpoint=url, token="hf_x").model_info("me/m")


@pytest.mark.parametrize(
    ("status", "headers", "kind", "words"),
    [
        (404, {"X_Error_Code": "RepoNotFound"}, "not_found", "no such repository, or a private"),
        (401, {"X_Error_Code": "RepoNotFound"}, "not_found", "check the spelling and the token"),
        (404, {"X_Error_Code": "RevisionNotFound"}, "revision_not_found", "this revision"),
        (404, {"X_Error_Code": "EntryNotFound"}, "not_found", "no such file"),
        (404, {}, "not_found", "check the spelling"),
        (403, {"X_Error_Code": "GatedRepo"}, "gated", "asks for consent"),
        (
            403,
            {"X_Error_Message": "Access to this resource is disabled."},
            "disabled",
            "disabled this repository",
        ),
        (
            403,
            {"X_Error_Message": "Discussions are disabled for this repo"},
            "disabled",
            "switched off",
        ),
        (403, {"X_Error_Message": "read only"}, "forbidden", "write access"),
        (401, {"X_Error_Message": "Invalid credentials"}, "unauthorised", "hf auth login"),
        (400, {"X_Error_Message": "no"}, "invalid", "did not accept"),
        (409, {}, "conflict", "read it again"),
        (412, {}, "conflict", "read it again"),
        (429, {}, "rate_limited", "try again later"),
        (429, {"RateLimit": '"api";r=0;t=55'}, "rate_limited", "try again in 55 s"),
        (500, {}, "server", "status 500"),
        (503, {}, "server", "status 503"),
        (418, {}, "server", "status 418"),
    ],
)
def test_a_refusal_says_what_happened_and_what_to_do(
    odd: Any, status: int, headers: dict[str, str], kind: str, words: str
) -> None:
    odd.say(status, **headers)
    with pytest.raises(RemoteError, match=words) as caught:
        ask(odd.url)
    assert caught.value.kind == kind
    assert str(caught.value).startswith("model me/m: ")


def test_the_hubs_own_words_are_passed_on_harmlessly(odd: Any) -> None:
    odd.say(403, json.dumps({"error": "no\x1b[2J\nway"}).encode())
    with pytest.raises(RemoteError, match=r"the Hub says: .*no\\x1b\[2J\\nway") as caught:
        ask(odd.url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"\xff\xfe"])
def test_a_page_instead_of_json_is_named(odd: Any, body: bytes) -> None:
    odd.say(200, body, Content_Type="text/html")
    with pytest.raises(RemoteError, match=r"something else than JSON.*proxy or login page"):
        ask(odd.url)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"id": "me/m", "cardData": {"ignore_metadata_errors": 1}}',
        b'{"id":1,"siblings":[{}]}',
    ],
)
def test_json_of_another_shape_is_a_refusal_of_ours(odd: Any, body: bytes) -> None:
    odd.say(200, body)
    with pytest.raises(RemoteError, match="huggingface_hub does not know") as caught:
        ask(odd.url)
    assert caught.value.kind == "server"


def test_a_hub_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RemoteError, match="could not be reached") as caught:
            ask(url)
    assert caught.value.kind == "unreachable"


def test_a_dropped_connection_is_unreachable(odd: Any) -> None:
    odd.say(drop=True)
    with pytest.raises(RemoteError, match="broke off") as caught:
        ask(odd.url)
    assert caught.value.kind == "unreachable"


def test_a_call_without_a_time_limit_of_its_own_gets_ours(odd: Any) -> None:
    odd.say(200, INFO, delay_s=1.5)
    start = time.monotonic()
    with pytest.raises(RemoteError, match=r"no answer .* in time") as caught:
        ask(odd.url, timeout_s=0.2)
    assert time.monotonic() - start < 1.2
    assert caught.value.kind == "unreachable"
    make_api(None, timeout_s=5.0)


def test_a_call_with_a_time_limit_of_its_own_keeps_it(odd: Any) -> None:
    odd.say(200, INFO, delay_s=0.5)
    api = make_api(None, timeout_s=0.1)
    info = HfApi(endpoint=odd.url).model_info("me/m", timeout=5.0)
    assert (info.id, api.token) == ("me/m", None)
    make_api(None, timeout_s=5.0)


def test_the_connection_in_use_is_kept_when_the_limit_stays() -> None:
    make_api("one", timeout_s=7.0)
    before = get_session()
    make_api("two", timeout_s=7.0)
    assert get_session() is before
    make_api("two", timeout_s=8.0)
    assert get_session() is not before


def test_a_word_that_is_no_id_is_named() -> None:
    with pytest.raises(RemoteError, match="not an id of the Hub, expected owner/name") as caught:
        ask_for("a/b/c")
    assert caught.value.kind == "invalid"


def ask_for(model: str) -> None:
    with translate_errors(f"model {model}"):
        HfApi().model_info(model)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_reading_is_tried_again(odd: Any, quick: Backoff, status: int) -> None:
    odd.say(status).say(status).say(200, INFO)
    api = HfApi(endpoint=odd.url)
    assert retrying("it", lambda: api.model_info("me/m"), backoff=quick).id == "me/m"
    assert len(odd.requests) == 3


def test_reading_is_tried_again_after_a_dropped_connection(odd: Any, quick: Backoff) -> None:
    odd.say(drop=True).say(200, INFO)
    api = HfApi(endpoint=odd.url)
    assert retrying("it", lambda: api.model_info("me/m"), backoff=quick).id == "me/m"


def test_reading_is_given_up_after_so_many_tries(odd: Any, quick: Backoff) -> None:
    odd.say(503)
    api = HfApi(endpoint=odd.url)
    with pytest.raises(RemoteError, match="it: the Hub failed with status 503"):
        retrying("it", lambda: api.model_info("me/m"), backoff=quick)
    assert len(odd.requests) == quick.attempts


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {"X_Error_Code": "RepoNotFound"}),
        (403, {"X_Error_Code": "GatedRepo"}),
        (401, {"X_Error_Message": "Invalid credentials"}),
        (400, {}),
    ],
)
def test_what_cannot_change_is_asked_once(
    odd: Any, quick: Backoff, status: int, headers: dict[str, str]
) -> None:
    odd.say(status, **headers)
    api = HfApi(endpoint=odd.url)
    with pytest.raises(RemoteError, match="it: "):
        retrying("it", lambda: api.model_info("me/m"), backoff=quick)
    assert len(odd.requests) == 1


@pytest.mark.parametrize("headers", [{"RateLimit": '"api";r=0;t=1'}, {"Retry_After": "1"}])
def test_the_pause_the_hub_asks_for_is_kept(
    odd: Any, quick: Backoff, headers: dict[str, str]
) -> None:
    odd.say(429, **headers).say(200, INFO)
    api = HfApi(endpoint=odd.url)
    start = time.monotonic()
    retrying("it", lambda: api.model_info("me/m"), backoff=quick)
    assert 1.0 <= time.monotonic() - start < 2.0


def test_a_pause_longer_than_allowed_is_not_waited_out(odd: Any, quick: Backoff) -> None:
    odd.say(429, RateLimit='"api";r=0;t=250')
    api = HfApi(endpoint=odd.url)
    with pytest.raises(RemoteError, match="try again in 250 s") as caught:
        retrying("it", lambda: api.model_info("me/m"), backoff=quick)
    assert (caught.value.retry_after_s, len(odd.requests)) == (250.0, 1)


def test_a_machine_kept_off_the_hub_does_not_try_again(quick: Backoff) -> None:
    with pytest.raises(RemoteError, match="HF_HUB_OFFLINE") as caught, translate_errors("it"):
        raise OfflineModeIsEnabled("offline")
    assert caught.value.kind == "unreachable"
    assert wait_for(caught.value, quick) is False


def test_an_error_of_ours_inside_is_not_tried_again(quick: Backoff) -> None:
    assert wait_for(ZeroDivisionError(), quick) is False


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"RateLimit": '"api";r=0;t=55', "Retry-After": "7"}, 55.0),
        ({"RateLimit": '"api";r=3;t=55', "Retry-After": "7"}, 7.0),
        ({"RateLimit": '"api";r=3;t=55'}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"RateLimit": "nonsense"}, None),
    ],
)
def test_the_seconds_to_wait_are_read_from_the_headers(
    headers: dict[str, str], expected: float | None
) -> None:
    assert seconds_to_wait(httpx2.Response(429, headers=headers)) == expected


def test_the_seconds_to_wait_may_be_given_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    seconds = seconds_to_wait(httpx2.Response(429, headers={"Retry-After": later}))
    assert seconds == pytest.approx(90, abs=3)
    past = seconds_to_wait(
        httpx2.Response(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    )
    assert past == 0.0


def test_the_pauses_double_up_to_a_bound() -> None:
    backoff = Backoff(first_s=1.0, most_s=5.0)
    assert [backoff.pause_s(n) for n in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202egnp", "\x00", "x" * 5000])
def test_text_from_outside_stays_on_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 400


def test_a_retry_is_logged_on_one_line(
    odd: Any, quick: Backoff, caplog: pytest.LogCaptureFixture
) -> None:
    odd.say(503, json.dumps({"error": "a\nb"}).encode()).say(200, INFO)
    api = HfApi(endpoint=odd.url)
    with caplog.at_level(logging.INFO, logger="hubbot"):
        retrying("it", lambda: api.model_info("me/m"), backoff=quick)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("hubbot")]
    assert len(lines) == 1
    assert lines[0].isprintable()
