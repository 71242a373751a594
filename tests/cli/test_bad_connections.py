"""Tokens that are missing or wrong, a Hub that is busy, broken or gone: what is said and kept."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]


@pytest.fixture
def child(hub: LocalHub, sound: Files) -> LocalHub:
    """A Hub with one sound checkpoint of an account that exists."""
    hub.add_user("me", "hf_of_me")
    hub.add_model("me/child", sound)
    return hub


@pytest.mark.parametrize(
    ("token_role", "words"),
    [
        (None, ("a pull request needs a token", "hf auth login")),
        ("read", ("the token of me may only read", "make one that may write at")),
        ("wrong", ("the token is missing, wrong or expired", "hf auth login")),
    ],
)
@pytest.mark.parametrize("is_measured", [True, False])
def test_a_token_that_may_not_write_is_refused_before_any_work(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
    writes: Callable[[], list[str]],
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    token_role: str | None,
    words: tuple[str, ...],
    is_measured: bool,
) -> None:
    if token_role == "read":
        token("me", role="read")
    elif token_role == "wrong":
        monkeypatch.setenv("HUBBOT_WRITE_TOKEN", "hf_of_nobody")
    path = record_of("me/child")
    before = path.read_bytes()

    ran = hubbot("annotate", "me/child", "--send", *(["--record", path] if is_measured else []))

    assert ran.code == 4
    assert ran.out == ""
    for word in words:
        assert word in ran.err
    assert writes() == []
    assert not [one for one in child.log if "model.safetensors" in one.path]
    assert path.read_bytes() == before
    assert not environment.exists()


def test_a_busy_hub_is_waited_for_as_long_as_it_asks(
    child: LocalHub, hubbot: Callable[..., Any], record_of: Callable[..., Path]
) -> None:
    child.faults.limit_rate("GET", "/api/models/me/child", reset_s=1)
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--json")
    assert ran.code == 0
    assert "too many calls for this account" in ran.err
    assert "trying again in 2 s" in ran.err
    assert ran.json["action"] == "would-open"


def test_a_hub_that_asks_for_too_long_a_pause_ends_the_command(
    child: LocalHub, hubbot: Callable[..., Any], measured: None
) -> None:
    child.faults.limit_rate("GET", "/api/models/me/child", reset_s=3600)
    ran = hubbot("probe", "me/child")
    assert ran.code == 4
    assert "model me/child: too many calls for this account; try again in 3600 s" in ran.err


@pytest.mark.parametrize(
    "disturb",
    [
        lambda hub: hub.faults.limit_rate("POST", "/commit/", reset_s=1),
        lambda hub: hub.faults.limit_rate("POST", "/commit/"),
        lambda hub: hub.faults.fail("POST", "/commit/", 503, when="before"),
        lambda hub: hub.faults.fail("POST", "/commit/", 503, when="after"),
        lambda hub: hub.faults.drop("POST", "/commit/", when="before"),
        lambda hub: hub.faults.drop("POST", "/commit/", when="after"),
    ],
    ids=["429 with time", "429", "503 before", "503 after", "cut before", "cut after"],
)
def test_trouble_while_sending_ends_in_one_pull_request(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
    disturb: Callable[[LocalHub], None],
) -> None:
    token("me")
    disturb(child)
    ran = hubbot("annotate", "me/child", "--record", record_of("me/child"), "--send", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["action"] == "opened"
    assert child.faults.pending() == 0
    assert [one.status for one in child.pull_requests("me/child")] == ["open"]
    assert ran.json["url"].endswith("/me/child/discussions/1")


@pytest.mark.parametrize("path", ["/api/models/me/child", "/resolve/.*/config.json"])
def test_a_lost_connection_is_made_again(
    child: LocalHub, hubbot: Callable[..., Any], measured: None, path: str
) -> None:
    child.faults.drop("GET", path)
    ran = hubbot("probe", "me/child", "--json")
    assert ran.code == 0, ran.err
    assert "could not be reached or broke off" in ran.err
    assert "trying again" in ran.err
    assert child.faults.pending() == 0


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    child: LocalHub, hubbot: Callable[..., Any], measured: None
) -> None:
    child.faults.truncate("GET", "model.safetensors", 25_000_000)
    ran = hubbot("probe", "me/child", "--json")
    assert ran.code == 0, ran.err
    fetched = [
        one for one in child.log if one.method == "GET" and one.path.endswith("model.safetensors")
    ]
    assert len(fetched) == 2
    start = int(fetched[1].headers["range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 25_000_000


def test_a_hub_that_takes_no_pull_request_costs_nothing_that_was_measured(
    child: LocalHub,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    measured: None,
    environment: Path,
) -> None:
    token("me")
    child.faults.limit_rate("POST", "/commit/", reset_s=3600, times=None)
    ran = hubbot("annotate", "me/child", "--send", "--json")
    assert ran.code == 4
    assert ran.out == ""
    assert "card of me/child: too many calls for this account; try again in 3600 s" in ran.err
    assert child.pull_requests("me/child") == ()
    (record,) = environment.glob("*/*.yaml")

    child.faults.clear()
    again = hubbot("annotate", "me/child", "--record", record, "--send", "--json")
    assert again.json["action"] == "opened"


@pytest.fixture
def own_hub(sound: Files, tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub that can be stopped without disturbing other tests."""
    hub = LocalHub(folder=tmp_path / "hub")
    hub.start()
    hub.add_model("me/child", sound)
    yield hub
    hub.stop()


def test_a_hub_that_comes_back_is_gone_on_with(
    own_hub: LocalHub, measured: None, spawn: Callable[..., Any]
) -> None:
    own_hub.faults.truncate("GET", "model.safetensors", 25_000_000)
    running = spawn("probe", "me/child", "--json", HF_ENDPOINT=own_hub.url)
    running.wait_for("Trying to resume download")
    own_hub.stop()
    running.wait_for("Error while downloading")
    own_hub.start()
    ran = running.finish()
    assert ran.code == 0, ran.err
    assert ran.json["model"] == "me/child"
    sent = [one for one in own_hub.log if one.method == "GET" and "/resolve/" in one.path]
    assert len([one for one in sent if one.path.endswith("tokenizer.json")]) == 1
    assert sent[-1].headers["range"] == "bytes=20971520-", "two chunks of ten megabytes were there"


@pytest.mark.slow
def test_a_hub_that_stays_away_is_named(own_hub: LocalHub, spawn: Callable[..., Any]) -> None:
    own_hub.stop()
    ran = spawn("show", "me/child", HF_ENDPOINT=own_hub.url).finish()
    assert ran.code == 4
    assert ran.out == ""
    last = ran.err.splitlines()[-1]
    assert f"model me/child: {own_hub.url} could not be reached" in last
    assert "check the network" in last
    assert ran.err.count("trying again") == 4
