"""The life of one pull request, proven from what the embedded Hub saw."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubbot.errors import CardError, RemoteError
from hubbot.hub import dry_run, pull_request
from hubbot.hub.accounts import Account, who_am_i
from hubbot.hub.cards import head_of, read_card
from hubbot.hub.client import Backoff, make_api
from hubbot.hub.plan import Look, Rebuild, is_ours
from hubbot.schema import Proposal, Published

MODEL = "ann/model"
MARKER = "<!-- hubbot:pull-request -->"
CARD = b"---\nlicence: mit # mine\n---\n# A model\n\nSome words.\n\nMore words.\n"
SECTION = re.compile(rb"\n<!-- hubbot:begin -->.*?<!-- hubbot:end -->\n", re.DOTALL)

CREATE = r"/commit/main\?create_pr=1"
UPDATE = r"/commit/refs/pr/1$"


def annotate(card: bytes, score: str) -> bytes:
    """Stand-in for the card room: our section at the end, once."""
    section = f"\n<!-- hubbot:begin -->\nscore {score}\n<!-- hubbot:end -->\n".encode()
    return SECTION.sub(b"", card) + section


def rebuild(score: str) -> Rebuild:
    def from_card(card: bytes, head: str) -> Proposal | None:
        if b"hubbot: false" in card:
            return None
        return Proposal(
            model=MODEL,
            parent=head,
            old=card,
            new=annotate(card, score),
            title="Add a score",
            body=f"Hello\n{MARKER}",
        )

    return from_card


class Bot:
    """What the tests do over and over: read the card, propose a score."""

    def __init__(self, api: HfApi, account: Account, backoff: Backoff) -> None:
        self.api, self.account, self.backoff = api, account, backoff
        self.opt_out: tuple[str, ...] = ()

    def propose(self, score: str, *, model: str = MODEL) -> Proposal:
        head = head_of(model, api=self.api)
        proposal = rebuild(score)(read_card(model, head, api=self.api) or b"", head)
        assert proposal is not None
        return proposal

    def publish(
        self, score: str, *, proposal: Proposal | None = None, how: Any = pull_request.publish
    ) -> Published:
        published = how(
            proposal or self.propose(score),
            api=self.api,
            account=self.account,
            marker=MARKER,
            rebuild=rebuild(score),
            opt_out=self.opt_out,
            backoff=self.backoff,
        )
        assert isinstance(published, Published)
        return published

    def dry(self, score: str) -> Published:
        return self.publish(score, how=dry_run.publish)


@pytest.fixture
def bot(hub: Any, quick: Backoff) -> Bot:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    hub.add_model(MODEL, {"README.md": CARD, "config.json": b"{}"})
    api = make_api("hf_bot", timeout_s=5.0)
    return Bot(api, who_am_i(api), quick)


def writes(hub: Any) -> list[str]:
    return [f"{r.method} {r.target}" for r in hub.log if r.is_write]


def only_request(hub: Any) -> Any:
    (found,) = hub.pull_requests(MODEL)
    return found


# Opened, updated, unchanged


def test_a_first_score_opens_one_pull_request(hub: Any, bot: Bot) -> None:
    proposal = bot.propose("1")
    published = bot.publish("1")
    assert (published.action, published.reason) == ("opened", "")
    assert published.url == f"{bot.api.endpoint}/{MODEL}/discussions/1"
    found = only_request(hub)
    assert (found.status, found.author, found.title) == ("open", "bot", "Add a score")
    assert MARKER in found.description
    assert hub.read_file(MODEL, "README.md", "refs/pr/1") == annotate(CARD, "1")
    assert hub.read_file(MODEL, "README.md") == CARD
    assert len(writes(hub)) == 1
    (commit,) = [r for r in hub.log if r.is_write]
    header = next(line["value"] for line in commit.body if line["key"] == "header")
    assert header["parentCommit"] == proposal.parent


def test_the_card_is_checked_by_the_hub_before_it_is_committed(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    targets = [r.target for r in hub.log]
    check = next(i for i, target in enumerate(targets) if "validate-yaml" in target)
    assert check < next(i for i, target in enumerate(targets) if "/commit/" in target)
    sent = next(r.body for r in hub.log if "validate-yaml" in r.path)
    assert sent["content"].encode() == annotate(CARD, "1")


def test_the_same_score_again_writes_nothing(hub: Any, bot: Bot) -> None:
    url = bot.publish("1").url
    hub.clear_log()
    assert bot.publish("1") == Published(action="unchanged", reason="", url=url)
    assert writes(hub) == []


def test_another_score_updates_the_same_pull_request(hub: Any, bot: Bot) -> None:
    url = bot.publish("1").url
    hub.clear_log()
    assert bot.publish("2") == Published(action="updated", reason="", url=url)
    assert hub.read_file(MODEL, "README.md", "refs/pr/1") == annotate(CARD, "2")
    assert writes(hub) == [f"POST /api/models/{MODEL}/commit/refs/pr/1"]
    assert only_request(hub).conflicts == ()


def test_an_update_names_the_commit_it_was_made_from(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    head = only_request(hub).head
    hub.clear_log()
    bot.publish("2")
    (commit,) = [r for r in hub.log if r.is_write]
    assert commit.body[0]["value"]["parentCommit"] == head


def test_a_model_without_a_card_gets_one(hub: Any, bot: Bot) -> None:
    hub.add_model("ann/bare", {"config.json": b"{}"})
    proposal = replace(bot.propose("1", model="ann/bare"), model="ann/bare")
    published = bot.publish("1", proposal=proposal)
    assert published.action == "opened"
    assert hub.read_file("ann/bare", "README.md", "refs/pr/1") == annotate(b"", "1")


def test_the_bytes_of_an_odd_card_survive(hub: Any, bot: Bot) -> None:
    odd = b"\xef\xbb\xbf---\r\nlanguage: no\r\n---\r\n\xf0\x9f\x98\x80 text"
    hub.commit(MODEL, {"README.md": odd}, "ann")
    bot.publish("1")
    assert hub.read_file(MODEL, "README.md", "refs/pr/1") == annotate(odd, "1")


def test_on_ones_own_repository_it_is_a_pull_request_too(
    hub: Any, quick: Backoff, bot: Bot
) -> None:
    api = make_api("hf_ann", timeout_s=5.0)
    assert Bot(api, who_am_i(api), quick).publish("1").action == "opened"
    assert only_request(hub).author == "ann"
    assert hub.read_file(MODEL, "README.md") == CARD


def test_an_update_keeps_what_the_owner_edited_in_the_pull_request(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    edited = annotate(CARD.replace(b"Some words", b"Better words"), "1")
    hub.commit(MODEL, {"README.md": edited}, "ann", revision="refs/pr/1")
    assert bot.publish("1").action == "unchanged"
    assert bot.publish("2").action == "updated"
    assert b"Better words" in hub.read_file(MODEL, "README.md", "refs/pr/1")


def test_an_unrelated_change_of_the_card_is_no_reason_for_a_commit(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.commit(MODEL, {"README.md": CARD.replace(b"# A model", b"# My model")}, "ann")
    hub.clear_log()
    assert bot.publish("1").action == "unchanged"
    assert writes(hub) == []


# Found again


def test_other_pull_requests_do_not_count_as_ours(hub: Any, bot: Bot) -> None:
    """One by somebody else with our marker, one of ours without it, one plain discussion."""
    ann = HfApi(token="hf_ann")
    ann.create_pull_request(MODEL, title="Forged", description=MARKER)
    bot.api.create_pull_request(MODEL, title="By hand", description="no marker")
    bot.api.create_discussion(MODEL, title="A question", description=MARKER)
    ann.change_discussion_status(MODEL, 1, "closed")
    assert bot.publish("1").action == "opened"
    assert [one.num for one in hub.pull_requests(MODEL) if one.status == "open"] == [4]


def test_a_namesake_by_somebody_else_is_not_ours(hub: Any, bot: Bot) -> None:
    """Also where the Hub should not heed the author we ask for."""
    HfApi(token="hf_ann").create_pull_request(MODEL, title="Add a score", description=MARKER)
    details = bot.api.get_discussion_details(MODEL, 1)
    look = Look(api=bot.api, account=bot.account, marker=MARKER, rebuild=rebuild("1"))
    assert not is_ours(details, look=look, title="Add a score")


def test_ours_is_found_among_many(hub: Any, bot: Bot) -> None:
    hub.state.discussion_page_size = 2
    url = bot.publish("1").url
    for number in range(5):
        bot.api.create_pull_request(MODEL, title=f"By hand {number}", description="no marker")
    assert bot.publish("1") == Published(action="unchanged", reason="", url=url)


def test_ours_is_found_though_its_description_was_edited(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    first = bot.api.get_discussion_details(MODEL, 1).events[0]
    bot.api.edit_discussion_comment(MODEL, 1, first.id, new_content="other words")
    assert bot.publish("1").action == "unchanged"
    assert len(hub.pull_requests(MODEL)) == 1


def test_ours_is_found_though_its_description_was_hidden_and_its_title_changed(
    hub: Any, bot: Bot
) -> None:
    bot.publish("1")
    first = bot.api.get_discussion_details(MODEL, 1).events[0]
    bot.api.edit_discussion_comment(MODEL, 1, first.id, new_content="gone")
    ann = HfApi(token="hf_ann")
    ann.hide_discussion_comment(MODEL, 1, first.id)
    ann.rename_discussion(MODEL, 1, "Another title")
    assert bot.publish("2").action == "updated"
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_renamed_model_keeps_its_pull_request(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    proposal = bot.propose("2")
    hub.rename(MODEL, "ann/renamed")
    assert bot.publish("2", proposal=proposal).action == "updated"
    assert len(hub.pull_requests("ann/renamed")) == 1


# Left alone


@pytest.mark.parametrize("closer", ["ann", "bot"])
def test_a_closed_pull_request_is_never_repeated(hub: Any, bot: Bot, closer: str) -> None:
    url = bot.publish("1").url
    hub.close_pull_request(MODEL, 1, closer)
    hub.clear_log()
    for score in ("1", "2"):
        published = bot.publish(score)
        assert (published.action, published.url) == ("skipped", url)
        assert "closed without being merged" in published.reason
    assert writes(hub) == []


def test_a_comment_that_asks_us_to_stop_is_heeded(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.comment(MODEL, 1, "ann", "Thanks, but no.\nhubbot: false")
    hub.clear_log()
    published = bot.publish("2")
    assert published.action == "skipped"
    assert "comment" in published.reason
    assert writes(hub) == []


def test_other_comments_and_our_own_do_not_stop_us(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.comment(MODEL, 1, "ann", "Interesting!")
    hub.comment(MODEL, 1, "bot", "write\nhubbot: false\nto be left alone")
    assert bot.publish("2").action == "updated"


@pytest.mark.parametrize("entry", ["ann", "ANN/Model"])
def test_an_owner_or_model_on_the_opt_out_list_is_skipped(hub: Any, bot: Bot, entry: str) -> None:
    bot.opt_out = (entry,)
    published = bot.publish("1")
    assert published.action == "skipped"
    assert "left alone" in published.reason
    assert writes(hub) == []


def test_a_card_that_says_no_by_now_is_skipped(hub: Any, bot: Bot) -> None:
    proposal = bot.propose("1")
    hub.commit(MODEL, {"README.md": b"---\nhubbot: false\n---\n"}, "ann")
    assert bot.publish("1", proposal=proposal).action == "skipped"
    assert writes(hub) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"gated": "auto"}, "gated"),
        ({"disabled": True}, "disabled"),
        ({"discussions_disabled": True}, "switched off"),
    ],
)
def test_a_repository_that_is_closed_to_us_is_skipped(
    hub: Any, bot: Bot, settings: dict[str, Any], reason: str
) -> None:
    proposal = bot.propose("1")
    hub.configure(MODEL, **settings)
    published = bot.publish("1", proposal=proposal)
    assert published.action == "skipped"
    assert reason in published.reason
    assert writes(hub) == []


def test_a_private_repository_of_ones_own_is_skipped(hub: Any, quick: Backoff, bot: Bot) -> None:
    hub.configure(MODEL, private=True)
    api = make_api("hf_ann", timeout_s=5.0)
    published = Bot(api, who_am_i(api), quick).publish("1")
    assert (published.action, "private" in published.reason) == ("skipped", True)
    assert writes(hub) == []


def test_a_repository_that_became_private_is_an_error_that_says_so(hub: Any, bot: Bot) -> None:
    proposal = bot.propose("1")
    hub.configure(MODEL, private=True)
    with pytest.raises(RemoteError, match="private one that this token does not open") as caught:
        bot.publish("1", proposal=proposal)
    assert caught.value.kind == "not_found"


# Merged


def test_a_merged_score_is_left_as_it_is(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.merge_pull_request(MODEL, 1, "ann")
    hub.clear_log()
    assert bot.publish("1").action == "unchanged"
    assert writes(hub) == []


def test_a_merged_score_that_moved_is_corrected_by_a_new_pull_request(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.merge_pull_request(MODEL, 1, "ann")
    published = bot.publish("2")
    assert published.action == "opened"
    assert "corrects" in published.reason
    assert hub.read_file(MODEL, "README.md", "refs/pr/2") == annotate(CARD, "2")
    assert bot.publish("3").action == "updated"
    assert [one.status for one in hub.pull_requests(MODEL)] == ["merged", "open"]


def test_a_correction_that_was_closed_is_not_repeated(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.merge_pull_request(MODEL, 1, "ann")
    bot.publish("2")
    hub.close_pull_request(MODEL, 2, "ann")
    assert bot.publish("3").action == "skipped"


def test_an_annotation_that_was_taken_out_again_is_not_put_back(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.merge_pull_request(MODEL, 1, "ann")
    hub.commit(MODEL, {"README.md": CARD}, "ann")
    hub.clear_log()
    published = bot.publish("2")
    assert (published.action, "taken out" in published.reason) == ("skipped", True)
    assert writes(hub) == []


# The card moves


def test_a_card_that_moved_before_publishing_is_read_again(hub: Any, bot: Bot) -> None:
    proposal = bot.propose("1")
    moved = CARD.replace(b"Some words", b"New words")
    hub.commit(MODEL, {"README.md": moved}, "ann")
    assert bot.publish("1", proposal=proposal).action == "opened"
    assert hub.read_file(MODEL, "README.md", "refs/pr/1") == annotate(moved, "1")


class Overtaken(HfApi):
    """A client whose first commit is overtaken by somebody else's."""

    overtake: Callable[[], object] | None = None
    blind_looks: int = 0
    """How often the Hub's listing still lacks what was just opened."""

    def get_repo_discussions(self, *args: Any, **options: Any) -> Any:
        found = list(super().get_repo_discussions(*args, **options))
        if found and self.blind_looks > 0:
            self.blind_looks -= 1
            return iter(())
        return iter(found)

    def create_commit(self, *args: Any, **options: Any) -> Any:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        return super().create_commit(*args, **options)


