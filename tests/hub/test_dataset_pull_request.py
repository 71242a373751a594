"""The life of a pull request on a data set's card, proven from what the embedded Hub saw."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubbot.annotating_datasets import propose_dataset_notes
from hubbot.errors import CardError, RemoteError, SettingsError
from hubbot.hub import dry_run, pull_request
from hubbot.hub.accounts import who_am_i
from hubbot.hub.cards import head_of, read_card, validate_card
from hubbot.hub.client import Backoff, make_api
from hubbot.hub.datasets import resolve_dataset_repository
from hubbot.hub.manners import reason_to_leave_alone
from hubbot.publishing.card import is_opted_out
from hubbot.publishing.dataset_card import annotate_dataset, read_notes
from hubbot.publishing.pull_request_text import MARKER
from hubbot.schema import Proposal, Published, SensitivityNote
from hubbot.settings import Settings

DATA = "ann/data"
CARD = b"---\nlicense: mit # mine\ntask_categories: [other]\n---\n# Data\n\nWords.\n\nMore words.\n"
NOTE = SensitivityNote(
    dataset=DATA,
    revision="",
    target=DATA,
    config=None,
    architecture="roberta-base",
    base_model="FacebookAI/roberta-base",
    intermediate_model="bob/roberta-base-mnli",
    intermediate_revision="f" * 40,
    gain=4.1,
    interval=(2.9, 5.3),
    level=0.95,
    se=0.6,
    seeds=5,
    n_test=277,
    protocol="gain-roberta@1",
    verdict="Intertraining helps by 4.1 ± 1.2 points.",
    date=datetime.date(2026, 1, 2),
    hubbot_version="0.4.0",
)
OTHER = replace(NOTE, architecture="bert-base-uncased", gain=3.0)
MOVED = replace(NOTE, gain=3.5)

CREATE = r"/api/datasets/ann/data/commit/main\?create_pr=1"
UPDATE = r"/api/datasets/ann/data/commit/refs/pr/1$"


class Bot:
    """What the tests do over and over: read the card, propose a note."""

    def __init__(self, api: HfApi, backoff: Backoff) -> None:
        self.api, self.backoff, self.settings = api, backoff, Settings()
        self.account = who_am_i(api)

    def _change(self, notes: list[SensitivityNote], card: bytes, head: str) -> Proposal:
        return propose_dataset_notes(notes, card, head, self.settings)

    def propose(self, note: SensitivityNote) -> Proposal:
        head = head_of(DATA, api=self.api, repo_type="dataset")
        card = read_card(DATA, head, api=self.api, repo_type="dataset")
        return self._change([note], card or b"", head)

    def publish(
        self,
        note: SensitivityNote,
        *,
        proposal: Proposal | None = None,
        how: Callable[..., Published] = pull_request.publish,
    ) -> Published:
        return how(
            proposal or self.propose(note),
            api=self.api,
            account=self.account,
            marker=MARKER,
            rebuild=lambda card, head: (
                None if is_opted_out(card) else self._change([note], card, head)
            ),
            carry_over=lambda change, ours: self._change(
                [*read_notes(ours), note], change.old, change.parent
            ),
            backoff=self.backoff,
        )


@pytest.fixture
def bot(hub: Any, quick: Backoff) -> Bot:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    hub.add_dataset(DATA, {"README.md": CARD, "train.csv": b"text,label\na,0\n"})
    # A model of the same name: what is meant for the one must not reach the other.
    hub.add_model(DATA, {"README.md": b"# A model\n"})
    return Bot(make_api("hf_bot", timeout_s=5.0), quick)


def writes(hub: Any) -> list[str]:
    return [f"{r.method} {r.target}" for r in hub.log if r.is_write]


def requests(hub: Any) -> Any:
    return hub.pull_requests(DATA, kind="datasets")


def proposed(hub: Any, number: int = 1) -> bytes:
    content = hub.read_file(DATA, "README.md", f"refs/pr/{number}", kind="datasets")
    assert isinstance(content, bytes)
    return content


# Opened, unchanged, updated


def test_a_first_note_opens_one_pull_request_on_the_data_set(hub: Any, bot: Bot) -> None:
    parent = bot.propose(NOTE).parent
    published = bot.publish(NOTE)
    assert (published.action, published.reason) == ("opened", "")
    assert published.url == f"{bot.api.endpoint}/datasets/{DATA}/discussions/1"
    (found,) = requests(hub)
    assert (found.status, found.author) == ("open", "bot")
    assert found.title == "Add intertraining sensitivity to the data set card"
    assert MARKER in found.description
    assert "| `roberta-base` | +4.10 |" in found.description
    assert proposed(hub) == annotate_dataset(CARD, [NOTE])
    assert hub.read_file(DATA, "README.md", kind="datasets") == CARD
    (commit,) = [r for r in hub.log if r.is_write]
    assert commit.path == f"/api/datasets/{DATA}/commit/main"
    assert commit.body[0]["value"]["parentCommit"] == parent
    assert [line["value"]["path"] for line in commit.body[1:]] == ["README.md"]
    assert hub.pull_requests(DATA) == ()


def test_the_hub_checks_it_as_a_data_sets_card_before_the_commit(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    targets = [r.target for r in hub.log]
    check = next(i for i, target in enumerate(targets) if "validate-yaml" in target)
    assert check < next(i for i, target in enumerate(targets) if "/commit/" in target)
    sent = next(r.body for r in hub.log if "validate-yaml" in r.path)
    assert sent["repoType"] == "dataset"
    assert sent["content"].encode() == annotate_dataset(CARD, [NOTE])


def test_the_same_note_again_writes_nothing(hub: Any, bot: Bot) -> None:
    url = bot.publish(NOTE).url
    hub.clear_log()
    again = replace(NOTE, date=datetime.date(2026, 2, 3), gain=4.15)
    assert bot.publish(again) == Published(action="unchanged", reason="", url=url)
    assert writes(hub) == []


def test_another_gain_updates_the_same_pull_request_and_its_description(hub: Any, bot: Bot) -> None:
    url = bot.publish(NOTE).url
    head = requests(hub)[0].head
    hub.clear_log()
    assert bot.publish(MOVED) == Published(action="updated", reason="", url=url)
    (found,) = requests(hub)
    assert proposed(hub) == annotate_dataset(CARD, [MOVED])
    assert "| +3.50 |" in found.description
    assert "| +4.10 |" not in found.description
    commit, edit = [r for r in hub.log if r.is_write]
    assert commit.path == f"/api/datasets/{DATA}/commit/refs/pr/1"
    assert commit.body[0]["value"]["parentCommit"] == head
    assert edit.path.startswith(f"/api/datasets/{DATA}/discussions/1/comment/")


def test_a_second_architecture_joins_the_open_pull_request(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    assert bot.publish(OTHER).action == "updated"
    assert proposed(hub) == annotate_dataset(CARD, [NOTE, OTHER])
    assert len(requests(hub)) == 1
    hub.clear_log()
    assert [bot.publish(note).action for note in (NOTE, OTHER)] == ["unchanged", "unchanged"]
    assert writes(hub) == []


def test_on_ones_own_data_set_it_is_a_pull_request_too(hub: Any, bot: Bot, quick: Backoff) -> None:
    assert Bot(make_api("hf_ann", timeout_s=5.0), quick).publish(NOTE).action == "opened"
    assert requests(hub)[0].author == "ann"
    assert hub.read_file(DATA, "README.md", kind="datasets") == CARD


def test_the_bytes_of_an_odd_card_survive(hub: Any, bot: Bot) -> None:
    odd = b"\xef\xbb\xbf---\r\nlanguage: no\r\n---\r\n\xf0\x9f\x98\x80 text"
    hub.commit(DATA, {"README.md": odd}, "ann", kind="datasets")
    bot.publish(NOTE)
    assert proposed(hub).startswith(odd)
    assert b"\n" not in proposed(hub).replace(b"\r\n", b"")


def test_a_renamed_data_set_keeps_its_pull_request(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    change = bot.propose(MOVED)
    hub.rename(DATA, "ann/renamed", kind="datasets")
    assert bot.publish(MOVED, proposal=change).action == "updated"
    assert len(hub.pull_requests("ann/renamed", kind="datasets")) == 1


# Left alone


def test_a_closed_pull_request_is_never_repeated_by_any_note(hub: Any, bot: Bot) -> None:
    url = bot.publish(NOTE).url
    hub.close_pull_request(DATA, 1, "ann", kind="datasets")
    hub.clear_log()
    for note in (NOTE, MOVED, OTHER):
        published = bot.publish(note)
        assert (published.action, published.url) == ("skipped", url)
        assert "closed without being merged" in published.reason
    assert writes(hub) == []


def test_a_comment_that_asks_us_to_stop_is_heeded(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    hub.comment(DATA, 1, "ann", "hubbot stop", kind="datasets")
    assert bot.publish(MOVED).action == "skipped"


def test_a_card_that_says_no_by_now_is_skipped(hub: Any, bot: Bot) -> None:
    change = bot.propose(NOTE)
    card = b"---\nhubbot: false\n---\n# Data\n"
    hub.commit(DATA, {"README.md": card}, "ann", kind="datasets")
    assert bot.publish(NOTE, proposal=change).action == "skipped"
    assert writes(hub) == []


def test_a_card_that_lost_its_words_by_now_is_refused(hub: Any, bot: Bot) -> None:
    change = bot.propose(NOTE)
    hub.commit(DATA, {"README.md": None}, "ann", kind="datasets")
    with pytest.raises(CardError, match=r"data set ann/data at .* no words of its own"):
        bot.publish(NOTE, proposal=change)
    assert writes(hub) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"gated": "auto"}, "gated"),
        ({"disabled": True}, "disabled"),
        ({"discussions_disabled": True}, "switched off"),
    ],
)
def test_a_data_set_that_is_closed_to_us_is_skipped(
    hub: Any, bot: Bot, settings: dict[str, Any], reason: str
) -> None:
    change = bot.propose(NOTE)
    hub.configure(DATA, kind="datasets", **settings)
    published = bot.publish(NOTE, proposal=change)
    assert published.action == "skipped"
    assert reason in published.reason
    assert writes(hub) == []


# Merged


def test_a_merged_note_is_left_and_another_follows(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    hub.merge_pull_request(DATA, 1, "ann", kind="datasets")
    hub.clear_log()
    assert bot.publish(NOTE).action == "unchanged"
    assert writes(hub) == []
    published = bot.publish(OTHER)
    assert (published.action, "adds to or corrects" in published.reason) == ("opened", True)
    assert proposed(hub, 2) == annotate_dataset(CARD, [NOTE, OTHER])


def test_a_section_that_was_taken_out_again_is_not_put_back(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    hub.merge_pull_request(DATA, 1, "ann", kind="datasets")
    hub.commit(DATA, {"README.md": CARD}, "ann", kind="datasets")
    assert bot.publish(MOVED).action == "skipped"


# The card moves


def test_an_open_request_that_conflicts_is_replaced_with_all_its_notes(hub: Any, bot: Bot) -> None:
    bot.publish(NOTE)
    bot.publish(OTHER)
    moved = CARD + b"A last line.\n"
    hub.commit(DATA, {"README.md": moved}, "ann", kind="datasets")
    assert requests(hub)[0].conflicts == ("README.md",)
    assert bot.publish(MOVED).action == "opened"
    assert [one.status for one in requests(hub)] == ["closed", "open"]
    assert requests(hub)[1].conflicts == ()
    assert proposed(hub, 2) == annotate_dataset(moved, [MOVED, OTHER])
    hub.clear_log()
    assert bot.publish(MOVED).action == "unchanged"
    assert writes(hub) == []


class Overtaken(HfApi):
    """A client whose first commit is overtaken by somebody else's."""

    overtake: Callable[[], object] | None = None

    def create_commit(self, *args: Any, **options: Any) -> Any:
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        return super().create_commit(*args, **options)


