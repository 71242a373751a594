"""The catalog against real files: those of ``shared/data`` beside the checkout, where they are.

Row counts and label counts were read from the list that came with the files; they are not our
output.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hubbot.catalog.datasets import get_dataset, load_datasets, published_rows
from hubbot.data.castings import raw_columns
from hubbot.data.catalog_targets import load_target
from hubbot.schema import DatasetSpec, SplitName, Target

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")

FOLDERS = {
    "mnli": "glue/mnli",
    **{
        name: f"glue/{name}"
        for name in ("cola", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")
    },
    **{name: f"super_glue/{name}" for name in ("boolq", "copa", "multirc", "wic", "wsc")},
    **{
        f"tweet_ev_{name}": f"tweet_eval/{name}"
        for name in (
            *("emoji", "emotion", "hate", "irony", "offensive", "sentiment"),
            *("stance_abortion", "stance_feminist", "stance_hillary"),
        )
    },
    "esnli": "snli",
}
"""Folder of each entry that has files there; e-SNLI's pairs are those of SNLI."""

ROWS = {
    "mnli": (19_998, 9_815, 999),
    "qnli": (10_475, None, 5_463),
    "rte": (2_490, None, 277),
    "wnli": (635, None, 71),
    "cola": (8_551, None, 1_043),
    "sst2": (20_000, None, 872),
    "mrpc": (3_668, None, 408),
    "qqp": (20_000, None, 3_496),
    "stsb": (5_749, None, 1_500),
    "boolq": (32, None, 3_270),
    "copa": (400, None, 100),
    "multirc": (20_000, None, 4_848),
    "wic": (5_428, None, 638),
    "wsc": (554, None, 104),
    "esnli": (21_605, 9_842, 9_824),
    "tweet_ev_emoji": (20_000, 5_000, 50_000),
    "tweet_ev_emotion": (3_257, 374, 1_421),
    "tweet_ev_hate": (8_993, 999, 2_970),
    "tweet_ev_irony": (2_862, 955, 784),
    "tweet_ev_offensive": (11_916, 1_324, 860),
    "tweet_ev_sentiment": (None, 2_000, 12_284),
    "tweet_ev_stance_abortion": (587, 66, 280),
    "tweet_ev_stance_feminist": (597, 67, 285),
    "tweet_ev_stance_hillary": (620, 69, 295),
}
"""Rows of train, validation and test before anything is cut."""

CUT_SHORT = {
    "mnli": ("train", "test"),
    "qnli": ("train",),
    "sst2": ("train",),
    "qqp": ("train", "test"),
    "boolq": ("train",),
    "multirc": ("train",),
    "esnli": ("train",),
    "tweet_ev_emoji": ("train",),
    "tweet_ev_hate": ("train", "validation"),
    "tweet_ev_sentiment": ("train",),
}
"""Splits that the files hold a part of; all others are complete."""

LABEL_COUNTS = {
    "mnli": {"entailment": 6709, "neutral": 6644, "contradiction": 6645},
    "qnli": {"entailment": 5227, "not_entailment": 5248},
    "rte": {"entailment": 1249, "not_entailment": 1241},
    "wnli": {"not_entailment": 323, "entailment": 312},
    "cola": {"unacceptable": 2528, "acceptable": 6023},
    "sst2": {"negative": 8843, "positive": 11157},
    "mrpc": {"not_equivalent": 1194, "equivalent": 2474},
    "qqp": {"not_duplicate": 12554, "duplicate": 7446},
    "boolq": {"False": 14, "True": 18},
    "copa": {"choice1": 195, "choice2": 205},
    "multirc": {"False": 11171, "True": 8829},
    "wic": {"False": 2714, "True": 2714},
    "wsc": {"False": 295, "True": 259},
    "esnli": {"entailment": 7203, "neutral": 7098, "contradiction": 7304},
    "tweet_ev_emotion": {"anger": 1400, "joy": 708, "optimism": 294, "sadness": 855},
    "tweet_ev_hate": {"non-hate": 5210, "hate": 3783},
    "tweet_ev_irony": {"non_irony": 1417, "irony": 1445},
    "tweet_ev_offensive": {"non-offensive": 7975, "offensive": 3941},
    "tweet_ev_sentiment": {"negative": 312, "neutral": 869, "positive": 819},
    "tweet_ev_stance_abortion": {"none": 159, "against": 319, "favor": 109},
    "tweet_ev_stance_feminist": {"none": 113, "against": 295, "favor": 189},
    "tweet_ev_stance_hillary": {"none": 160, "against": 354, "favor": 106},
}
"""Rows of each class in the first split there is."""

TARGETS = pytest.mark.parametrize("name", sorted(FOLDERS))


