import csv
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubbot.data.own_targets import load_own_target
from hubbot.errors import DatasetError, SettingsError
from hubbot.schema import SplitName, Target

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets are not here")

Rows = list[dict[str, Any]]
EMOTIONS = ("anger", "joy", "optimism", "sadness")


def some(n_rows: int, *, kind: str = "a", labels: Sequence[Any] = ("pos", "neg")) -> Rows:
    return [
        {"text": f"{kind} review, the {n} of all", "label": labels[n % len(labels)]}
        for n in range(n_rows)
    ]


def write_csv(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def load(tmp_path: Path, source: Path, **options: Any) -> Target:
    return load_own_target(str(source), cache_dir=tmp_path / "cache", **options)


def load_rows(tmp_path: Path, rows: Rows, **options: Any) -> Target:
    return load(tmp_path, write_csv(tmp_path / "f.csv", rows), **options)


def load_splits(tmp_path: Path, splits: Mapping[str, Rows], **options: Any) -> Target:
    for name, rows in splits.items():
        write_csv(tmp_path / "d" / f"{name}.csv", rows)
    return load(tmp_path, tmp_path / "d", **options)


def read(target: Target, role: SplitName) -> Rows:
    rows: Rows = pq.read_table(target.splits[role].path).to_pylist()
    return rows


def sizes(target: Target) -> dict[str, int]:
    return {role: split.n_rows for role, split in target.splits.items()}


def noted(target: Target, words: str) -> bool:
    return any(words in note for note in target.notes)


def test_a_csv_with_words_as_labels_becomes_three_files(tmp_path: Path) -> None:
    target = load_rows(tmp_path, some(200))
    assert target.label_names == ("neg", "pos")
    assert (target.name, target.metric, target.source) == ("f", "accuracy", "f.csv")
    assert not target.is_pair
    assert sum(sizes(target).values()) == 200
    for role in target.splits:
        for row in read(target, role):
            assert (int(row["text"].split()[3]) % 2 == 0) == (row["label"] == 1)


def test_the_same_rows_in_any_kind_of_file_are_the_same_target(tmp_path: Path) -> None:
    rows = some(120)
    write_csv(tmp_path / "f.csv", rows)
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "f.jsonl").write_text("\n".join(lines))
    (tmp_path / "f.json").write_text(f"[{','.join(lines)}]")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet")
    digests = set()
    for name in ("f.csv", "f.jsonl", "f.json", "f.parquet"):
        target = load(tmp_path, tmp_path / name)
        digests.add(tuple(split.digest for split in target.splits.values()))
    assert len(digests) == 1


def test_the_order_of_a_file_changes_nothing(tmp_path: Path) -> None:
    rows = some(150)
    first = load_rows(tmp_path, rows)
    random.Random(0).shuffle(rows)  # noqa: S311 - test data
    second = load_rows(tmp_path, rows)
    assert first.splits == second.splits


def test_rows_added_to_a_file_move_no_other(tmp_path: Path) -> None:
    before = load_rows(tmp_path, some(150))
    after = load_rows(tmp_path, [*some(80, kind="new"), *some(150)])
    for role in before.splits:
        old = {row["text"] for row in read(before, role)}
        new = {row["text"] for row in read(after, role) if row["text"].startswith("a ")}
        assert old == new


def test_equal_texts_lie_in_one_split_even_where_labels_differ(tmp_path: Path) -> None:
    target = load_rows(tmp_path, [*some(150), *some(150, labels=["neg", "pos"])])
    texts = [{row["text"] for row in read(target, role)} for role in target.splits]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]
    assert not noted(target, "too")


def test_given_splits_are_used_as_they_are(tmp_path: Path) -> None:
    splits = {name: some(30, kind=name) for name in ("train", "dev", "test")}
    target = load_splits(tmp_path, splits)
    names: dict[SplitName, str] = {"train": "train", "validation": "dev", "test": "test"}
    for role, name in names.items():
        assert [row["text"] for row in read(target, role)] == [row["text"] for row in splits[name]]
    assert (
        target.split_rule == "as given: train is train.csv, validation is dev.csv, test is test.csv"
    )