def test_a_card_that_moves_while_we_open_ends_in_one_open_request_made_from_the_new_card(
    hub: Any, bot: Bot
) -> None:
    moved = CARD + b"A last line.\n"
    bot.api = api = Overtaken(token="hf_bot")
    api.overtake = lambda: hub.commit(DATA, {"README.md": moved}, "ann", kind="datasets")
    assert bot.publish(NOTE).action == "opened"
    assert proposed(hub, 2) == annotate_dataset(moved, [NOTE])
    assert [one.status for one in requests(hub)] == ["closed", "open"]


@pytest.mark.parametrize("path", [CREATE, UPDATE])
def test_a_stale_parent_is_read_again_and_redone(hub: Any, bot: Bot, path: str) -> None:
    if path == UPDATE:
        bot.publish(NOTE)
    hub.faults.stale("POST", path)
    published = bot.publish(MOVED)
    assert published.action == ("updated" if path == UPDATE else "opened")
    assert hub.faults.pending() == 0
    assert proposed(hub) == annotate_dataset(CARD, [MOVED])
    assert len(requests(hub)) == 1


# The Hub fails


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", [CREATE, UPDATE])
@pytest.mark.parametrize("status", [503, "drop"])
def test_a_failure_around_a_write_never_makes_two(
    hub: Any, bot: Bot, when: str, path: str, status: Any
) -> None:
    if path == UPDATE:
        bot.publish(NOTE)
    if status == "drop":
        hub.faults.drop("POST", path, when=when)
    else:
        hub.faults.fail("POST", path, status, when=when)
    assert bot.publish(MOVED).action == ("updated" if path == UPDATE else "opened")
    assert hub.faults.pending() == 0
    (found,) = requests(hub)
    assert len(found.commits) == (2 if path == UPDATE else 1)
    assert proposed(hub) == annotate_dataset(CARD, [MOVED])