def raw_tables(spec: DatasetSpec) -> Iterator[tuple[SplitName, Any]]:
    for role in spec.splits:
        path = SHARED / FOLDERS[spec.name] / f"{spec.splits[role]}.parquet"
        if path.exists():
            yield role, pq.read_table(path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def load(name: str, cache: Path) -> Target:
    spec = get_dataset(name)
    return load_target(spec, rule="as-run", data_dir=SHARED, revision="", cache_dir=cache)


def test_every_entry_whose_files_are_here_is_checked() -> None:
    here = {
        spec.name
        for spec in load_datasets()
        if any((SHARED / folder).is_dir() for folder in spec.folders)
    }
    assert here == set(FOLDERS) == set(ROWS)


@TARGETS
def test_the_columns_of_the_catalog_are_in_the_files(name: str) -> None:
    spec = get_dataset(name)
    for _, table in raw_tables(spec):
        assert set(raw_columns(spec)) <= set(table.column_names)


@TARGETS
def test_the_files_have_the_rows_that_their_list_says(name: str) -> None:
    spec = get_dataset(name)
    counts = {role: table.num_rows for role, table in raw_tables(spec)}
    roles: tuple[SplitName, ...] = ("train", "validation", "test")
    assert [counts.get(role) for role in roles] == list(ROWS[name])


@TARGETS
def test_complete_splits_have_the_published_sizes_of_the_catalog(name: str) -> None:
    spec = get_dataset(name)
    counts = {role: table.num_rows for role, table in raw_tables(spec)}
    differ = {role for role in spec.splits if counts.get(role, 0) != published_rows(spec, role)}
    assert differ == set(CUT_SHORT.get(name, ()))
    assert all(counts.get(role, 0) < published_rows(spec, role) for role in differ)


@pytest.mark.parametrize("name", sorted(LABEL_COUNTS))
def test_label_numbers_mean_what_the_catalog_says(name: str) -> None:
    spec = get_dataset(name)
    _, table = next(raw_tables(spec))
    counts = Counter(table[spec.label_column].to_pylist())
    assert {spec.label_names[label]: rows for label, rows in counts.items()} == LABEL_COUNTS[name]


def test_labels_of_stsb_run_from_0_to_5() -> None:
    labels = [
        value
        for _, table in raw_tables(get_dataset("stsb"))
        for value in table["label"].to_pylist()
    ]
    assert (min(labels), max(labels)) == (0.0, 5.0)


@pytest.mark.parametrize(
    ("name", "role", "beginning", "label"),
    [
        ("rte", "test", "Dana Reeve, the widow of the actor Christopher Reeve", "not_entailment"),
        ("wic", "test", "class : An emerging professional class.", "False"),
        ("copa", "test", "The man turned on the faucet.", "choice2"),
        ("multirc", "test", "What causes a change in motion?", "False"),
        ("boolq", "test", "does ethanol take more energy make that produces", "False"),
        ("wsc", "test", "Bernard , who had not told the government official", "False"),
    ],
)
def test_first_rows_say_in_words_what_they_are(
    cache: Path, name: str, role: SplitName, beginning: str, label: str
) -> None:
    """Read by eye: the answer follows from the text itself."""
    target = load(name, cache)
    row = pq.read_table(target.splits[role].path).slice(0, 1).to_pylist()[0]
    assert row["text"].startswith(beginning)
    assert target.label_names[row["label"]] == label


@TARGETS
def test_every_entry_with_files_becomes_a_target(name: str, cache: Path) -> None:
    spec = get_dataset(name)
    target = load(name, cache)
    train, validation, test = ROWS[name]
    assert target.splits["test"].n_rows == test
    used = sum(target.splits[role].n_rows for role in ("train", "validation"))
    assert used == (train or 0) + (validation or 0)
    for split in [spec.splits[role] for role in spec.splits if role in CUT_SHORT.get(name, ())]:
        assert any(note.startswith(f"{split}: ") and "published" in note for note in target.notes)


@pytest.mark.parametrize(
    ("name", "n_texts", "n_rows"),
    [("cola", 16, 16), ("tweet_ev_hate", 232, None), ("tweet_ev_offensive", 4, None)],
)
def test_known_leaks_between_train_and_test_are_told(
    cache: Path, name: str, n_texts: int, n_rows: int | None
) -> None:
    leaks = [note for note in load(name, cache).notes if "of train in test again" in note]
    assert len(leaks) == 1
    assert leaks[0].startswith(f"{n_texts} different texts")
    assert n_rows is None or f"({n_rows} of" in leaks[0]


def digest(rows: list[dict[str, Any]]) -> str:
    text = "\n".join(json.dumps(row, ensure_ascii=True, sort_keys=True) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "columns", "cut"),
    [
        ("rte", ("sentence1", "sentence2"), 124),
        ("cola", ("sentence",), 428),
        ("mrpc", ("sentence1", "sentence2"), 183),
        ("sst2", ("sentence",), 500),
    ],
)
def test_the_rows_cut_from_train_are_those_of_the_rule(
    cache: Path, name: str, columns: tuple[str, ...], cut: int
) -> None:
    """The rule applied to the raw rows with Python's own slices."""
    spec = get_dataset(name)
    path = SHARED / FOLDERS[name] / "train.parquet"
    raw = pq.read_table(path, columns=[*columns, "label"]).to_pylist()
    names = dict(zip(columns, ("text", "text_pair"), strict=False)) | {"label": "label"}
    rows = [{names[key]: value for key, value in row.items()} for row in raw]
    target = load(spec.name, cache)
    found = {role: pq.read_table(target.splits[role].path).to_pylist() for role in target.splits}
    assert digest(found["validation"]) == digest(rows[:cut] + rows[-cut:])
    assert digest(found["train"]) == digest(rows[cut:-cut])


def test_paragraphs_of_multirc_stay_whole(cache: Path) -> None:
    target = load("multirc", cache)
    paragraphs = {
        role: set(pq.read_table(target.splits[role].path)["text"].to_pylist())
        for role in target.splits
    }
    assert not paragraphs["train"] & paragraphs["validation"]
    assert len(paragraphs["train"] | paragraphs["validation"]) == 456
    assert 1000 <= target.splits["validation"].n_rows < 1000 + 2 * 100


def test_spans_of_wsc_are_found_at_their_word_numbers(cache: Path) -> None:
    """Two rows of the 658 hold a span that is not at its number, as published."""
    target = load("wsc", cache)
    rows = [
        row["text"]
        for role in target.splits
        for row in pq.read_table(target.splits[role].path).to_pylist()
    ]
    marked = [text for text in rows if "[" in text and text.count("*") == 2]
    assert (len(rows), len(marked)) == (658, 656)