def is_cut(text: str, share: float = 0.1) -> bool:
    """The rule as it is written: the upper half of a text's hash, as a number from 0 to 1."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest[4:], "little") / 2**32 < share


def test_a_missing_validation_is_cut_from_train_by_a_hash_of_each_text(tmp_path: Path) -> None:
    train = some(100, kind="train")
    target = load_splits(tmp_path, {"train": train, "test": some(20, kind="test")})
    words = [row["text"] for row in train]
    cut = [text for text in words if is_cut(text)]
    assert 0 < len(cut) < 20
    assert [row["text"] for row in read(target, "validation")] == cut
    assert [row["text"] for row in read(target, "train")] == [t for t in words if t not in cut]
    assert f"validation is {len(cut)} rows of train, cut by a hash of each" in target.split_rule


def test_a_train_sorted_by_label_gives_validation_rows_of_each(tmp_path: Path) -> None:
    train = [row | {"label": "abcdefgh"[n // 75]} for n, row in enumerate(some(600))]
    test = some(40, kind="test", labels="abcdefgh")
    target = load_splits(tmp_path, {"train": train, "test": test})
    assert {row["label"] for row in read(target, "validation")} == set(range(8))
    assert not noted(target, "validation has no row")


def test_equal_texts_of_train_lie_on_one_side(tmp_path: Path) -> None:
    splits = {"train": [*some(200), *some(200)], "test": some(20, kind="test")}
    target = load_splits(tmp_path, splits)
    sides = [{row["text"] for row in read(target, role)} for role in ("train", "validation")]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_a_long_train_gives_a_thousand_rows_to_validation(tmp_path: Path) -> None:
    train = some(40_000)
    target = load_splits(tmp_path, {"train": train, "test": some(20, kind="test")})
    cut = [row["text"] for row in train if is_cut(row["text"], 1000 / 40_000)]
    assert [row["text"] for row in read(target, "validation")] == cut
    assert abs(len(cut) - 1000) < 4 * 1000**0.5


def test_without_a_test_the_validation_split_is_it(tmp_path: Path) -> None:
    target = load_splits(tmp_path, {"train": some(100), "dev": some(20, kind="dev")})
    assert all(row["text"].startswith("dev ") for row in read(target, "test"))
    assert sizes(target)["train"] + sizes(target)["validation"] == 100
    assert sizes(target)["test"] == 20
    assert "test is dev.csv, its validation split" in target.split_rule


def write_named(path: Path, names: Sequence[str], n_rows: int, *, kind: str = "a") -> None:
    """Write a Parquet file as ``datasets`` does: class numbers, and what they are called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(some(n_rows, kind=kind, labels=range(len(names))))
    label = {"names": list(names), "_type": "ClassLabel"}
    info = {"info": {"features": {"text": {"_type": "Value"}, "label": label}}}
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(info)}),
        path,
    )


@pytest.mark.parametrize("names", [("1", "2", "3", "4", "5"), ("-1", "0", "1"), ("1", "2")])
def test_class_names_that_are_numbers_are_not_mistaken_for_numbers_of_classes(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    write_named(tmp_path / "f.parquet", names, 600)
    target = load(tmp_path, tmp_path / "f.parquet")
    assert target.label_names == names
    assert sum(sizes(target).values()) == 600
    for role in target.splits:
        for row in read(target, role):
            assert row["label"] == int(row["text"].split()[3]) % len(names)


def write_in_words(path: Path, names: Sequence[str], n_rows: int) -> None:
    write_named(path, names, n_rows)
    table = pq.read_table(path)
    words = pa.array([names[number] for number in table["label"].to_pylist()])
    pq.write_table(table.set_column(1, "label", words), path)


def test_class_names_in_place_of_numbers_are_read_as_names(tmp_path: Path) -> None:
    names = ("5", "4", "3", "2", "1")
    write_in_words(tmp_path / "f.parquet", names, 600)
    target = load(tmp_path, tmp_path / "f.parquet")
    assert target.label_names == names
    for row in read(target, "train"):
        assert row["label"] == int(row["text"].split()[3]) % 5


@pytest.mark.parametrize("write_train", [write_named, write_in_words])
def test_numbers_of_a_csv_test_are_not_guessed_to_be_names_or_numbers(
    tmp_path: Path, write_train: Callable[[Path, Sequence[str], int], None]
) -> None:
    write_train(tmp_path / "d" / "train.parquet", ("1", "2"), 100)
    write_csv(tmp_path / "d" / "test.csv", some(20, kind="test", labels=[1, 2]))
    with pytest.raises(DatasetError, match=r"classes are called 1, 2, .*cannot be told which is"):
        load(tmp_path, tmp_path / "d")


def test_splits_that_name_their_classes_differently_are_refused(tmp_path: Path) -> None:
    write_named(tmp_path / "d" / "train.parquet", ("neg", "neu", "pos"), 100)
    write_named(tmp_path / "d" / "test.parquet", ("neg", "pos"), 20, kind="test")
    message = r"test\.parquet calls the classes neg, pos, train\.parquet calls them neg, neu, pos;"
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, tmp_path / "d")
    write_named(tmp_path / "d" / "test.parquet", ("pos", "neu", "neg"), 20, kind="test")
    with pytest.raises(DatasetError, match=r"expected the same names in the same order"):
        load(tmp_path, tmp_path / "d")


