"""The Hub's list, page by page: nothing is lost, asked for twice or believed, memory stays flat."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st

from hubbot.errors import RemoteError
from hubbot.hub.client import Backoff
from hubbot.hub.discover import Listing, list_new_checkpoints
from hubbot.hub.listed_item import read_listed
from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub

API = HfApi(token=False)
SHA = "0123456789abcdef" * 2 + "01234567"


def day(number: int) -> str:
    """A moment, the later the greater the number."""
    return f"2026-{1 + number // 28:02}-{1 + number % 28:02}T12:00:00.000Z"


def item(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "id": f"you/m-{number:05}",
        "lastModified": day(number % 280),
        "tags": ["bert", "safetensors"],
        "config": {"model_type": "bert"},
    } | facts


@pytest.fixture
def shelf(hub: LocalHub) -> LocalHub:
    """Twenty-five models, the last the newest."""
    hub.add_listed(item(number) for number in range(25))
    return hub


@pytest.fixture
def names(quick: Backoff) -> Callable[..., list[str]]:
    """List and return the numbers of the models, in order."""

    def run(
        *filters: str, listing: Listing | None = None, size: int = 10, since: str = ""
    ) -> list[str]:
        found = list_new_checkpoints(
            filters or ("bert",),
            api=API,
            page_size=size,
            backoff=quick,
            listing=listing,
            since=since,
        )
        return [one.model.removeprefix("you/m-") for one in found]

    return run


ALL = [f"{number:05}" for number in reversed(range(25))]


def calls(hub: LocalHub) -> list[int | None]:
    """The answers that lists got, as statuses."""
    return [one.status for one in hub.log if one.path == "/api/models"]


# Pages


def test_all_pages_are_listed_the_last_modified_first(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    listing = Listing()
    assert names(listing=listing) == ALL
    assert calls(shelf) == [200] * 3
    assert (listing.pages, listing.items, listing.unreadable) == (3, 25, 0)
    assert (listing.newest, listing.is_complete, listing.problems) == (day(24), True, [])


@pytest.mark.parametrize(("size", "pages"), [(1000, 1), (25, 1), (24, 2), (5, 5), (1, 25)])
def test_each_page_costs_one_call_and_nothing_else_is_asked(
    shelf: LocalHub, names: Callable[..., list[str]], size: int, pages: int
) -> None:
    assert names(size=size) == ALL
    assert len(shelf.log) == pages


def test_an_empty_list_is_one_call_and_complete(
    hub: LocalHub, names: Callable[..., list[str]]
) -> None:
    listing = Listing()
    assert names("t5", listing=listing) == []
    assert (len(hub.log), listing.is_complete, listing.newest) == (1, True, "")


def test_only_models_with_all_tags_are_listed(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.add_listed([item(30, tags=["bert", "rare"]), item(31, tags=["rare"])])
    assert names("bert", "rare") == ["00030"]


def test_three_thousand_models_cost_thirty_calls(
    hub: LocalHub, names: Callable[..., list[str]]
) -> None:
    hub.add_listed(item(number) for number in range(3000))
    found = names(size=100)
    assert sorted(found) == [f"{number:05}" for number in range(3000)]
    assert len(hub.log) == 30


def test_memory_does_not_grow_with_the_number_of_models(hub: LocalHub, quick: Backoff) -> None:
    text = "a card of some length " * 20
    hub.add_listed(
        item(number, tags=["bert", "few" if number < 1000 else "many"], cardData={"text": text})
        for number in range(8000)
    )

    def peak(tag: str) -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        models = list_new_checkpoints(("bert", tag), api=API, page_size=100, backoff=quick)
        assert sum(1 for _ in models) == (1000 if tag == "few" else 7000)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak("few")
        few, many = peak("few"), peak("many")
    finally:
        tracemalloc.stop()
    # Six thousand models held at once would take ten megabytes.
    assert many - few < 2_000_000
    assert few < 20_000_000


# Since


def test_what_was_changed_before_is_left_out_and_its_pages_are_not_asked_for(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    listing = Listing()
    assert names(since=day(18), listing=listing) == ALL[:7]
    assert len(shelf.log) == 1
    assert (listing.is_complete, listing.newest) == (True, day(24))


def test_what_was_changed_at_that_very_moment_comes_again(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    assert names(since=day(24)) == ALL[:1]
    assert names(since="2026-01-25T12:00:00.001Z") == []


def test_one_model_out_of_order_ends_nothing(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    odd = item(99, lastModified="2019-01-01T00:00:00.000Z")
    shelf.listing_oddities.insert(1, odd)
    assert names(since=day(5)) == ALL[:20]
    assert shelf.listing_oddities.pending() == 0


def test_moments_of_other_lengths_are_compared_as_moments(hub: LocalHub, quick: Backoff) -> None:
    times = ("2026-05-01T00:00:00Z", "2026-05-01T00:00:00.9Z", "2026-05-01T00:00:00.123456Z")
    items = [read_listed({"id": "a/b", "lastModified": time}) for time in times]
    assert [one.modified[19:] for one in items] == [".000Z", ".900Z", ".123Z"]


def test_a_date_in_the_hubs_future_is_not_taken_for_the_newest(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.add_listed([item(77, lastModified="9999-01-01T00:00:00.000Z")])
    listing = Listing()
    assert names(listing=listing) == ["00077", *ALL]
    assert listing.newest == day(24)


# Limits


def test_the_listing_waits_for_the_next_window_and_meets_no_refusal(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.rate_limits = RateLimits(api=5, window_s=2)
    listing = Listing()
    assert names(size=3, listing=listing) == ALL
    assert calls(shelf) == [200] * 9
    assert listing.waited_s > 0
    assert listing.rate is not None
    assert (listing.rate.quota, 0 <= listing.rate.calls < 5) == (5, True)


def test_a_window_used_up_by_the_list_before_is_waited_for_as_well(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.rate_limits = RateLimits(api=3, window_s=2)
    first = Listing()
    names(size=10, listing=first)
    second = Listing(rate=first.rate)
    names(size=10, listing=second)
    assert calls(shelf) == [200] * 6


def test_some_of_the_window_is_left_to_others(shelf: LocalHub, quick: Backoff) -> None:
    shelf.rate_limits = RateLimits(api=40, window_s=3600)
    listing = Listing()
    found = list_new_checkpoints(("bert",), api=API, page_size=1, backoff=quick, listing=listing)
    assert len([next(found) for _ in range(25)]) == 25  # a window of an hour is not waited for
    assert listing.rate is not None
    assert listing.rate.calls == 15
    assert listing.waited_s == 0


def test_a_refusal_that_says_how_long_is_waited_out(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.faults.limit_rate("GET", "/api/models", reset_s=1, skip=1)
    assert names() == ALL
    assert calls(shelf) == [200, 429, 200, 200]


def test_a_refusal_for_too_long_keeps_what_came_before(shelf: LocalHub, quick: Backoff) -> None:
    shelf.faults.limit_rate("GET", "/api/models", reset_s=3600, skip=1)
    listing = Listing()
    models = list_new_checkpoints(("bert",), api=API, page_size=10, backoff=quick, listing=listing)
    assert [next(models).model[-5:] for _ in range(10)] == ALL[:10]
    with pytest.raises(RemoteError, match=r"models with bert: too many calls .* in 3600 s"):
        next(models)
    assert (listing.pages, listing.is_complete) == (1, False)


# Failures


@pytest.mark.parametrize("kind", ["fail", "drop", "html", "empty", "truncate"])
def test_each_page_that_fails_once_is_asked_again_and_none_from_the_start(
    shelf: LocalHub, names: Callable[..., list[str]], kind: str
) -> None:
    extra = (20,) if kind == "truncate" else ()
    for number in range(3):
        getattr(shelf.faults, kind)("GET", "/api/models", *extra, skip=number)
    assert names() == ALL
    assert shelf.faults.pending() == 0
    targets = [one.target for one in shelf.log]
    assert len(targets) == 6
    assert targets[::2] == targets[1::2]
    assert len(set(targets)) == 3


def test_a_page_that_keeps_failing_is_named_after_what_came_before(
    shelf: LocalHub, quick: Backoff
) -> None:
    shelf.faults.fail("GET", "/api/models", 500, times=None, skip=2)
    models = list_new_checkpoints(("bert",), api=API, page_size=10, backoff=quick)
    assert [next(models).model[-5:] for _ in range(20)] == ALL[:20]
    with pytest.raises(RemoteError, match=r"list of models with bert: the Hub failed with status"):
        next(models)
    assert calls(shelf) == [200, 200, *[500] * quick.attempts]


def test_a_token_that_is_refused_is_not_tried_again(shelf: LocalHub, quick: Backoff) -> None:
    wrong = HfApi(token="hf_of_nobody")
    with pytest.raises(RemoteError, match="the token is missing, wrong or expired") as caught:
        next(list_new_checkpoints(("bert",), api=wrong, backoff=quick))
    assert caught.value.kind == "unauthorised"
    assert calls(shelf) == [401]


def test_the_token_shows_what_only_its_account_may_see(shelf: LocalHub, quick: Backoff) -> None:
    shelf.add_user("me", "hf_me")
    shelf.add_listed([item(40) | {"id": "me/own", "private": True}])
    mine = list_new_checkpoints(("bert",), api=HfApi(token="hf_me"), backoff=quick)
    assert next(mine).model == "me/own"
    assert "me/own" not in [
        one.model for one in list_new_checkpoints(("bert",), api=API, backoff=quick)
    ]


# Odd pages


def test_a_page_repeated_in_part_gives_its_models_twice_and_loses_none(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.listing_oddities.repeat(2, count=2)
    assert names() == [*ALL[:10], *ALL[8:]]


def test_an_empty_page_in_the_middle_is_told_of_and_passed(
    shelf: LocalHub, names: Callable[..., list[str]]
) -> None:
    shelf.listing_oddities.empty(2)
    listing = Listing()
    assert names(listing=listing) == ALL
    assert listing.pages == 4
    assert listing.problems == [
        "the list of models with bert: page 2 is empty, though others follow"
    ]


ODD_ITEMS: list[tuple[Any, str]] = [
    ({"modelId": "you/x"}, "expected an id, found None"),
    ({"id": 7}, "expected an id, found 7"),
    ({"id": ""}, "expected an id such as owner/name, found ''"),
    ({"id": "you/\x1b[2J"}, r"found 'you/\\x1b[2J'"),
    ({"id": "you/x\nINFO all is well"}, r"found 'you/x\\nINFO all is well'"),
    ({"id": "you/\u202egnp"}, r"found 'you/\\u202egnp'"),
    ({"id": "you/\ud800"}, r"found 'you/\\ud800'"),
    ({"id": "../../etc/passwd"}, "found '../../etc/passwd'"),
    ({"id": "you/" + "x" * 5000}, "found 'you/xxx"),
    ([1, 2], "expected an object, found list"),
    ("you/x", "expected an object, found str"),
    (None, "expected an object, found NoneType"),
]


@pytest.mark.parametrize(("odd_item", "words"), ODD_ITEMS)
def test_an_item_that_is_no_model_is_refused_in_words(odd_item: Any, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        read_listed(odd_item)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


def test_items_that_are_no_models_are_counted_and_the_others_kept(
    shelf: LocalHub, names: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    odd_ones = [one for one, _ in ODD_ITEMS if isinstance(one, dict)]
    # The Hub's own answers are UTF-8, in which half a character cannot be written.
    shelf.listing_oddities.insert(2, *(one for one in odd_ones if one.get("id") != "you/\ud800"))
    listing = Listing()
    with caplog.at_level("WARNING", "hubbot"):
        assert names(listing=listing) == ALL
    assert (listing.items, listing.unreadable) == (33, 8)
    assert len(listing.problems) == 8
    assert all(record.getMessage().isprintable() for record in caplog.records)


WRONG_TYPES: dict[str, Any] = {
    "sha": 5,
    "createdAt": "yesterday",
    "lastModified": "2026-13-45T99:99:99Z",
    "tags": {"a": 1},
    "cardData": ["x"],
    "config": "bert",
    "safetensors": {"parameters": {"F32": "many", "I64": True, "F16": -3, "BF16": 10**30}},
    "downloads": "12",
    "likes": -4,
    "library_name": 3,
    "pipeline_tag": [],
}


def test_values_of_wrong_types_are_taken_for_unsaid() -> None:
    found = read_listed({"id": "you/x", **WRONG_TYPES})
    assert (found.revision, found.created, found.modified) == ("", "", "")
    assert (found.tags, found.base_models, found.languages) == ((), (), ())
    assert (found.model_type, found.library, found.task) == ("", "", "")
    assert (found.parameters, found.weights_gb, found.downloads, found.likes) == (None, None, 0, 0)


@pytest.mark.parametrize("number", [2**63, 10**400, 2**50])
def test_numbers_that_no_ledger_could_hold_are_taken_for_unsaid(number: int) -> None:
    sizes = {"parameters": {"F32": number, "I64": 2**20}}
    found = read_listed({"id": "a/b", "downloads": number, "likes": number, "safetensors": sizes})
    assert (found.downloads, found.likes, found.parameters) == (0, 0, 2**20)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("base_model", "language", "hubbot", "parameters", "model_type", "F32")
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = ("sha", "createdAt", "lastModified", "tags", "cardData", "config", "safetensors", "gated")


@given(st.dictionaries(st.sampled_from((*KEYS, "downloads", "likes", "private")), anything))
def test_whatever_an_item_holds_it_becomes_a_value_that_fits_into_the_ledger(
    values: dict[str, Any],
) -> None:
    found = read_listed(values | {"id": "you/x"})
    assert 0 <= found.downloads < 2**63
    assert 0 <= found.likes < 2**63
    assert found.parameters is None or 0 < found.parameters < 2**63
    assert found.modified == "" or len(found.modified) == 24


def test_an_item_says_what_the_hub_says() -> None:
    found = read_listed(
        {
            "id": "you/x",
            "sha": SHA,
            "createdAt": "2026-01-02T03:04:05.000Z",
            "lastModified": "2026-02-03T04:05:06.789Z",
            "tags": ["bert", "base_model:finetune:google-bert/bert-base-uncased", "region:us"],
            "cardData": {"base_model": "bert-base-uncased", "language": ["en", "DE", False, None]},
            "config": {"model_type": "bert", "quantization_config": {"bits": 4}},
            "safetensors": {"parameters": {"F32": 2**28, "I8": 2**30}, "total": 5},
            "gated": "manual",
            "private": True,
            "disabled": False,
            "downloads": 12,
            "likes": 3,
            "library_name": "transformers",
            "pipeline_tag": "fill-mask",
        }
    )
    assert (found.model, found.owner, found.revision) == ("you/x", "you", SHA)
    assert (found.created, found.modified) == (
        "2026-01-02T03:04:05.000Z",
        "2026-02-03T04:05:06.789Z",
    )
    assert found.base_models == ("bert-base-uncased", "google-bert/bert-base-uncased")
    assert (found.relations, found.languages) == (("finetune",), ("en", "de", "no"))
    assert (found.model_type, found.library, found.task) == ("bert", "transformers", "fill-mask")
    assert (found.parameters, found.weights_gb) == (2**28 + 2**30, 2.0)
    assert (found.is_gated, found.is_private, found.is_disabled) == (True, True, False)
    assert (found.is_quantised, found.says_no) == (True, False)
    assert (found.downloads, found.likes) == (12, 3)


@pytest.mark.parametrize(("value", "says_no"), [(False, True), (True, False), ("false", False)])
def test_a_card_that_says_no_is_heard(value: object, says_no: bool) -> None:
    assert read_listed({"id": "a/b", "cardData": {"hubbot": value}}).says_no == says_no


# Answers that no Hub would give


def listed_by(odd: Any, quick: Backoff) -> Iterator[str]:
    api = HfApi(endpoint=odd.url, token="hf_secret")
    return (one.model for one in list_new_checkpoints(("bert",), api=api, backoff=quick))


PAGE = json.dumps([{"id": "you/x"}]).encode()


def test_the_next_page_on_another_server_is_refused_and_gets_no_token(
    odd: Any, hub: LocalHub, quick: Backoff
) -> None:
    odd.say(body=PAGE, Link=f'<{hub.url}/api/models?cursor=2>; rel="next"')
    models = listed_by(odd, quick)
    with pytest.raises(RemoteError, match=r"next page lies on another server .*token would go"):
        list(models)
    assert hub.log == ()
    assert len(odd.requests) == 1


@pytest.mark.parametrize("link", ["http://[bad", "https://", "ftp:x", "//elsewhere.example/api"])
def test_the_next_page_at_no_address_of_the_hub_is_refused(
    odd: Any, quick: Backoff, link: str
) -> None:
    odd.say(body=PAGE, Link=f'<{link}>; rel="next"')
    with pytest.raises(RemoteError, match="another server"):
        list(listed_by(odd, quick))


def test_the_next_page_at_a_relative_address_is_followed(odd: Any, quick: Backoff) -> None:
    odd.say(body=PAGE, Link='</api/models?cursor=2>; rel="next"').say(body=PAGE)
    assert list(listed_by(odd, quick)) == ["you/x"] * 2
    assert odd.requests[1] == "GET /api/models?cursor=2"


def test_pages_in_a_circle_come_to_an_end(odd: Any, quick: Backoff) -> None:
    odd.say(body=PAGE, Link='</api/models?cursor=2>; rel="next"')
    models = listed_by(odd, quick)
    assert [next(models), next(models)] == ["you/x"] * 2
    with pytest.raises(RemoteError, match="page 2 leads back to one before it"):
        next(models)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "no"}',
        b"null",
        b"",
        b"<html>",
        b"\xff\xfe",
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'[{"id": "a/b", "cardData": ' + b"[" * 5000 + b"]" * 5000 + b"}]", id="card"),
    ],
)
def test_what_is_no_list_is_asked_for_again_and_then_named(
    odd: Any, quick: Backoff, body: bytes
) -> None:
    odd.say(body=body)
    with pytest.raises(RemoteError, match="list of models with bert: ") as caught:
        list(listed_by(odd, quick))
    assert caught.value.kind == "server"
    assert len(odd.requests) == quick.attempts


def test_a_list_that_mends_itself_is_read(odd: Any, quick: Backoff) -> None:
    odd.say(body=b"<html>").say(502).say(body=PAGE)
    assert list(listed_by(odd, quick)) == ["you/x"]
