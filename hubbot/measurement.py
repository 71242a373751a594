"""From a checkpoint to its accuracies: the stages that measure, shared by every verb.

Nothing here decides what is published; ``pipeline.py`` does.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.catalog.architectures import load_architectures
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import recognise
from hubbot.catalog.revisions import read_revisions
from hubbot.errors import CheckpointError
from hubbot.schema import (
    Architecture,
    DatasetSpec,
    DataSplit,
    HeadName,
    Interval,
    LocalCheckpoint,
    Protocol,
    SplitName,
)
from hubbot.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hubbot.probing.job import ProbeOutput

logger = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Told a task's name, steps done and steps in all."""


def no_report(task: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One checkpoint measured under one protocol."""

    checkpoint: LocalCheckpoint
    """What was measured."""
    predictions: "Mapping[HeadName, NDArray[np.int64]]"
    """Predicted classes of the test rows: shape (1, n_test) or (n_seeds, n_test)."""
    labels: "NDArray[np.int64]"
    """True classes of the test rows, shape (n_test,)."""
    label_names: tuple[str, ...]
    """Class names as the data itself gives them; the catalog's where it gives none."""
    accuracies: Mapping[HeadName, tuple[float, ...]]
    """Accuracy of each fit, points."""
    accuracy: Mapping[HeadName, float]
    """Their mean, points."""
    interval: Mapping[HeadName, Interval]
    """95 % interval of the mean, points."""
    n_train: int
    """Training rows."""
    seconds: Mapping[str, float]
    """Wall-clock time of ``download``, ``tokenize``, ``encode`` and ``head``."""
    device: str
    """Device of the encoder."""
    dtype: str
    """Precision of the encoder."""
    versions: Mapping[str, str]
    """Versions of torch and transformers."""
    details: Mapping[str, Any]
    """Chosen L2, best epochs, origin of the pooler, share of truncated pairs."""

    def correct(self, head: HeadName) -> "NDArray[np.bool_]":
        """Return whether each fit labelled each test row correctly, shape (n_fits, n_test)."""
        right: NDArray[np.bool_] = self.predictions[head] == self.labels[None, :]
        return right


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint on disk and what it was recognised as."""

    local: LocalCheckpoint
    """Its files."""
    architecture: Architecture
    """Decided from its own config.json."""
    download_s: float
    """Seconds the download took."""


def obtain(
    model: str, settings: Settings, *, report: Report = no_report, needs_weights: bool = True
) -> Checkpoint:
    """Resolve, recognise and download a checkpoint; the weights come last.

    Args:
        model: Hub id, ``id@revision``, or a folder.
        settings: Caps, token and folders.
        report: Told how far the download is.
        needs_weights: Whether they are opened; if not, the Hub's word for their digest is enough
            and they are not fetched.

    Raises:
        RemoteError: If the Hub does not hand it out.
        CheckpointError: If no architecture fits, or nothing safe can be loaded.
    """
    from hubbot.hub.cards import read_file
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.described import describe_checkpoint
    from hubbot.hub.download import download_checkpoint

    view_dir = settings.cache_dir / "checkpoints"
    begun = time.monotonic()
    if is_folder(model):
        return _obtain_folder(Path(model).expanduser(), settings, view_dir)
    api = hub_api(settings)
    known = [entry.hub_id for entry in load_architectures()]
    remote = resolve_checkpoint(model, api=api, known=known)
    content = read_file(remote.model, remote.revision, "config.json", api=api)
    if content is None:
        raise CheckpointError(
            f"{remote.model}: no config.json at {remote.revision[:10]}; expected a transformers "
            "checkpoint: ask its author to upload one"
        )
    config = read_config(content, model=remote.model)
    architecture = recognise(config, remote.base_models, model=remote.model)
    allow_bin = may_read_bin(architecture, remote.model, settings)
    if not needs_weights:
        local = describe_checkpoint(
            remote,
            api=api,
            limits=settings.download,
            view_dir=settings.cache_dir / "described",
            allow_bin=allow_bin,
        )
        return _obtained(local, architecture, begun)
    local = download_checkpoint(
        remote,
        api=api,
        limits=settings.download,
        view_dir=view_dir,
        allow_bin=allow_bin,
        on_progress=lambda done, total: report(
            f"{remote.model}: download (MB)", _megabytes(done), _megabytes(total)
        ),
    )
    return _obtained(local, architecture, begun)


def _obtained(local: LocalCheckpoint, architecture: Architecture, begun: float) -> Checkpoint:
    return Checkpoint(local=local, architecture=architecture, download_s=time.monotonic() - begun)


def _megabytes(n_bytes: int) -> int:
    return -(-n_bytes // 10**6)


def is_folder(model: str) -> bool:
    """Return whether MODEL names a folder rather than a Hub id."""
    return is_path(model) or (model != "" and Path(model).is_dir())


def is_path(model: str) -> bool:
    """Return whether MODEL is spelt as a path, which no Hub id is."""
    return model.startswith((".", "/", "~"))


def _obtain_folder(folder: Path, settings: Settings, view_dir: Path) -> Checkpoint:
    from hubbot.hub.download import declared_by_card, local_checkpoint

    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no such folder; expected one with config.json, weights and tokenizer, or "
            "a Hub id (owner/name)"
        )
    config = read_config(folder)
    name = folder.resolve().name
    architecture = recognise(config, declared_by_card(folder), model=name)
    allow_bin = may_read_bin(architecture, name, settings)
    local = local_checkpoint(folder, view_dir=view_dir, allow_bin=allow_bin)
    return Checkpoint(local=local, architecture=architecture, download_s=0.0)


def may_read_bin(architecture: Architecture, model: str, settings: Settings) -> bool:
    """Return whether pytorch_model.bin may be read in the child for this model (design, safety)."""
    if settings.probe.bin == "sandboxed":
        return True
    is_base = model in (architecture.hub_id, *architecture.aliases)
    return settings.probe.bin == "base-models" and is_base and architecture.bin_weights


def hub_api(settings: Settings, *, is_writing: bool = False) -> Any:
    """Return the Hub's client; only the publishing step asks for the one that may write.

    Args:
        settings: Tokens and time limit.
        is_writing: Whether pull requests will be opened with it.
    """
    from hubbot.hub.client import make_api

    secret = settings.write_token if is_writing else settings.read_token
    token = secret.get_secret_value() if secret else None
    return make_api(token, timeout_s=settings.download.timeout_s)


def load_splits(spec: DatasetSpec, settings: Settings) -> Mapping[SplitName, DataSplit]:
    """Load the data set from the folder in the settings, or by Hub id.

    Raises:
        DatasetError: If it cannot be read or disagrees with the catalog.
        RemoteError: If the Hub cannot be asked for its revision.
    """
    from hubbot.data.load import load_folder, load_from_hub

    if settings.data_dir is not None:
        return load_folder(spec, settings.data_dir)
    from hubbot.hub.datasets import resolve_dataset

    token = settings.read_token.get_secret_value() if settings.read_token else None
    locked = read_revisions(settings.revisions_file).datasets.get(spec.hub_id)
    wanted = spec.revision or locked
    revision = wanted or resolve_dataset(spec.hub_id, None, api=hub_api(settings))
    return load_from_hub(spec, revision=revision, cache_dir=settings.cache_dir, token=token)


def measure(
    checkpoint: Checkpoint,
    *,
    spec: DatasetSpec,
    protocol: Protocol,
    splits: Mapping[SplitName, DataSplit],
    settings: Settings,
    report: Report = no_report,
) -> Measurement:
    """Probe one checkpoint in the child and score its predictions.

    Args:
        checkpoint: Files and architecture.
        spec: Data set of the protocol.
        protocol: How the number is made.
        splits: ``train``, ``validation`` and ``test``.
        settings: Device, limits and cache.
        report: Told how far the child is.

    Raises:
        CheckpointError: If the child cannot load the checkpoint.
        ProbeError: If the child did not come to an end.
        IntegrityError: If weights or features are not finite.
    """
    from hubbot.probing.job import ChildLimits, Progress, make_job
    from hubbot.probing.run import run_probe

    job = make_job(
        checkpoint.local,
        checkpoint.architecture,
        dataset=spec,
        protocol=protocol,
        splits=splits,
        cache_dir=settings.cache_dir / "probes",
        allow_bin=may_read_bin(checkpoint.architecture, checkpoint.local.model, settings),
        device=settings.probe.device,
        tokens_per_batch=settings.probe.tokens_per_batch,
    )

    def on_progress(step: Progress) -> None:
        name = f"{checkpoint.local.model}: {step.stage} {step.split}".rstrip()
        report(name, step.done, step.total)

    limits = ChildLimits(
        timeout_s=settings.probe.timeout_s,
        memory_gb=settings.probe.memory_gb,
        file_gb=settings.probe.file_gb,
    )
    output = run_probe(job, limits=limits, on_progress=on_progress)
    return _score(checkpoint, spec, splits["test"], output, pooling=job.pooling)


def _score(
    checkpoint: Checkpoint,
    spec: DatasetSpec,
    test: DataSplit,
    output: "ProbeOutput",
    *,
    pooling: str,
) -> Measurement:
    """Score the child's predictions against the labels, which it never saw."""
    from hubbot.data.load import read_columns, read_label_names
    from hubbot.data.scoring import score
    from hubbot.gains.intervals import accuracy_interval

    labels = read_columns(spec, test.path)[spec.label_column].to_numpy()
    accuracies = {
        head: tuple(score(spec.metric, fit, labels) for fit in fits)
        for head, fits in output.predictions.items()
    }
    interval = {
        head: accuracy_interval(fits == labels[None, :])[1]
        for head, fits in output.predictions.items()
    }
    return Measurement(
        checkpoint=checkpoint.local,
        predictions=output.predictions,
        labels=labels,
        label_names=read_label_names(test.path, spec.label_column) or spec.label_names,
        accuracies=accuracies,
        accuracy={head: sum(fits) / len(fits) for head, fits in accuracies.items()},
        interval=interval,
        n_train=output.n_train,
        seconds={"download": checkpoint.download_s, **output.seconds},
        device=output.device,
        dtype=output.dtype,
        versions=output.versions,
        details={
            "l2": output.l2,
            "best_epochs": list(output.best_epochs),
            "pooler": output.pooler_origin,
            "pooling": pooling,
            "truncated_share": dict(output.truncated_share),
            "network_guard": output.network_guard,
        },
    )


def obtain_base(
    architecture: Architecture,
    settings: Settings,
    *,
    report: Report = no_report,
    needs_weights: bool = True,
) -> Checkpoint:
    """Return the base model of an architecture; resolved and downloaded once, then kept.

    Its revision is the catalog's, the lock file's, or the one found on the main branch the first
    time, so that all gains of one cache are taken against the same weights.

    Args:
        architecture: Entry of the catalog.
        settings: Caps, token and folders.
        report: Told how far the download is.
        needs_weights: As for ``obtain``; without them nothing is kept.

    Raises:
        HubbotError: As ``obtain``.
    """
    kept = _base_path(architecture, settings)
    local = _read_kept(kept)
    if local is not None:
        return Checkpoint(local=local, architecture=architecture, download_s=0.0)
    locked = read_revisions(settings.revisions_file).models.get(architecture.hub_id)
    revision = architecture.revision or locked
    name = f"{architecture.hub_id}@{revision}" if revision else architecture.hub_id
    checkpoint = obtain(name, settings, report=report, needs_weights=needs_weights)
    if not needs_weights:
        return checkpoint
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}.part")  # two runs may both be the first
    values = asdict(checkpoint.local) | {"folder": str(checkpoint.local.folder)}
    partial.write_text(json.dumps(values), encoding="utf-8")
    partial.replace(kept)
    return checkpoint


def kept_base(architecture: Architecture, settings: Settings) -> LocalCheckpoint | None:
    """Return the base model that ``obtain_base`` kept; None where it was not asked for yet.

    Args:
        architecture: Entry of the catalog.
        settings: Folders.
    """
    return _read_kept(_base_path(architecture, settings))


def _base_path(architecture: Architecture, settings: Settings) -> Path:
    return settings.cache_dir / "base-models" / f"{architecture.name.replace('/', '--')}.json"


def _read_kept(path: Path) -> LocalCheckpoint | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        folder = Path(values.pop("folder"))
        if not (folder / "config.json").exists():
            return None
        for name in ("weights_files", "base_models", "tags"):
            values[name] = tuple(values[name])
        return LocalCheckpoint(folder=folder, **values)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.warning("%s is not what hubbot wrote there; the base model is read again", path)
        return None


def dataset_version(splits: Mapping[SplitName, DataSplit]) -> str:
    """Return the commit hash of the data set, or the digest of the local files."""
    revision = splits["test"].revision
    if revision:
        return revision
    digests = "\n".join(splits[role].digest for role in sorted(splits))
    return f"sha256:{hashlib.sha256(digests.encode()).hexdigest()}"
