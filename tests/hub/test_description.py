"""The description of an updated pull request names the new numbers."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubbot.hub import pull_request
from hubbot.hub.accounts import who_am_i
from hubbot.hub.cards import head_of, read_card
from hubbot.hub.client import Backoff, make_api
from hubbot.schema import Proposal, Published

MODEL = "ann/model"
MARKER = "<!-- hubbot:pull-request -->"


def proposal_of(card: bytes, head: str, score: str) -> Proposal:
    section = f"\n<!-- hubbot:begin -->\nscore {score}\n<!-- hubbot:end -->\n".encode()
    return Proposal(
        model=MODEL,
        parent=head,
        old=card,
        new=card.partition(b"\n<!-- hubbot:begin")[0] + section,
        title="Add a score",
        body=f"{MARKER}\nscore {score}\n",
    )


def publish(api: HfApi, score: str, backoff: Backoff) -> Published:
    head = head_of(MODEL, api=api)
    return pull_request.publish(
        proposal_of(read_card(MODEL, head, api=api) or b"", head, score),
        api=api,
        account=who_am_i(api),
        marker=MARKER,
        rebuild=lambda card, parent: proposal_of(card, parent, score),
        backoff=replace(backoff, attempts=3),
    )


@pytest.fixture
def api(hub: Any) -> HfApi:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    hub.add_model(MODEL, {"README.md": b"# A model\n", "config.json": b"{}"})
    return make_api("hf_bot", timeout_s=5.0)


def description(hub: Any) -> str:
    (found,) = hub.pull_requests(MODEL)
    return str(found.description)


def test_an_update_rewrites_the_description(hub: Any, api: HfApi, quick: Backoff) -> None:
    publish(api, "1", quick)
    assert "score 1" in description(hub)
    assert publish(api, "2", quick).action == "updated"
    assert "score 2" in description(hub)
    assert "score 1" not in description(hub)


def test_a_description_without_our_marker_is_somebodys_and_stays(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    publish(api, "1", quick)
    details = api.get_discussion_details(MODEL, 1)
    api.edit_discussion_comment(MODEL, 1, comment_id=details.events[0].id, new_content="mine now")
    assert publish(api, "2", quick).action == "updated"
    assert description(hub) == "mine now"


def test_a_description_that_cannot_be_written_is_a_warning(
    hub: Any, api: HfApi, quick: Backoff, caplog: pytest.LogCaptureFixture
) -> None:
    publish(api, "1", quick)
    hub.faults.fail("POST", "/edit", 503)
    with caplog.at_level(logging.WARNING, logger="hubbot"):
        assert publish(api, "2", quick).action == "updated"
    assert "the description was not" in caplog.text
    assert b"score 2" in hub.read_file(MODEL, "README.md", "refs/pr/1")
