"""The page of a pass, also of one that ends early; settings that would end it late. No probes."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.bot.checking import check_bot_settings, wrong_settings
from hubbot.bot.one_pass import RunningPass, ignore_summary, run
from hubbot.bot.summary import Summary, lines_of
from hubbot.bot.workplace import Budget, Workplace
from hubbot.errors import RemoteError, SettingsError
from hubbot.localhub.server import LocalHub
from hubbot.records.pass_rows import BotLedger
from hubbot.settings import Settings, load_settings
from tests.records.listed_rows import a_row

Files = dict[str, Any]
ONLY = ("-a", "all-MiniLM-L6-v2")
ALONE = (*ONLY, "--no-discover")
BASE = "sentence-transformers/all-MiniLM-L6-v2"
CARD = f"---\nlicense: mit\nbase_model: {BASE}\n---\n# A model\n".encode()


@pytest.fixture(autouse=True)
def ledger(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "ledger.sqlite"))
    for name in ("SENSITIVITIES_PER_PASS", "EVALUATIONS_PER_PASS"):
        monkeypatch.setenv(f"HUBBOT_BOT__{name}", "0")
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def recorded(
    hub: LocalHub,
    sound: Files,
    record_of: Callable[..., Path],
    environment: Path,
    ledger: Path,
) -> LocalHub:
    """A model of which an earlier pass filed a record, and whose card is next."""
    hub.add_model("me/child", sound | {"README.md": CARD})
    head = hub.head("me/child")
    given = record_of("me/child", revision=head)
    place = environment / "all-MiniLM-L6-v2" / given.name
    place.parent.mkdir(parents=True)
    given.rename(place)
    with BotLedger(ledger) as opened:
        opened.note_listed([a_row("me/child", revision=head, architecture="all-MiniLM-L6-v2")])
        opened.note_checkpoint("me/child", "recorded", measured_revision=head)
    return hub


# A pass that ends early


def test_a_pass_that_ends_early_prints_its_page_and_why(
    hub: LocalHub, hubbot: Callable[..., Any], ledger: Path
) -> None:
    hub.faults.fail("GET", "/api/models", 401)
    ran = hubbot("run", *ONLY)
    assert ran.code == 4
    assert "pull requests opened" in ran.out
    ended = next(line for line in ran.out.splitlines() if line.startswith("ended early"))
    assert "list: the list of models with" in ended
    assert "the token is missing, wrong or expired" in ran.err

    hub.faults.fail("GET", "/api/models", 401)
    ran = hubbot("run", *ONLY, "--json")
    assert ran.code == 4
    assert ran.json["stopped"].startswith("list: ")
    assert hubbot("status", "--json").json["last_pass"]["summary"]["stopped"] == ran.json["stopped"]


def test_a_token_that_may_only_read_is_found_before_anything_is_listed(
    hub: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str]
) -> None:
    token("robot", role="read")
    ran = hubbot("run", *ONLY, "--send", "--json")
    assert ran.code == 4
    assert ran.json["stopped"].startswith("settings: --send: the token of robot may only read")
    assert [one.path for one in hub.log] == ["/api/whoami-v2"]
    assert hubbot("run", *ONLY, "--json").code == 0, "a dry run needs no token"


def test_a_hub_that_cannot_say_what_the_token_may_stops_no_pass(
    hub: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str]
) -> None:
    token("robot")
    hub.faults.fail("GET", "/api/whoami-v2", 503, times=2)
    ran = hubbot("run", *ONLY, "--send", "--json")
    assert ran.code == 0, ran.err
    assert "whether the token may write is not known yet" in ran.err
    assert ran.json["discovered"]["pages"] > 0


@pytest.mark.parametrize(("ahead_h", "is_told"), [(0.5, False), (5.0, True)])
def test_a_clock_behind_the_ledger_is_told(
    hub: LocalHub, hubbot: Callable[..., Any], ledger: Path, ahead_h: float, is_told: bool
) -> None:
    with BotLedger(ledger) as opened:
        opened.note_pull_request("model", "you/m", "https://hub.example/1", state="merged")
    with sqlite3.connect(ledger) as raw:
        raw.execute("UPDATE pull_requests SET opened = opened + ?", (3600 * ahead_h,))
    ran = hubbot("run", *ALONE, "--json")
    told = [problem for problem in ran.json["problems"] if "the clock is" in problem]
    assert bool(told) is is_told
    assert not told or "5.0 hours behind what the ledger holds" in told[0]


def test_a_bot_whose_last_pass_failed_ends_with_the_errors_code_and_says_why(
    hub: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str], ledger: Path
) -> None:
    token("robot", role="read")
    ran = hubbot("bot", "--every", "1h", "--passes", "1", "--send", *ONLY)
    assert ran.code == 4
    assert "ended early" in ran.out
    health = json.loads((ledger.parent / "hubbot-health.json").read_text())
    assert (health["state"], health["failures_in_a_row"]) == ("stopped", 1)
    assert "the token of robot may only read" in health["last_error"]


def test_a_bot_with_wrong_settings_ends_at_once_and_its_health_says_why(
    hub: LocalHub, hubbot: Callable[..., Any], ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__EVALUATE_TARGETS", "quikc")
    ran = hubbot("bot", "--every", "1h", *ONLY)
    assert ran.code == 2
    assert "ended early" in ran.out
    health = json.loads((ledger.parent / "hubbot-health.json").read_text())
    assert (health["state"], health["passes"], health["failures_in_a_row"]) == ("stopped", 1, 1)
    assert "'quikc'; did you mean 'quick'" in health["last_error"]
    assert hub.log == ()


def test_a_full_disk_does_not_end_a_bot_but_its_last_pass_failed(
    recorded: LocalHub,
    sound: Files,
    hubbot: Callable[..., Any],
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    recorded.add_model(BASE, sound)
    with BotLedger(ledger) as opened:
        opened.note_checkpoint("me/child", "seen")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HUBBOT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HUBBOT_DOWNLOAD__MIN_FREE_GB", "1000000")
    ran = hubbot("bot", "--every", "1s", "--passes", "2", *ONLY)
    assert ran.code == 1
    assert ran.out.count("ended early") == 2
    health = json.loads((ledger.parent / "hubbot-health.json").read_text())
    assert (health["passes"], health["failures_in_a_row"]) == (2, 2)
    assert "expected at least 1e+06" in health["last_error"]


@pytest.mark.parametrize(
    ("since", "words"),
    [("rubbish", "is no moment"), ("9999-01-01", "lies in the future")],
)
def test_a_since_that_is_no_moment_of_the_past_begins_no_pass(
    hub: LocalHub, hubbot: Callable[..., Any], since: str, words: str
) -> None:
    ran = hubbot("run", *ONLY, "--since", since, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert hubbot("status", "--json").json["last_pass"] == {}


def test_since_all_lists_what_an_earlier_pass_listed(
    hub: LocalHub, hubbot: Callable[..., Any]
) -> None:
    adapter = {"base_model": BASE, "library_name": "peft"}
    moment = {"createdAt": "2026-01-01T00:00:00.000Z", "lastModified": "2026-02-01T00:00:00.000Z"}
    for number in (1, 2):
        later = {"lastModified": f"2026-02-0{number}T00:00:00.000Z"}
        hub.add_listed(
            [{"id": f"you/m{number}", "cardData": adapter, "tags": ["bert"], **moment, **later}]
        )
    assert hubbot("run", *ONLY, "--json").json["discovered"]["new"] == 2
    again = hubbot("run", *ONLY, "--json").json["discovered"]
    assert (again["new"], again["known"]) == (0, 1)
    assert again["unchanged"] > 0
    every = hubbot("run", *ONLY, "--since", "all", "--json").json["discovered"]
    assert (every["new"], every["known"], every["unchanged"]) == (0, 2, 0)


# Whose card it is


def test_each_diff_says_whose_card_it_is(
    recorded: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str]
) -> None:
    (line,) = [one for one in hubbot("run", *ALONE).out.splitlines() if "me/child: " in one]
    assert line.startswith("me/child: skipped; "), "a stranger's, and the reason is said"
    token("me")
    ran = hubbot("run", *ALONE)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[lines.index("me/child: would-open") + 1].startswith("--- a/README.md")


def test_the_page_names_what_was_opened_and_who_said_stop(
    recorded: LocalHub, hubbot: Callable[..., Any], token: Callable[..., str]
) -> None:
    token("me")
    ran = hubbot("run", *ALONE, "--send")
    assert ran.code == 0, ran.err
    (opened,) = [one.strip() for one in ran.out.splitlines() if one.startswith("  opened")]
    address = opened.split()[-1]
    assert address.endswith("/me/child/discussions/1")
    assert f"me/child: opened {address}" in ran.out.splitlines()

    recorded.comment("me/child", 1, "you", "hubbot stop")
    ran = hubbot("run", *ALONE, "--send", "--json")
    assert ran.json["opened"] == []
    assert list(ran.json["opt_outs"]) == ["me/child"]
    assert "you said so on" in ran.json["opt_outs"]["me/child"]
    assert hubbot("run", *ALONE, "--send", "--json").json["opt_outs"] == {}, "heard before"


# What it cost


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "number": 1,
        "begun": "2026-01-02T03:04:05+00:00",
        "seconds": 7200.0,
        "is_sending": False,
        "discovered": {},
        "touched": {},
        "total": {},
        "n_measured": 4,
        "n_opened": 0,
        "events": {},
        "problems": (),
        "stopped": "",
        "seconds_per_model": 90.0,
    }
    return Summary(**(values | changes))


def test_the_page_tells_time_and_cost_of_fine_tunings_apart() -> None:
    told = dict(
        lines_of(
            summary(cost=20.0, cost_per_model=0.25, target_seconds=6480.0, target_cost=18.0),
        )
    )
    assert told["measured"] == "4, 90.0 s each, cost 20.00 (0.250 each)"
    assert told["fine-tunings"] == "6480 s, cost 18.00"
    assert "fine-tunings" not in dict(lines_of(summary()))


def test_the_cost_of_each_is_of_the_time_on_checkpoints_not_of_the_whole_pass(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__PRICE_PER_HOUR", "36")
    with BotLedger(ledger) as opened:
        work = Workplace(
            ledger=opened, settings=load_settings(), budget=Budget(), number=opened.begin_pass()
        )
        work.begun -= 1000.0
        work.n_measured, work.seconds = 4, 80.0
        done = RunningPass(work, ignore_summary).end()
    assert done.cost == pytest.approx(10.0, abs=0.1)
    assert (done.seconds_per_model, done.cost_per_model) == (20.0, 0.2)


def test_the_time_of_fine_tunings_is_taken(
    recorded: LocalHub, ledger: Path, hubbot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with BotLedger(ledger) as opened:
        values = {"measured_revision": recorded.head("me/child"), "weights_digest": "sha256:5f"}
        opened.note_checkpoint("me/child", "recorded", lp_gain=2.0, **values)
    monkeypatch.setenv("HUBBOT_BOT__SENSITIVITIES_PER_PASS", "1")
    monkeypatch.setenv("HUBBOT_BOT__WATCH", "ann/none")
    recorded.faults.slow("GET", "/api/datasets/ann/none", 1.0, times=1)
    done = hubbot("run", *ALONE, "--json").json
    assert done["target_seconds"] >= 1.0
    assert done["target_cost"] is None


def test_a_pass_that_measured_nothing_has_a_price_and_none_for_each(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__PRICE_PER_HOUR", "36000")
    done = run(architectures=ONLY[1:], discovers=False, settings=load_settings())
    assert done.cost == pytest.approx(10 * done.seconds, abs=1)
    assert done.cost_per_model is None
    assert done.target_cost is not None


# Settings that would end a pass late


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bot": {"architectures": ("roberta",)}}, "bot.architectures: unknown architecture"),
        ({"bot": {"evaluate_targets": "quikc"}}, "bot.evaluate_targets: unknown target or group"),
        ({"bot": {"evaluate_targets": ""}}, "bot.evaluate_targets: no targets in ''"),
        ({"bot": {"watch": ("rte", "emotoin")}}, "bot.watch: unknown data set 'emotoin'; did you"),
        ({"bot": {"watch": ("nyu-mll/glue",)}}, "bot.watch: 'nyu-mll/glue' stands for"),
        ({"bot": {"homepage": "javascript:x"}}, "bot.homepage: expected an http(s) address"),
        ({"bot": {"ranking_url": "ranking"}}, "bot.ranking_url: expected an http(s) address"),
        ({"github": {"repository": "me/scores"}}, "github.repository is me/scores, but a token is"),
        (
            {"github": {"repository": "me/scores", "token": SecretStr(" ")}},
            "github.repository is me/scores, but a token is not set",
        ),
        (
            {"github": {"repository": "me/scores", "app_id": 3}},
            "github.app_id is set without github.private_key_file",
        ),
        (
            {"github": {"repository": "me/scores", "private_key_file": Path("none.pem")}},
            "but github.app_id is not set",
        ),
        (
            {
                "github": {
                    "repository": "me/scores",
                    "app_id": 3,
                    "private_key_file": Path("none.pem"),
                }
            },
            "github.private_key_file names none.pem, which is no file",
        ),
        (
            {"github": {"repository": "me/scores", "token": SecretStr("x"), "app_id": 3}},
            "github.token and github.app_id are both set",
        ),
    ],
)
def test_what_would_end_a_pass_late_is_refused_by_name(changes: Any, words: str) -> None:
    settings = Settings(**changes)
    (found,) = wrong_settings(settings)
    assert words in found
    with pytest.raises(SettingsError) as caught:
        check_bot_settings(settings, is_sending=False)
    assert str(caught.value) == found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bot": {"watch": ("emotion", "me/own-data", "nyu-mll.org/glue_2")}},
        {"bot": {"homepage": "https://example.org/bot", "architectures": ("roberta-base",)}},
        {"github": {"repository": "me/scores", "token": SecretStr("x")}},
        {"github": {"app_id": 3}},
        {"bot": {"strangers": True}},
    ],
)
def test_what_can_be_used_is_not_refused(hub: LocalHub, changes: Any) -> None:
    check_bot_settings(Settings(**changes), is_sending=False)
    assert hub.log == ()


def test_several_wrong_settings_are_counted_and_told_by_doctor(
    hub: LocalHub, hubbot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__EVALUATE_TARGETS", "quikc")
    monkeypatch.setenv("HUBBOT_BOT__WATCH", "emotoin")
    ran = hubbot("run", *ALONE)
    assert ran.code == 2
    assert "bot.watch: unknown data set 'emotoin'" in ran.err
    assert "(1 more: `hubbot doctor` has them all)" in ran.err
    told = hubbot("doctor")
    assert "bot.watch: " in told.out
    assert "bot.evaluate_targets: " in told.out


def test_strangers_without_an_operator_are_refused_when_sending() -> None:
    settings = Settings(bot={"strangers": True, "operator": "me", "contact": " "})
    with pytest.raises(SettingsError, match=r"set contact under \[bot\]"):
        check_bot_settings(settings, is_sending=True)


def test_no_token_at_all_is_refused_when_sending(hub: LocalHub) -> None:
    with pytest.raises(RemoteError, match="--send: a pull request needs a token") as caught:
        check_bot_settings(load_settings(), is_sending=True)
    assert caught.value.kind == "unauthorised"
