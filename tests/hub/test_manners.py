"""When repositories are left alone."""

from dataclasses import replace

import pytest

from hubbot.errors import RemoteError
from hubbot.hub.accounts import Account, can_write, is_stranger, read_account
from hubbot.hub.manners import asks_to_stop, is_on_list, reason_to_leave_alone
from hubbot.schema import RemoteCheckpoint

REMOTE = RemoteCheckpoint(
    model="Ann/model",
    revision="a" * 40,
    files=(),
    owner="Ann",
    is_private=False,
    is_gated=False,
    is_disabled=False,
)


def test_an_ordinary_repository_is_not_left_alone() -> None:
    assert reason_to_leave_alone(REMOTE, opt_out=["bob", "ann/other"]) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_private": True}, "private"),
        ({"is_gated": True}, "gated"),
        ({"is_disabled": True}, "disabled"),
    ],
)
def test_a_closed_repository_is_left_alone(change: dict[str, bool], reason: str) -> None:
    assert reason in str(reason_to_leave_alone(replace(REMOTE, **change)))  # type: ignore[arg-type]


def test_a_card_that_says_no_is_left_alone() -> None:
    assert "hubbot: false" in str(reason_to_leave_alone(REMOTE, card_says_no=True))


@pytest.mark.parametrize("entry", ["ann", "ANN", " @Ann ", "ann/", "Ann/Model", "ann/model"])
def test_an_owner_or_model_on_the_list_is_left_alone(entry: str) -> None:
    assert "asked to be left alone" in str(reason_to_leave_alone(REMOTE, opt_out=["x", entry]))


@pytest.mark.parametrize("entry", ["", "an", "model", "annie", "ann/mode", "/"])
def test_a_name_that_only_looks_alike_is_not_on_the_list(entry: str) -> None:
    assert not is_on_list("Ann/model", [entry])


def test_a_bare_id_is_not_taken_for_its_owner() -> None:
    assert is_on_list("gpt2", ["gpt2"])
    assert not is_on_list("ann/gpt2", ["gpt2"])


@pytest.mark.parametrize(
    "comment",
    [
        "hubbot: false",
        "Hubbot: STOP",
        "> quoted\n@hubbot stop, please",
        "No.\r\n  hubbot:false",
        "`hubbot: false`",
    ],
)
def test_a_comment_can_ask_us_to_stop(comment: str) -> None:
    assert asks_to_stop([comment])


@pytest.mark.parametrize(
    "comment",
    ["", "thanks!", "is hubbot: false a thing?", "hubbot stopped working", "hubbot is nice"],
)
def test_other_comments_do_not(comment: str) -> None:
    assert not asks_to_stop([comment])


def test_the_account_is_read_from_what_the_hub_answers() -> None:
    answer = {
        "name": "ann",
        "orgs": [{"name": "lab", "roleInOrg": "admin"}, {"nameless": 1}, "odd"],
        "auth": {"accessToken": {"role": "write"}},
    }
    assert read_account(answer) == Account(name="ann", orgs=("lab",), role="write")


@pytest.mark.parametrize(
    ("role", "expected"),
    [("admin", True), ("write", True), ("contributor", False), ("read", False), (None, False)],
)
def test_an_organisation_is_ones_own_only_where_one_may_write(
    role: str | None, expected: bool
) -> None:
    account = read_account({"name": "ann", "orgs": [{"name": "lab", "roleInOrg": role}]})
    assert is_stranger(account, "lab") is not expected


@pytest.mark.parametrize("answer", [{}, {"name": ""}, {"name": 7}])
def test_an_answer_that_names_nobody_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(RemoteError, match="names nobody"):
        read_account(answer)


@pytest.mark.parametrize(
    ("role", "expected"), [("write", True), ("fineGrained", True), ("", True), ("read", False)]
)
def test_a_token_for_reading_cannot_write(role: str, expected: bool) -> None:
    assert can_write(Account(name="ann", role=role)) is expected


def test_nobody_cannot_write() -> None:
    assert not can_write(Account(name="", is_anonymous=True))


def test_own_and_organisations_repositories_are_no_strangers() -> None:
    account = Account(name="Ann", orgs=("Lab",))
    assert not is_stranger(account, "ann")
    assert not is_stranger(account, "lab")
    assert is_stranger(account, "bob")
    assert is_stranger(account, "")
    assert is_stranger(Account(name="", is_anonymous=True), "")
