"""A checkpoint with a fresh classification head, loaded from a folder as data.

The encoder goes through the same checks as a probe's (``probing.encoder``): nothing in the folder
is executed, and every weight of it is the checkpoint's.
"""

import inspect
from typing import Any

import torch
from transformers import set_seed
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from hubbot.errors import CheckpointError
from hubbot.finetuning.job import FinetuneJob
from hubbot.probing.encoder import Encoder, check_missing, read_weights
from hubbot.probing.pooling import padding_id
from hubbot.probing.tensors import short


def load_classifier(job: FinetuneJob) -> Any:
    """Load the checkpoint in float32 with a head that only the seed decides.

    The class is the one ``AutoModelForSequenceClassification`` picks. Whatever head the weights
    have is left out, so that a head trained on other labels, or on the very same ones, gives no
    checkpoint an advantage. What transformers counts to the base model is kept, BERT's pooler
    included (fresh where the weights have none, and then drawn before the head, whose numbers for
    the same seed are others than with a stored pooler); what it counts to the head is fresh even if
    it was pretrained (ModernBERT's dense layer). T5 is T5ForSequenceClassification: the decoder
    reads the input shifted right, and the head stands on its state at the last end-of-sequence
    token. Dropout is what config.json says.

    Args:
        job: Files, label names and seed.

    Returns:
        The model, on the CPU.

    Raises:
        CheckpointError: If files, shapes and configuration do not fit together.
        IntegrityError: If a weight is NaN or infinite.
    """
    config, tensors = read_weights(job)
    _set_labels(config, job)
    model_class = _class_of(config, job)
    head = _head_names(model_class, config, job)
    set_seed(job.seed)
    try:
        model, info = model_class.from_pretrained(
            None,
            config=config,
            state_dict={name: tensor for name, tensor in tensors.items() if name not in head},
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{job.model}: transformers cannot load it as {job.model_type}: {short(error)}"
        ) from error
    missing = set(info["missing_keys"])
    prefix = f"{model_class.base_model_prefix}."
    check_missing(job, [name.removeprefix(prefix) for name in missing - head])
    return model


def _set_labels(config: Any, job: FinetuneJob) -> None:
    """Write the target's labels into the configuration, as a saved checkpoint shows them.

    Where it does not say what a decoder starts with, that is written down too.
    """
    config.num_labels = max(1, len(job.label_names))
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = padding_id(config)  # T5's, and what the probe takes
    config.problem_type = "regression" if job.is_regression else "single_label_classification"
    if not job.is_regression:
        config.id2label = dict(enumerate(job.label_names))
        config.label2id = {name: label for label, name in enumerate(job.label_names)}


def _class_of(config: Any, job: FinetuneJob) -> Any:
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise CheckpointError(
            f"{job.model}: transformers has no sequence classification for {job.model_type}"
        )
    return MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]


def _head_names(model_class: Any, config: Any, job: FinetuneJob) -> frozenset[str]:
    """Return the names of the tensors that are not the base model's."""
    try:
        with torch.device("meta"):
            names = model_class(config).state_dict().keys()
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{job.model}: config.json describes no {job.model_type} with a classification head: "
            f"{short(error)}"
        ) from error
    prefix = f"{model_class.base_model_prefix}."
    return frozenset(name for name in names if not name.startswith(prefix))


def as_encoder(model: Any) -> Encoder:
    """Return what the probe's checks of tokenizer and positions look at."""
    rows = int(model.get_input_embeddings().weight.shape[0])
    return Encoder(model=model, config=model.config, n_embeddings=rows)


def takes_types(model: Any) -> bool:
    """Return whether the model is to be told which segment each token belongs to."""
    return "token_type_ids" in inspect.signature(model.forward).parameters
