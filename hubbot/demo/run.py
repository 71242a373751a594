"""The demo from beginning to end: the commands that an author would type, run for real."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.demo.contents import (
    ARCHITECTURE,
    BOT_TOKEN,
    GENRE_MODEL,
    MNLI_MODEL,
    PUBLISHED_MODEL,
    DemoSize,
    Progress,
    base_folder,
    fill_hub,
    train_models,
)
from hubbot.errors import HubbotError, SettingsError
from hubbot.schema import DEFAULT_HEAD, Interval

if TYPE_CHECKING:
    from hubbot.localhub.server import LocalHub

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRow:
    """What happened to one model of the demo."""

    model: str
    """Id on the embedded Hub."""
    architecture: str
    """Name in the catalog."""
    lp_accuracy: float
    """Accuracy of the default head, points."""
    lp_accuracy_interval: Interval | None
    """95 % interval; None where the published table gives none."""
    lp_gain: float | None
    """LP(m, MNLI), points."""
    lp_gain_interval: Interval | None
    """95 % interval, paired over the test rows."""
    predicted_gain: float | None
    """Points; None where refused."""
    predicted_gain_interval: Interval | None
    """90 % interval."""
    note: str
    """Why there is no predicted gain, or how to read it."""
    action: str
    """What the first pass did."""
    second_action: str
    """What the second pass did."""
    url: str | None
    """Pull request."""
    diff: str
    """The change to the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """Everything the demo has to show."""

    models: tuple[DemoRow, ...]
    """One row a model."""
    base: Mapping[str, Any]
    """What ``hubbot probe`` printed for the base model."""
    seconds: float
    """Wall-clock time."""


@contextmanager
def demo_hub(keep: Path | None, *, port: int = 0) -> Iterator[tuple["LocalHub", Path]]:
    """Run an empty embedded Hub; gives it and the demo's folder.

    Args:
        keep: Folder to leave everything in; None uses a temporary one.
        port: On 127.0.0.1; 0 takes a free one.

    Raises:
        SettingsError: If ``keep`` holds something already, or the ``demo`` extra is missing.
    """
    base_folder()
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise SettingsError(f"--keep {keep}: the folder is not empty; name a new one")
    from hubbot.localhub.server import LocalHub

    with tempfile.TemporaryDirectory(prefix="hubbot-demo-") as temporary:
        work = (keep or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        with LocalHub(folder=work / "hub", port=port) as hub:
            yield hub, work


def run_demo(
    hub: "LocalHub", work: Path, *, size: DemoSize, say: Say, progress: Progress
) -> DemoSummary:
    """Walk the whole path twice.

    Args:
        hub: An empty embedded Hub.
        work: The demo's folder.
        size: How much to train.
        say: Told what happens, a line at a time.
        progress: Told a task's name, steps done and steps in all.

    Raises:
        HubbotError: If one of the commands failed; it has said why on standard error.
    """
    begun = time.monotonic()
    say(f"1/5 An embedded Hub runs at {hub.url}; a base model and a sample of MultiNLI go there.")
    fill_hub(hub, work, size=size)
    say("2/5 Two authors fine-tune that base model, one on MNLI, one on telling genres apart.")
    train_models(hub, work, size=size, progress=progress)
    run = _Commands(hub, work, size=size, say=say)
    say("3/5 The base model is probed: the gain of the others is taken against it.")
    base = run.hubbot("probe", _base_id(), *run.sized, "--json")
    say("4/5 Each checkpoint is probed and annotated by one pull request.")
    first = {model: run.annotate(model) for model in (MNLI_MODEL, GENRE_MODEL)}
    first[PUBLISHED_MODEL] = run.annotate_published()
    say("5/5 The same commands again: nothing is measured twice, nothing is opened twice.")
    second = {model: run.annotate(model) for model in (MNLI_MODEL, GENRE_MODEL)}
    second[PUBLISHED_MODEL] = run.annotate_published()
    rows = tuple(_row(first[model], second[model]) for model in first)
    return DemoSummary(models=rows, base=base, seconds=time.monotonic() - begun)


def _base_id() -> str:
    from hubbot.catalog.architectures import get_architecture

    return get_architecture(ARCHITECTURE).hub_id


class _Commands:
    """Runs ``hubbot`` as a process of its own, pointed at the embedded Hub."""

    def __init__(self, hub: "LocalHub", work: Path, *, size: DemoSize, say: Say) -> None:
        self._hub, self._work, self._say = hub, work, say
        self.sized = ("--max-train", str(size.probe_pairs))
        private = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUBBOT_CONFIG"}
        kept = {name: value for name, value in os.environ.items() if name not in private}
        self._environment = kept | {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(work / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HUBBOT_CACHE_DIR": str(work / "cache"),
            "HUBBOT_RECORDS_DIR": str(work / "scores"),
            "HUBBOT_WRITE_TOKEN": BOT_TOKEN,
            "HUBBOT_BOT__HOMEPAGE": hub.url,
            "HUBBOT_BOT__OPERATOR": "the hubbot demo",
            "HUBBOT_BOT__CONTACT": "whoever started the demo",
        }

    def annotate(self, model: str) -> dict[str, Any]:
        """Probe and annotate a model."""
        return self.hubbot("annotate", model, *self.sized, "--send", "--yes", "--json")

    def annotate_published(self) -> dict[str, Any]:
        """Annotate the published model from a record made of its row in the table."""
        from hubbot.records.from_published import published_record
        from hubbot.records.store import write_record

        revision = self._hub.head(PUBLISHED_MODEL)
        record = published_record("roberta-base", PUBLISHED_MODEL, revision=revision)
        path = write_record(record, self._work / "published")
        name = str(path.relative_to(self._work))
        return self.hubbot(
            "annotate", PUBLISHED_MODEL, "--record", name, "--send", "--yes", "--json"
        )

    def hubbot(self, *arguments: str) -> dict[str, Any]:
        """Run one command; its progress goes to standard error, its JSON comes back.

        Raises:
            HubbotError: If it failed.
        """
        self._say(f"    $ hubbot {' '.join(arguments)}")
        done = subprocess.run(  # noqa: S603 - our own program, arguments of our own
            [sys.executable, "-m", "hubbot", *arguments],
            env=self._environment,
            cwd=self._work,
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            raise HubbotError(
                f"hubbot {arguments[0]} ended with exit code {done.returncode}; "
                "what it printed above says why"
            )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _row(first: Mapping[str, Any], second: Mapping[str, Any]) -> DemoRow:
    record = first["record"]
    gains, gain_intervals = record.get("lp_gain") or {}, record.get("lp_gain_interval") or {}
    return DemoRow(
        model=first["model"],
        architecture=record["architecture"],
        lp_accuracy=record["lp_accuracy"][DEFAULT_HEAD],
        lp_accuracy_interval=record["lp_accuracy_interval"].get(DEFAULT_HEAD),
        lp_gain=gains.get(DEFAULT_HEAD),
        lp_gain_interval=gain_intervals.get(DEFAULT_HEAD),
        predicted_gain=record["predicted_gain"],
        predicted_gain_interval=record["predicted_gain_interval"],
        note=record["prediction_note"],
        action=first["action"],
        second_action=second["action"],
        url=first["url"],
        diff=first["diff"],
    )