def replaced(hub: Any) -> tuple[Any, Any]:
    """Return the request that was withdrawn and the one in its place, which can be merged."""
    old, new = hub.pull_requests(MODEL)
    assert (old.status, new.status, new.conflicts) == ("closed", "open", ())
    assert "replaced by a new pull request" in old.comments[-1][1]
    return old, new


def test_a_card_that_moves_while_we_open_ends_in_one_open_request_without_conflict(
    hub: Any, bot: Bot
) -> None:
    moved = CARD + b"A last line.\n"
    bot.api = Overtaken(token="hf_bot")
    bot.api.overtake = lambda: hub.commit(MODEL, {"README.md": moved}, "ann")
    published = bot.publish("1")
    assert published.action == "opened"
    replaced(hub)
    assert hub.read_file(MODEL, "README.md", "refs/pr/2") == annotate(moved, "1")
    assert bot.publish("1").action == "unchanged"


def test_a_listing_that_lags_behind_does_not_make_two(hub: Any, bot: Bot) -> None:
    moved = CARD + b"A last line.\n"
    bot.api = Overtaken(token="hf_bot")
    bot.api.blind_looks = 100
    bot.api.overtake = lambda: hub.commit(MODEL, {"README.md": moved}, "ann")
    assert bot.publish("1").action == "opened"
    replaced(hub)
    assert hub.read_file(MODEL, "README.md", "refs/pr/2") == annotate(moved, "1")


