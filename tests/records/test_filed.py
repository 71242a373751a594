"""Records of a checkout beside one's own: the later measurement counts, one's own on a tie."""

import datetime
import logging
from pathlib import Path

import pytest

from hubbot.records.filed import take_over_filed
from hubbot.records.record import Record
from hubbot.records.store import read_record, record_file, record_path, write_record
from hubbot.settings import Settings

DAY = datetime.date(2026, 11, 20)
LATER = DAY + datetime.timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(records_dir=tmp_path / "own", filed_dir=tmp_path / "filed")


def record(
    accuracy: float, *, model: str = "me/child", date: datetime.date = DAY, **more: object
) -> Record:
    return Record.model_validate(
        {
            **{"model": model, "revision": "0" * 40, "weights_digest": "sha256:1"},
            **{"architecture": "bert-base-uncased", "base_model": "bert-base-uncased"},
            **{"protocol": "lp-mnli", "dataset_revision": "", "hubbot_version": "0.1.0"},
            **{"lp_accuracy": {"linear": accuracy}, "date": date, **more},
        }
    )


def file(settings: Settings, one: Record) -> Path:
    assert settings.filed_dir is not None
    return write_record(one, settings.filed_dir)


def own(settings: Settings, model: str = "me/child") -> Record:
    return read_record(record_file(settings.records_dir, "bert-base-uncased", model))


def test_a_record_that_is_missing_is_copied_once_and_the_same(settings: Settings) -> None:
    there = file(settings, record(50.0))
    assert take_over_filed(settings) == 1
    copied = record_path(settings.records_dir, record(50.0))
    assert copied.read_bytes() == there.read_bytes()
    assert take_over_filed(settings) == 0


def test_a_later_measurement_takes_the_place_of_ones_own(settings: Settings) -> None:
    write_record(record(50.0), settings.records_dir)
    file(settings, record(60.0, date=LATER))
    assert take_over_filed(settings) == 1
    assert own(settings).lp_accuracy == {"linear": 60.0}


@pytest.mark.parametrize("date", [DAY, LATER])
def test_ones_own_stays_where_it_is_as_late_or_later(
    settings: Settings, date: datetime.date
) -> None:
    write_record(record(50.0, date=date), settings.records_dir)
    there = file(settings, record(60.0))
    before = there.read_bytes()
    assert take_over_filed(settings) == 0
    assert own(settings).lp_accuracy == {"linear": 50.0}
    assert there.read_bytes() == before


def test_one_that_cannot_be_read_is_told_of_and_left_and_the_others_come(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken = file(settings, record(50.0, model="me/broken"))
    broken.write_text("model: [", "utf-8")
    file(settings, record(50.0))
    with caplog.at_level(logging.WARNING):
        assert take_over_filed(settings) == 1
    (warning,) = caplog.messages
    assert str(broken) in warning
    assert broken.read_text("utf-8") == "model: ["
    assert own(settings).model == "me/child"


def test_a_broken_one_of_ones_own_is_replaced(settings: Settings) -> None:
    path = write_record(record(50.0), settings.records_dir)
    path.write_text("nothing of a record", "utf-8")
    file(settings, record(60.0))
    assert take_over_filed(settings) == 1
    assert own(settings).lp_accuracy == {"linear": 60.0}


def test_keys_of_a_newer_version_come_along(settings: Settings) -> None:
    there = file(settings, record(50.0, schema_version=9, mood="good"))
    take_over_filed(settings)
    assert record_path(settings.records_dir, record(50.0)).read_bytes() == there.read_bytes()


def test_names_that_make_one_file_name_never_take_each_others_place(settings: Settings) -> None:
    write_record(record(50.0, model="me/a--b"), settings.records_dir)
    path = file(settings, record(60.0, model="me/a/b", date=LATER))
    assert path.name == "me--a--b.yaml"
    assert take_over_filed(settings) == 0
    assert own(settings, "me/a--b").model == "me/a--b"


def test_without_a_folder_or_with_ones_own_nothing_is_done(settings: Settings) -> None:
    write_record(record(50.0), settings.records_dir)
    for folder in (None, settings.records_dir, settings.records_dir / "missing"):
        assert take_over_filed(settings.model_copy(update={"filed_dir": folder})) == 0
