"""Tiny random models of ten families with tokenizers of their own, and small data to probe on."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from hubbot.probing.job import Activation, ProbeJob
from hubbot.schema import DataSplit, HeadRecipe, Pooling

torch.set_num_threads(1)

WORDS = [  # the first three stand for the classes
    *("the", "a", "old", "young", "cat", "dog", "bird", "river", "mountain", "engine", "teacher"),
    *("paints", "sees", "hears", "follows", "quickly", "slowly", "green", "blue", "quiet", "loud"),
    *("unbelievable", "letters", "because", "although", "never", "always"),
]
RECIPE = HeadRecipe(
    learning_rate=1e-3, weight_decay=0.0, batch_size=8, epochs=2, dropout=0.1, seeds=(0, 1)
)
SIZES: Mapping[str, int] = {"train": 30, "validation": 12, "test": 17}


@dataclass(frozen=True)
class Family:
    """How a family is built small, and how the catalog would describe it."""

    name: str
    model_type: str
    pooling: Pooling
    activation: Activation
    poolers: tuple[str, ...]
    config: Callable[[int], Any]
    tokenizer: Callable[[], Any]


def sentence(rng: random.Random, n_words: int) -> str:
    return " ".join(rng.choices(WORDS, k=n_words))


def corpus() -> list[str]:
    rng = random.Random(0)  # noqa: S311 - made-up text
    return [sentence(rng, 12) for _ in range(200)]


def word_pieces(specials: Sequence[str], unknown: str = "[UNK]") -> dict[str, int]:
    tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=list(specials))
    tokenizer.train_from_iterator(corpus(), trainer)
    pieces = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    return {piece: number for number, piece in enumerate(pieces)}


def byte_pairs(specials: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def unigrams(specials: Sequence[str], unknown: str) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=list(specials), unk_token=unknown
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def _bert_tokenizer() -> Any:
    return hf.BertTokenizer(vocab=word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))


def _mpnet_tokenizer() -> Any:
    return hf.MPNetTokenizer(vocab=word_pieces(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]))


def _vocab_and_merges(tokenizer: Tokenizer) -> dict[str, Any]:
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def _roberta_tokenizer() -> Any:
    parts = _vocab_and_merges(byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    return hf.RobertaTokenizer(**parts)


def _gpt2_tokenizer() -> Any:
    return hf.GPT2Tokenizer(**_vocab_and_merges(byte_pairs(["<|endoftext|>"])))


def _modernbert_tokenizer() -> Any:
    tokenizer = byte_pairs(["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 0), ("[SEP]", 1)],
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def _albert_tokenizer() -> Any:
    return hf.AlbertTokenizer(
        vocab=unigrams(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>")
    )


def _deberta_tokenizer() -> Any:
    return hf.DebertaV2Tokenizer(
        vocab=unigrams(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]"), unk_id=3
    )


def _t5_tokenizer() -> Any:
    return hf.T5Tokenizer(vocab=unigrams(["<pad>", "</s>", "<unk>"], "<unk>"), extra_ids=2)


_SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_T5: dict[str, Any] = {"decoder_start_token_id": 0}
_DEBERTA: dict[str, Any] = {
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
}
_BERT: dict[str, Any] = {
    **_SMALL,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "bert",
            "bert",
            "first",
            "tanh",
            ("bert.pooler.dense", "pooler.dense"),
            lambda n: hf.BertConfig(vocab_size=n, **_BERT),
            _bert_tokenizer,
        ),
        Family(
            "roberta",
            "roberta",
            "first",
            "tanh",
            ("classifier.dense", "roberta.pooler.dense"),
            lambda n: hf.RobertaConfig(vocab_size=n, pad_token_id=1, type_vocab_size=1, **_BERT),
            _roberta_tokenizer,
        ),
        Family(
            "distilbert",
            "distilbert",
            "first",
            "relu",
            ("pre_classifier",),
            lambda n: hf.DistilBertConfig(
                vocab_size=n, dim=32, n_layers=2, n_heads=4, hidden_dim=48, initializer_range=0.2
            ),
            _bert_tokenizer,
        ),
        Family(
            "albert",
            "albert",
            "first",
            "tanh",
            ("albert.pooler",),
            lambda n: hf.AlbertConfig(vocab_size=n, embedding_size=16, pad_token_id=0, **_BERT),
            _albert_tokenizer,
        ),
        Family(
            "electra",
            "electra",
            "first",
            "gelu",
            ("classifier.dense",),
            lambda n: hf.ElectraConfig(vocab_size=n, embedding_size=16, **_BERT),
            _bert_tokenizer,
        ),
        Family(
            "deberta-v2",
            "deberta-v2",
            "first",
            "gelu",
            ("pooler.dense",),
            lambda n: hf.DebertaV2Config(
                vocab_size=n,
                relative_attention=True,
                pos_att_type=["p2c", "c2p"],
                type_vocab_size=0,
                position_biased_input=False,
                max_relative_positions=-1,
                **_DEBERTA,
                **_BERT,
            ),
            _deberta_tokenizer,
        ),
        Family(
            "mpnet",
            "mpnet",
            "first",
            "tanh",
            ("classifier.dense",),
            lambda n: hf.MPNetConfig(vocab_size=n, pad_token_id=1, **_BERT),
            _mpnet_tokenizer,
        ),
        Family(
            "modernbert",
            "modernbert",
            "mean",
            "gelu",
            ("head.dense",),
            lambda n: hf.ModernBertConfig(
                vocab_size=n,
                classifier_pooling="mean",
                local_attention=8,
                layer_types=["full_attention", "sliding_attention"],
                pad_token_id=2,
                bos_token_id=0,
                eos_token_id=1,
                cls_token_id=0,
                sep_token_id=1,
                **_BERT,
            ),
            _modernbert_tokenizer,
        ),
        Family(
            "t5",
            "t5",
            "decoder_eos",
            "tanh",
            ("classification_head.dense",),
            lambda n: hf.T5Config(
                vocab_size=n,
                d_model=32,
                d_kv=8,
                d_ff=48,
                num_layers=2,
                num_heads=4,
                feed_forward_proj="gated-gelu",
                **_T5,
            ),
            _t5_tokenizer,
        ),
        Family(
            "gpt2",
            "gpt2",
            "last_token",
            "none",
            (),
            lambda n: hf.GPT2Config(
                vocab_size=n, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.2
            ),
            _gpt2_tokenizer,
        ),
    )
}


def build_checkpoint(family: Family, folder: Path, *, seed: int = 0, n_labels: int = 3) -> Path:
    """Save a random classifier of the family, as a fine-tuned checkpoint on the Hub looks."""
    tokenizer = family.tokenizer()
    config = family.config(len(tokenizer))
    config.num_labels = n_labels
    torch.manual_seed(seed)
    auto: Any = hf.AutoModelForSequenceClassification
    model = auto.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_split(
    folder: Path, split: str, n_rows: int, *, seed: int, longest: int = 20, pairs: bool = True
) -> DataSplit:
    """Write one split of made-up rows whose label shows in the text."""
    rng = random.Random(seed)  # noqa: S311 - made-up text
    labels = [row % 3 for row in range(n_rows)]
    first = [f"{WORDS[label]} {sentence(rng, rng.randint(1, longest))}" for label in labels]
    columns: dict[str, list[Any]] = {"premise": first, "label": labels}
    if pairs:
        columns["hypothesis"] = [sentence(rng, rng.randint(1, longest)) for _ in labels]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}.parquet"
    pq.write_table(pa.table(columns), path)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return DataSplit(path=path, digest=digest, n_rows=n_rows, split=split, revision="")


def digest_of(folder: Path, pattern: str) -> str:
    content = b"".join(path.read_bytes() for path in sorted(folder.glob(pattern)))
    return "sha256:" + hashlib.sha256(content).hexdigest()


def job_for(family: Family, folder: Path, data: Path, cache: Path, **changes: Any) -> ProbeJob:
    """Describe a probe of a folder on made-up data."""
    splits = {
        split: write_split(data, split, changes.pop(f"n_{split}", size), seed=seed)
        for seed, (split, size) in enumerate(SIZES.items())
    }
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    job = ProbeJob(
        model=f"someone/{family.name}",
        folder=folder,
        weights_files=tuple(weights),
        weights_digest=digest_of(folder, "*.safetensors"),
        tokenizer_digest=digest_of(folder, "tokenizer*"),
        model_type=family.model_type,
        pooling=family.pooling,
        head_activation=family.activation,
        pooler_tensors=family.poolers,
        allow_bin=False,
        splits=splits,  # type: ignore[arg-type]  # the keys of SIZES
        text_columns=("premise", "hypothesis"),
        label_column="label",
        n_classes=3,
        protocol="lp-tiny#1",
        max_length=24,
        max_train=None,
        dtype="float32",
        l2_grid=(1e-2, 1e-1),
        recipe=RECIPE,
        cache_dir=cache,
        device="cpu",
        tokens_per_batch=256,
    )
    return replace(job, **changes)


@dataclass(frozen=True)
class Zoo:
    """What the tests build with."""

    root: Path
    built: dict[str, Path]

    def family(self, name: str) -> Family:
        return FAMILIES[name]

    def folder(self, name: str) -> Path:
        """A checkpoint that must not be changed."""
        if name not in self.built:
            self.built[name] = build_checkpoint(FAMILIES[name], self.root / name)
        return self.built[name]

    def job(self, name: str, tmp_path: Path, **changes: Any) -> ProbeJob:
        folder = changes.pop("folder", None) or self.folder(name)
        return job_for(FAMILIES[name], folder, tmp_path / "data", tmp_path / "cache", **changes)

    def build(self, name: str, folder: Path, *, seed: int = 0) -> Path:
        """A checkpoint of one's own."""
        return build_checkpoint(FAMILIES[name], folder, seed=seed)

    def split(self, folder: Path, split: str, n_rows: int, **options: Any) -> DataSplit:
        """One split of made-up rows."""
        return write_split(folder, split, n_rows, **options)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return Zoo(root=tmp_path_factory.mktemp("zoo"), built={})
