"""Spearman's rank correlation as a module of the ``evaluate`` library, loaded without a network.

Each import stands on its own line: the library's import scanner reads ``import a, b`` as one name.
"""

import datasets
import evaluate
import numpy as np
from scipy.stats import spearmanr


class Spearman(evaluate.Metric):
    """Rank correlation, -1 to 1, as scipy's ``spearmanr``; 0 where either side is constant."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Spearman's rank correlation, -1 to 1; 0 where either side is constant.",
            citation="",
            inputs_description="predictions and references: one number a row.",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
            reference_urls=[
                "https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.spearmanr.html"
            ],
        )

    def _compute(self, predictions: list[float], references: list[float]) -> dict[str, float]:
        if np.ptp(predictions) == 0 or np.ptp(references) == 0:
            return {"spearman": 0.0}
        return {"spearman": float(spearmanr(predictions, references).statistic)}
