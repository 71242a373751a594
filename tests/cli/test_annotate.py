"""``hubbot annotate`` from dry run to merge, and ``hubbot show`` reading it back."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]


def changed_lines(diff: str) -> list[str]:
    """Return the added and removed lines of a unified diff."""
    return [
        line
        for line in diff.splitlines()
        if line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- "))
    ]


@pytest.fixture
def child(hub: LocalHub, sound: Files) -> LocalHub:
    hub.add_user("me", "hf_of_me")
    hub.add_model("me/child", sound)
    return hub


@pytest.mark.slow
def test_a_model_is_measured_proposed_merged_and_read_back(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    writes: Callable[[], list[str]],
    kept: Callable[[], set[str]],
    environment: Path,
) -> None:
    measured = kept()
    card = child.read_file("me/child", "README.md")

    dry = hubbot("annotate", "me/child")
    assert dry.code == 0, dry.err
    assert "Dry run: nothing was written. A pull request would be opened; add --send." in dry.out
    assert writes() == []
    assert child.pull_requests("me/child") == ()

    token("me")
    sent = hubbot("annotate", "me/child", "--send")
    assert sent.code == 0, sent.err
    assert "Pull request opened." in sent.out
    (opened,) = child.pull_requests("me/child")
    assert (opened.status, opened.author) == ("open", "me")
    assert f"{child.url}/me/child/discussions/1" in sent.out
    assert changed_lines(dry.out) == changed_lines(sent.out) == changed_lines(opened.diff)
    assert not [line for line in changed_lines(opened.diff) if line.startswith("-")]
    assert child.read_file("me/child", "README.md") == card, "main is the owner's"

    again = hubbot("annotate", "me/child", "--send", "--json").json
    assert (again["action"], again["diff"]) == ("unchanged", "")
    would = hubbot("annotate", "me/child", "--json").json
    assert would["action"] == "unchanged"

    child.merge_pull_request("me/child", 1, "me")
    after = hubbot("annotate", "me/child", "--send", "--json").json
    assert (after["action"], after["diff"]) == ("unchanged", "")
    assert len(child.pull_requests("me/child")) == 1
    assert kept() == measured, "nothing was measured again"

    (record,) = environment.glob("*/me--child.yaml")
    shown = hubbot("show", "me/child", "--json").json
    assert_same_numbers(shown, after["record"])
    assert shown["model"] == "me/child"
    assert record.parent.name == shown["architecture"] == "all-MiniLM-L6-v2"
    assert "me/child" in hubbot("show", "me/child").out


def assert_same_numbers(shown: Any, record: Any) -> None:
    """Compare what a card says with the record it was made from, to two decimals."""
    for key in ("lp_accuracy", "lp_gain"):
        assert shown[key] == {head: round(value, 2) for head, value in record[key].items()}
        intervals = f"{key}_interval"
        assert shown[intervals] == {
            head: [round(end, 2) for end in ends] for head, ends in record[intervals].items()
        }
    for key in ("protocol", "weights_digest", "base_model", "prediction_note", "date"):
        assert shown[key] == record[key]


def test_a_given_record_is_sent_without_measuring(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
) -> None:
    token("me")
    path = record_of("me/child")
    sent = hubbot("annotate", "me/child", "--record", path, "--send", "--json")
    assert sent.json["action"] == "opened"
    assert sent.json["record"]["lp_accuracy"] == {"linear": 55.125, "head": 56.25}
    assert not [one for one in child.log if "model.safetensors" in one.path]
    assert hubbot("annotate", "me/child", "--record", path, "--send", "--json").json["action"] == (
        "unchanged"
    )
    before = child.read_file("me/child", "README.md", "refs/pr/1").decode()

    moved = record_of("me/child", lp_accuracy={"linear": 55.0, "head": 57.4})
    dry = hubbot("annotate", "me/child", "--record", moved, "--json").json
    assert dry["action"] == "would-update"
    assert child.read_file("me/child", "README.md", "refs/pr/1").decode() == before
    updated = hubbot("annotate", "me/child", "--record", moved, "--send", "--json").json
    assert updated["action"] == "updated"
    after = child.read_file("me/child", "README.md", "refs/pr/1").decode()
    differing = [
        line
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0)
        if not line.startswith(("+++ ", "--- ", "@@"))
    ]
    assert sorted(changed_lines(dry["diff"])) == sorted(differing)
    assert dry["diff"] == updated["diff"]
    assert [one.status for one in child.pull_requests("me/child")] == ["open"]


def test_a_pull_request_that_its_owner_closed_is_not_repeated(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
) -> None:
    token("me")
    command = ("annotate", "me/child", "--record", record_of("me/child"), "--send", "--json")
    assert hubbot(*command).json["action"] == "opened"
    child.close_pull_request("me/child", 1, "me")
    again = hubbot(*command)
    assert again.code == 0
    assert again.json["action"] == "skipped"
    assert "closed" in again.json["reason"]
    assert len(child.pull_requests("me/child")) == 1


@pytest.mark.parametrize("way", ["card", "owner", "model"])
def test_who_asked_to_be_left_alone_is(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    writes: Callable[[], list[str]],
    tmp_path: Path,
    way: str,
) -> None:
    if way == "card":
        card = child.read_file("me/child", "README.md").replace(b"---\n#", b"hubbot: false\n---\n#")
        child.commit("me/child", {"README.md": card}, "me")
    else:
        listed = "me" if way == "owner" else "me/child"
        (tmp_path / "hubbot.toml").write_text(f"[bot]\nopt_out = ['{listed}']\n")
    token("me")
    ran = hubbot("annotate", "me/child", "--send", "--json")
    assert ran.code == 0
    assert ran.json["action"] == "skipped"
    assert ("hubbot: false" if way == "card" else "bot.opt_out") in ran.json["reason"]
    assert ran.json["diff"] == ""
    assert writes() == []
    assert not [one for one in child.log if "model.safetensors" in one.path]


def test_a_strangers_repository_needs_a_yes(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
    writes: Callable[[], list[str]],
) -> None:
    token("bot")
    command = ("annotate", "me/child", "--record", record_of("me/child"), "--send", "--json")
    ran = hubbot(*command)
    assert ran.code == 2
    assert ran.out == ""
    assert "me/child is not bot's own" in ran.err
    assert "add --yes to go on" in ran.err
    assert writes() == []

    agreed = hubbot(*command, "--yes")
    assert agreed.json["action"] == "opened"
    (one,) = child.pull_requests("me/child")
    assert one.author == "bot"
    assert "This bot is run by the tests." in one.description


@pytest.mark.parametrize("missing", ["HUBBOT_BOT__OPERATOR", "HUBBOT_BOT__CONTACT"])
def test_a_stranger_is_not_written_to_by_nobody(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
    writes: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    token("bot")
    monkeypatch.setenv(missing, "")
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--send", "--yes")
    assert ran.code == 2
    assert "set operator and contact under [bot] in hubbot.toml" in ran.err
    assert writes() == []


def test_a_member_of_the_organisation_is_no_stranger(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    token: Callable[..., str],
    record_of: Callable[..., Path],
) -> None:
    token("me")
    hub.add_org("team", ["me"])
    hub.add_model("team/child", sound)
    ran = hubbot("annotate", "team/child", "--record", record_of("team/child"), "--send", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["action"] == "opened"


def test_a_card_that_cannot_be_edited_safely_is_left_as_it_is(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    token: Callable[..., str],
    record_of: Callable[..., Path],
    writes: Callable[[], list[str]],
) -> None:
    token("me")
    card = sound["README.md"] + b"\n<!-- hubbot:begin -->\nand no end\n"
    hub.add_model("me/child", sound | {"README.md": card})
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--send")
    assert ran.code == 1
    assert "me/child" in ran.err
    assert "hubbot:end" in ran.err
    assert writes() == []


def test_show_says_where_scores_would_come_from(
    child: LocalHub, hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    ran = hubbot("show", "me/child")
    assert ran.code == 1
    assert "me/child: its card holds no scores of hubbot's" in ran.err
    assert "hubbot annotate" in ran.err
    (tmp_path / "README.md").write_text("# A card\n")
    assert hubbot("show", tmp_path).code == 1
