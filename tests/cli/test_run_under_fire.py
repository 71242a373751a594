"""A Hub of thousands that fails, and a process that is killed: nothing is lost or done twice.

``BOT_TEST_FAULTS`` and ``BOT_TEST_KILLS`` make these as long as one likes (200 and 30 were
run for benchmarks/RESULTS.md); the suite has fewer.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.localhub.server import LocalHub
from hubbot.records.store import read_record

Files = dict[str, Any]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
ONLY = ("-a", "all-MiniLM-L6-v2")
N_FAULTS = int(os.environ.get("BOT_TEST_FAULTS", "30"))
N_KILLS = int(os.environ.get("BOT_TEST_KILLS", "4"))
N_LISTED = 5_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def variants(weights: Callable[..., bytes]) -> list[bytes]:
    """Weights of checkpoints that are all a little beside the base model, each elsewhere."""

    def nudged(seed: int) -> bytes:
        noise = np.random.default_rng(seed)

        def nudge(tensors: dict[str, Any]) -> None:
            for name, array in tensors.items():
                if name.endswith(".weight") and "layer." in name:
                    change = noise.normal(0.0, 0.1 * float(array.std()), array.shape)
                    tensors[name] = (array + change).astype(np.float16)

        return weights(nudge)

    return [nudged(seed) for seed in range(1, 10)]


@pytest.fixture
def small_bot(environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Settings of a small bot that asks strangers; gives its ledger."""
    values = {
        "HUBBOT_LEDGER_FILE": tmp_path / "ledger.sqlite",
        "HUBBOT_BOT__SCREEN_TRAIN": 100,
        "HUBBOT_BOT__MAX_TRAIN": 100,
        "HUBBOT_BOT__SENSITIVITIES_PER_PASS": 0,
        "HUBBOT_BOT__EVALUATIONS_PER_PASS": 0,
        "HUBBOT_BOT__STRANGERS": "true",
        "HUBBOT_BOT__MAX_ATTEMPTS": 50,
        "HUBBOT_BOT__MAX_PULL_REQUESTS_PER_DAY": 7,
        "HUBBOT_BOT__MAX_OPEN_PER_OWNER": 3,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path / "ledger.sqlite"


KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("adapter", {"library_name": "peft"}),
    ("quantised", {"tags": ["gguf"]}),
    ("gated", {"gated": "auto"}),
    ("other-language", {"cardData": {"base_model": BASE, "language": "fr"}}),
    ("no-safetensors", {"safetensors": None, "tags": ["pytorch"]}),
    ("other-size", {"safetensors": {"parameters": {"F32": 5_000_000}, "total": 5_000_000}}),
    ("opt-out", {"cardData": {"base_model": BASE, "hubbot": False}}),
    ("undeclared", {"cardData": {}}),
    ("contradiction", {"config": {"model_type": "roberta"}}),
    ("not-found", {"deleted": True}),
)
"""Reason, and what makes a listed model meet it."""


def listed(number: int) -> dict[str, Any]:
    """Return a model of which there is only its line in the list."""
    reason, special = KINDS[number % len(KINDS)]
    tags = ["transformers", "safetensors", "bert", *special.get("tags", ())]
    if reason == "no-safetensors":
        tags = ["transformers", "pytorch", "bert"]
    card = special.get("cardData", {"base_model": BASE})
    if "base_model" in card:
        tags += [f"base_model:{BASE}", f"base_model:finetune:{BASE}"]
    day = 1 + number % 28
    return {
        "id": f"crowd{number % 97}/{reason}-{number}",
        "sha": f"{number:040x}",
        "createdAt": f"2026-01-{day:02d}T00:00:00.000Z",
        "lastModified": f"2026-02-{day:02d}T00:00:00.000Z",
        "config": {"model_type": "bert"},
        "safetensors": {"parameters": {"F32": 22_713_216}, "total": 22_713_216},
        "library_name": "transformers",
        "downloads": number % 50,
        **special,
        "tags": tags,
        "cardData": card,
    }


@pytest.fixture
def crowd(
    hub: LocalHub, sound: Files, base_file: Path, variants: list[bytes], nan_weights: bytes
) -> LocalHub:
    """Thousands of listed models, a dozen of them real."""
    with hub.bulk():
        hub.add_model(BASE, sound | {"model.safetensors": base_file})
        for number, content in enumerate(variants):
            owner = ("me", "you", "them")[number % 3]
            files = sound | {"model.safetensors": content}
            hub.add_model(f"{owner}/child-{number}", files, downloads=10**5 - number)
        hub.add_model("me/copy", sound | {"model.safetensors": variants[0]})
        hub.add_model("me/not-finite", sound | {"model.safetensors": nan_weights})
        hub.add_listed(listed(number) for number in range(N_LISTED - len(variants) - 3))
    hub.state.page_size = 1000
    return hub


