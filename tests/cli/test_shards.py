"""``plan``, ``probe --from`` and ``collect``: real weights, real processes, nothing but a list."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.localhub.server import LocalHub
from hubbot.records.pass_rows import BotLedger
from hubbot.records.store import read_record

Files = dict[str, Any]
Weights = Callable[..., bytes]
BASE = "sentence-transformers/all-MiniLM-L6-v2"
HANDED_ON = ("PATH", "HOME", "HF_ENDPOINT", "HF_HOME", "HUBBOT_DATA_DIR", "OMP_NUM_THREADS")


@pytest.fixture
def bot(
    hub: LocalHub, environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> LocalHub:
    """Settings of a small bot with a ledger of its own."""
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setenv("HUBBOT_BOT__ARCHITECTURES", "all-MiniLM-L6-v2")
    monkeypatch.setenv("HUBBOT_BOT__SCREEN_TRAIN", "100")
    monkeypatch.setenv("HUBBOT_BOT__MAX_TRAIN", "100")
    monkeypatch.setenv("HUBBOT_BOT__SENSITIVITIES_PER_PASS", "0")
    monkeypatch.setenv("HUBBOT_BOT__EVALUATIONS_PER_PASS", "0")
    return hub


@pytest.fixture
def other_weights(weights: Weights) -> bytes:
    """Weights as another short fine-tuning leaves them."""
    random = np.random.default_rng(7)

    def nudge(tensors: dict[str, Any]) -> None:
        for name, array in tensors.items():
            if name.endswith(".weight") and "layer." in name:
                noise = random.normal(0.0, 0.1 * float(array.std()), array.shape)
                tensors[name] = (array + noise).astype(np.float16)

    return weights(nudge)


@pytest.fixture
def zoo(
    bot: LocalHub, sound: Files, base_file: Path, weights: Weights, other_weights: bytes
) -> LocalHub:
    """Models of several kinds, a copy on the next shard after its original."""

    def empty(tensors: dict[str, Any]) -> None:
        for name, array in tensors.items():
            if "layer.0." in name:
                tensors[name] = np.full_like(array, np.nan)

    bot.add_model(BASE, sound | {"model.safetensors": base_file})
    bot.add_model("me/child", dict(sound), downloads=1000)
    bot.add_model("you/other", sound | {"model.safetensors": other_weights}, downloads=500)
    bot.add_model("me/nothing", sound | {"model.safetensors": weights(empty)}, downloads=200)
    bot.add_model("me/copy", dict(sound), downloads=800)
    bot.add_model("me/gated", dict(sound), gated="auto")
    bot.add_model("me/config-lies", sound | {"config.json": b'{"model_type": "bert"}'})
    return bot


class Runner:
    """A machine that has a list, folders of its own and otherwise nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, work_list: Path, results: Path, *, cache: str, **extra: str
    ) -> "subprocess.Popen[str]":
        environment = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        environment |= {
            "HUBBOT_CACHE_DIR": str(self.folder / cache),
            "HUBBOT_RECORDS_DIR": str(self.folder / cache / "nobody-writes-here"),
            "HUBBOT_LEDGER_FILE": str(self.folder / cache / "nor-here.sqlite"),
            "HUBBOT_REVISIONS_FILE": str(self.folder / cache / "revisions.toml"),
        }
        command = ("probe", "--from", str(work_list), "--results", str(results), "--json")
        process = subprocess.Popen(
            [sys.executable, "-m", "hubbot", *command],
            env=environment | extra,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def runner(tmp_path: Path, clean: None) -> Iterator[Runner]:
    one = Runner(tmp_path)
    yield one
    one.stop()


def finish(process: "subprocess.Popen[str]") -> tuple[int, Any, str]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out) if out else None, err


def ledger_of(path: Path) -> dict[str, tuple[Any, ...]]:
    """What a ledger says of each model, times apart."""
    with BotLedger(path) as ledger:
        return {
            row.model: (
                *(row.state, row.code, row.reason, row.attempts, row.revision, row.architecture),
                *(row.weights_digest, row.measured_revision, row.protocol),
                *(row.lp_gain, row.lp_gain_interval, row.action),
            )
            for row in ledger.checkpoints()
        }


def references_of(path: Path) -> dict[Any, float]:
    with BotLedger(path) as ledger:
        return dict(ledger.references())


