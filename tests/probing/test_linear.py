"""The linear head against scikit-learn, its own gradient, and invariances."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hubbot.errors import ProbeError
from hubbot.probing.linear import (
    choose_linear,
    fit_linear,
    fit_scale,
    loss_and_gradient,
    predict_linear,
)


def made_up(
    n_rows: int, width: int, n_classes: int, *, seed: int = 0, signal: float = 1.0
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(n_classes, (n_rows,), generator=generator)
    centres = signal * torch.randn(n_classes, width, generator=torch.Generator().manual_seed(99))
    features = centres[labels] + torch.randn(n_rows, width, generator=generator)
    return features, labels


def probabilities(weights: Tensor, features: Tensor) -> NDArray[np.float64]:
    logits = features.double() @ weights[:, :-1].T + weights[:, -1]
    return np.asarray(logits.softmax(dim=1))


@pytest.mark.parametrize("l2", [1e-5, 1e-3, 1e-1])
@pytest.mark.parametrize(("n_classes", "width"), [(3, 12), (2, 5), (5, 40)])
def test_probabilities_are_those_of_scikit_learn(l2: float, n_classes: int, width: int) -> None:
    features, labels = made_up(300, width, n_classes, signal=0.5)
    weights = fit_linear(features, labels, l2=l2, n_classes=n_classes)
    c = 1 / (2 * l2 * 300) if n_classes > 2 else 1 / (l2 * 300)
    reference = LogisticRegression(C=c, tol=1e-10, max_iter=20_000)
    reference.fit(features.double().numpy(), labels.numpy())
    expected = reference.predict_proba(features.double().numpy())
    np.testing.assert_allclose(probabilities(weights, features), expected, atol=1e-3)


def test_the_gradient_of_the_loss_vanishes_at_the_optimum() -> None:
    features, labels = made_up(200, 8, 3)
    weights = fit_linear(features, labels, l2=1e-3, n_classes=3).requires_grad_(True)
    logits = features.double() @ weights[:, :-1].T + weights[:, -1]
    loss: Any = torch.nn.functional.cross_entropy(logits, labels)
    (loss + 1e-3 * weights[:, :-1].square().sum()).backward()
    assert weights.grad is not None
    assert float(weights.grad.abs().max()) < 1e-7


def test_separable_rows_still_have_an_optimum() -> None:
    features, labels = made_up(120, 30, 3, signal=5.0)
    weights = fit_linear(features, labels, l2=1e-5, n_classes=3)
    assert (predict_linear(weights, features) == labels).all()


def test_the_order_of_rows_changes_nothing() -> None:
    features, labels = made_up(200, 8, 3)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    plain = fit_linear(features, labels, l2=1e-3, n_classes=3)
    shuffled = fit_linear(features[order], labels[order], l2=1e-3, n_classes=3)
    assert torch.allclose(plain, shuffled, atol=1e-5)


def test_renumbering_the_classes_renumbers_the_answers() -> None:
    features, labels = made_up(200, 8, 3)
    renumbered = torch.tensor([2, 0, 1])
    plain = fit_linear(features, labels, l2=1e-3, n_classes=3)
    other = fit_linear(features, renumbered[labels], l2=1e-3, n_classes=3)
    assert torch.equal(predict_linear(other, features), renumbered[predict_linear(plain, features)])


def test_a_warm_start_ends_at_the_same_optimum() -> None:
    features, labels = made_up(200, 8, 3)
    cold = fit_linear(features, labels, l2=1e-3, n_classes=3)
    before = fit_linear(features, labels, l2=1e-1, n_classes=3)
    warm = fit_linear(features, labels, l2=1e-3, n_classes=3, start=before)
    assert torch.allclose(cold, warm, atol=1e-5)


def test_many_rows_are_summed_over_chunks_as_over_one() -> None:
    features, labels = made_up(20_000, 3, 3, signal=0.3)
    weights = fit_linear(features, labels, l2=1e-3, n_classes=3)
    reference = LogisticRegression(C=1 / (2 * 1e-3 * 20_000), tol=1e-10, max_iter=20_000)
    reference.fit(features.double().numpy(), labels.numpy())
    expected = reference.predict_proba(features.double().numpy())
    np.testing.assert_allclose(probabilities(weights, features), expected, atol=1e-4)


def test_standardisation_is_that_of_scikit_learn() -> None:
    features = made_up(10_000, 6, 3)[0] * torch.tensor([1.0, 1e-3, 1e3, 5.0, 1.0, 1.0]) + 7
    expected = StandardScaler().fit_transform(features.double().numpy())
    np.testing.assert_allclose(fit_scale(features).apply(features).numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
def test_a_constant_column_becomes_zero_and_changes_no_answer(constant: float) -> None:
    features, labels = made_up(200, 8, 3)
    padded = torch.cat([features, torch.full((200, 1), constant)], dim=1)
    scaled = fit_scale(padded).apply(padded)
    assert torch.isfinite(scaled).all()
    assert float(scaled[:, -1].abs().max()) < 1e-6
    plain = fit_linear(fit_scale(features).apply(features), labels, l2=1e-3, n_classes=3)
    with_column = fit_linear(scaled, labels, l2=1e-3, n_classes=3)
    assert torch.allclose(plain, with_column[:, [*range(8), 9]], atol=1e-4)


def test_the_larger_penalty_wins_a_tie() -> None:
    train, validation = made_up(60, 10, 2, signal=8.0), made_up(30, 10, 2, seed=1, signal=8.0)
    fit = choose_linear(
        train, validation, l2_grid=(1e-5, 1e-1, 1e-3), n_classes=2, on_fit=lambda done: None
    )
    assert fit.validation_accuracy == 100.0
    assert fit.l2 == 1e-1


def test_the_penalty_is_chosen_on_validation() -> None:
    features, labels = made_up(40, 200, 2, signal=0.25)
    held_out = made_up(2_000, 200, 2, seed=1, signal=0.25)
    grid = (1e-5, 1e-2, 1e-1, 1.0, 10.0)
    fit = choose_linear(
        (features, labels), held_out, l2_grid=grid, n_classes=2, on_fit=lambda done: None
    )
    scores = {}
    for l2 in grid:
        reference = LogisticRegression(C=1 / (l2 * 40), tol=1e-9, max_iter=20_000)
        reference.fit(features.double().numpy(), labels.numpy())
        scores[l2] = reference.score(held_out[0].double().numpy(), held_out[1].numpy())
    assert 100 * scores[fit.l2] == pytest.approx(fit.validation_accuracy, abs=0.2)
    assert scores[fit.l2] >= max(scores.values()) - 0.002


def test_one_class_only_is_refused() -> None:
    features, _ = made_up(20, 4, 3)
    with pytest.raises(ProbeError, match="all 20 training labels are class 1"):
        fit_linear(features, torch.ones(20, dtype=torch.int64), l2=1e-3, n_classes=3)


@pytest.mark.parametrize("l2", [1e-5, 1e-3, 1e-1, 10.0])
@pytest.mark.parametrize("decades", [0, 3, 6])
def test_the_optimum_is_reached_however_correlated_the_features_are(
    decades: int, l2: float
) -> None:
    generator = torch.Generator().manual_seed(decades)
    hidden = torch.randn(1_500, 96, generator=generator)
    labels = (hidden[:, :3] + torch.randn(1_500, 3, generator=generator)).argmax(dim=1)
    mixing = torch.linalg.qr(torch.randn(96, 96, generator=generator))[0]
    features = hidden * torch.logspace(0, -decades, 96) @ mixing
    features = fit_scale(features).apply(features)
    weights = fit_linear(features, labels, l2=l2, n_classes=3)
    _, gradient = loss_and_gradient(weights, features, labels, l2=l2)
    assert float(gradient.abs().max()) <= 1e-7


@pytest.mark.parametrize("l2", [1e-5, 1e-2])
def test_the_optimum_is_reached_where_the_classes_can_be_separated(l2: float) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(80, 120, generator=generator)
    labels = torch.arange(80) % 3
    weights = fit_linear(features, labels, l2=l2, n_classes=3)
    _, gradient = loss_and_gradient(weights, features, labels, l2=l2)
    assert float(gradient.abs().max()) <= 1e-7
    assert torch.equal(predict_linear(weights, features), labels)