def test_a_file_named_as_test_does_not_choose_too(tmp_path: Path) -> None:
    splits = {name: some(60, kind=name) for name in ("train", "validation", "test")}
    target = load_splits(tmp_path, splits, test="validation.csv")
    assert all(row["text"].startswith("validation ") for row in read(target, "test"))
    assert all(row["text"].startswith("train ") for row in read(target, "validation"))


def test_rows_without_a_gold_label_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [
        {
            "gold_label": ("entailment", "neutral", "contradiction", "-")[n % 4],
            "sentence1": f"a sentence of the number {n}",
            "sentence2": f"another sentence of the number {n}",
        }
        for n in range(400)
    ]
    (tmp_path / "f.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    target = load(tmp_path, tmp_path / "f.jsonl")
    assert target.label_names == ("contradiction", "entailment", "neutral")
    assert sum(sizes(target).values()) == 300
    assert noted(target, "label column 'gold_label': - (100 rows) is taken as a missing label")


@pytest.mark.parametrize("role", ["validation", "test"])
def test_numbers_that_are_all_the_same_rank_nothing_and_are_refused(
    tmp_path: Path, role: str
) -> None:
    splits = {
        name: some(100, kind=name, labels=[2.5] if name == role else [n / 4 for n in range(9)])
        for name in ("train", "validation", "test")
    }
    with pytest.raises(DatasetError, match=rf"all 100 {role} rows have the label 2\.5; .*--{role}"):
        load_splits(tmp_path, splits)


@pytest.mark.parametrize("role", ["validation", "test"])
def test_a_split_of_one_class_is_told(tmp_path: Path, role: str) -> None:
    splits = {
        name: some(60, kind=name, labels=["b"] if name == role else ["a", "b", "c"])
        for name in ("train", "validation", "test")
    }
    target = load_splits(tmp_path, splits)
    assert noted(target, f"every {role} row has the label b, of 3 that train has")
    assert not noted(target, "validation has no row")


def test_classes_that_validation_lacks_are_told(tmp_path: Path) -> None:
    splits = {
        name: some(60, kind=name, labels="ab" if name == "validation" else "abcd")
        for name in ("train", "validation", "test")
    }
    target = load_splits(tmp_path, splits)
    assert noted(target, "validation has no row of classes that train has (c, d): how well")


def headless(tmp_path: Path, n_rows: int = 200, header: str = "") -> Path:
    labels = ("positive", "negative")
    rows = [f'"the {n} review, of all",{labels[n % 2]}' for n in range(n_rows)]
    (tmp_path / "f.csv").write_text("\n".join([header, *rows] if header else rows))
    return tmp_path / "f.csv"


def test_a_csv_without_a_header_does_not_lose_its_first_row(tmp_path: Path) -> None:
    message = r"f\.csv: the first line must name the columns, found 'positive', which stands below"
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, headless(tmp_path))


def test_a_label_column_called_like_a_class_can_be_named(tmp_path: Path) -> None:
    path = headless(tmp_path, header="text,positive")
    with pytest.raises(DatasetError, match=r"name the label column with --label-column"):
        load(tmp_path, path)
    assert sum(sizes(load(tmp_path, path, label_column="positive")).values()) == 200