FAULTS: tuple[Callable[[LocalHub, int], None], ...] = (
    lambda hub, skip: hub.faults.fail("GET", "/api/models", 503, skip=skip),
    lambda hub, skip: hub.faults.drop("GET", "/api/models", skip=skip),
    lambda hub, skip: hub.faults.html("GET", "/api/models[?]", skip=0),
    lambda hub, skip: hub.faults.limit_rate("GET", "/api/", reset_s=0, skip=skip),
    lambda hub, skip: hub.faults.fail("*", "/resolve/", 503, skip=skip),
    lambda hub, skip: hub.faults.drop("GET", "/resolve/", skip=skip),
    lambda hub, skip: hub.faults.truncate("GET", "/resolve/.*safetensors", 5_000_000, skip=0),
    lambda hub, skip: hub.faults.fail("POST", "/commit/", 503, when="after"),
    lambda hub, skip: hub.faults.fail("POST", "/commit/", 500, when="before"),
    lambda hub, skip: hub.faults.drop("POST", "/commit/", when="after"),
    lambda hub, skip: hub.faults.stale("POST", "/commit/"),
    lambda hub, skip: hub.faults.fail("GET", "/discussions", 502, skip=skip % 3),
    lambda hub, skip: hub.faults.fail("POST", "/validate-yaml", 503),
    lambda hub, skip: hub.faults.fail("POST", "/preupload/", 504),
    lambda hub, skip: hub.faults.slow("GET", "/api/", 0.3, skip=skip),
)


def rows_of(hubbot: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in hubbot("status", "--models", "--json").json}


def test_a_hub_of_thousands_that_fails_is_worked_through_and_every_model_accounted_for(
    crowd: LocalHub,
    small_bot: Path,
    hubbot: Callable[..., Any],
    token: Callable[..., str],
    cache_dir: Path,
    variants: list[bytes],
    environment: Path,
) -> None:
    token("robot")
    chance = np.random.default_rng(5)
    injected: list[Any] = []
    n_passes, is_done = 0, False
    while len(injected) < N_FAULTS or not is_done:
        n_passes += 1
        assert n_passes < 80, "it does not come to an end"
        if len(injected) < N_FAULTS:
            for _ in range(20):
                FAULTS[chance.integers(len(FAULTS))](crowd, int(chance.integers(20)))
        else:
            crowd.faults.clear()
        ran = hubbot("run", *ONLY, "--send", "--json")
        if ran.out:
            assert set(ran.json["touched"]) <= set(ran.json["total"])
        injected = [one for one in crowd.log if one.fault]
        rows = rows_of(hubbot)
        is_done = ran.code == 0 and not any(
            row["state"] in ("seen", "downloaded", "probed", "failed") for row in rows.values()
        )
    kinds = Counter(one.fault for one in injected)
    sys.stdout.write(f"{len(injected)} faults met in {n_passes} passes: {kinds}\n")

    # Every listed model is in exactly one state, for the reason that is its own.
    rows = rows_of(hubbot)
    assert len(rows) == N_LISTED
    for number in range(N_LISTED - len(variants) - 3):
        row = rows[listed(number)["id"]]
        reason = KINDS[number % len(KINDS)][0]
        assert (row["state"], row["code"]) == ("skipped", reason), row
    assert (rows[BASE]["state"], rows[BASE]["code"]) == ("skipped", "base-model")
    assert (rows["me/copy"]["state"], rows["me/copy"]["code"]) == ("skipped", "same-weights")
    assert (rows["me/not-finite"]["state"], rows["me/not-finite"]["code"]) == (
        "refused",
        "finite features",
    )

    # The caps hold, and nobody has two.
    children = [name for name in rows if "/child-" in name]
    pulls = {name: crowd.pull_requests(name) for name in children}
    assert max(map(len, pulls.values())) == 1
    n_pulls = sum(map(len, pulls.values()))
    assert n_pulls == 7, "pull requests a day"
    per_owner = Counter(name.split("/")[0] for name, found in pulls.items() if found)
    assert max(per_owner.values()) <= 3
    states = Counter((rows[name]["state"], rows[name]["code"]) for name in children)
    assert states[("published", "")] == n_pulls
    assert sum(states.values()) == len(variants)
    assert {code for (state, code) in states if state == "recorded"} <= {"cap-day", "cap-owner"}

    # Measured once each, over all passes: those with a record, and the one that was refused.
    with sqlite3.connect(small_bot) as ledger:
        told = [json.loads(row[0]) for row in ledger.execute("SELECT summary FROM passes")]
    assert sum(one["n_measured"] for one in told) == len(variants) + 1
    assert len(list(environment.glob("*/child-*.yaml"))) == 0
    assert len(list(environment.glob("all-MiniLM-L6-v2/*--child-*.yaml"))) == len(variants)


