"""``hubbot doctor``: every check finds what is wrong, says what to do, and stands alone."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.doctoring import machine, remote
from hubbot.doctoring.finding import fine, isolated
from hubbot.errors import RemoteError
from hubbot.hub.accounts import Account, read_account
from hubbot.hub.limits import RateLimitLeft
from hubbot.localhub.faults import Fault
from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub
from hubbot.settings import Settings

CHECKS = [
    *(
        "python",
        "extra probe",
        "extra finetune",
        "extra github",
        "extra bot",
        "extra analysis",
        "extra demo",
    ),
    *("versions", "device", "sandbox", "disk", "settings", "environment", "strangers"),
    *("bot settings", "ledger"),
    *("hub", "rate limit", "clock", "token for reading", "token for writing", "github"),
]

Findings = dict[str, dict[str, str]]


@pytest.fixture
def examined(hubbot: Callable[..., Any]) -> Callable[[], Findings]:
    """Run the command; gives its findings by check, the exit code compared with them."""

    def run() -> Findings:
        ran = hubbot("doctor", "--json")
        findings = {one["check"]: one for one in ran.json}
        assert len(findings) == len(ran.json), "each check is told once"
        is_bad = any(one["status"] == "problem" for one in findings.values())
        assert ran.code == (1 if is_bad else 0)
        for one in findings.values():
            assert one["status"] == "ok" or one["advice"] or ": " in one["found"]
        return findings

    return run


def test_a_sound_machine_has_no_problem_and_every_check_is_made(
    hub: LocalHub, examined: Callable[[], Findings], token: Callable[..., str]
) -> None:
    token("me")
    findings = examined()
    assert list(findings) == CHECKS
    assert [one for one in findings.values() if one["status"] == "problem"] == []
    for check in ("versions", "ledger", "hub", "clock", "token for writing", "github"):
        assert findings[check]["status"] == "ok", findings[check]


def test_the_text_says_the_same_as_the_json(hub: LocalHub, hubbot: Callable[..., Any]) -> None:
    ran = hubbot("doctor")
    for check in CHECKS:
        assert f"] {check} " in ran.out
    assert "[warning] token for writing" in ran.out
    assert "-> for --send, make one that may write" in ran.out


def test_no_secret_is_told(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = token("me")
    monkeypatch.setenv("HUBBOT_GITHUB__TOKEN", "ghp_very_secret")
    monkeypatch.setenv("HUBBOT_GITHUB__REPOSITORY", "me/scores")
    monkeypatch.setenv("HUBBOT_GITHUB__BASE_URL", hub.github.url)
    ran = hubbot("doctor", "--json")
    assert secret not in ran.out + ran.err
    assert "very_secret" not in ran.out + ran.err


# Each check stands alone


def test_a_check_that_ends_with_an_error_of_ours_is_one_finding() -> None:
    def look() -> Any:
        raise RemoteError("the Hub: it rains")

    finding = isolated("weather", look, advice="wait")
    assert (finding.check, finding.status) == ("weather", "problem")
    assert (finding.found, finding.advice) == ("the Hub: it rains", "wait")


def test_a_check_that_breaks_is_one_finding_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    finding = isolated("sums", lambda: fine("sums", str(1 / 0)))
    assert finding.status == "problem"
    assert "ZeroDivisionError: division by zero" in finding.found
    assert "the check of sums failed" in caplog.text
    assert "Traceback" in caplog.text


def test_three_broken_things_are_three_problems(
    hub: LocalHub,
    examined: Callable[[], Findings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database" * 100)
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(broken))
    monkeypatch.setenv("HUBBOT_DOWNLOAD__MAX_GB", "9e9")
    hub.faults.drop("GET", "/api/models", times=None)
    findings = examined()
    bad = [name for name, one in findings.items() if one["status"] == "problem"]
    assert bad == ["disk", "ledger", "hub"]
    assert "damaged, or not a ledger" in findings["ledger"]["found"]
    assert "lower download.max_gb: 9000000002.0 GiB" in findings["disk"]["advice"]
    assert findings["github"]["status"] == "ok"
    assert "token for reading" not in findings, "a Hub that is not there is told of once"


# This machine


@pytest.mark.parametrize(
    ("pins", "status", "words"),
    [
        ("", "ok", "as tested"),
        ("torch==0.0.1\n", "warning", "(tested: 0.0.1); scores may differ"),
        ("transformers==0.0.2 ; python_version > '3'\n", "warning", "(tested: 0.0.2)"),
        ("huggingface-hub==0.0.3\n", "warning", "(tested: 0.0.3)"),
        ("# torch==0.0.1\nnumpy==0.0.1\n", "ok", "as tested"),
    ],
)
def test_versions_are_compared_with_the_tested_ones(
    tmp_path: Path, pins: str, status: str, words: str
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(pins)
    finding = machine.versions(lock)
    assert finding.status == status
    assert words in finding.found
    assert ("pip install -r" in finding.advice) == (status == "warning")


def test_the_checkouts_lock_pins_what_is_compared() -> None:
    pins = machine.read_pins(machine.lock_file().read_text())
    assert {"torch", "transformers", "huggingface-hub"} <= pins.keys()


def test_without_a_lock_nothing_is_compared(tmp_path: Path) -> None:
    finding = machine.versions(tmp_path / "requirements.lock")
    assert finding.status == "ok"
    assert "no requirements.lock beside the package" in finding.found


@pytest.mark.parametrize(
    ("script", "driver"),
    [
        ("echo 570.86.15\necho 570.86.15", "570.86.15"),
        ("echo 'NVIDIA-SMI has failed'; exit 9", ""),
        ("exit 0", ""),
    ],
)
def test_the_driver_is_the_one_nvidia_smi_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, driver: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert machine.nvidia_driver() == driver


def test_without_nvidia_smi_there_is_no_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.nvidia_driver() == ""


def test_a_driver_without_a_device_for_torch_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 570.86.15\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = machine.device(Settings())
    assert finding.status == "warning"
    assert "NVIDIA driver (570.86.15), but torch sees no device" in finding.found
    advice = "update the driver" if torch.version.cuda else "a build without CUDA"
    assert advice in finding.advice


def test_a_device_that_is_asked_for_and_not_there_is_a_problem() -> None:
    finding = machine.device(Settings(probe={"device": "cuda:99"}))
    assert finding.status == "problem"
    assert "probe.device is 'cuda:99'" in finding.found
    assert "set probe.device to auto" in finding.advice


@pytest.mark.gpu
def test_a_device_is_described_with_memory_driver_and_precision() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    finding = machine.device(Settings())
    assert finding.status == "ok"
    for word in (torch.cuda.get_device_name(0), "GiB free", "bf16", f"CUDA {torch.version.cuda}"):
        assert word in finding.found


# The settings and the ledger


def test_a_token_in_the_file_is_told_of(
    hub: LocalHub, examined: Callable[[], Findings], tmp_path: Path
) -> None:
    hub.add_user("me", "hf_in_file")
    (tmp_path / "hubbot.toml").write_text("write_token = 'hf_in_file'\n[bot]\nmax_models = 3\n")
    finding = examined()["settings"]
    assert finding["status"] == "warning"
    assert "is valid (2 set), and holds write_token" in finding["found"]
    assert "set HUBBOT_WRITE_TOKEN in the environment" in finding["advice"]
    assert "hf_in_file" not in str(finding)


def test_a_variable_that_is_no_setting_is_told_of(
    hub: LocalHub, examined: Callable[[], Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT_MAX_MODELS", "3")
    finding = examined()["environment"]
    assert finding["status"] == "warning"
    assert "HUBBOT_BOT_MAX_MODELS (did you mean HUBBOT_BOT__MAX_MODELS?)" in finding["found"]


def test_strangers_without_an_operator_are_a_problem(
    hub: LocalHub, examined: Callable[[], Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__STRANGERS", "true")
    assert "in the name of the tests (tests@example.org)" in examined()["strangers"]["found"]
    monkeypatch.setenv("HUBBOT_BOT__CONTACT", " ")
    finding = examined()["strangers"]
    assert finding["status"] == "problem"
    assert "bot.strangers is on, bot.contact not set" in finding["found"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ARCHITECTURES", "roberta", "bot.architectures: unknown architecture 'roberta'; did you"),
        ("EVALUATE_TARGETS", "quikc", "bot.evaluate_targets: unknown target or group"),
        ("WATCH", "emotoin", "bot.watch: unknown data set 'emotoin'; did you mean"),
        ("HOMEPAGE", "javascript:x", "bot.homepage: expected an http(s) address"),
    ],
)
def test_a_setting_that_a_pass_refuses_is_a_problem(
    hub: LocalHub,
    examined: Callable[[], Findings],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv(f"HUBBOT_BOT__{name}", value)
    finding = examined()["bot settings"]
    assert finding["status"] == "problem"
    assert words in finding["found"]


def test_a_folder_that_lets_root_in_and_takes_no_file_is_a_problem(
    hub: LocalHub, examined: Callable[[], Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", "/proc/x/ledger.sqlite")
    finding = examined()["ledger"]
    assert finding["status"] == "problem"
    assert "/proc is no folder that may be written" in finding["found"]


def test_a_newer_ledger_is_a_problem(
    hub: LocalHub,
    examined: Callable[[], Findings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hubbot.records.ledger import Ledger

    path = tmp_path / "ledger.sqlite"
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(path))
    assert "none at" in examined()["ledger"]["found"]
    assert not path.exists()
    Ledger(path).close()
    assert "writable" in examined()["ledger"]["found"]
    assert "0 cells" in examined()["ledger"]["found"]
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    finding = examined()["ledger"]
    assert finding["status"] == "problem"
    assert "is of version 99" in finding["found"]


# The Hub


def test_a_token_that_is_refused_is_told_and_the_other_is_still_checked(
    hub: LocalHub,
    examined: Callable[[], Findings],
    token: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token("me")
    monkeypatch.setenv("HUBBOT_READ_TOKEN", "hf_expired")
    findings = examined()
    assert findings["token for reading"]["status"] == "problem"
    assert "hf_expired" not in str(findings)
    assert findings["token for writing"]["status"] == "ok"
    assert "me, may write (token role: write)" in findings["token for writing"]["found"]


@pytest.mark.parametrize("body", ["html", "object"])
def test_something_else_that_answers_in_the_hubs_place_is_a_problem(
    hub: LocalHub, examined: Callable[[], Findings], body: str
) -> None:
    if body == "html":
        hub.faults.html("GET", "/api/models", status=200, times=None)
        words = "answered with something else than JSON; is a proxy or login page between?"
    else:
        fault = Fault(kind="status", status=200, message="welcome")
        hub.faults.add("GET", "/api/models", fault, times=None)
        words = "expected a list of models, found dict"
    finding = examined()["hub"]
    assert finding["status"] == "problem"
    assert words in finding["found"]


def test_a_writing_token_where_reading_is_enough_is_a_warning(
    hub: LocalHub,
    examined: Callable[[], Findings],
    token: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_READ_TOKEN", token("me"))
    findings = examined()
    assert findings["token for reading"]["status"] == "warning"
    assert "set HUBBOT_READ_TOKEN" in findings["token for reading"]["advice"]
    monkeypatch.setenv("HUBBOT_READ_TOKEN", token("me", role="read"))
    findings = examined()
    assert findings["token for reading"]["status"] == "ok"
    assert findings["token for writing"]["status"] == "warning"
    assert (
        "me, may only read (token role: read): nothing can"
        in (findings["token for writing"]["found"])
    )


def test_the_calls_left_are_told_and_a_used_up_window_is_a_problem(
    hub: LocalHub, examined: Callable[[], Findings], token: Callable[..., str]
) -> None:
    token("me")
    hub.rate_limits = RateLimits(api=100)
    assert examined()["rate limit"]["found"].startswith("99 of 100 calls left, anew in ")
    hub.faults.limit_rate("GET", "/api/models", reset_s=250)
    findings = examined()
    assert findings["hub"]["status"] == "problem"
    assert "in 250 s" in findings["hub"]["found"]
    assert findings["token for writing"]["status"] == "ok"


@pytest.mark.parametrize(
    ("limit", "status", "words"),
    [
        (RateLimitLeft(calls=49, quota=500, reset_s=9), "warning", "49 of 500 calls left"),
        (RateLimitLeft(calls=50, quota=500, reset_s=9), "ok", "anew in 9 s"),
        (RateLimitLeft(calls=3, quota=None, reset_s=9), "ok", "3 calls left"),
        (None, "ok", "does not say"),
    ],
)
def test_few_calls_left_are_a_warning(limit: RateLimitLeft | None, status: str, words: str) -> None:
    finding = remote.rate_limit(limit)
    assert finding.status == status
    assert words in finding.found


@pytest.mark.parametrize(
    ("ahead_s", "status", "words"),
    [
        (0.4, "ok", "within 2 s"),
        (-299.0, "ok", "within 299 s"),
        (301.0, "warning", "5 minutes ahead of the Hub's"),
        (-86400.0, "warning", "1440 minutes behind the Hub's"),
        (None, "ok", "told no time"),
    ],
)
def test_a_clock_that_is_wrong_by_minutes_is_a_warning(
    ahead_s: float | None, status: str, words: str
) -> None:
    finding = remote.clock(ahead_s)
    assert finding.status == status
    assert words in finding.found


def fine_grained(*scoped: dict[str, Any], everywhere: tuple[str, ...] = ()) -> Account:
    """Return an account as ``/api/whoami-v2`` tells it of a fine-grained token."""
    given = {"canReadGatedRepos": False, "global": list(everywhere), "scoped": list(scoped)}
    token = {"displayName": "bot", "role": "fineGrained", "fineGrained": given}
    return read_account({"type": "user", "name": "me", "auth": {"accessToken": token}})


def scope(kind: str, name: str, *permissions: str) -> dict[str, Any]:
    entity = {"_id": "1", "type": kind, "name": name}
    return {"entity": entity, "permissions": list(permissions)}


@pytest.mark.parametrize(
    ("account", "reading", "writing", "strangers", "words"),
    [
        (fine_grained(), "ok", "warning", "warning", "me, may only read"),
        (
            fine_grained(scope("user", "me", "repo.content.read")),
            *("ok", "warning", "warning"),
            "user me: repo.content.read",
        ),
        (
            fine_grained(scope("org", "team", "repo.content.read", "repo.write")),
            *("warning", "ok", "warning"),
            "org team: repo.content.read, repo.write",
        ),
        (
            fine_grained(scope("user", "me", "discussion.write")),
            *("warning", "ok", "warning"),
            "user me: discussion.write",
        ),
        (
            fine_grained(everywhere=("discussion.write",)),
            *("warning", "ok", "ok"),
            "everywhere: discussion.write",
        ),
        (Account(name="me", role="write", orgs=("team",)), "warning", "ok", "ok", "also for team"),
        (Account(name="me", role="read"), "ok", "warning", "warning", "may only read"),
        (Account(name="", is_anonymous=True), "ok", "warning", "warning", "no token"),
    ],
)
def test_what_a_token_may_do_is_judged_by_what_it_is_for(
    account: Account, reading: str, writing: str, strangers: str, words: str
) -> None:
    told = remote.reading(account)
    assert told.status == reading
    assert words in told.found
    assert remote.writing(account, Settings()).status == writing
    bold = Settings(bot={"strangers": True})
    assert remote.writing(account, bold).status == strangers


@pytest.mark.parametrize(
    "given",
    ["all", {"scoped": "x"}, {"global": "x", "scoped": [3, {"entity": "me"}, {"permissions": []}]}],
)
def test_odd_answers_of_the_hub_about_a_token_are_no_crash(given: Any) -> None:
    token = {"role": "fineGrained", "fineGrained": given}
    account = read_account({"name": "me", "auth": {"accessToken": token}})
    assert account.name == "me"
    assert not account.grants


# GitHub


@pytest.fixture
def scores(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """A repository for the scores, named in the settings."""
    hub.github.add_repository("me/scores", {"README.md": "# Scores\n"})
    monkeypatch.setenv("HUBBOT_GITHUB__REPOSITORY", "me/scores")
    monkeypatch.setenv("HUBBOT_GITHUB__BASE_URL", hub.github.url)
    monkeypatch.setenv("HUBBOT_GITHUB__TOKEN", "ghp_me")
    return hub


def test_where_no_repository_is_set_github_is_not_asked(
    hub: LocalHub, examined: Callable[[], Findings], environment: Path
) -> None:
    finding = examined()["github"]
    assert finding["status"] == "ok"
    assert f"github.repository is not set: records stay in {environment}" in finding["found"]


def test_a_token_that_may_write_there_is_well(
    scores: LocalHub, examined: Callable[[], Findings]
) -> None:
    scores.github.add_token("ghp_me", "me")
    finding = examined()["github"]
    assert finding["status"] == "ok", finding
    assert finding["found"].startswith("me/scores as me: ")
    assert "calls left" in finding["found"]


@pytest.mark.parametrize("level", ["read", "write"])
def test_what_a_fine_grained_token_may_is_not_known_beforehand(
    scores: LocalHub, examined: Callable[[], Findings], level: str
) -> None:
    permissions = {"contents": level, "metadata": "read", "pull_requests": level}
    scores.github.add_token("ghp_me", "me", permissions)
    finding = examined()["github"]
    assert finding["status"] == "warning", finding
    assert "cannot be read beforehand" in finding["found"]
    assert "push" not in finding["found"], "that is what the account may"
    assert "contents: write, pull_requests: write" in finding["advice"]


def test_a_fine_grained_token_of_somebody_who_may_not_write_there_is_a_problem(
    scores: LocalHub, examined: Callable[[], Findings]
) -> None:
    scores.github.add_token("ghp_me", "somebody", {"contents": "write", "metadata": "read"})
    finding = examined()["github"]
    assert finding["status"] == "problem"
    assert "missing: contents: write" in finding["found"]


def test_a_token_of_somebody_who_may_not_write_there_is_a_problem(
    scores: LocalHub, examined: Callable[[], Findings]
) -> None:
    scores.github.add_token("ghp_me", "somebody")
    finding = examined()["github"]
    assert finding["status"] == "problem"
    assert "missing: " in finding["found"]
    assert "contents" in finding["found"]


def test_a_token_that_github_does_not_know_is_a_problem(
    scores: LocalHub, examined: Callable[[], Findings]
) -> None:
    finding = examined()["github"]
    assert finding["status"] == "problem"
    assert "me/scores" in finding["found"]
    assert "HUBBOT_GITHUB__TOKEN" in finding["advice"]