@pytest.mark.parametrize("hidden", ["-1", ""])
def test_a_test_file_with_hidden_labels_is_passed_over(tmp_path: Path, hidden: str) -> None:
    splits = {
        "train": some(100),
        "dev": some(20, kind="dev"),
        "test": some(30, kind="test", labels=[hidden]),
    }
    target = load_splits(tmp_path, splits)
    assert sizes(target)["test"] == 20
    assert noted(target, "test.csv: its labels are hidden")


def test_a_test_file_without_the_label_column_is_passed_over(tmp_path: Path) -> None:
    test = [{"text": row["text"]} for row in some(30, kind="test")]
    target = load_splits(tmp_path, {"train": some(200), "test": test})
    assert sum(sizes(target).values()) == 200
    assert noted(target, "test.csv: its labels are hidden")
    assert "by a hash" in target.split_rule


def test_further_files_serve_as_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "more.csv", some(25, kind="more"))
    target = load_rows(tmp_path, some(100), test=str(tmp_path / "more.csv"))
    assert sizes(target)["train"] + sizes(target)["validation"] == 100
    assert sizes(target)["test"] == 25
    assert target.source == "f.csv, more.csv"


def test_texts_shared_by_train_and_test_are_counted(tmp_path: Path) -> None:
    splits = {
        "train": some(100),
        "dev": some(20, kind="dev"),
        "test": [*some(3), *some(37, kind="test")],
    }
    target = load_splits(tmp_path, splits)
    assert noted(target, "3 of 40 test rows (7.5%) have a text that is in train too: a model may")
    assert noted(target, "leave them out of train")


def test_a_test_label_that_train_lacks_is_a_class_and_counted(tmp_path: Path) -> None:
    test = [*some(20, kind="test"), *some(2, kind="odd", labels=["new"])]
    target = load_splits(tmp_path, {"train": some(100), "dev": some(20, kind="dev"), "test": test})
    assert target.label_names == ("neg", "new", "pos")
    assert sizes(target)["test"] == 22
    assert noted(target, "test has 2 rows of classes that train lacks (new)")


def test_a_test_with_other_labels_altogether_is_refused(tmp_path: Path) -> None:
    test = some(20, kind="test", labels=["Pos", "Neg"])
    with pytest.raises(DatasetError, match=r"no test row .*test has Neg, Pos, train has neg, pos;"):
        load_splits(tmp_path, {"train": some(100), "dev": some(20, kind="dev"), "test": test})


def test_words_for_missing_labels_are_told_with_their_rows(tmp_path: Path) -> None:
    target = load_rows(tmp_path, some(150, labels=["pos", "neg", "NaN"]))
    assert target.label_names == ("neg", "pos")
    assert sum(sizes(target).values()) == 100
    assert noted(target, "NaN (50 rows) is taken as a missing label")


def test_a_class_with_one_training_row_is_told(tmp_path: Path) -> None:
    train = [*some(100), {"text": "the rarest of all", "label": "rare"}, *some(20, kind="z")]
    splits = {"train": train, "dev": some(20, kind="dev"), "test": some(20, kind="test")}
    assert noted(load_splits(tmp_path, splits), "train has a single row of rare")


def test_rows_without_text_or_label_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [*some(150), {"text": "", "label": "pos"}, {"text": "no label here", "label": ""}]
    target = load_rows(tmp_path, rows)
    assert sum(sizes(target).values()) == 150
    assert noted(target, "f.csv: 1 row was left out, having no text in column 'text'")
    assert noted(target, "f.csv: 1 row was left out, having no label in column 'label'")


def test_floats_are_a_regression_scored_by_rank(tmp_path: Path) -> None:
    target = load_rows(tmp_path, some(200, labels=[n / 4 for n in range(21)]))
    assert target.is_regression
    assert target.metric == "spearman"
    assert pq.read_schema(target.splits["test"].path).field("label").type == pa.float64()
    assert noted(target, "since some have fractions a regression")


def test_pairs_keep_their_order(tmp_path: Path) -> None:
    rows = [
        {"hypothesis": f"it follows {n}", "premise": f"it is said {n}", "label": n % 3}
        for n in range(150)
    ]
    target = load_rows(tmp_path, rows)
    assert target.is_pair
    for row in read(target, "train"):
        assert row["text"].startswith("it is said ")
        assert row["text_pair"] == f"it follows {row['text'].split()[-1]}"