def test_a_listing_that_lags_behind_a_lost_answer_is_looked_at_again(hub: Any, bot: Bot) -> None:
    bot.api = Overtaken(token="hf_bot")
    bot.api.blind_looks = 1
    hub.faults.fail("POST", CREATE, 503, when="after")
    assert bot.publish("1").action == "opened"
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_pull_request_that_moves_while_we_update_is_read_again(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    edited = annotate(CARD.replace(b"Some words", b"Better words"), "1")
    bot.api = Overtaken(token="hf_bot")
    bot.api.overtake = lambda: hub.commit(MODEL, {"README.md": edited}, "ann", revision="refs/pr/1")
    assert bot.publish("2").action == "updated"
    final = hub.read_file(MODEL, "README.md", "refs/pr/1")
    assert final == annotate(edited, "2")
    assert len(hub.pull_requests(MODEL)) == 1


def test_an_open_request_that_conflicts_is_replaced_by_one_from_the_main_branch(
    hub: Any, bot: Bot
) -> None:
    bot.publish("1")
    moved = CARD + b"A last line.\n"
    hub.commit(MODEL, {"README.md": moved}, "ann")
    assert only_request(hub).conflicts == ("README.md",)
    published = bot.publish("1")
    assert published.action == "opened"
    replaced(hub)
    assert hub.read_file(MODEL, "README.md", "refs/pr/2") == annotate(moved, "1")
    assert bot.publish("1").action == "unchanged"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_to_a_withdrawal_makes_no_third_request(
    hub: Any, bot: Bot, when: str
) -> None:
    bot.publish("1")
    hub.commit(MODEL, {"README.md": CARD + b"A last line.\n"}, "ann")
    hub.faults.fail("POST", "/discussions/1/status", 503, when=when)
    bot.publish("1")
    replaced(hub)


def test_one_that_its_owner_closed_is_no_withdrawal(hub: Any, bot: Bot) -> None:
    bot.publish("1")
    hub.commit(MODEL, {"README.md": CARD + b"A last line.\n"}, "ann")
    bot.publish("1")
    hub.close_pull_request(MODEL, 2, "ann")
    assert bot.publish("2").action == "skipped"
    assert len(hub.pull_requests(MODEL)) == 2


@pytest.mark.parametrize("path", [CREATE, UPDATE])
def test_a_stale_parent_is_read_again_and_redone(hub: Any, bot: Bot, path: str) -> None:
    if path == UPDATE:
        bot.publish("1")
    hub.faults.stale("POST", path)
    published = bot.publish("2")
    assert published.action == ("updated" if path == UPDATE else "opened")
    assert hub.faults.pending() == 0
    assert hub.read_file(MODEL, "README.md", "refs/pr/1") == annotate(CARD, "2")
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_parent_that_stays_stale_is_given_up(hub: Any, bot: Bot) -> None:
    hub.faults.stale("POST", CREATE, times=None)
    with pytest.raises(RemoteError, match="changed meanwhile") as caught:
        bot.publish("1")
    assert caught.value.kind == "conflict"
    assert len(writes(hub)) == bot.backoff.attempts
    assert hub.pull_requests(MODEL) == ()


# The Hub fails


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, "drop"])
def test_a_failure_around_the_opening_never_makes_two(
    hub: Any, bot: Bot, when: str, status: Any
) -> None:
    order(hub, CREATE, status, when)
    published = bot.publish("1")
    assert published.action == "opened"
    assert published.url == f"{bot.api.endpoint}/{MODEL}/discussions/1"
    assert hub.faults.pending() == 0
    assert len(hub.pull_requests(MODEL)) == 1
    assert len(writes(hub)) == (1 if when == "after" else 2)
    assert only_request(hub).commits == ("Add a score",)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [500, 503, "drop"])