@pytest.mark.parametrize(
    "path", [r"/api/datasets/ann/data(\?|$)", "/discussions", "/datasets/ann/data/resolve/"]
)
def test_reading_is_repeated_where_the_hub_fails(hub: Any, bot: Bot, path: str) -> None:
    change = bot.propose(NOTE)
    moved = CARD + b"More.\n"
    hub.commit(DATA, {"README.md": moved}, "ann", kind="datasets")
    hub.faults.fail("GET", path, 503)
    assert bot.publish(NOTE, proposal=change).action == "opened"
    assert hub.faults.pending() == 0


# Refused


def test_a_header_that_only_data_sets_must_not_have_is_refused(hub: Any, bot: Bot) -> None:
    card = b"---\ntask_categories: text-classification\n---\n# Data\n"
    hub.commit(DATA, {"README.md": card}, "ann", kind="datasets")
    with pytest.raises(CardError, match='refuses this card: "task_categories" must be an array'):
        bot.publish(NOTE)
    assert writes(hub) == []
    assert validate_card(card, api=bot.api) == ()


def test_without_a_token_nothing_is_sent(hub: Any, bot: Bot) -> None:
    nobody = Bot(make_api(None, timeout_s=5.0), bot.backoff)
    with pytest.raises(RemoteError, match="data set ann/data: a pull request needs a token"):
        nobody.publish(NOTE)
    assert writes(hub) == []