def test_guesses_are_explained_and_named_columns_are_not(tmp_path: Path) -> None:
    assert noted(load_rows(tmp_path, some(150)), "say --text-column/--label-column")
    named = load_rows(tmp_path, some(150), text_columns=("text",), label_column="label")
    assert not noted(named, "--text-column")


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        (
            some(3),
            {},
            DatasetError,
            r"f\.csv: 3 rows for train; expected 100 or more, since 10 are",
        ),
        (some(25), {}, DatasetError, r"usable rows for test, expected 10 or more; about 100 rows"),
        (some(99, labels=["x"]), {}, DatasetError, r"every training row has the label 'x'"),
        (some(99, labels=[1]), {}, DatasetError, r"every training row has the label '1'"),
        (some(99, labels=[0.5]), {}, DatasetError, r"every training row has the label '0\.5'"),
        (some(99, labels=[""]), {}, DatasetError, r"label column 'label': every cell is empty"),
        (
            some(100, labels=["", "", "a", "b", ""]),
            {},
            DatasetError,
            r"f\.csv: 60 of 100 rows have no label",
        ),
        (
            [row | {"text": ""} for row in some(99)],
            {"text_columns": ("text",)},
            DatasetError,
            r"99 of 99 rows have no text in column 'text'",
        ),
        (
            [row | {"text": ""} for row in some(99)],
            {},
            SettingsError,
            r"no column looks like text \(every cell of 'text' is empty\)",
        ),
        (some(99), {"is_regression": True}, SettingsError, r"words such as '(pos|neg)', and --reg"),
        (
            some(99),
            {"label_column": "labels"},
            SettingsError,
            r"--label-column labels: no such col",
        ),
        (
            [{"body": row["text"], **row} for row in some(99)],
            {"label_column": "text"},
            DatasetError,
            r"99 different values in 99 rows, so it is not a label",
        ),
        (
            some(99, labels=list(range(33))),
            {},
            SettingsError,
            r"33 different whole numbers: .*--regression or --no-regression",
        ),
        (some(99), {"max_rows": 5}, SettingsError, r"--max-rows 5: expected 100 or more"),
        (some(99), {"config": "x"}, SettingsError, r"--config x: .*f\.csv is a local file"),
        ([{"text": "alone"}] * 99, {}, SettingsError, r"no column looks like text|like a label"),
    ],
)
def test_data_that_cannot_be_used_is_refused_with_the_next_step(
    tmp_path: Path, rows: Rows, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_rows(tmp_path, rows, **options)


def test_a_small_test_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"test\.csv: 9 rows for test; expected 10 or more"):
        load_splits(tmp_path, {"train": some(99), "test": some(9, kind="t")})


def test_a_small_validation_is_used_and_told(tmp_path: Path) -> None:
    splits = {"train": some(99), "dev": some(4, kind="d"), "test": some(10, kind="t")}
    assert noted(load_splits(tmp_path, splits), "validation has 4 rows: what it chooses is hardly")


def test_a_test_without_the_text_column_is_refused(tmp_path: Path) -> None:
    test = [{"body": "x y z", "label": "pos"}] * 20
    with pytest.raises(DatasetError, match=r"test\.csv: no column 'text', which train has"):
        load_splits(tmp_path, {"train": some(99), "test": test})


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no data set named"):
        load_own_target(" ", cache_dir=tmp_path)


def test_more_rows_than_wanted_are_sampled_by_class_and_told(tmp_path: Path) -> None:
    target = load_rows(tmp_path, some(3000, labels=["a", "a", "b"]), max_rows=600)
    labels = [row["label"] for role in target.splits for row in read(target, role)]
    assert (labels.count(0), labels.count(1)) == (400, 200)
    assert noted(target, "f.csv: 600 of its 3,000 rows are used, every class in its share")


def test_a_given_test_is_not_sampled_because_train_is_long(tmp_path: Path) -> None:
    target = load_splits(tmp_path, {"train": some(999), "test": some(90, kind="t")}, max_rows=100)
    assert sizes(target)["train"] + sizes(target)["validation"] == 100
    assert sizes(target)["test"] == 90