def test_a_failure_around_the_update_never_makes_two(
    hub: Any, bot: Bot, when: str, status: Any
) -> None:
    bot.publish("1")
    hub.clear_log()
    order(hub, UPDATE, status, when)
    assert bot.publish("2").action == "updated"
    assert hub.faults.pending() == 0
    assert len(writes(hub)) == (1 if when == "after" else 2)
    assert len(only_request(hub).commits) == 2


def order(hub: Any, path: str, status: Any, when: str, **more: Any) -> None:
    if status == "drop":
        hub.faults.drop("POST", path, when=when, **more)
    else:
        hub.faults.fail("POST", path, status, when=when, **more)


@pytest.mark.parametrize("headers", [{}, {"reset_s": 1}, {"retry_after_s": 1}])
@pytest.mark.parametrize("path", [CREATE, UPDATE])
def test_a_rate_limit_on_a_write_is_waited_out(
    hub: Any, bot: Bot, headers: dict[str, int], path: str
) -> None:
    if path == UPDATE:
        bot.publish("0")
    hub.faults.limit_rate("POST", path, **headers)
    assert bot.publish("1").action == ("updated" if path == UPDATE else "opened")
    assert hub.faults.pending() == 0
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_rate_limit_beyond_our_patience_is_an_error_with_the_seconds(hub: Any, bot: Bot) -> None:
    hub.faults.limit_rate("POST", CREATE, reset_s=250)
    with pytest.raises(RemoteError, match="try again in 250 s") as caught:
        bot.publish("1")
    assert (caught.value.kind, caught.value.retry_after_s) == ("rate_limited", 250.0)
    assert hub.pull_requests(MODEL) == ()


