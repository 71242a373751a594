"""What a cell starts from: the checkpoint's encoder, and a head that only the seed decides."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubbot.errors import CheckpointError, IntegrityError
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.loading import load_classifier

HEADS = {
    "bert": ("classifier.weight",),
    "roberta": ("classifier.dense.weight", "classifier.out_proj.weight"),
    "distilbert": ("pre_classifier.weight", "classifier.weight"),
    "deberta-v2": ("pooler.dense.weight", "classifier.weight"),
    "electra": ("classifier.dense.weight", "classifier.out_proj.weight"),
    "albert": ("classifier.weight",),
    "mpnet": ("classifier.dense.weight", "classifier.out_proj.weight"),
    "modernbert": ("head.dense.weight", "classifier.weight"),
    "t5": ("classification_head.dense.weight", "classification_head.out_proj.weight"),
}


_V3: dict[str, Any] = {
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 16,
}
"""How DeBERTa-v3 differs from v2."""
_V11: dict[str, Any] = {
    "feed_forward_proj": "gated-gelu",
    "is_gated_act": True,
    "dense_act_fn": "gelu_new",
}
"""How T5 v1.1 differs from T5."""


def edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("family", HEADS)
def test_the_encoder_is_the_checkpoint_s_and_the_head_is_not(
    family: str, kit: Any, tmp_path: Path
) -> None:
    folder = kit.build(tmp_path / "model", family, n_labels=3)  # as many labels as the target
    job = kit.job(folder, kit.write(tmp_path / "data"), tmp_path)
    loaded, stored = load_classifier(job).state_dict(), load_file(folder / "model.safetensors")
    for name in HEADS[family]:
        assert not torch.equal(loaded[name], stored.pop(name)), name
    prefix = {name.split(".")[0] for name in HEADS[family]}
    kept = {name for name in stored if name.split(".")[0] not in prefix}
    assert len(kept) > 10
    for name in kept:
        assert torch.equal(loaded[name], stored[name]), name


@pytest.mark.parametrize("family", HEADS)
def test_the_head_is_the_same_whatever_labels_the_checkpoint_had(
    family: str, kit: Any, tmp_path: Path
) -> None:
    target = kit.write(tmp_path / "data")
    heads = []
    for n_labels in (2, 3, 7):
        folder = kit.build(tmp_path / f"of-{n_labels}", family, n_labels=n_labels)
        state = load_classifier(kit.job(folder, target, tmp_path)).state_dict()
        heads.append([state[name] for name in HEADS[family]])
    assert heads[0][-1].shape[0] == 3
    for other in heads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(heads[0], other, strict=True))


@pytest.mark.parametrize(
    ("family", "saved_by", "changes"),
    [
        ("bert", "BertForPreTraining", {}),
        ("bert", "BertForMaskedLM", {}),
        ("bert", "BertForTokenClassification", {}),
        ("bert", "BertForQuestionAnswering", {}),
        ("bert", "BertModel", {}),
        ("roberta", "RobertaForMaskedLM", {}),
        ("roberta", "RobertaForTokenClassification", {}),
        ("distilbert", "DistilBertForMaskedLM", {}),
        ("electra", "ElectraForPreTraining", {}),
        ("albert", "AlbertForMaskedLM", {}),
        ("mpnet", "MPNetForMaskedLM", {}),
        ("deberta-v2", "DebertaV2ForMaskedLM", _V3),
        ("modernbert", "ModernBertForMaskedLM", {}),
        ("modernbert", "ModernBertModel", {}),
        ("t5", "T5ForConditionalGeneration", {}),
        ("t5", "T5ForConditionalGeneration", _V11),
    ],
)
def test_a_checkpoint_with_another_kind_of_head_gives_its_whole_encoder(
    family: str, saved_by: str, changes: dict[str, Any], kit: Any, tmp_path: Path
) -> None:
    folder = kit.build(tmp_path / "model", family, saved_by=saved_by, **changes)
    model = load_classifier(kit.job(folder, kit.write(tmp_path / "data"), tmp_path))
    stored, prefix = load_file(folder / "model.safetensors"), f"{model.base_model_prefix}."
    tied = set(model.all_tied_weights_keys)
    n_found = 0
    for name, parameter in model.named_parameters():
        bare = name.removeprefix(prefix)
        if bare == name or bare.startswith("pooler.") or name in tied:
            continue  # the head, and a pooler that only some of these have
        assert torch.equal(parameter, stored.get(name, stored.get(bare, torch.empty(0)))), name
        n_found += 1
    assert n_found > 10


def test_t5_reads_and_writes_with_one_embedding(kit: Any, tmp_path: Path) -> None:
    folder = kit.build(tmp_path / "model", "t5", saved_by="T5ForConditionalGeneration")
    base = load_classifier(kit.job(folder, kit.write(tmp_path / "data"), tmp_path)).transformer
    assert base.encoder.embed_tokens.weight is base.shared.weight
    assert base.decoder.embed_tokens.weight is base.shared.weight


def test_a_decoder_without_a_start_token_starts_with_padding(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data")
    folders = [kit.build(tmp_path / name, "t5") for name in ("said", "unsaid")]
    path = folders[1] / "config.json"
    said = json.loads(path.read_text())
    assert said.pop("decoder_start_token_id") == said["pad_token_id"] == 0
    path.write_text(json.dumps(said))
    ids = torch.tensor([[5, 6, 7, 1], [8, 9, 1, 0]])
    logits = [
        load_classifier(kit.job(folder, target, tmp_path)).eval()(ids).logits for folder in folders
    ]
    assert torch.equal(*logits)


def test_another_seed_gives_another_head_and_the_same_encoder(job: FinetuneJob) -> None:
    first, second = (load_classifier(replace(job, seed=seed)).state_dict() for seed in (0, 1))
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])
    for name in first:
        if not name.startswith("classifier"):
            assert torch.equal(first[name], second[name])


def test_bert_keeps_its_pooler(job: FinetuneJob) -> None:
    stored = load_file(job.folder / "model.safetensors")
    kept = load_classifier(job).state_dict()["bert.pooler.dense.weight"]
    assert torch.equal(kept, stored["bert.pooler.dense.weight"])


def test_a_missing_pooler_is_fresh(job: FinetuneJob) -> None:
    edit(job.folder, lambda tensors: [tensors.pop(f"bert.pooler.dense.{n}") for n in _PARTS])
    assert torch.isfinite(load_classifier(job).state_dict()["bert.pooler.dense.weight"]).all()


_PARTS = ("weight", "bias")


def test_names_without_the_prefix_are_found(job: FinetuneJob) -> None:
    before = load_classifier(job).state_dict()

    def bare(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensor = tensors.pop(name)
            if name.startswith("bert."):
                tensors[name.removeprefix("bert.")] = tensor

    edit(job.folder, bare)
    after = load_classifier(job).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_target_s_label_names_are_written_into_the_configuration(job: FinetuneJob) -> None:
    config = load_classifier(job).config
    assert config.id2label == {0: "cat", 1: "dog", 2: "bird"}
    assert config.label2id == {"cat": 0, "dog": 1, "bird": 2}
    assert config.problem_type == "single_label_classification"


def test_a_regression_has_one_output(kit: Any, tmp_path: Path) -> None:
    target = kit.write(tmp_path / "data", is_regression=True)
    model = load_classifier(kit.job(kit.build(tmp_path / "model"), target, tmp_path))
    assert model.classifier.weight.shape == (1, 32)
    assert model.config.problem_type == "regression"


def test_dropout_is_the_checkpoint_s(kit: Any, tmp_path: Path) -> None:
    folder = kit.build(tmp_path / "model", classifier_dropout=0.37, hidden_dropout_prob=0.21)
    model = load_classifier(kit.job(folder, kit.write(tmp_path / "data"), tmp_path))
    assert model.dropout.p == 0.37
    assert model.bert.embeddings.dropout.p == 0.21


def test_half_precision_weights_are_trained_in_float32(job: FinetuneJob) -> None:
    edit(job.folder, lambda t: t.update({name: one.half() for name, one in t.items()}))
    assert {p.dtype for p in load_classifier(job).parameters()} == {torch.float32}


def test_an_encoder_that_would_be_partly_random_is_refused(job: FinetuneJob) -> None:
    name = "bert.encoder.layer.1.output.dense.weight"
    edit(job.folder, lambda tensors: tensors.pop(name))
    with pytest.raises(CheckpointError, match=r"1 encoder tensors are not in the weights"):
        load_classifier(job)


def test_nan_among_the_weights_is_refused(job: FinetuneJob) -> None:
    edit(job.folder, lambda t: t["bert.embeddings.LayerNorm.bias"].fill_(float("nan")))
    with pytest.raises(IntegrityError, match="holds NaN or infinity"):
        load_classifier(job)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1}, "belongs to a layer that config.json does not have"),
        ({"hidden_size": 36}, "has shape"),
        ({"vocab_size": 10**9}, "is absurd"),
        ({"classifier_dropout": 7.0}, "describes no bert with a classification head"),
    ],
)
def test_a_lying_configuration_is_refused(
    change: dict[str, Any], message: str, job: FinetuneJob
) -> None:
    path = job.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_classifier(job)


def test_code_in_the_repository_is_not_run(job: FinetuneJob, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w')\n"
    (job.folder / "modeling_evil.py").write_text(code)
    path = job.folder / "config.json"
    name = "modeling_evil.Evil"
    auto = {"AutoConfig": name, "AutoModelForSequenceClassification": name}
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": auto}))
    load_classifier(job)
    assert not marker.exists()
