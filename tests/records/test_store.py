import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from hubbot.errors import HubbotError, IntegrityError, SettingsError
from hubbot.records.record import Record
from hubbot.records.store import MAX_BYTES, read_record, record_path, record_text, write_record


@pytest.fixture
def record(values: dict[str, Any]) -> Record:
    return Record.model_validate(values)


def test_record_is_read_back_as_it_was_written(record: Record, tmp_path: Path) -> None:
    path = write_record(record, tmp_path / "scores")
    assert path == tmp_path / "scores" / "roberta-base" / "someone--probed-model.yaml"
    assert read_record(path) == record


def test_file_is_the_same_whatever_order_the_values_came_in(
    values: dict[str, Any], tmp_path: Path
) -> None:
    reverse = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(values.items())
    }
    first = write_record(Record.model_validate(values), tmp_path / "a").read_bytes()
    assert write_record(Record.model_validate(reverse), tmp_path / "b").read_bytes() == first
    keys = [line.split(b":")[0] for line in first.splitlines() if not line.startswith(b" ")]
    assert keys == [name.encode() for name in Record.model_fields]


def test_yaml_1_1_reads_the_same_values(values: dict[str, Any]) -> None:
    tricky = values | {
        "revision": "1e5",
        "flags": ["no", "on", "~", "1_000", "0o17", "12:30:45", "2026-01-02", "=", "<<", "", " x"],
        "prediction_note": "a: b # c\n- \u2028\x85 'x' \"y\" \\ 🤗 \ufeff",
        "seconds": {"encode": 1e-07, "head": 1e22},
    }
    record = Record.model_validate(tricky)
    assert yaml.safe_load(record_text(record)) == record.plain()


def test_keys_of_a_newer_version_survive_reading_and_writing(
    values: dict[str, Any], tmp_path: Path
) -> None:
    newer = values | {"schema_version": 2, "energy": {"kWh": 0.1, "note": "no"}}
    newer["measured"] = {"rte": {"gain": 3.1, "se": 0.4, "seeds": 5, "metric": "accuracy"}}
    path = write_record(Record.model_validate(newer), tmp_path)
    again = write_record(read_record(path), tmp_path)
    assert yaml.safe_load(again.read_text(encoding="utf-8")) == newer


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b", "C:\\x", "a\x00b", "x/.ssh",
     "a\nb", "~root", "🤗/x", "a b", "con", "-rf"],
)  # fmt: skip
def test_untrusted_id_stays_two_levels_below_the_folder(
    name: str, values: dict[str, Any], tmp_path: Path
) -> None:
    record = Record.model_validate(values | {"model": name, "architecture": name})
    path = record_path(tmp_path, record)
    assert path.resolve().parent.parent == tmp_path.resolve()
    assert not path.name.startswith(".")
    assert path.name.isascii()
    assert read_record(write_record(record, tmp_path)).model == name


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_path_is_always_inside_and_printable(model: str, architecture: str) -> None:
    record = Record.model_validate(
        {
            "model": model, "revision": "", "weights_digest": "", "architecture": architecture,
            "base_model": "", "protocol": "lp-mnli", "dataset_revision": "",
            "lp_accuracy": {"head": 50.0}, "hubbot_version": "0", "date": "2026-01-02",
        }
    )  # fmt: skip
    folder, name = record_path(Path("/scores"), record).relative_to("/scores").parts
    assert folder not in {".", ".."}
    assert not name.startswith(".")
    assert (folder + name).isprintable()


@pytest.mark.parametrize(
    ("model", "file"),
    [("a/b", "a--b.yaml"), ("gpt2", "gpt2.yaml"), ("a/b.c_d-e", "a--b.c_d-e.yaml")],
)
def test_id_of_the_hub_gives_a_readable_name(
    model: str, file: str, values: dict[str, Any], tmp_path: Path
) -> None:
    assert record_path(tmp_path, Record.model_validate(values | {"model": model})).name == file


def test_name_too_long_for_a_file_is_refused(values: dict[str, Any], tmp_path: Path) -> None:
    record = Record.model_validate(values | {"model": "x" * 300})
    with pytest.raises(SettingsError, match="makes a file name of 300 characters, expected 1 to"):
        write_record(record, tmp_path)


def test_record_of_another_model_is_not_overwritten(values: dict[str, Any], tmp_path: Path) -> None:
    write_record(Record.model_validate(values | {"model": "a/b"}), tmp_path)
    with pytest.raises(IntegrityError, match="holds the record of 'a/b', not of 'a--b'"):
        write_record(Record.model_validate(values | {"model": "a--b"}), tmp_path)


def test_broken_file_is_replaced(record: Record, tmp_path: Path) -> None:
    path = write_record(record, tmp_path)
    path.write_text("model: [")
    assert read_record(write_record(record, tmp_path)) == record


def test_failed_write_leaves_the_old_file_and_nothing_else(
    record: Record, values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_record(record, tmp_path)
    before = path.read_bytes()

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(SettingsError, match=r"cannot be written: No space left on device; free"):
        write_record(Record.model_validate(values | {"device": "other"}), tmp_path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_folder_that_is_a_file_is_named(record: Record, tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("")
    with pytest.raises(SettingsError, match=r"record .*scores.* cannot be written"):
        write_record(record, tmp_path / "scores")


def test_others_may_read_the_file(record: Record, tmp_path: Path) -> None:
    assert stat.S_IMODE(write_record(record, tmp_path).stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("text", "kind", "match"),
    [
        ("model: [", SettingsError, r"x\.yaml: not YAML, line 1"),
        ("a: 1\na: 2\n", SettingsError, r"x\.yaml: not YAML, line 2: .*duplicate"),
        ("- 1\n", SettingsError, r"x\.yaml: expected the keys of a score record, found list"),
        ("", SettingsError, "found NoneType"),
        ("[" * 3000, SettingsError, "not YAML"),
        ("model: !!python/object:os.system x\n", SettingsError, "not YAML"),
        ("model: a/b\n", SettingsError, "key 'lp_accuracy' is missing"),
        ("\x00", SettingsError, "not YAML"),
    ],
)
def test_file_that_is_no_record_is_refused(
    text: str, kind: type[HubbotError], match: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(kind, match=match):
        read_record(path)


@pytest.mark.parametrize(
    ("old", "new", "kind", "match"),
    [
        ("head: 71.5334", "head: .nan", IntegrityError, r"'lp_accuracy\.head'.*finite.*'nan'"),
        ("head: 71.5334", "head: 171.5", IntegrityError, r"'lp_accuracy\.head'.*found '171\.5'"),
        ("head: 71.5334", "head: much", SettingsError, r"'lp_accuracy\.head'.*found 'much'"),
        ("cost: null", "costs: null", SettingsError, "unknown key 'costs'"),
        ("interval_level: 0.9", "interval_level: 90", IntegrityError, "found '90'"),
    ],
)
def test_wrong_value_is_named_with_file_key_and_what_was_found(
    old: str, new: str, kind: type[HubbotError], match: str, record: Record, tmp_path: Path
) -> None:
    path = write_record(record, tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(kind, match=rf"someone--probed-model\.yaml: .*{match}"):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"\xff\xfe", "not UTF-8"), (b"#" * (MAX_BYTES + 1), "is no score record")],
)
def test_file_that_is_no_text_or_too_long_is_refused(
    content: bytes, match: str, tmp_path: Path
) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=match):
        read_record(tmp_path / "x.yaml")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"x\.yaml: cannot be read: No such file"):
        read_record(tmp_path / "x.yaml")