def test_a_hub_that_keeps_failing_is_given_up_and_a_later_run_goes_on(hub: Any, bot: Bot) -> None:
    hub.faults.fail("POST", CREATE, 503, times=None)
    with pytest.raises(RemoteError, match="status 503"):
        bot.publish("1")
    hub.faults.clear()
    assert bot.publish("1").action == "opened"
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_run_that_died_after_its_write_finds_its_pull_request(hub: Any, bot: Bot) -> None:
    hub.faults.fail("POST", CREATE, 503, when="after")
    hub.faults.fail("GET", "/discussions", 503, times=None, skip=1)
    with pytest.raises(RemoteError, match="status 503"):
        bot.publish("1")
    hub.faults.clear()
    assert bot.publish("1").action == "unchanged"
    assert len(hub.pull_requests(MODEL)) == 1


@pytest.mark.parametrize(
    "path", [rf"/api/models/{MODEL}\?", "/discussions", "/resolve/", "/revision/"]
)
@pytest.mark.parametrize("status", [503, 429, "drop"])
def test_reading_is_repeated_where_the_hub_fails(
    hub: Any, bot: Bot, path: str, status: Any
) -> None:
    proposal = bot.propose("1")
    hub.commit(MODEL, {"README.md": CARD + b"more\n"}, "ann")
    hub.clear_log()
    if status == 429:
        hub.faults.limit_rate("GET", path)
    elif status == "drop":
        hub.faults.drop("GET", path)
    else:
        hub.faults.fail("GET", path, status)
    assert bot.publish("1", proposal=proposal).action == "opened"
    assert bot.publish("2").action == "updated"
    assert hub.faults.pending() == 0
    assert len(hub.pull_requests(MODEL)) == 1


