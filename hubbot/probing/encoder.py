"""A checkpoint's encoder and tokenizer, loaded from a folder as data.

Nothing in the folder is executed: no remote code, no pickle beyond plain tensors, no key of
config.json that could reach beyond the model's own sizes and switches.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from hubbot.errors import CheckpointError, ProbeError, SettingsError
from hubbot.probing.job import CheckpointFiles, ProbeJob
from hubbot.probing.keys import read_config
from hubbot.probing.tensors import check_finite, is_bin, read_tensors, short
from hubbot.probing.weights import read_headers

_MAX_LAYERS = 1000
_MAX_SIZE = 10_000_000
_LAYER_KEYS = frozenset(
    {"num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_decoder_layers"}
    | {"num_hidden_groups", "inner_group_num"}
)
# Keys every configuration may have that say nothing of the encoder, or could reach outside it
# (other implementations, patches, files). The rest is kept: DeBERTa's position_buckets and
# ModernBERT's local_rope_theta, for two, are not among the declared fields of their classes.
_LEFT_OUT = frozenset({field.name for field in fields(PreTrainedConfig)} - {"is_encoder_decoder"})
_DANGEROUS = frozenset(
    {"attn_implementation", "auto_map", "base_model_tp_plan", "compression_config"}
    | {"distributed_config", "experts_implementation", "fusion_config", "kernel_config"}
    | {"num_labels", "output_attentions", "per_layer_config", "task_specific_params"}
    | {"torch_dtype", "torchscript", "transformers_weights", "use_kernels", "use_return_dict"}
)
_NUMBER = re.compile(r"\b\d+\b")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "spm.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A frozen encoder, ready to run."""

    model: nn.Module
    """In eval mode, on its device."""
    config: Any
    """Its configuration, as transformers reads it."""
    n_embeddings: int
    """Rows of the input embedding matrix."""


def encoder_config(raw: Mapping[str, Any], model_type: str) -> Any:
    """Build the configuration from the raw file and the catalog's model type.

    Args:
        raw: config.json.
        model_type: What the catalog found; old files do not say it themselves.

    Returns:
        A transformers configuration that says nothing beyond what the encoder is.

    Raises:
        CheckpointError: If the model type is unknown, a size is absurd or a value of a wrong kind.
    """
    if model_type not in CONFIG_MAPPING:
        raise CheckpointError(f"config.json: model type {model_type!r} is unknown to transformers")
    if raw.get("quantization_config"):
        raise CheckpointError("config.json: quantised checkpoints are not probed")
    kept = {
        name: value
        for name, value in raw.items()
        if name not in _LEFT_OUT | _DANGEROUS | {"model_type"} and not name.startswith("_")
    }
    for name, value in kept.items():
        limit = _MAX_LAYERS if name in _LAYER_KEYS else _MAX_SIZE
        if isinstance(value, int) and value > limit:
            raise CheckpointError(f"config.json: {name} = {value} is absurd (limit {limit})")
    try:
        return CONFIG_MAPPING[model_type](**kept)
    except Exception as error:  # whatever a hostile value makes the class raise
        raise CheckpointError(f"config.json: does not describe a {model_type} ({error})") from error


def load_encoder(job: ProbeJob, device: torch.device) -> Encoder:
    """Load the frozen encoder in float32, every weight taken from the checkpoint.

    Raises:
        CheckpointError: If files, shapes and configuration do not fit together.
        IntegrityError: If a weight is NaN or infinite.
        ProbeError: If the job asks for another precision than float32.
    """
    if job.dtype != "float32":
        raise ProbeError(f"dtype {job.dtype!r} is not offered; protocols use float32")
    config, tensors = read_weights(job)
    model = _filled(job, config, tensors)
    return Encoder(
        model=model.to(device),
        config=config,
        n_embeddings=int(model.get_input_embeddings().weight.shape[0]),
    )


def read_weights(job: CheckpointFiles) -> tuple[Any, dict[str, Tensor]]:
    """Read configuration and tensors as data and check that they belong together.

    Returns:
        The encoder's configuration, and the tensors by their names in the files.

    Raises:
        CheckpointError: If files, shapes and configuration do not fit together.
        IntegrityError: If a weight is NaN or infinite.
    """
    config = encoder_config(read_config(job.folder), job.model_type)
    if not is_bin(job):  # before a tensor is read
        headers = read_headers(job.folder, job.weights_files)
        check_shapes(job, config, {name: info.shape for name, info in headers.items()})
    tensors = read_tensors(job)
    if is_bin(job):
        check_shapes(job, config, {name: tuple(t.shape) for name, t in tensors.items()})
    check_finite(job, tensors)
    return config, tensors


