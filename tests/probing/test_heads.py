"""The head against transformers' own classification heads, and its training."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from hubbot.errors import ProbeError
from hubbot.probing.heads import Head, HeadFit, HeadShape, head_shape, pooler_state, train_head
from hubbot.schema import HeadRecipe

RECIPE = HeadRecipe(
    learning_rate=1e-2, weight_decay=0.0, batch_size=16, epochs=8, dropout=0.1, seeds=(0,)
)
SHAPE = HeadShape(width=12, n_classes=3, activation="tanh", drops_input=False, init_std=0.1)
# Where transformers keeps the projection, and the module that is given the pooled vector (None:
# the hidden states themselves, of which the head takes the first).
PROJECTIONS = {
    "bert": "classifier",
    "roberta": "classifier.out_proj",
    "distilbert": "classifier",
    "albert": "classifier",
    "electra": "classifier.out_proj",
    "deberta-v2": "classifier",
    "mpnet": "classifier.out_proj",
    "modernbert": "classifier",
    "t5": "classification_head.out_proj",
    "gpt2": "score",
}


def rows(n: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centres = torch.eye(3, 12) * 2
    return centres[labels] + torch.randn(n, 12, generator=generator), labels


def train(seed: int = 0, **changes: Any) -> HeadFit:
    options: dict[str, Any] = {"recipe": RECIPE, "pooler": None, "on_epoch": lambda: None}
    options |= changes
    return train_head(SHAPE, rows(96), rows(60, seed=1), rows(60, seed=2)[0], seed=seed, **options)


@pytest.mark.parametrize("family", PROJECTIONS)
@torch.no_grad()
def test_a_head_computes_what_the_family_s_own_classifier_computes(family: str, zoo: Any) -> None:
    entry, folder = zoo.family(family), zoo.folder(family)
    model: Any = hf.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = hf.AutoTokenizer.from_pretrained(folder)("the old cat", return_tensors="pt")
    seen: list[torch.Tensor] = []
    layer = {"t5": "classification_head", "modernbert": "head"}.get(family)
    if layer is not None:
        getattr(model, layer).register_forward_pre_hook(lambda module, x: seen.append(x[0]))
    logits = model(**encoded).logits
    if layer is None:
        hidden = model.base_model(**encoded)[0]
        seen.append(hidden[:, -1] if family == "gpt2" else hidden[:, 0])

    shape = head_shape(model.config, activation=entry.activation, n_classes=3)
    head = Head(shape, dropout=0.1).eval()
    tensors = model.state_dict()
    pooler = pooler_state(entry.poolers, tensors, shape)
    assert (pooler is None) == (family == "gpt2")
    head.load_state_dict(pooler or {}, strict=False)
    parts = ("weight", "bias") if shape.projection_bias else ("weight",)
    head.projection.load_state_dict(
        {part: tensors[f"{PROJECTIONS[family]}.{part}"] for part in parts}
    )
    assert torch.allclose(head(seen[0]), logits, atol=1e-5)


@pytest.mark.parametrize(("family", "n_dropouts"), [("roberta", 2), ("electra", 2), ("bert", 1)])
def test_dropout_stands_where_the_family_has_it(family: str, n_dropouts: int, zoo: Any) -> None:
    config = hf.AutoConfig.from_pretrained(zoo.folder(family))
    head = Head(head_shape(config, activation="tanh", n_classes=3), dropout=0.1)
    active = [m for m in head.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert len(active) == n_dropouts


def test_a_pooler_of_another_size_is_left_alone() -> None:
    tensors = {"pooler.dense.weight": torch.zeros(7, 7), "pooler.dense.bias": torch.zeros(7)}
    assert pooler_state(["pooler.dense"], tensors, SHAPE) is None


def test_the_first_name_that_is_there_is_taken() -> None:
    tensors = {"b.weight": torch.ones(12, 12), "b.bias": torch.ones(12)}
    state = pooler_state(["a", "b"], tensors, SHAPE)
    assert state is not None
    assert torch.equal(state["dense.weight"], torch.ones(12, 12))


def test_the_checkpoint_s_own_pooler_is_where_training_starts() -> None:
    still = HeadRecipe(
        learning_rate=0.0, weight_decay=0.0, batch_size=16, epochs=1, dropout=0.0, seeds=(0,)
    )
    dead = {"dense.weight": torch.zeros(12, 12), "dense.bias": torch.zeros(12)}
    fit = train(recipe=still, pooler=dead)
    assert fit.origin == "checkpoint"
    assert len(fit.predictions.unique()) == 1
    assert train(recipe=still).origin == "fresh"


def test_a_head_learns_what_can_be_learned() -> None:
    fit = train()
    assert fit.validation_accuracy > 75
    assert 1 <= fit.best_epoch <= RECIPE.epochs


def test_the_same_seed_gives_the_same_head_and_another_seed_another() -> None:
    hard = HeadRecipe(
        learning_rate=1e-3, weight_decay=0.0, batch_size=16, epochs=1, dropout=0.1, seeds=(0,)
    )
    first, again, other = (train(seed, recipe=hard) for seed in (0, 0, 1))
    assert torch.equal(first.predictions, again.predictions)
    assert not torch.equal(first.predictions, other.predictions)


def test_the_earlier_epoch_is_kept_on_a_tie() -> None:
    still = HeadRecipe(
        learning_rate=0.0, weight_decay=0.0, batch_size=16, epochs=3, dropout=0.1, seeds=(0,)
    )
    assert train(recipe=still).best_epoch == 1


def test_the_learning_rate_falls_to_zero_in_a_straight_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spying(self: Any, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spying)
    train()
    assert len(rates) == 6 * RECIPE.epochs  # 96 rows in batches of 16
    expected = [1e-2 * (1 - i / len(rates)) for i in range(len(rates))]
    assert rates == pytest.approx(expected)


def test_one_class_only_is_refused() -> None:
    features, _ = rows(30)
    ones = (features, torch.ones(30, dtype=torch.int64))
    with pytest.raises(ProbeError, match="all 30 training labels are class 1"):
        train_head(
            SHAPE, ones, ones, features, recipe=RECIPE, seed=0, pooler=None, on_epoch=lambda: None
        )


def test_a_loss_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    features, labels = rows(30)
    broken = (features * float("inf"), labels)
    with pytest.raises(ProbeError, match="loss of the head with seed 0 is nan"):
        train_head(
            SHAPE,
            broken,
            broken,
            features,
            recipe=RECIPE,
            seed=0,
            pooler=None,
            on_epoch=lambda: None,
        )