def test_a_pull_request_stays_opened_though_the_last_look_fails(hub: Any, bot: Bot) -> None:
    hub.faults.fail("GET", "/discussions/1", 503, times=None)
    assert bot.publish("1").action == "opened"
    assert len(hub.pull_requests(MODEL)) == 1


# Refused


def test_a_header_the_hub_refuses_is_not_committed(hub: Any, bot: Bot) -> None:
    hub.commit(MODEL, {"README.md": b"---\nmodel-index: 7\n---\n"}, "ann")
    with pytest.raises(CardError, match=r"the Hub refuses this card: .*model-index"):
        bot.publish("1")
    assert writes(hub) == []


def test_a_card_that_is_not_utf8_is_not_committed(hub: Any, bot: Bot) -> None:
    hub.commit(MODEL, {"README.md": b"caf\xe9"}, "ann")
    with pytest.raises(CardError, match="not UTF-8"):
        bot.publish("1")
    assert writes(hub) == []


def test_a_token_that_only_reads_is_refused_before_anything_is_sent(
    hub: Any, quick: Backoff, bot: Bot
) -> None:
    hub.add_user("bot", "hf_read", role="read")
    api = make_api("hf_read", timeout_s=5.0)
    reader = Bot(api, who_am_i(api), quick)
    proposal = reader.propose("1")
    hub.clear_log()
    with pytest.raises(RemoteError, match="may only read") as caught:
        reader.publish("1", proposal=proposal)
    assert (caught.value.kind, len(hub.log)) == ("forbidden", 0)


