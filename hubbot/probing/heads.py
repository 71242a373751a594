"""The ``head``: what sequence classification puts on top of an encoder, all of it trained."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hubbot.errors import ProbeError
from hubbot.probing.job import Activation, PoolerOrigin
from hubbot.probing.linear import check_classes, points
from hubbot.schema import HeadRecipe

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"tanh": nn.Tanh, "gelu": nn.GELU, "relu": nn.ReLU}
# Families whose classification head also drops out the vector that enters its dense layer.
_DROPS_INPUT = frozenset({"roberta", "electra", "mpnet", "t5"})
_SCORING_ROWS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadShape:
    """How a family's sequence-classification head is built.

    Source: the ``*ForSequenceClassification`` classes of transformers.
    """

    width: int
    """hidden_size."""
    n_classes: int
    """Number of classes."""
    activation: Activation
    """Behind the dense layer; ``none``: there is no such layer."""
    drops_input: bool
    """Whether dropout also stands before the dense layer."""
    init_std: float
    """Standard deviation of fresh weights."""
    dense_bias: bool = True
    """Whether the dense layer has a bias."""
    has_norm: bool = False
    """Whether a LayerNorm follows the activation (ModernBERT)."""
    norm_eps: float = 1e-5
    """Epsilon of that LayerNorm."""
    norm_bias: bool = False
    """Whether that LayerNorm has a bias."""
    projection_bias: bool = True
    """Whether the projection has a bias."""


def head_shape(config: Any, *, activation: Activation, n_classes: int) -> HeadShape:
    """Return the head's shape for an encoder's configuration."""
    family = config.model_type
    std = getattr(config, "initializer_range", 0.02)
    if family == "t5":
        std = config.initializer_factor * config.d_model**-0.5
    is_modern = family == "modernbert"
    return HeadShape(
        width=config.hidden_size,
        n_classes=n_classes,
        activation=activation,
        drops_input=family in _DROPS_INPUT,
        init_std=std,
        dense_bias=config.classifier_bias if is_modern else True,
        has_norm=is_modern,
        norm_eps=config.norm_eps if is_modern else 1e-5,
        norm_bias=config.norm_bias if is_modern else False,
        projection_bias=family != "gpt2",
    )


def wanted_tensors(names: Sequence[str]) -> list[str]:
    """Return the tensor names to look for: dense layers, and the norm beside each."""
    dense = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
    norms = [f"{_norm_beside(name)}.{part}" for name in names for part in ("weight", "bias")]
    return dense + norms


def pooler_state(
    names: Sequence[str], tensors: Mapping[str, Tensor], shape: HeadShape
) -> dict[str, Tensor] | None:
    """Find the checkpoint's own dense layer.

    Args:
        names: Names under which it may be stored, the first that fits is taken.
        tensors: Tensors of the checkpoint.
        shape: The head to be filled.

    Returns:
        State for ``dense`` (and ``norm``) of a head; None where there is none of the right shape.
    """
    if shape.activation == "none":
        return None
    for name in names:
        state = _layer_state("dense", name, tensors)
        sizes = [tuple(tensor.shape) for tensor in state.values()]
        wanted = [(shape.width, shape.width)] + [(shape.width,)] * shape.dense_bias
        if sizes == wanted:
            norm = _layer_state("norm", _norm_beside(name), tensors) if shape.has_norm else {}
            fits = all(tuple(tensor.shape) == (shape.width,) for tensor in norm.values())
            return state | norm if fits else state
    return None


def _layer_state(layer: str, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = (part for part in ("weight", "bias") if f"{name}.{part}" in tensors)
    return {f"{layer}.{part}": tensors[f"{name}.{part}"].float() for part in parts}


def _norm_beside(name: str) -> str:
    return f"{name.rpartition('.')[0]}.norm".lstrip(".")


class Head(nn.Module):
    """Dropout, dense, activation, norm, dropout, projection, as far as the family has them."""

    def __init__(self, shape: HeadShape, *, dropout: float) -> None:
        super().__init__()
        has_dense = shape.activation != "none"
        self.first_drop = nn.Dropout(dropout if shape.drops_input and has_dense else 0.0)
        self.dense: nn.Module = nn.Identity()
        self.activation: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        if has_dense:
            self.dense = nn.Linear(shape.width, shape.width, bias=shape.dense_bias)
            self.activation = _ACTIVATIONS[shape.activation]()
        if has_dense and shape.has_norm:
            self.norm = nn.LayerNorm(shape.width, eps=shape.norm_eps, bias=shape.norm_bias)
        self.drop = nn.Dropout(dropout)
        self.projection = nn.Linear(shape.width, shape.n_classes, bias=shape.projection_bias)
        for layer in (self.dense, self.projection):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=shape.init_std)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits of shape (n_rows, n_classes) for features (n_rows, hidden_size)."""
        hidden = self.norm(self.activation(self.dense(self.first_drop(features))))
        logits: Tensor = self.projection(self.drop(hidden))
        return logits


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFit:
    """One trained head."""

    predictions: Tensor
    """int64 of shape (n_test,)."""
    validation_accuracy: float
    """Points, at the epoch kept."""
    best_epoch: int
    """Epoch that was kept, counted from 1."""
    origin: PoolerOrigin
    """Where the dense layer started from."""