# Killed


def snapshot(hub: LocalHub, ledger: Path, records: Path, names: list[str]) -> dict[str, Any]:
    """Return everything that a pass leaves, times and durations apart."""
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute(
            "SELECT model, revision, architecture, state, code, weights_digest, protocol, lp_gain "
            "FROM checkpoints ORDER BY model"
        ).fetchall()
        pulls = connection.execute(
            "SELECT kind, repository, url, state FROM pull_requests ORDER BY 1, 2, 3"
        ).fetchall()
        claims = connection.execute("SELECT COUNT(*) FROM checkpoints WHERE host <> ''").fetchone()
    found = {}
    for path in sorted(records.glob("*/*.yaml")):
        values = read_record(path).plain()
        for name in ("seconds", "date", "cost"):
            values.pop(name, None)
        found[path.name] = values
    cards = {}
    for name in names:
        requests = hub.pull_requests(name)
        cards[name] = [
            (one.num, one.title, one.status, len(one.commits), _undated(hub, name, one.num))
            for one in requests
        ]
    return {"rows": rows, "pulls": pulls, "claims": claims, "records": found, "cards": cards}


def _undated(hub: LocalHub, name: str, number: int) -> str:
    text = hub.read_file(name, "README.md", f"refs/pr/{number}").decode()
    return "\n".join(line for line in text.splitlines() if "date:" not in line)


@pytest.fixture
def village(
    hub: LocalHub, sound: Files, base_file: Path, variants: list[bytes], nan_weights: bytes
) -> Callable[[], list[str]]:
    """Make the same small Hub over and over: commit hashes are those of the first time."""

    def build() -> list[str]:
        hub.add_user("me", "hf_me_of_the_village")
        hub.add_model(BASE, sound | {"model.safetensors": base_file})
        for number, content in enumerate(variants[:3]):
            files = sound | {"model.safetensors": content}
            hub.add_model(f"me/child-{number}", files, downloads=10 ** (5 - number))
        hub.add_model("me/not-finite", sound | {"model.safetensors": nan_weights})
        hub.add_listed(listed(number) for number in range(200))
        return [f"me/child-{number}" for number in range(3)]

    return build


def killed_passes(
    spawn: Callable[..., Any], most: int, chance: np.random.Generator, **settings: Any
) -> int:
    """Run passes and kill each at a random moment, until one comes to its end; gives the kills."""
    n_killed = 0
    while n_killed < most:
        running = spawn("run", *ONLY, "--send", **settings)
        time.sleep(chance.uniform(0.5, 20.0))
        if running.process.poll() is not None:
            break
        _kill(running.process.pid)
        assert running.finish(60).code == 137
        n_killed += 1
    for _ in range(2):
        ran = spawn("run", *ONLY, "--send", **settings).finish(400)
        assert ran.code == 0, ran.err
    return n_killed


def _kill(pid: int) -> None:
    import psutil

    children = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    # A power cut spares nobody; children alone would end by themselves a little later.
    for child in children:
        child.kill()


def test_killed_again_and_again_it_ends_where_an_undisturbed_run_ends(
    hub: LocalHub,
    village: Callable[[], list[str]],
    small_bot: Path,
    environment: Path,
    spawn: Callable[..., Any],
    tmp_path: Path,
) -> None:
    saved = tmp_path / "hub as it was"
    names = village()
    hub.save_to(saved)
    chance = np.random.default_rng(9)
    undisturbed: dict[str, Any] = {}
    n_killed, n_rounds = 0, 0
    while n_killed < N_KILLS or not undisturbed:
        folder = tmp_path / f"round {n_rounds}"
        hub.restore_from(saved)
        settings = {
            "HUBBOT_LEDGER_FILE": folder / "ledger.sqlite",
            "HUBBOT_RECORDS_DIR": folder / "scores",
            "HUBBOT_CACHE_DIR": folder / "cache",
            "HUBBOT_BOT__MAX_OPEN_PER_OWNER": 2,
            "HUBBOT_WRITE_TOKEN": "hf_me_of_the_village",
        }
        most = N_KILLS - n_killed if n_rounds else 0
        n_killed += killed_passes(spawn, most, chance, **settings)
        found = snapshot(hub, folder / "ledger.sqlite", folder / "scores", names)
        undisturbed = undisturbed or found
        for part in undisturbed:
            assert found[part] == undisturbed[part], part
        shutil.rmtree(folder / "cache")
        n_rounds += 1
    sys.stdout.write(f"{n_killed} kills in {n_rounds - 1} rounds\n")
    assert undisturbed["claims"] == (0,)
    assert sum(len(found) for found in undisturbed["cards"].values()) == 2