def test_nothing_but_the_target_stays_behind(tmp_path: Path) -> None:
    load_rows(tmp_path, some(150))
    with pytest.raises(DatasetError):
        load_rows(tmp_path, some(3))
    left = [p.relative_to(tmp_path / "cache").parts[0] for p in (tmp_path / "cache").rglob("*")]
    assert set(left) == {"targets"}


MILLION = """
import json, resource, sys, time
from pathlib import Path
from hubbot.data.own_targets import load_own_target
import pyarrow.parquet, pyarrow.compute
begun = time.monotonic()
target = load_own_target(sys.argv[1], cache_dir=Path(sys.argv[2]), max_rows=20_000)
print(json.dumps({
    "rows": sum(split.n_rows for split in target.splits.values()),
    "notes": target.notes,
    "seconds": time.monotonic() - begun,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


@pytest.mark.slow
def test_a_million_rows_are_sampled_in_little_memory(tmp_path: Path) -> None:
    answers = {}
    for n_rows in (50_000, 1_000_000):
        path = tmp_path / f"f{n_rows}.csv"
        with path.open("w") as handle:
            handle.write("text,label\n")
            handle.writelines(f"a short text number {n},{'abc'[n % 3]}\n" for n in range(n_rows))
        command = [sys.executable, "-c", MILLION, str(path), str(tmp_path / "cache")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        answers[n_rows] = json.loads(done.stdout)
    small, large = answers.values()
    assert large["rows"] == 20_000
    assert any("20,000 of its 1,000,000 rows are used" in note for note in large["notes"])
    assert large["seconds"] < 30
    # The file is 28 MB; what grows with it are two hashes, a label and a place, 32 bytes a row.
    assert large["peak_mb"] - small["peak_mb"] < 80


@needs_real_data
def test_real_tweets_as_csv_with_words_for_labels(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        rows = pq.read_table(SHARED / "tweet_eval" / "emotion" / f"{split}.parquet").to_pylist()
        named = [{"tweet": row["text"], "emotion": EMOTIONS[row["label"]]} for row in rows]
        write_csv(tmp_path / "d" / f"{split}.csv", named)
    target = load(tmp_path, tmp_path / "d")
    assert target.label_names == EMOTIONS
    for role in target.splits:
        original = pq.read_table(SHARED / "tweet_eval" / "emotion" / f"{role}.parquet")
        assert read(target, role) == original.to_pylist()


@needs_real_data
def test_real_similarities_are_a_regression(tmp_path: Path) -> None:
    target = load(tmp_path, SHARED / "glue" / "stsb")
    assert target.is_regression
    assert target.is_pair
    original = pq.read_table(SHARED / "glue" / "stsb" / "validation.parquet")
    assert [row["label"] for row in read(target, "test")] == original["label"].to_pylist()
    assert sizes(target)["train"] + sizes(target)["validation"] == 5749
    assert sizes(target)["test"] == 1500
    spread = (5749 * 0.1 * 0.9) ** 0.5
    assert abs(sizes(target)["validation"] - 574.9) < 4 * spread


@needs_real_data
def test_real_pairs_in_one_file_are_divided(tmp_path: Path) -> None:
    original = pq.read_table(SHARED / "snli" / "validation.parquet")
    pq.write_table(original, tmp_path / "pairs.parquet")
    target = load(tmp_path, tmp_path / "pairs.parquet")
    assert target.is_pair
    pairs = {(row["premise"], row["hypothesis"], row["label"]) for row in original.to_pylist()}
    found = [
        (row["text"], row["text_pair"], row["label"])
        for role in target.splits
        for row in read(target, role)
    ]
    assert set(found) == pairs
    assert len(found) == original.num_rows


@needs_real_data
def test_the_overlap_that_is_known_of_real_data_is_found(tmp_path: Path) -> None:
    folder = SHARED / "tweet_eval" / "hate"
    train = pq.read_table(folder / "train.parquet")["text"].to_pylist()
    test = pq.read_table(folder / "test.parquet")["text"].to_pylist()
    assert len(set(test) & set(train)) == 232
    plain = {" ".join(text.split()) for text in train}
    n_rows = sum(" ".join(text.split()) in plain for text in test)
    assert noted(load(tmp_path, folder), f"{n_rows} of 2,970 test rows")
