"""Scores of predictions, through ``evaluate`` and the metric modules packaged beside this file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import DatasetError

Numbers = NDArray[np.int64] | NDArray[np.float64]

_MODULES = Path(__file__).parent / "metrics"


@contextmanager
def _without_transformers() -> Iterator[None]:
    """Let evaluate believe that transformers is not installed.

    It would import it, and torch, for evaluators that are not used here: five seconds in each
    command that probes, and libraries that need not be in the process that holds the token.
    """
    if "transformers" in sys.modules:
        yield
        return
    sys.modules["transformers"] = None  # type: ignore[assignment]  # makes an import fail
    try:
        yield
    finally:
        del sys.modules["transformers"]


@cache
def _metric(name: str) -> Any:
    with _without_transformers():
        import evaluate

    module = _MODULES / f"{name}.py"
    if not module.exists():
        known = ", ".join(sorted(path.stem for path in _MODULES.glob("*.py")))
        raise DatasetError(f"metric {name!r} is not packaged; known metrics: {known}")
    return evaluate.load(str(module))


def score(metric: str, predictions: Numbers, references: Numbers) -> float:
    """Score one run of predictions.

    Args:
        metric: Name of a packaged metric module.
        predictions: Shape (n_test,): predicted class numbers (int64), or numbers (float64).
        references: Shape (n_test,): the true ones.

    Returns:
        The metric in points: accuracy 0 to 100, Spearman's correlation -100 to 100.

    Raises:
        DatasetError: If the metric is not packaged, or the lengths differ.
    """
    if predictions.shape != references.shape:
        raise DatasetError(
            f"{metric}: {predictions.shape} predictions for {references.shape} test rows; "
            "probe again with an empty cache"
        )
    answer = _metric(metric).compute(predictions=predictions, references=references)
    return 100.0 * float(answer[metric])
