"""Tiny random models with tokenizers of their own, small targets, and jobs on them."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from hubbot.data.prepared import write_target
from hubbot.finetuning.job import FinetuneJob
from hubbot.schema import GainRecipe, Target

torch.set_num_threads(1)

WORDS = (
    *("cat", "dog", "bird", "river", "mountain", "engine", "teacher", "paints", "sees", "hears"),
    *("follows", "quickly", "slowly", "green", "blue", "quiet", "loud", "because", "never"),
)
RECIPE = GainRecipe(
    learning_rate=1e-3,
    weight_decay=0.01,
    warmup_share=0.06,
    batch_size=8,
    max_epochs=2,
    validate_every=None,
    patience=3,
    threshold=0.001,
    max_length=24,
)
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def _bert_tokenizer() -> Any:
    return hf.BertTokenizer(vocab={word: n for n, word in enumerate((*SPECIALS, *WORDS))})


def _roberta_tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 20, trainer)
    return hf.RobertaTokenizer(vocab=tokenizer.get_vocab(), merges=[])


def _t5_tokenizer() -> Any:
    pieces = [(piece, 0.0) for piece in ("<pad>", "</s>", "<unk>", "\u2581")]
    letters = [(letter, -8.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    words = [(f"\u2581{word}", -4.0) for word in WORDS]
    return hf.T5Tokenizer(vocab=[*pieces, *words, *letters], extra_ids=2)


_T5: dict[str, Any] = {"decoder_start_token_id": 0}
_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}


@dataclass(frozen=True)
class Family:
    """How a family is built small."""

    model_type: str
    config: Callable[[int], Any]
    tokenizer: Callable[[], Any]


FAMILIES = {
    family.model_type: family
    for family in (
        Family("bert", lambda n: hf.BertConfig(vocab_size=n, **_SMALL), _bert_tokenizer),
        Family(
            "roberta",
            lambda n: hf.RobertaConfig(vocab_size=n, pad_token_id=1, type_vocab_size=1, **_SMALL),
            _roberta_tokenizer,
        ),
        Family(
            "distilbert",
            lambda n: hf.DistilBertConfig(
                vocab_size=n, dim=32, n_layers=2, n_heads=4, hidden_dim=48, initializer_range=0.1
            ),
            _bert_tokenizer,
        ),
        Family(
            "deberta-v2",
            lambda n: hf.DebertaV2Config(
                vocab_size=n,
                relative_attention=True,
                pos_att_type=["p2c", "c2p"],
                type_vocab_size=0,
                position_biased_input=False,
                **_SMALL,
            ),
            _bert_tokenizer,
        ),
        Family(
            "electra",
            lambda n: hf.ElectraConfig(vocab_size=n, embedding_size=16, **_SMALL),
            _bert_tokenizer,
        ),
        Family(
            "albert",
            lambda n: hf.AlbertConfig(vocab_size=n, embedding_size=16, **_SMALL),
            _bert_tokenizer,
        ),
        Family(
            "mpnet",
            lambda n: hf.MPNetConfig(vocab_size=n, pad_token_id=1, **_SMALL),
            _roberta_tokenizer,
        ),
        Family(
            "modernbert",
            lambda n: hf.ModernBertConfig(
                vocab_size=n,
                local_attention=8,
                layer_types=["full_attention", "sliding_attention"],
                pad_token_id=0,
                bos_token_id=2,
                eos_token_id=3,
                cls_token_id=2,
                sep_token_id=3,
                **_SMALL,
            ),
            _bert_tokenizer,
        ),
        Family(
            "t5",
            lambda n: hf.T5Config(
                vocab_size=n,
                d_model=32,
                d_kv=8,
                d_ff=48,
                num_layers=2,
                num_heads=4,
                **_T5,
            ),
            _t5_tokenizer,
        ),
    )
}


def build(
    folder: Path,
    model_type: str = "bert",
    *,
    n_labels: int = 5,
    seed: int = 0,
    saved_by: str = "AutoModelForSequenceClassification",
    **changes: Any,
) -> Path:
    """Save a random model, as a fine-tuned (or, by other classes, pretrained) checkpoint looks."""
    family = FAMILIES[model_type]
    tokenizer = family.tokenizer()
    config = family.config(len(tokenizer))
    config.num_labels = n_labels
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(seed)
    model_class: Any = getattr(hf, saved_by)
    make = model_class.from_config if saved_by.startswith("Auto") else model_class
    make(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sentence(rng: random.Random, longest: int) -> str:
    return " ".join(rng.choices(WORDS[3:], k=rng.randint(1, longest)))


def write(
    folder: Path,
    *,
    n_train: int = 60,
    n_validation: int = 21,
    n_test: int = 24,
    is_pair: bool = False,
    is_regression: bool = False,
    longest: int = 8,
) -> Target:
    """Write a target of three classes (or numbers 0, 1, 2) whose label is the first word."""
    tables = {}
    for seed, (role, n_rows) in enumerate(
        (("train", n_train), ("validation", n_validation), ("test", n_test))
    ):
        rng = random.Random(seed)  # noqa: S311 - made-up text
        labels = [row % 3 for row in range(n_rows)]
        texts = [f"{WORDS[label]} {sentence(rng, longest)}" for label in labels]
        pairs = {"text_pair": [sentence(rng, longest) for _ in labels]} if is_pair else {}
        numbers: Sequence[float] = [float(label) for label in labels] if is_regression else labels
        tables[role] = pa.table({"text": texts, **pairs, "label": numbers})
    return write_target(
        "first-words",
        tables,  # type: ignore[arg-type]  # the roles
        label_names=() if is_regression else WORDS[:3],
        metric="spearman" if is_regression else "accuracy",
        source="made up",
        licence="",
        split_rule="",
        folder=folder,
    )


def make_job(checkpoint: Path, target: Target, work: Path, **changes: Any) -> FinetuneJob:
    """Describe one cell; fields of the recipe may be given beside those of the job."""
    recipe = {
        name: changes.pop(name, getattr(RECIPE, name)) for name in GainRecipe.__dataclass_fields__
    }
    config = hf.PreTrainedConfig.get_config_dict(checkpoint)[0]
    work.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "model": "someone/model",
        "folder": checkpoint,
        "weights_files": ("model.safetensors",),
        "model_type": config["model_type"],
        "allow_bin": False,
        "target": target.name,
        "splits": target.splits,
        "is_pair": target.is_pair,
        "label_names": target.label_names,
        "metric": target.metric,
        "recipe": GainRecipe(**recipe),
        "max_train": None,
        "seed": 0,
        "work_dir": work,
        "device": "cpu",
    }
    return FinetuneJob(**values | changes)


@dataclass(frozen=True)
class Kit:
    """What the tests build with."""

    families = tuple(FAMILIES)
    build = staticmethod(build)
    write = staticmethod(write)
    job = staticmethod(make_job)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture
def job(tmp_path: Path) -> FinetuneJob:
    """A cell of a tiny BERT with a head of five labels, on a target of three."""
    return make_job(build(tmp_path / "model"), write(tmp_path / "data"), tmp_path / "work")


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """Undo what the child, which has its process to itself, switches on for good."""
    precision = torch.get_float32_matmul_precision()
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision(precision)
