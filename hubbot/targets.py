"""Targets as a user names them: of the catalog, of the Hub, or files of their own."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.catalog.datasets import find_dataset, load_datasets
from hubbot.catalog.gain_protocols import MIN_TRAIN
from hubbot.catalog.revisions import read_revisions
from hubbot.catalog.tables import unknown_name
from hubbot.data.own_tables import is_local
from hubbot.errors import RemoteError, SettingsError
from hubbot.measurement import hub_api
from hubbot.schema import DatasetSpec, SplitRule, Target
from hubbot.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

OnData = Callable[[Target], None]
"""Told of a data set as it is ready, before hours are spent on it."""

_NOT_THERE = {"not_found", "unauthorised", "forbidden"}
"""What the Hub says of a repository that there is none of: it does not tell which."""


def ignore_data(target: Target) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a user says of a data set of their own."""

    text: tuple[str, ...] = ()
    """Text columns; none for a guess."""
    label: str = ""
    """Label column; empty for a guess."""
    config: str | None = None
    """Configuration of the Hub data set."""
    validation: str | None = None
    """File of the validation split."""
    test: str | None = None
    """File of the test split."""
    is_regression: bool | None = None
    """Whether labels are numbers to be predicted; None for a guess."""
    max_rows: int = 200_000
    """Rows of each split that are used at most."""


def catalog_entry(name: str, columns: Columns | None = None) -> DatasetSpec | None:
    """Return the entry of the catalog that a data set stands for, None for one of the user's own.

    Args:
        name: Name in the catalog, Hub id, file or folder.
        columns: What the user says of it; a Hub id with any of that is read as theirs.

    Raises:
        SettingsError: If the name stands for several entries, or says what the catalog fixes.
    """
    if columns is None or columns == Columns():
        spec = find_dataset(name)
        if spec is not None and is_local(name):
            logger.warning("%s is the catalog's data set; what lies here is ./%s", name, name)
        return spec
    is_named = any(name == spec.name != spec.hub_id for spec in load_datasets())
    if is_named and not is_local(name):
        raise SettingsError(
            f"{name} is a data set of the catalog, which fixes its columns, splits and rows; leave "
            "the options for data sets of your own out (--max-train limits the training rows)"
        )
    return None


def possible_sizes(sizes: Sequence[int | None], target: Target) -> tuple[int | None, ...]:
    """Return training sizes, ascending and each once; those beyond the rows are all of them.

    Args:
        sizes: Numbers of rows; None for all.
        target: Its training rows count.

    Raises:
        SettingsError: If there are none, or one is too small to train on.
    """
    if not sizes:
        raise SettingsError("no training sizes; expected numbers of rows, or all")
    for size in sizes:
        if size is not None and size < MIN_TRAIN:
            raise SettingsError(f"training size {size}: expected {MIN_TRAIN} rows or more, or all")
    n_rows = target.splits["train"].n_rows
    below = sorted({size for size in sizes if size is not None and size < n_rows})
    is_whole = any(size is None or size >= n_rows for size in sizes)
    return (*below, None) if is_whole else tuple(below)


def read_target(
    name: str, rule: SplitRule, settings: Settings, columns: Columns | None = None
) -> Target:
    """Make a data set ready: one of the catalog, of the Hub, or of the user's own files.

    Args:
        name: Name in the catalog, Hub id, file or folder.
        rule: Of the gain protocol; followed where the catalog knows the data set.
        settings: Folders and token.
        columns: What the user says of it; None for a data set of the catalog, or a guess.

    Raises:
        DatasetError: If it cannot be read or used.
        SettingsError: If options do not fit.
        RemoteError: If the Hub does not hand it out.
    """
    spec = catalog_entry(name, columns)
    cache_dir = settings.cache_dir / "targets"
    token = settings.read_token.get_secret_value() if settings.read_token else None
    if spec is not None:
        return _catalog_target(spec, rule, settings, cache_dir, token)
    from hubbot.data.own_targets import load_own_target

    given = columns or Columns()
    revision = "" if is_local(name) else _own_revision(name, settings)
    return load_own_target(
        name,
        text_columns=given.text,
        label_column=given.label,
        config=given.config,
        validation=given.validation,
        test=given.test,
        is_regression=given.is_regression,
        max_rows=given.max_rows,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
    )


def _own_revision(name: str, settings: Settings) -> str:
    """Resolve a data set that the catalog does not have; what may be a slip is offered a name."""
    try:
        return _revision_of(name, "", settings)
    except RemoteError as error:
        if "/" in name or error.kind not in _NOT_THERE:
            raise
        hub_only = unknown_name("data set", name, (spec.name for spec in load_datasets()))
        raise SettingsError(
            f"{hub_only}; nor is there such a file, or such a data set on the Hub"
        ) from error


def _catalog_target(
    spec: DatasetSpec,
    rule: SplitRule,
    settings: Settings,
    cache_dir: Path,
    token: str | None,
) -> Target:
    from hubbot.data.catalog_targets import load_target

    revision = ""
    if settings.data_dir is None:
        revision = _revision_of(spec.hub_id, spec.revision, settings, spec.hub_revision)
    return load_target(
        spec,
        rule=rule,
        data_dir=settings.data_dir,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
    )


def _revision_of(hub_id: str, pinned: str, settings: Settings, branch: str = "") -> str:
    from hubbot.hub.datasets import resolve_dataset

    locked = pinned or read_revisions(settings.revisions_file).datasets.get(hub_id)
    return locked or resolve_dataset(hub_id, branch or None, api=hub_api(settings))


def target_digest(target: Target) -> str:
    """Return one digest over the three splits, the metric and the class names."""
    parts = [target.metric, *target.label_names]
    parts += [target.splits[role].digest for role in ("train", "validation", "test")]
    text = "\n".join(f"{len(part)}:{part}" for part in parts)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_labels(target: Target) -> "NDArray[np.int64] | NDArray[np.float64]":
    """Return the true labels of the test rows: class numbers (int64), or numbers (float64)."""
    import pyarrow.parquet as pq

    from hubbot.data.prepared import LABEL

    labels: NDArray[np.int64] | NDArray[np.float64] = pq.read_table(
        target.splits["test"].path, columns=[LABEL]
    )[LABEL].to_numpy()
    return labels


def score_of(
    target: Target,
    predictions: "NDArray[np.int64] | NDArray[np.float64]",
    labels: "NDArray[np.int64] | NDArray[np.float64]",
) -> float:
    """Return the target's metric, points."""
    from hubbot.data.scoring import score

    return score(target.metric, predictions, labels)
