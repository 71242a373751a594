"""Fine-tunings on their way between machines: handed back by shards, handed out by plans.

Predictions are part of them, so that scores, gains and their intervals are made anew where results
are collected. A plan hands out what its ledger holds already, so that no shard trains it again.
"""

import base64
import binascii
import datetime
import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError

from hubbot.bot.shard_files import (
    PlannedEvaluation,
    PlannedSensitivity,
    WorkList,
    first_problem,
    write_result,
)
from hubbot.bot.shard_values import (
    Commit,
    Count,
    Digest,
    PlainName,
    Seconds,
    ShardFile,
    Text,
)
from hubbot.catalog.architectures import find_architecture
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.datasets import find_dataset
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.errors import SettingsError
from hubbot.printable import printable
from hubbot.records.cells import Cell, CellKey
from hubbot.records.ledger import Ledger
from hubbot.records.store import write_text
from hubbot.schema import SplitName

logger = logging.getLogger(__name__)

MAX_CELL_BYTES = 3 << 20
"""Largest fine-tuning that is read: one of 200,000 test rows has two million bytes."""

_STORED = {"int64": "<i8", "float64": "<f8"}
_Share = Annotated[float, Field(ge=0, le=1)]
_Rows = Annotated[int, Field(ge=1, le=10**9)]
_Steps = Annotated[int, Field(ge=0, le=10**9)]
_Stage = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ -]{1,40}$")]


class CellDetails(ShardFile):
    """What else is known of a fine-tuning: all that is made use of, and no more."""

    # A later version may tell more; what is not known here is left out.
    model_config = ConfigDict(extra="ignore")

    n_train: _Rows
    """Training rows used."""
    steps: _Steps
    best_step: _Steps
    epochs: Annotated[float, Field(ge=0, le=10**6)]
    train_loss: float | None
    """None where it was no number."""
    rows_at_a_time: _Rows
    truncated_share: dict[SplitName, _Share]


class CellValues(ShardFile):
    """One finished fine-tuning, as the ledger has it."""

    weights_digest: Digest
    target_digest: Digest
    protocol: PlainName
    seed: Annotated[int, Field(ge=0, le=10**6)]
    files_digest: Digest
    """With those above what the result depends on."""
    model: Text
    revision: Commit
    architecture: PlainName
    target: Text
    score: Annotated[float, Field(ge=-100, le=100)]
    validation_score: Annotated[float, Field(ge=-100, le=100)]
    kind: Literal["int64", "float64"]
    predictions: Annotated[str, Field(max_length=MAX_CELL_BYTES)]
    """Of the test rows in file order, little-endian, Base64."""
    seconds: Annotated[dict[_Stage, Seconds], Field(max_length=20)]
    peak_memory_gb: Annotated[float, Field(ge=0, le=10**5)]
    device: PlainName
    dtype: PlainName
    versions: Annotated[dict[PlainName, PlainName], Field(max_length=20)]
    date: datetime.date
    details: CellDetails


class CellResult(CellValues):
    """One finished fine-tuning of a shard."""

    plan: str
    """Digest of the plan."""
    shard: Count
    """Number of the shard."""


def values_of(cell: Cell) -> dict[str, object]:
    """Return a fine-tuning as plain values.

    Args:
        cell: Of a ledger.
    """
    kind = str(cell.predictions.dtype)
    plain = np.ascontiguousarray(cell.predictions, dtype=_STORED[kind]).tobytes()
    names = ("model", "revision", "architecture", "target", "score", "validation_score")
    more = ("peak_memory_gb", "device", "dtype", "date")
    return {
        "weights_digest": cell.key.weights_digest,
        "target_digest": cell.key.target_digest,
        "protocol": cell.key.protocol,
        "seed": cell.key.seed,
        "files_digest": cell.key.files_digest,
        **{name: getattr(cell, name) for name in (*names, *more)},
        "kind": kind,
        "predictions": base64.b64encode(plain).decode(),
        "seconds": dict(cell.seconds),
        "versions": dict(cell.versions),
        "details": dict(cell.details),
    }


def cell_of(values: CellValues) -> Cell:
    """Return the fine-tuning that values tell of.

    Args:
        values: Checked for their shape.

    Raises:
        ValueError: If the predictions are none.
    """
    try:
        plain = base64.b64decode(values.predictions, validate=True)
    except binascii.Error as error:
        raise ValueError(f"its predictions are no Base64: {error}") from error
    names = ("model", "revision", "architecture", "target", "score", "validation_score")
    more = ("seconds", "peak_memory_gb", "device", "dtype", "versions")
    return Cell(
        key=CellKey(
            weights_digest=values.weights_digest,
            target_digest=values.target_digest,
            protocol=values.protocol,
            seed=values.seed,
            files_digest=values.files_digest,
        ),
        predictions=np.frombuffer(plain, dtype=_STORED[values.kind]).astype(values.kind),
        date=values.date.isoformat(),
        details=values.details.model_dump(),
        **{name: getattr(values, name) for name in (*names, *more)},
    )


