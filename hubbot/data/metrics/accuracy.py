"""Accuracy as a module of the ``evaluate`` library, so that it loads without a network.

Each import stands on its own line: the library's import scanner reads ``import a, b`` as one name.
"""

import datasets
import evaluate
from sklearn.metrics import accuracy_score


class Accuracy(evaluate.Metric):
    """Share of rows labelled correctly, 0 to 1, as scikit-learn's ``accuracy_score``."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of rows labelled correctly, 0 to 1.",
            citation="",
            inputs_description="predictions and references: one class number a row.",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
            reference_urls=[
                "https://scikit-learn.org/stable/modules/generated/sklearn.metrics.accuracy_score.html"
            ],
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}
