"""Cells from the ledger, and two processes that want the same ones; nothing is trained here."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import get_gain_protocol
from hubbot.cells import Bench, expect_cells, key_of, measure_cells
from hubbot.data.prepared import write_target
from hubbot.measurement import Checkpoint
from hubbot.records.cells import Cell
from hubbot.records.ledger import Ledger
from hubbot.schema import LocalCheckpoint, Target
from hubbot.settings import Settings
from hubbot.workload import Workload

PROTOCOL = get_gain_protocol("gain-minilm@1")
OTHER_PROCESS = """
import os, sys, threading
from pathlib import Path
from hubbot.records.cells import CellKey
from hubbot.records.ledger import Ledger

threading.Timer(60, os._exit, (1,)).start()  # whoever waits in vain goes on
path, weights, target, protocol, seed, files = sys.argv[1:]
key = CellKey(weights_digest=weights, target_digest=target, protocol=protocol, seed=int(seed),
              files_digest=files)
with Ledger(Path(path)) as ledger:
    ledger.claim(key)
    print("claimed", flush=True)
    sys.stdin.readline()
os._exit(0)
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    table = pa.table({"text": ["one", "two", "three", "four"], "label": [0, 1, 0, 1]})
    return write_target(
        "mine",
        dict.fromkeys(("train", "validation", "test"), table),
        label_names=("no", "yes"),
        metric="accuracy",
        source="mine.csv",
        licence="",
        split_rule="as given",
        folder=tmp_path / "prepared",
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"hidden_dropout_prob": 0.1}')
    local = LocalCheckpoint(
        model="me/model",
        revision="a" * 40,
        folder=tmp_path / "model",  # config.json alone: nothing here is trained
        weights_files=("model.safetensors",),
        weights_digest="sha256:weights",
        tokenizer_digest="sha256:tokens",
    )
    minilm = get_architecture("all-MiniLM-L6-v2")
    return Checkpoint(local=local, architecture=minilm, download_s=0.0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    settings = Settings(cache_dir=tmp_path / "cache", ledger_file=tmp_path / "ledger.sqlite")
    with Ledger(settings.ledger_file) as ledger:
        yield Bench(settings=settings, protocol=PROTOCOL, ledger=ledger)


def keep(ledger: Ledger, checkpoint: Checkpoint, target: Target, seed: int) -> None:
    ledger.keep(
        Cell(
            key=key_of(checkpoint, target, PROTOCOL, seed),
            model="me/model",
            architecture="all-MiniLM-L6-v2",
            target="mine",
            score=50.0 + seed,
            validation_score=50.0,
            predictions=np.array([0, 1, 0, 0]),
            seconds={},
            peak_memory_gb=1.0,
            device="cpu",
            dtype="float32",
            versions={},
            date="2026-01-02",
        )
    )


def test_what_the_ledger_holds_is_not_trained_again(
    bench: Bench, checkpoint: Checkpoint, target: Target
) -> None:
    for seed in range(3):
        keep(bench.ledger, checkpoint, target, seed)
    told: list[int] = []
    cells = measure_cells(
        bench, checkpoint, target, range(3), on_cell=lambda cell: told.append(cell.key.seed)
    )
    assert [cell.score for cell in cells] == [50.0, 51.0, 52.0]
    assert told == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "tokenizer", "is_same"),
    [
        ('{"hidden_dropout_prob": 0.1}', "sha256:tokens", True),
        ('{"hidden_dropout_prob": 0.1, "transformers_version": "9"}', "sha256:tokens", True),
        ('{"hidden_dropout_prob": 0.0}', "sha256:tokens", False),
        ('{"hidden_dropout_prob": 0.1}', "sha256:mended", False),
    ],
    ids=["as it was", "saved again", "other dropout", "other tokenizer"],
)
def test_a_checkpoint_whose_author_mended_a_file_is_another_start(
    checkpoint: Checkpoint, target: Target, config: str, tokenizer: str, is_same: bool
) -> None:
    before = key_of(checkpoint, target, PROTOCOL, 0)
    (checkpoint.local.folder / "config.json").write_text(config)
    local = replace(checkpoint.local, tokenizer_digest=tokenizer)
    after = key_of(replace(checkpoint, local=local), target, PROTOCOL, 0)
    assert (before == after) is is_same


def test_only_what_the_ledger_lacks_is_expected_to_take_time(
    bench: Bench, checkpoint: Checkpoint, target: Target
) -> None:
    told: list[tuple[str, int, int]] = []
    bench = Bench(
        settings=bench.settings,
        protocol=PROTOCOL,
        ledger=bench.ledger,
        workload=Workload(lambda *step: told.append(step)),
    )
    keep(bench.ledger, checkpoint, target, 0)
    expect_cells(bench, checkpoint, target, range(3))
    for seed in (1, 2):
        keep(bench.ledger, checkpoint, target, seed)  # as another process would
    measure_cells(bench, checkpoint, target, range(3))
    (first, whole), last = ((done, total) for _, done, total in told)
    assert whole == 2 * first
    assert last == (whole, whole)


def test_a_cell_that_another_process_is_at_comes_last_and_is_waited_for(
    bench: Bench,
    checkpoint: Checkpoint,
    target: Target,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for seed in (1, 2):
        keep(bench.ledger, checkpoint, target, seed)
    key = key_of(checkpoint, target, PROTOCOL, 0)
    with subprocess.Popen(
        [
            *(sys.executable, "-c", OTHER_PROCESS, str(bench.settings.ledger_file)),
            *(key.weights_digest, key.target_digest, key.protocol, str(key.seed)),
            key.files_digest,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        order: list[int] = []

        def on_cell(cell: Cell) -> None:
            order.append(cell.key.seed)
            if order == [1, 2]:  # a second later the missing one is there
                threading.Timer(1.0, keep_beside).start()

        def keep_beside() -> None:
            with Ledger(bench.settings.ledger_file) as ledger:
                keep(ledger, checkpoint, target, 0)

        with caplog.at_level(logging.WARNING, logger="hubbot"):
            cells = measure_cells(bench, checkpoint, target, range(3), on_cell=on_cell)
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
    assert order == [1, 2, 0]
    assert [cell.key.seed for cell in cells] == [0, 1, 2], "in the order of the seeds all the same"
    assert f"process {other.pid}" in caplog.text
    assert "is at me/model on mine, seed 0; waiting for it" in caplog.text
