"""Cards as they are, and the Hub's check of them."""

from typing import Any

import pytest
from huggingface_hub import HfApi

from hubbot.errors import CardError, RemoteError
from hubbot.hub.cards import LARGEST_CARD, head_of, read_card, validate_card
from hubbot.hub.client import Backoff, make_api


@pytest.fixture
def api(hub: Any) -> HfApi:
    hub.add_user("bot", "hf_bot")
    return make_api("hf_bot", timeout_s=5.0)


@pytest.mark.parametrize(
    "card",
    [
        b"",
        b"# plain\n",
        b"---\r\nlanguage: no\r\n---\r\n",
        b"\xef\xbb\xbf---\nx: 1\n---",
        "\u202eright to left \U0001f600\n".encode(),
        b"\xff\xfe not utf-8",
        b"a\0b",
        b"x" * 1_000_000,
    ],
)
def test_a_card_is_read_byte_for_byte(hub: Any, api: HfApi, quick: Backoff, card: bytes) -> None:
    head = hub.add_model("ann/m", {"README.md": card, "config.json": b"{}"})
    assert read_card("ann/m", head, api=api, backoff=quick) == card


def test_a_card_is_read_at_its_commit(hub: Any, api: HfApi, quick: Backoff) -> None:
    first = hub.add_model("ann/m", {"README.md": b"old"})
    second = hub.commit("ann/m", {"README.md": b"new"}, "ann")
    assert read_card("ann/m", first, api=api, backoff=quick) == b"old"
    assert read_card("ann/m", second, api=api, backoff=quick) == b"new"


def test_without_a_card_there_is_none(hub: Any, api: HfApi, quick: Backoff) -> None:
    head = hub.add_model("ann/m", {"config.json": b"{}"})
    assert read_card("ann/m", head, api=api, backoff=quick) is None


def test_a_card_without_end_is_left_alone(hub: Any, api: HfApi, quick: Backoff) -> None:
    head = hub.add_model("ann/m", {"README.md": b"x" * (LARGEST_CARD + 1)})
    with pytest.raises(CardError, match="larger than"):
        read_card("ann/m", head, api=api, backoff=quick)


def test_a_missing_repository_is_not_taken_for_a_missing_card(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    with pytest.raises(RemoteError, match="no such repository") as caught:
        read_card("ann/m", "a" * 40, api=api, backoff=quick)
    assert caught.value.kind == "not_found"


def test_a_missing_revision_is_not_taken_for_a_missing_card(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"})
    with pytest.raises(RemoteError, match="this revision of it is not"):
        read_card("ann/m", "a" * 40, api=api, backoff=quick)


@pytest.mark.parametrize("status", [429, 503])
def test_a_card_is_asked_for_again(hub: Any, api: HfApi, quick: Backoff, status: int) -> None:
    head = hub.add_model("ann/m", {"README.md": b"hi"})
    hub.faults.fail("GET", "/resolve/", status)
    assert read_card("ann/m", head, api=api, backoff=quick) == b"hi"
    assert hub.faults.pending() == 0


def test_a_card_cut_off_on_the_way_is_asked_for_again(hub: Any, api: HfApi, quick: Backoff) -> None:
    head = hub.add_model("ann/m", {"README.md": b"x" * 5000})
    hub.faults.truncate("GET", "/resolve/", 1000)
    assert read_card("ann/m", head, api=api, backoff=quick) == b"x" * 5000
    assert hub.faults.pending() == 0


def test_the_head_of_a_branch_and_of_a_pull_request_are_told_apart(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    head = hub.add_model("ann/m", {"README.md": b"hi"})
    api.create_pull_request("ann/m", title="Mine")
    changed = hub.commit("ann/m", {"README.md": b"ho"}, "bot", revision="refs/pr/1")
    assert head_of("ann/m", api=api, backoff=quick) == head
    assert head_of("ann/m", api=api, ref="refs/pr/1", backoff=quick) == changed


def test_a_good_card_passes_with_the_hubs_warnings(hub: Any, api: HfApi, quick: Backoff) -> None:
    assert validate_card(b"---\nlicense: mit\n---\n", api=api, backoff=quick) == ()
    (warning,) = validate_card(b"# no header\n", api=api, backoff=quick)
    assert "metadata" in warning


@pytest.mark.parametrize(
    "card",
    [b"---\na: [\n---\n", b"---\nmodel-index: 7\n---\n", b"---\na: 1\na: 2\n---\n"],
)
def test_a_bad_card_is_refused_with_the_hubs_words(
    hub: Any, api: HfApi, quick: Backoff, card: bytes
) -> None:
    with pytest.raises(CardError, match=r"refuses this card: .+; mend its header") as caught:
        validate_card(card, api=api, backoff=quick)
    assert str(caught.value).isprintable()


def test_the_check_sends_the_exact_bytes_and_changes_nothing(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    card = b"---\r\nlanguage: no # yes\r\n---\r\n"
    validate_card(card, api=api, backoff=quick)
    (request,) = hub.log
    assert request.body["content"].encode() == card
    assert not request.is_write


def test_a_check_that_fails_is_repeated(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.faults.fail("POST", "validate-yaml", 503)
    validate_card(b"---\nlicense: mit\n---\n", api=api, backoff=quick)
    assert len(hub.log) == 2