def test_without_a_token_nothing_is_sent(hub: Any, quick: Backoff, bot: Bot) -> None:
    api = make_api(None, timeout_s=5.0)
    nobody = Bot(api, who_am_i(api), quick)
    assert nobody.account.is_anonymous
    with pytest.raises(RemoteError, match="needs a token") as caught:
        nobody.publish("1", proposal=bot.propose("1"))
    assert caught.value.kind == "unauthorised"
    assert writes(hub) == []


def test_a_wrong_token_is_named(hub: Any, bot: Bot) -> None:
    with pytest.raises(RemoteError, match="token is missing, wrong or expired") as caught:
        who_am_i(make_api("hf_wrong", timeout_s=5.0))
    assert caught.value.kind == "unauthorised"


def test_the_account_is_asked_for_once_per_client(hub: Any, bot: Bot) -> None:
    hub.clear_log()
    assert who_am_i(bot.api) == who_am_i(bot.api) == Account(name="bot", role="write")
    assert len([r for r in hub.log if "whoami" in r.path]) <= 1


def test_a_description_without_the_marker_is_a_mistake_of_ours(bot: Bot) -> None:
    with pytest.raises(ValueError, match="must hold the marker"):
        pull_request.publish(
            bot.propose("1"),
            api=bot.api,
            account=bot.account,
            marker="<!-- another -->",
            rebuild=rebuild("1"),
        )


# Dry run


def test_a_dry_run_says_what_would_be_done_and_only_reads(hub: Any, bot: Bot) -> None:
    assert bot.dry("1").action == "would-open"
    assert {r.method for r in hub.log} <= {"GET", "HEAD"}
    url = bot.publish("1").url
    hub.clear_log()
    assert bot.dry("1") == Published(action="unchanged", reason="", url=url)
    assert bot.dry("2") == Published(action="would-update", reason="", url=url)
    hub.close_pull_request(MODEL, 1, "ann")
    assert bot.dry("2").action == "skipped"
    assert {r.method for r in hub.log} <= {"GET", "HEAD"}


def test_a_dry_run_needs_no_token_and_says_what_it_cannot_see(
    hub: Any, quick: Backoff, bot: Bot
) -> None:
    bot.publish("1")
    api = make_api(None, timeout_s=5.0)
    published = Bot(api, who_am_i(api), quick).dry("1")
    assert published.action == "would-open"
    assert "without a token" in published.reason
