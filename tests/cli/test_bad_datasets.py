"""Data sets of one's own that cannot be used, or hardly: what a stranger is told, and how fast.

Data are read before anything is downloaded or trained, so that most of these need no model.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save

from hubbot.localhub.server import LocalHub

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = "all-MiniLM-L6-v2"

Hubbot = Callable[..., Any]
Cells = Sequence[object]
Write = Callable[[Path], None]


def rows_of(n_rows: int, labels: Sequence[object] = ("up", "down"), kind: str = "a") -> list[Cells]:
    return [
        (f"{kind} note on the {place} of the days", labels[place % len(labels)])
        for place in range(n_rows)
    ]


def as_csv(
    rows: Iterable[Cells],
    header: Cells = ("text", "label"),
    *,
    name: str = "mine.csv",
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Write:
    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([header, *rows])

    return write


def as_text(text: str, *, name: str = "mine.csv", encoding: str = "utf-8") -> Write:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(text.encode(encoding))

    return write


def as_parquet(columns: Mapping[str, Any], *, name: str = "mine.parquet") -> Write:
    def write(folder: Path) -> None:
        pq.write_table(pa.table(dict(columns)), folder / name)

    return write


def as_folder(*, name: str = "mine", **splits: Sequence[Cells]) -> Write:
    def write(folder: Path) -> None:
        (folder / name).mkdir()
        for split, rows in splits.items():
            as_csv(rows, name=f"{name}/{split}.csv")(folder)

    return write


def both(*writers: Write) -> Write:
    def write(folder: Path) -> None:
        for one in writers:
            one(folder)

    return write


TEXTS = [str(text) for text, _ in rows_of(120)]
USUAL = as_csv(rows_of(120))
LISTS = [[text] for text in TEXTS]
UP_DOWN = [str(label) for _, label in rows_of(120)]

REFUSED: dict[str, tuple[Write, str, int, str]] = {
    "one class": (
        as_csv(rows_of(120, ["up"])),
        "mine.csv",
        1,
        r"every training row has the label 'up'; expected at least two .*--label-column, or add",
    ),
    "one class number": (as_csv(rows_of(120, [1])), "mine.csv", 1, r"row has the label '1'; expec"),
    "no label": (
        as_csv(rows_of(120, [""])),
        "mine.csv",
        1,
        r"label column 'label': every cell is empty; choose another with --label-column",
    ),
    "few labels": (
        as_csv(rows_of(120, ["up", "", "", "down", ""])),
        "mine.csv",
        1,
        r"mine\.csv: 72 of 120 rows have no label in column 'label'; expected at most half",
    ),
    "hidden labels": (
        as_csv(rows_of(120, [-1])),
        "mine.csv",
        1,
        r"every training label is missing or -1, which stands for a hidden one; give a file with",
    ),
    "only words for missing labels": (
        as_csv(rows_of(120, ["NaN", "null"])),
        "mine.csv",
        1,
        r"every cell is empty",
    ),
    "a label of its own for every row": (
        as_csv([(text, f"label {place}") for place, text in enumerate(TEXTS)]),
        "mine.csv",
        1,
        r"120 different values in 120 rows, so it is not a label; choose another with --label-col",
    ),
    "a number of its own for every row": (
        as_csv([(text, place) for place, text in enumerate(TEXTS)]),
        "mine.csv",
        2,
        r"120 different whole numbers: a regression, or that many classes\? Say --regression or",
    ),
    "numbers as classes": (
        as_csv([(text, place / 7) for place, text in enumerate(TEXTS)]),
        "mine.csv --no-regression",
        2,
        r"120 different numbers in 120 rows, too many for classes; say --regression",
    ),
    "words as numbers": (
        USUAL,
        "mine.csv --regression",
        2,
        r"holds words such as '(up|down)', and --regression needs numbers; leave it out",
    ),
    "a number that is none": (
        as_csv(rows_of(120, [0.5, "inf", 2.5])),
        "mine.csv",
        1,
        r"'inf' is not a finite number; mend or empty the cell",
    ),
    "decimal commas": (
        as_csv(rows_of(120, ["0,5", "1,5"])),
        "mine.csv",
        1,
        r"numbers with a decimal comma, such as '0,5'; write them with a point",
    ),
    "a test of other classes": (
        as_folder(train=rows_of(60), test=rows_of(60, ["Up", "Down"], "b")),
        "mine",
        1,
        r"no test row has a label of train: test has Down, Up, train has down, up; spell",
    ),
    "no text": (
        as_csv([("", label) for label in UP_DOWN]),
        "mine.csv",
        2,
        r"no column looks like text \(every cell of 'text' is empty\); .*--text-column",
    ),
    "no text in the column that was named": (
        as_csv([(" ", label) for label in UP_DOWN]),
        "mine.csv --text-column text",
        1,
        r"120 of 120 rows have no text in column 'text'; .*another with --text-column, or fill it",
    ),
    "hardly any text": (
        as_csv([*rows_of(40), *[("", "up")] * 80]),
        "mine.csv",
        2,
        r"'text' is empty in 80 of 120 rows",
    ),
    "lists as texts": (
        as_parquet({"text": LISTS, "label": UP_DOWN}),
        "mine.parquet",
        2,
        r"no column looks like text \('text' holds list<.*>\); found 'label'",
    ),
    "nothing but lists": (
        as_parquet({"text": LISTS, "label": LISTS}),
        "mine.parquet",
        1,
        r"no column holds texts or numbers \('text' holds list.*; write one text and one label",
    ),
    "objects as texts": (
        as_text('{"text": {"en": "so"}, "label": 1}\n' * 120, name="mine.jsonl"),
        "mine.jsonl --text-column text",
        2,
        r"--text-column text: this column of mine\.jsonl holds lists or objects; expected one val",
    ),
    "numbers beside the labels alone": (
        as_csv([(place, label) for place, label in enumerate(UP_DOWN)], ("id", "label")),
        "mine.csv",
        2,
        r"no column looks like text; found 'id', 'label'\. Name it with --text-column",
    ),
    "three rows": (
        as_csv(rows_of(3)),
        "mine.csv",
        1,
        r"mine\.csv: 3 rows for train; expected 100 or more, .*own with --test",
    ),
    "twenty rows": (
        as_csv(rows_of(20)),
        "mine.csv",
        1,
        r"mine\.csv: \d usable rows for (train|test), expected 10 or more; about 100 rows",
    ),
    "a test of three rows": (
        as_folder(train=rows_of(60), test=rows_of(3, kind="b")),
        "mine",
        1,
        r"test\.csv: 3 rows for test; expected 10 or more",
    ),
    "a column that is not there": (
        USUAL,
        "mine.csv --text-column txet",
        2,
        r"--text-column txet: no such column in mine\.csv \(did you mean 'text'\?\); found 'text'",
    ),
    "a label that is not there": (
        USUAL,
        "mine.csv --label-column Labels",
        2,
        r"--label-column Labels: no such column in mine\.csv \(did you mean 'label'\?\)",
    ),
    "a column twice": (
        USUAL,
        "mine.csv --text-column text --label-column text",
        2,
        r"'text', 'text': a column was named twice",
    ),
    "two texts": (
        as_csv([(text, f"{text}!", "up") for text in TEXTS], ("title", "body", "label")),
        "mine.csv",
        2,
        r"more than one column may hold the texts: 'title', 'body'\. Say which with --text-column",
    ),
    "two columns of one name": (
        as_csv([(*row, "up") for row in rows_of(120)], ("text", "label", "label")),
        "mine.csv",
        1,
        r"mine\.csv: two columns are named 'label'; give each its own name",
    ),
    "no header": (
        as_csv(rows_of(120), ("so it was, " * 12, "up")),
        "mine.csv",
        1,
        r"the first line must name the columns, found what looks like a row .*put a line such as",
    ),
    "a text with commas and no quotes": (
        as_text("text,label\nso, it was,up\n"),
        "mine.csv",
        1,
        r"mine\.csv, line 2: 3 cells, the header has 2; a text with commas stands in quotes",
    ),
    "Windows-1252": (
        as_text("text,label\n" + "caf\xe9,up\n" * 120, encoding="cp1252"),
        "mine.csv",
        1,
        r"mine\.csv, line 2: byte 4 \(0xe9\) is not UTF-8; save the file as UTF-8 \(it may be Wi",
    ),
    "UTF-16": (
        as_csv(rows_of(120), encoding="utf-16"),
        "mine.csv",
        1,
        r"mine\.csv: this is UTF-16; save it as UTF-8",
    ),
    "a line that is no JSON": (
        as_text('{"text": "so", "label": 1}\n{"text": so}\n', name="mine.jsonl"),
        "mine.jsonl",
        1,
        r"mine\.jsonl, line 2: not JSON .*expected one object a line",
    ),
    "a Parquet file that is none": (
        as_text("text,label\nso,up\n", name="mine.parquet"),
        "mine.parquet",
        1,
        r"mine\.parquet is not a readable Parquet file",
    ),
    "no bytes": (as_text(""), "mine.csv", 1, r"mine\.csv: empty \(0 bytes\); expected rows of te"),
    "a header alone": (as_csv([]), "mine.csv", 1, r"mine\.csv: no rows; expected 10 or more"),
    "a kind of file that is not read": (
        as_text("so", name="mine.xlsx"),
        "mine.xlsx",
        2,
        r"mine\.xlsx: this kind of file cannot be read; expected one of \.csv, .*export it as CSV",
    ),
    "a file that is not there": (
        USUAL,
        "mien.csv",
        2,
        r"mien\.csv: no such file \(did you mean 'mine\.csv'\?\); expected a data file, a folder",
    ),
    "an address": (
        USUAL,
        "https://example.org/mine.csv",
        2,
        r"https://example\.org/mine\.csv: addresses are not read; download the file and name it",
    ),
    "an empty folder": (as_folder(), "mine", 2, r"mine: no data files; expected train \(and val"),
    "a folder without train": (
        as_folder(validation=rows_of(60), test=rows_of(60)),
        "mine",
        2,
        r"mine: no file is named train; found test\.csv, validation\.csv\. Rename one, or name one",
    ),
    "a folder as a split": (
        both(USUAL, as_folder(test=rows_of(60))),
        "mine.csv --test mine",
        2,
        r"mine: a folder, expected one data file of that split",
    ),
    "a test without the text": (
        both(USUAL, as_csv(rows_of(60), ("body", "label"), name="other.csv")),
        "mine.csv --test other.csv",
        1,
        r"other\.csv: no column 'text', which train has; found \['body', 'label'\]",
    ),
    "a home of nobody": (USUAL, "~nobody-of-that-name/mine.csv", 2, r"write the whole path"),
    "too few rows allowed": (USUAL, "mine.csv --max-rows 5", 2, r"--max-rows 5: expected 100 or"),
    "a configuration of a file": (
        USUAL,
        "mine.csv --config x",
        2,
        r"--config x: mine\.csv is a local file, which has no configs",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_cannot_be_used_are_refused_with_item_and_next_step(
    hubbot: Hubbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    write, arguments, code, message = REFUSED[case]
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBBOT_LEDGER_FILE", str(tmp_path / "ledger.sqlite"))
    ran = hubbot("sensitivity", *arguments.split(), "-a", MINILM, "--with", "me/never-asked-for")
    assert ran.code == code, ran.err
    assert re.search(message, ran.err), ran.err
    assert ran.out == ""
    assert ran.err.startswith("hubbot: ")
    assert ran.err.count("\n") == 1, "one line, no traceback"
    assert not (tmp_path / "ledger.sqlite").exists(), "nothing was begun"


@pytest.mark.parametrize(
    "command",
    [
        ("recommend", "mine.csv", "-a", MINILM, "--budget", "9"),
        ("finetune", "me/child", "mine.csv", "--out", "out"),
    ],
)
def test_every_command_that_reads_ones_own_data_refuses_alike(
    hub: LocalHub,
    hubbot: Hubbot,
    sound: Mapping[str, Any],
    base_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Sequence[str],
) -> None:
    hub.add_model(BASE, {**sound, "model.safetensors": base_file})
    hub.add_model("me/child", dict(sound))
    as_csv(rows_of(3))(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = hubbot(*command)
    assert ran.code == 1
    assert "mine.csv: 3 rows for train; expected 100 or more" in ran.err
    assert ran.out == ""
    assert not (tmp_path / "out").exists()


@pytest.fixture
def five_classes(hub: LocalHub, sound: Mapping[str, Any], base_file: Path) -> str:
    """A checkpoint whose own head tells five classes apart, none of them the data set's."""
    config = json.loads(Path(str(sound["config.json"])).read_text(encoding="utf-8"))
    names = {str(place): f"star {place}" for place in range(5)}
    config |= {"id2label": names, "label2id": {name: int(n) for n, name in names.items()}}
    weights = load_file(Path(str(sound["model.safetensors"])))
    tensors = {f"bert.{name}": array for name, array in weights.items()}
    tensors["classifier.weight"] = np.full((5, 384), 0.25, np.float16)
    tensors["classifier.bias"] = np.full(5, 7.0, np.float16)
    hub.add_model(BASE, {**sound, "model.safetensors": base_file})
    hub.add_model(
        "me/stars",
        {
            **sound,
            "config.json": json.dumps(config).encode(),
            "model.safetensors": save(tensors),
        },
    )
    return "me/stars"