def train_head(
    shape: HeadShape,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    test: Tensor,
    *,
    recipe: HeadRecipe,
    seed: int,
    pooler: Mapping[str, Tensor] | None,
    on_epoch: Callable[[], None],
) -> HeadFit:
    """Train one head and predict the test rows with its best epoch on validation.

    The earlier epoch is kept where two tie.

    Args:
        shape: How it is built.
        train: Features (n_rows, hidden_size) float32 and labels (n_rows,) int64.
        validation: The same.
        test: Features.
        recipe: AdamW with linear decay to zero, no warm-up.
        seed: Of fresh weights, order of rows and dropout.
        pooler: From ``pooler_state``; None starts the dense layer afresh.
        on_epoch: Called after each epoch.

    Raises:
        ProbeError: If there is one class only, or the loss is not finite.
    """
    check_classes(train[1])
    torch.manual_seed(seed)
    head = Head(shape, dropout=recipe.dropout)
    if pooler is not None:
        head.load_state_dict(dict(pooler), strict=False)
    head.to(train[0].device)
    best, kept, predictions = -1.0, 0, torch.empty(0)
    for epoch, _ in enumerate(_epochs(head, train, recipe, seed=seed), start=1):
        accuracy = points(_predict(head, validation[0]), validation[1])
        if accuracy > best:
            best, kept, predictions = accuracy, epoch, _predict(head, test)
        on_epoch()
    origin: PoolerOrigin = "fresh" if pooler is None else "checkpoint"
    return HeadFit(
        predictions=predictions,
        validation_accuracy=best,
        best_epoch=kept,
        origin="none" if shape.activation == "none" else origin,
    )


def _epochs(
    head: Head, train: tuple[Tensor, Tensor], recipe: HeadRecipe, *, seed: int
) -> Iterator[None]:
    features, labels = train
    n_batches = math.ceil(len(labels) / recipe.batch_size)
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    total = n_batches * recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 - step / total)
    shuffler = torch.Generator().manual_seed(seed)
    for _ in range(recipe.epochs):
        head.train()
        order = torch.randperm(len(labels), generator=shuffler).to(features.device)
        for rows in torch.split(order, recipe.batch_size):
            loss = nn.functional.cross_entropy(head(features[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        if not torch.isfinite(loss):
            raise ProbeError(f"the loss of the head with seed {seed} is {float(loss.detach())}")
        yield


@torch.no_grad()
def _predict(head: Head, features: Tensor) -> Tensor:
    head.eval()
    return torch.cat([head(rows).argmax(dim=1) for rows in torch.split(features, _SCORING_ROWS)])