def _filled(job: ProbeJob, config: Any, tensors: Mapping[str, Tensor]) -> Any:
    try:
        model, info = _model_class(config).from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{job.model}: transformers cannot load it as {job.model_type}: {short(error)}"
        ) from error
    check_missing(job, info["missing_keys"])
    return model.eval().requires_grad_(False)


def check_missing(job: CheckpointFiles, names: Iterable[str]) -> None:
    """Refuse an encoder that would be partly random; a pooler may be.

    Args:
        job: For messages.
        names: Tensors of the bare encoder that the weights do not have.

    Raises:
        CheckpointError: Naming some of them.
    """
    missing = sorted(name for name in names if not name.startswith("pooler."))
    if missing:
        raise CheckpointError(
            f"{job.model}: {len(missing)} encoder tensors are not in the weights, such as "
            f"{', '.join(missing[:3])}; they would be random; is it an adapter, or a head alone?"
        )


def _model_class(config: Any) -> Any:
    """Return the bare encoder's class; transformers lists two for a few families."""
    found = MODEL_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found


def check_shapes(job: CheckpointFiles, config: Any, found: Mapping[str, tuple[int, ...]]) -> None:
    """Compare the tensors' shapes with the configuration's.

    Args:
        job: For messages.
        config: The encoder's configuration.
        found: Tensor names of the files, and their shapes.

    Raises:
        CheckpointError: If a tensor has another shape than the configuration gives it, if there
            are layers it does not know, or if it describes far more than the files hold.
    """
    model_class = _model_class(config)
    try:
        with torch.device("meta"):
            expected = {n: tuple(t.shape) for n, t in model_class(config).state_dict().items()}
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, KeyError) as error:
        raise CheckpointError(
            f"{job.model}: config.json describes no {job.model_type}: {short(error)}"
        ) from error
    patterns = {_NUMBER.sub("N", name) for name in expected}
    for name, shape in found.items():
        bare = name.removeprefix(f"{model_class.base_model_prefix}.")
        wanted = expected.get(name, expected.get(bare))
        if wanted is not None and wanted != shape:
            raise CheckpointError(
                f"{job.model}: tensor {name!r} has shape {shape}, config.json gives {wanted}"
            )
        if wanted is None and _NUMBER.sub("N", bare) in patterns:
            raise CheckpointError(
                f"{job.model}: tensor {name!r} belongs to a layer that config.json does not have"
            )
    _check_amount(job, expected, found)


def _check_amount(
    job: CheckpointFiles,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
) -> None:
    """Keep a configuration from claiming memory the files do not account for."""
    described, held = (sum(math.prod(s) for s in shapes.values()) for shapes in (expected, found))
    if described > 4 * held + 1_000_000:  # tied tensors are described up to three times
        raise CheckpointError(
            f"{job.model}: config.json describes {described} weights, the files hold {held}"
        )


def load_tokenizer(job: CheckpointFiles) -> Any:
    """Load the checkpoint's own tokenizer.

    Raises:
        CheckpointError: If its files are missing, broken, or ask for code.
    """
    config = encoder_config(read_config(job.folder), job.model_type)
    if not any((job.folder / name).is_file() for name in _TOKENIZER_FILES):
        raise CheckpointError(
            f"{job.model}: no tokenizer; expected one of {', '.join(_TOKENIZER_FILES)} beside the "
            "weights"
        )
    try:
        return AutoTokenizer.from_pretrained(
            job.folder, config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the readers of tokenizer files raise anything
        needs = "" if _has_protobuf() else "; SentencePiece files need: pip install protobuf"
        raise CheckpointError(
            f"{job.model}: its tokenizer cannot be loaded: {short(error)}{needs}"
        ) from error


def _has_protobuf() -> bool:
    return find_spec("google") is not None and find_spec("google.protobuf") is not None


def check_vocabulary(
    job: CheckpointFiles, tokenizer: Any, encoder: Encoder, largest_id: int
) -> None:
    """Check that tokenizer and embedding matrix belong together.

    Embeddings are often padded to a round number, so some unused rows are in order.

    Raises:
        CheckpointError: If an id has no embedding, or far more rows than tokens exist.
    """
    rows = encoder.n_embeddings
    if largest_id >= rows:
        raise CheckpointError(
            f"{job.model}: the tokenizer gives id {largest_id}, the embeddings have {rows} rows; "
            "it belongs to another model"
        )
    if rows - len(tokenizer) > max(256, rows // 50):
        raise CheckpointError(
            f"{job.model}: the tokenizer has {len(tokenizer)} tokens, the embeddings {rows} rows; "
            "it belongs to another model"
        )


def pick_device(name: str) -> torch.device:
    """Return the device to run on.

    Raises:
        SettingsError: If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"probe.device = {name!r} is not usable here ({short(error)}); try auto or cpu"
        ) from error
    return device