def test_what_is_odd_but_usable_is_told_with_counts(
    hubbot: Hubbot, five_classes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [*rows_of(130), *rows_of(12, ["", "NaN", "up"], "b"), ("", "up"), ("  ", "down")]
    test = [*rows_of(3), *rows_of(20, kind="c"), *rows_of(2, ["sideways"], "d")]
    as_csv(train, encoding="utf-8-sig", delimiter=";", name="train data.csv")(tmp_path)
    as_csv(test, name="test.csv")(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = hubbot(
        *("sensitivity", "train data.csv", "--test", "test.csv", "--max-rows", "120"),
        *("-a", MINILM, "--with", five_classes, "--seeds", "1", "--sizes", "16"),
        *("--epochs", "1", "--json"),
    )
    assert ran.code == 0, ran.err
    notes = "\n".join(ran.json["notes"])
    for words in (
        "train data.csv: cells are separated by semicolons",
        "text column: 'text' (by its name); label column: 'label' (by its name",
        "3 classes, in alphabetical order: down, sideways, up",
        "NaN (4 rows) is taken as a missing label",
        "train data.csv: 2 rows were left out, having no text in column 'text'",
        "train data.csv: 8 rows were left out, having no label in column 'label'",
        "train data.csv: 120 of its 134 rows are used, every class in its share",
        "test has 2 rows of classes that train lacks (sideways): no model can get them right",
    ):
        assert words in notes
    assert re.search(
        r"[123] of 25 test rows \(\d+\.0%\) ha(s|ve) a text that is in (train|val)", notes
    )
    assert ran.json["sizes"][0]["n_train"] == 16


def test_classes_are_learnt_as_numbers_where_that_is_asked_for_whatever_head_there_was(
    hubbot: Hubbot, five_classes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForSequenceClassification

    as_csv(rows_of(100, [1, 2, 3]))(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = hubbot(
        *("finetune", five_classes, "mine.csv", "--out", "out", "--max-train", "32"),
        *("--epochs", "1", "--regression", "--json"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["metric"] == "spearman"
    assert -100 <= ran.json["score"] <= 100
    assert any("a regression, scored by Spearman" in note for note in ran.json["notes"])
    assert AutoModelForSequenceClassification.from_pretrained("out").config.num_labels == 1


def test_class_numbers_with_a_point_are_classes_for_a_checkpoint_with_more_of_them(
    hubbot: Hubbot, five_classes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForSequenceClassification

    as_csv(rows_of(100, ["0.0", "1.0", "1", ""]))(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = hubbot(
        *("finetune", five_classes, "mine.csv", "--out", "out", "--max-train", "32"),
        *("--epochs", "1", "--json"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["metric"] == "accuracy"
    saved = AutoModelForSequenceClassification.from_pretrained("out").config
    assert saved.id2label == {0: "0", 1: "1"}


def test_what_was_made_of_the_data_is_told_before_anything_is_fetched_or_trained(
    hubbot: Hubbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_csv([*rows_of(119), ("", "up")])(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = hubbot("sensitivity", "mine.csv", "-a", MINILM, "--with", "no/such-model")
    assert ran.code != 0
    told = " ".join(ran.err.split())
    data, error = told.index("mine: "), told.index("no/such-model")
    assert data < error
    assert "'text'" in told[:error]


@pytest.mark.parametrize(("name", "meant"), [("rtee", "'rte'"), ("tweet_ev_ironi", "irony'")])
def test_a_misspelt_name_of_the_catalog_is_offered_the_right_one(
    hub: LocalHub, hubbot: Hubbot, name: str, meant: str
) -> None:
    ran = hubbot("sensitivity", name, "-a", MINILM, "--with", BASE)
    assert ran.code == 2
    told = " ".join(ran.err.split())
    assert f"unknown data set '{name}'; did you mean" in told
    assert meant in told