def test_a_dry_run_says_what_would_be_done_and_only_reads(hub: Any, bot: Bot) -> None:
    would = bot.publish(NOTE, how=dry_run.publish)
    assert would.action == "would-open"
    assert would.change is not None
    assert would.change.new == annotate_dataset(CARD, [NOTE])
    url = bot.publish(NOTE).url
    hub.clear_log()
    assert bot.publish(NOTE, how=dry_run.publish).action == "unchanged"
    again = bot.publish(OTHER, how=dry_run.publish)
    assert again == Published(action="would-update", reason="", url=url)
    assert {r.method for r in hub.log} <= {"GET", "HEAD"}


# Looking it up


def test_a_data_set_is_looked_up_under_its_present_id(hub: Any, bot: Bot) -> None:
    hub.rename(DATA, "ann/renamed", kind="datasets")
    remote = resolve_dataset_repository(DATA, api=bot.api)
    assert (remote.dataset, remote.repo_id, remote.owner) == ("ann/renamed", "ann/renamed", "ann")
    assert remote.revision == hub.head("ann/renamed", kind="datasets")
    assert reason_to_leave_alone(remote) is None
    assert "asked to be left alone" in str(reason_to_leave_alone(remote, opt_out=["@Ann"]))


def test_one_of_the_oldest_data_sets_belongs_to_nobody(hub: Any, bot: Bot) -> None:
    hub.add_dataset("old", {"README.md": CARD})
    assert resolve_dataset_repository("old", api=bot.api).owner == ""


def test_a_missing_data_set_is_named(bot: Bot) -> None:
    with pytest.raises(RemoteError, match="data set ann/nothing: no such repository") as caught:
        resolve_dataset_repository("ann/nothing", api=bot.api)
    assert caught.value.kind == "not_found"


def test_a_path_is_no_data_set(bot: Bot) -> None:
    with pytest.raises(SettingsError, match="is not a data set of the Hub: expected owner/name"):
        resolve_dataset_repository("./data/train.csv", api=bot.api)