def write_cells(
    work_list: WorkList, results: Path, ledger_file: Path, *, but: frozenset[CellKey]
) -> dict[str, str]:
    """Write the finished fine-tunings of a shard, and return the hex SHA-256 of each file.

    Args:
        work_list: Of the shard.
        results: Its folder.
        ledger_file: Where they are.
        but: Those that the plan handed out.

    Raises:
        SettingsError: If a file cannot be written.
    """
    names: dict[str, str] = {}
    own = {"plan": work_list.plan, "shard": work_list.shard}
    with Ledger(ledger_file) as ledger:
        for cell in ledger.cells():
            if cell.key in but:
                continue
            name = f"cell-{len(names):04d}.json"
            result = CellResult.model_validate(values_of(cell) | own)
            names[name] = write_result(result, results / name)
    return names


# What a plan hands out


def known_cells(ledger: Ledger, work_list: WorkList) -> Iterator[Cell]:
    """Yield the finished fine-tunings that a shard would come to: its models' and the base models'.

    Args:
        ledger: Of the planning machine.
        work_list: What the shard is to do.
    """
    both: list[PlannedSensitivity | PlannedEvaluation] = [*work_list.sensitivities]
    both += work_list.evaluations
    digests = {one.weights_digest for one in both}
    quick = {spec.name for spec in targets_of(work_list.evaluate_targets)}
    targets = {_name_of(one.target) for one in work_list.sensitivities}
    targets |= quick if work_list.evaluations else set()
    for architecture in sorted({one.architecture for one in both}):
        entry = find_architecture(architecture)
        base = set() if entry is None else {entry.hub_id, *entry.aliases}
        # A target with fewer rows than asked for is trained on all of them.
        for size in dict.fromkeys((work_list.gain_train, None)):
            protocol = gain_protocol_of(architecture, max_train=size, epochs=work_list.gain_epochs)
            for cell in ledger.cells(architecture=architecture, protocol=protocol.identifier):
                is_wanted = cell.key.weights_digest in digests or cell.model in base
                if is_wanted and cell.target in targets and cell.key.seed < work_list.gain_seeds:
                    yield cell


def _name_of(target: str) -> str:
    spec = find_dataset(target)
    return target if spec is None else spec.name


def write_known(cells: Iterable[Cell], path: Path) -> str:
    """Write fine-tunings, one a line, and return the hex SHA-256 of the file; "" for none.

    Args:
        cells: Finished ones; one that cannot be told whole is left out, and trained again.
        path: The file; removed where there are none.

    Raises:
        SettingsError: If it cannot be written.
    """
    lines = []
    for cell in cells:
        try:
            lines.append(CellValues.model_validate(values_of(cell)).model_dump_json())
        except ValidationError as error:
            logger.info("not handed out: %s: %s", cell.title, first_problem(error))
    if not lines:
        path.unlink(missing_ok=True)
        return ""
    text = "\n".join(lines) + "\n"
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_known(path: Path, work_list: WorkList) -> Iterator[Cell]:
    """Yield the fine-tunings that a plan handed out with a list.

    Args:
        path: The file beside the list.
        work_list: Names the file's digest.

    Raises:
        SettingsError: If the file is not there, or not the one that the list names.
    """
    if not work_list.known_cells:
        return
    advice = "copy the folder that `hubbot plan` wrote as a whole"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != work_list.known_cells:
                raise SettingsError(
                    f"{path} is not the file that the list of shard {work_list.shard} names, which "
                    f"has the fine-tunings that are finished; {advice}"
                )
            file.seek(0)
            for line in file:
                yield cell_of(CellValues.model_validate_json(line))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror or error}; the list of shard "
            f"{work_list.shard} names it: {advice}"
        ) from error
    except ValueError as error:
        why = first_problem(error) if isinstance(error, ValidationError) else printable(error)
        raise SettingsError(f"{path} holds what is no fine-tuning: {why}; {advice}") from error


def known_file(list_file: Path, shard: int) -> Path:
    """Return the file beside a list with the fine-tunings that are finished.

    Args:
        list_file: The list.
        shard: Its number.
    """
    return list_file.parent / f"cells-{shard}.jsonl"