def records_of(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The records of a folder, times apart."""
    found = {}
    for path in folder.glob("*/*.yaml"):
        values = dict(read_record(path).plain())
        for name in ("seconds", "date", "cost"):
            values.pop(name)
        found[f"{path.parent.name}/{path.name}"] = values
    return found


@pytest.mark.slow
def test_three_shards_with_an_empty_environment_find_what_one_pass_finds(
    zoo: LocalHub,
    hubbot: Callable[..., Any],
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert hubbot("discover").code == 0
    planned = hubbot("plan", "--shards", 3, "--out", "plan", "--json").json
    assert [one["shard"] for one in planned["include"]] == [0, 1, 2]
    lists = {
        one["shard"]: json.loads((tmp_path / "plan" / one["list"]).read_text())["models"]
        for one in planned["include"]
    }
    place = {one["model"]: shard for shard, models in lists.items() for one in models}
    assert place["me/child"] != place["me/copy"], "the copy is to be measured by another shard"
    zoo.clear_log()

    started = [
        runner.start(
            tmp_path / "plan" / one["list"],
            tmp_path / "results" / f"shard-{one['shard']}",
            cache=f"machine-{one['shard']}",
        )
        for one in planned["include"]
    ]
    ends = [finish(process) for process in started]

    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    assert {one.user for one in zoo.log} == {None}
    assert not [one for one in zoo.log if one.is_write]
    assert not list(tmp_path.glob("machine-*/nobody-writes-here"))
    collected = hubbot("collect", "results", "--plan", "plan/plan.json", "--json")
    assert collected.code == 0, collected.err
    assert collected.json["missing"] == []
    shards = ledger_of(tmp_path / "ledger.sqlite"), records_of(tmp_path / "scores")
    references = references_of(tmp_path / "ledger.sqlite")

    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "one" / "ledger.sqlite"))
    monkeypatch.setenv("HUBBOT_RECORDS_DIR", str(tmp_path / "one" / "scores"))
    monkeypatch.setenv("HUBBOT_CACHE_DIR", str(tmp_path / "one" / "cache"))
    ran = hubbot("run", "--json")

    assert ran.code in (0, 1), ran.err
    assert shards[0] == ledger_of(tmp_path / "one" / "ledger.sqlite")
    assert shards[1] == records_of(tmp_path / "one" / "scores")
    assert references == references_of(tmp_path / "one" / "ledger.sqlite")
    assert references
    assert sorted(shards[1]) == [
        "all-MiniLM-L6-v2/me--child.yaml",
        "all-MiniLM-L6-v2/you--other.yaml",
    ]
    assert {model: values[:2] for model, values in shards[0].items()} == {
        BASE: ("skipped", "base-model"),
        "me/child": ("recorded", ""),
        "you/other": ("recorded", ""),
        "me/nothing": ("refused", "finite features"),
        "me/copy": ("skipped", "same-weights"),
        "me/gated": ("skipped", "gated"),
        "me/config-lies": ("skipped", "not-recognised"),
    }


@pytest.mark.slow
def test_a_shard_killed_in_the_middle_goes_on_and_measures_nothing_twice(
    bot: LocalHub,
    sound: Files,
    base_file: Path,
    other_weights: bytes,
    hubbot: Callable[..., Any],
    runner: Runner,
    tmp_path: Path,
) -> None:
    bot.add_user("owner", "hf_left_on_the_machine")
    bot.add_model(BASE, sound | {"model.safetensors": base_file})
    bot.add_model("me/child", dict(sound), downloads=1000)
    bot.add_model("you/other", sound | {"model.safetensors": other_weights})
    assert hubbot("discover").code == 0
    assert hubbot("plan", "--shards", 1).code == 0
    work_list, results = tmp_path / "plan" / "shard-0.json", tmp_path / "results" / "shard-0"

    killed = runner.start(work_list, results, cache="machine")
    assert killed.stderr is not None
    said = ""
    for line in killed.stderr:
        said += line
        if "you/other: encode" in line:
            break
    else:
        raise AssertionError(said)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert "me/child: encode" in said
    lost = hubbot("collect", "results", "--json")
    assert lost.code == 1
    assert sorted(lost.json["missing"]) == ["me/child", "you/other"]

    bot.clear_log()
    code, worked, err = finish(
        runner.start(work_list, results, cache="machine", HF_TOKEN="hf_left_on_the_machine")
    )

    assert code == 0, err
    assert worked["states"] == {"recorded": 2}
    assert "me/child: encode" not in err
    assert not [one for one in bot.log if "me/child" in one.path]
    assert {one.user for one in bot.log} == {None}
    assert "HF_TOKEN is set" in err
    assert "hf_left_on_the_machine" not in err

    collected = hubbot("collect", "results", "--json")
    assert collected.code == 0, collected.err
    assert collected.json["states"] == {"recorded": 2}
    again = hubbot("collect", "results", "--json")
    assert (again.code, again.json["taken"], again.json["repeated"]) == (0, 0, 2)


def test_with_nothing_to_do_the_matrix_is_an_empty_list(
    bot: LocalHub, hubbot: Callable[..., Any]
) -> None:
    ran = hubbot("plan", "--shards", 4, "--json")
    assert ran.code == 0, ran.err
    assert ran.json == {"include": [], "plan": "", "models": 0, "targets": 0}


def test_collecting_an_empty_plan_is_done_at_once(
    bot: LocalHub, hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    hubbot("plan", "--shards", 4)
    (tmp_path / "results").mkdir()
    ran = hubbot("collect", "results")
    assert ran.code == 0, ran.err
    assert "missing               none" in ran.out


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (("plan", "--shards", "0"), 2, "--shards"),
        (("plan",), 2, "--shards"),
        (("probe", "--from", "no.json"), 2, "--results"),
        (("probe", "--from", "no.json", "--results", "r"), 2, "no.json cannot be read"),
        (("probe", "me/m", "--from", "no.json", "--results", "r"), 2, "expected a MODEL, or"),
        (("collect", "results"), 2, "plan.json"),
        (("collect", "results", "--plan", "no/plan.json"), 2, "cannot be read"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    bot: LocalHub, hubbot: Callable[..., Any], command: tuple[str, ...], code: int, text: str
) -> None:
    ran = hubbot(*command)
    assert (ran.code, text in ran.err) == (code, True), ran.err
    assert "Traceback" not in ran.err


def test_a_folder_that_cannot_be_written_is_told(
    bot: LocalHub, hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "closed").write_text("a file in the place of the folder")
    ran = hubbot("plan", "--shards", 1, "--out", "closed/plan")
    assert ran.code == 2
    assert "cannot be written" in ran.err


def test_what_was_not_taken_is_named_and_ends_with_exit_code_1(
    bot: LocalHub, hubbot: Callable[..., Any], sound: Files, tmp_path: Path
) -> None:
    bot.add_model("me/child", dict(sound))
    hubbot("discover")
    hubbot("plan", "--shards", 1)
    (tmp_path / "results" / "shard-0").mkdir(parents=True)
    (tmp_path / "results" / "shard-0" / "manifest.json").write_text("{}")
    ran = hubbot("collect", "results")
    assert ran.code == 1
    assert "not taken: shard-0/manifest.json: no manifest of a shard" in ran.err
    assert "me/child" in ran.out


def test_what_a_shard_wrote_stands_on_standard_output_and_is_no_command_of_a_workflow(
    bot: LocalHub, hubbot: Callable[..., Any], sound: Files, tmp_path: Path
) -> None:
    """The page of a run shows standard output; the runner obeys commands on either of the two."""
    bot.add_model("me/child", dict(sound))
    hubbot("discover")
    planned = hubbot("plan", "--shards", 1, "--json").json
    forged = ["x\n::add-mask::e", "::error title=CI::forged", "  ::stop-commands::x", "##[error]y"]
    (tmp_path / "results" / "shard-0").mkdir(parents=True)
    (tmp_path / "results" / "shard-0" / "manifest.json").write_text(
        json.dumps(
            {
                **{"version": 1, "plan": planned["plan"], "shard": 0, "hubbot_version": "0.1.0"},
                **{"files": {}, "references": [], "problems": forged},
            }
        )
    )
    (tmp_path / "results" / "::error::n").mkdir()
    (tmp_path / "results" / "::error::n" / "manifest.json").write_text("{}")
    ran = hubbot("collect", "results")
    assert ran.code == 1
    for text in (ran.out, ran.err):
        assert "forged" in text
        assert "no manifest of a shard" in text
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
        assert "##[" not in text
    assert "not taken" in ran.out
