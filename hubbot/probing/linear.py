"""The ``linear`` head: multinomial logistic regression at its unique optimum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubbot.errors import ProbeError

_CHUNK_ROWS = 8_192
_KEEP_WIDE = 1 << 26  # elements up to which float64 is kept instead of cast for each pass
_GRADIENT = 1e-7  # largest element of the gradient at what counts as the optimum
_NEAR = 1e-5  # where L-BFGS hands over to Newton's method, in preconditioned coordinates
_MAX_ITER = 1_000
_NEWTON_STEPS = 20
_CG_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Standardisation learned on the training rows."""

    mean: Tensor
    """float64 of shape (hidden_size,)."""
    deviation: Tensor
    """float64 of shape (hidden_size,), never 0."""

    def apply(self, features: Tensor) -> Tensor:
        """Return standardised features, float32 of shape (n_rows, hidden_size)."""
        parts = [((c.double() - self.mean) / self.deviation).float() for c in _chunks(features)]
        return torch.cat(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """One fitted head among the candidates."""

    weights: Tensor
    """float64 of shape (n_classes, hidden_size + 1); the last column is the bias."""
    l2: float
    """Weight of the squared norm it was fitted with."""
    validation_accuracy: float
    """Points."""


def fit_scale(features: Tensor) -> Scale:
    """Learn mean and standard deviation of each column.

    A column that does not vary beyond float32's rounding keeps deviation 1 and becomes 0.

    Args:
        features: float of shape (n_rows, hidden_size).
    """
    n = len(features)
    mean = sum((c.double().sum(dim=0) for c in _chunks(features)), start=_zeros(features)) / n
    squares = ((c.double() - mean).square().sum(dim=0) for c in _chunks(features))
    deviation = (sum(squares, start=_zeros(features)) / n).sqrt()
    is_constant = deviation <= mean.abs() * torch.finfo(torch.float32).eps
    return Scale(mean=mean, deviation=torch.where(is_constant, 1.0, deviation))


def fit_linear(
    features: Tensor, labels: Tensor, *, l2: float, n_classes: int, start: Tensor | None = None
) -> Tensor:
    """Fit multinomial logistic regression to its optimum, in float64.

    L-BFGS (strong Wolfe) in preconditioned coordinates comes near it, Newton's method finishes.

    Args:
        features: float32 of shape (n_rows, hidden_size), standardised.
        labels: int64 of shape (n_rows,), values 0 .. n_classes - 1.
        l2: Weight of the squared norm beside the mean cross-entropy; the bias is not penalised.
        n_classes: Number of classes.
        start: Where to begin, such as the optimum for a larger ``l2``; it only saves time.

    Returns:
        float64 of shape (n_classes, hidden_size + 1); the last column is the bias.

    Raises:
        ProbeError: If ``labels`` holds one class only, the loss is not finite, or the largest
            element of the gradient stays above 1e-7.

    Source:
        scikit-learn's ``LogisticRegression`` with C = 1 / (2 * l2 * n_rows), or
        C = 1 / (l2 * n_rows) for two classes; the test compares the probabilities.
    """
    check_classes(labels)
    wide = features.double() if features.numel() <= _KEEP_WIDE else features
    weights = torch.zeros(n_classes, features.shape[1] + 1, dtype=torch.float64)
    weights = (weights if start is None else start.clone()).to(features.device)
    root = _curvature_root(wide, l2=l2)
    weights = _descend(weights, wide, labels, l2=l2, root=root)
    weights, largest = _polish(weights, wide, labels, l2=l2, root=root)
    if not largest <= _GRADIENT:
        raise ProbeError(
            f"logistic regression with l2={l2:g} did not reach its optimum (gradient "
            f"{largest:.1e}, expected at most {_GRADIENT:g}); are there infinite features? "
            "Otherwise raise the least l2 of the protocol's grid"
        )
    return weights


def _curvature_root(features: Tensor, *, l2: float) -> Tensor:
    """Return the Cholesky factor of a matrix that bounds the curvature for each class.

    In coordinates ``weights @ root`` no direction is much steeper than another, however
    correlated the features are; the optimum is the same.

    Source:
        Boehning, "Multinomial logistic regression algorithm" (Annals of the Institute of
        Statistical Mathematics 1992): the Hessian lies below 1/2 (I - 11'/k) times X'X.
    """
    width = features.shape[1] + 1
    gram = torch.zeros(width, width, dtype=torch.float64, device=features.device)
    for rows in _chunks(features):
        x = torch.cat([rows.double(), rows.new_ones(len(rows), 1, dtype=torch.float64)], dim=1)
        gram += x.T @ x
    gram *= 0.5 / len(features)
    gram[range(width - 1), range(width - 1)] += 2 * l2
    root: Tensor = torch.linalg.cholesky(gram)
    return root


def _descend(
    weights: Tensor, features: Tensor, labels: Tensor, *, l2: float, root: Tensor
) -> Tensor:
    """Come near the optimum with L-BFGS, whose line search needs differences of the loss."""
    inverse = torch.linalg.solve_triangular(root, torch.eye(len(root)).to(root), upper=False)
    inner = (weights @ root).requires_grad_(True)

    def closure() -> Tensor:
        loss, gradient = loss_and_gradient(inner.detach() @ inverse, features, labels, l2=l2)
        inner.grad = gradient @ inverse.T
        return loss

    torch.optim.LBFGS(
        [inner],
        max_iter=_MAX_ITER,
        tolerance_grad=_NEAR,
        tolerance_change=0.0,
        history_size=30,
        line_search_fn="strong_wolfe",
    ).step(closure)
    near: Tensor = inner.detach() @ inverse
    return near


def _polish(
    weights: Tensor, features: Tensor, labels: Tensor, *, l2: float, root: Tensor
) -> tuple[Tensor, float]:
    """Finish with Newton steps, which need the gradient alone: rounding of the loss is no limit.

    Returns:
        Weights, and the largest element of the gradient there.
    """
    largest = float("inf")
    for _ in range(_NEWTON_STEPS):
        _, gradient = loss_and_gradient(weights, features, labels, l2=l2)
        now = float(gradient.abs().max())
        if not now < largest:  # the last step did not help; also true for NaN
            break
        largest, best = now, weights
        if largest <= _GRADIENT / 10:
            break
        weights = weights - _newton_step(weights, gradient, features, l2=l2, root=root)
    return (best if largest < float("inf") else weights), largest


def _newton_step(
    weights: Tensor, gradient: Tensor, features: Tensor, *, l2: float, root: Tensor
) -> Tensor:
    """Solve ``Hessian @ step = gradient`` by conjugate gradients, preconditioned with ``root``."""
    step, left = torch.zeros_like(gradient), gradient.clone()
    near = torch.cholesky_solve(left.T, root).T
    direction, power = near.clone(), (left * near).sum()
    goal = 1e-4 * left.norm()
    for _ in range(_CG_STEPS):
        bent = _curve(direction, weights, features, l2=l2)
        length = power / (direction * bent).sum()
        step += length * direction
        left -= length * bent
        if left.norm() <= goal:
            break
        near = torch.cholesky_solve(left.T, root).T
        power, before = (left * near).sum(), power
        direction = near + power / before * direction
    return step


def _curve(direction: Tensor, weights: Tensor, features: Tensor, *, l2: float) -> Tensor:
    """Return the Hessian of the penalised loss at ``weights`` times ``direction``."""
    bent = torch.zeros_like(weights)
    for rows in _chunks(features):
        x = rows.double()
        share = (x @ weights[:, :-1].T + weights[:, -1]).softmax(dim=1)
        moved = x @ direction[:, :-1].T + direction[:, -1]
        change = share * (moved - (share * moved).sum(dim=1, keepdim=True))
        bent[:, :-1] += change.T @ x
        bent[:, -1] += change.sum(dim=0)
    bent /= len(features)
    bent[:, :-1] += 2 * l2 * direction[:, :-1]
    return bent


def loss_and_gradient(
    weights: Tensor, features: Tensor, labels: Tensor, *, l2: float
) -> tuple[Tensor, Tensor]:
    """Return mean cross-entropy plus penalty, and its gradient, in float64.

    Args:
        weights: float64 of shape (n_classes, hidden_size + 1).
        features: float of shape (n_rows, hidden_size).
        labels: int64 of shape (n_rows,).
        l2: Weight of the squared norm.

    Returns:
        Loss, a scalar, and gradient of the shape of ``weights``.
    """
    slope, bias = weights[:, :-1], weights[:, -1]
    gradient, loss = torch.zeros_like(weights), weights.new_zeros(())
    for rows, wanted in zip(_chunks(features), torch.split(labels, _CHUNK_ROWS), strict=True):
        x = rows.double()
        logs = (x @ slope.T + bias).log_softmax(dim=1)
        loss -= logs.gather(1, wanted[:, None]).sum()
        error = logs.exp()
        error.scatter_add_(1, wanted[:, None], error.new_full((len(error), 1), -1.0))
        gradient[:, :-1] += error.T @ x
        gradient[:, -1] += error.sum(dim=0)
    gradient /= len(features)
    gradient[:, :-1] += 2 * l2 * slope
    return loss / len(features) + l2 * slope.square().sum(), gradient


def choose_linear(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    l2_grid: Sequence[float],
    n_classes: int,
    on_fit: Callable[[int], None],
) -> LinearFit:
    """Fit every candidate and keep the best on validation; the larger ``l2`` where they tie.

    Args:
        train: Standardised features and labels.
        validation: The same.
        l2_grid: Candidates.
        n_classes: Number of classes.
        on_fit: Called with the number of candidates fitted.
    """
    best: LinearFit | None = None
    weights: Tensor | None = None
    for count, l2 in enumerate(sorted(l2_grid, reverse=True), start=1):
        weights = fit_linear(*train, l2=l2, n_classes=n_classes, start=weights)
        accuracy = points(predict_linear(weights, validation[0]), validation[1])
        if best is None or accuracy > best.validation_accuracy:
            best = LinearFit(weights=weights, l2=l2, validation_accuracy=accuracy)
        on_fit(count)
    if best is None:
        raise ProbeError("l2_grid is empty; name at least one candidate in the protocol")
    return best


def predict_linear(weights: Tensor, features: Tensor) -> Tensor:
    """Return predicted classes, int64 of shape (n_rows,)."""
    slope, bias = weights[:, :-1], weights[:, -1]
    return torch.cat([(c.double() @ slope.T + bias).argmax(dim=1) for c in _chunks(features)])


def points(predicted: Tensor, labels: Tensor) -> float:
    """Return the accuracy in points."""
    return 100.0 * float((predicted == labels).double().mean())


def check_classes(labels: Tensor) -> None:
    """Refuse labels that hold one class only.

    Raises:
        ProbeError: Naming the class.
    """
    if len(torch.unique(labels)) < 2:
        raise ProbeError(
            f"all {len(labels)} training labels are class {int(labels[0])}; a head needs two or "
            "more classes; check the split or raise max_train"
        )


def _chunks(features: Tensor) -> tuple[Tensor, ...]:
    chunks: tuple[Tensor, ...] = torch.split(features, _CHUNK_ROWS)
    return chunks


def _zeros(features: Tensor) -> Tensor:
    return torch.zeros(features.shape[1], dtype=torch.float64, device=features.device)
