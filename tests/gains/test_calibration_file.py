"""Calibrations on disk: what is written is read back, and nothing else is taken for it."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.calibration import PAPER, PUBLISHED, Calibration, Refused
from hubbot.gains.calibration_file import (
    dump_calibrations,
    load_calibrations,
    load_packaged,
    load_refused,
)
from hubbot.gains.predict import predict_gain

KEY = (PUBLISHED, "t5-base", "site36")
QUICK_KEY = (PUBLISHED, "t5-base", "site32")


def text_of(*keys: tuple[str, str, str]) -> str:
    return dump_calibrations([load_packaged()[key] for key in keys], [])


def content_of(*keys: tuple[str, str, str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text_of(*keys))
    return content


def same(one: Calibration, two: Calibration) -> None:
    for name in ("name", "architecture", "target_group", "models", "quick_targets", "choices"):
        assert getattr(one, name) == getattr(two, name)
    for name in ("scale", "date", "source", "line", "lp_range", "n"):
        assert getattr(one, name) == getattr(two, name)
    assert one.quick_base == pytest.approx(two.quick_base)
    assert one.rows.lp == pytest.approx(two.rows.lp, abs=1e-4)
    assert one.gain == pytest.approx(two.gain, abs=1e-4)
    assert np.array_equal(one.rows.flags, two.rows.flags)  # type: ignore[arg-type]  # not None
    if one.rows.quick is not None:
        assert one.rows.quick == pytest.approx(two.rows.quick, abs=1e-4)


@pytest.mark.parametrize("key", [key for key in load_packaged() if key[0] == PUBLISHED])
def test_what_is_written_is_read_back(key: tuple[str, str, str], tmp_path: Path) -> None:
    path = tmp_path / "calibrations.json"
    path.write_text(text_of(key))
    same(load_calibrations(path)[key], load_packaged()[key])


def test_writing_what_was_read_gives_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "calibrations.json"
    path.write_text(text_of(KEY, QUICK_KEY))
    found = load_calibrations(path)
    assert dump_calibrations([found[KEY], found[QUICK_KEY]], []) == path.read_text()


def test_refusals_are_written_beside_the_calibrations() -> None:
    refused = Refused(name="x", architecture="a", target_group="site36", n=3, reason="too few")
    assert json.loads(dump_calibrations([], [refused]))["refused"] == [
        {"name": "x", "architecture": "a", "target_group": "site36", "n": 3, "reason": "too few"}
    ]


def test_the_line_written_for_readers_is_least_squares() -> None:
    item = load_packaged()[KEY]
    (written,) = content_of(KEY)["calibrations"]
    assert written["line"] == pytest.approx(np.polyfit(item.rows.lp, item.gain, 1), abs=1e-6)
    assert (written["n"], tuple(written["lp_range"])) == (item.n, item.lp_range)
    assert {"date", "source", "residual_sd", "scale", "choices"} <= set(written)


def test_the_packaged_file_holds_every_published_architecture_with_enough_models() -> None:
    assert {key[1:] for key in load_packaged() if key[0] == PUBLISHED} == {
        (name, group)
        for name in (
            "roberta-base",
            "bert-base-uncased",
            "bert-base-cased",
            "microsoft/deberta-v3-base",
            "t5-base",
        )
        for group in ("site36", "site32")
    }
    assert (PUBLISHED, "google/t5-v1_1-base", "site36") in load_refused()


def test_the_papers_line_stands_beside_them() -> None:
    item = load_packaged()[PAPER, "roberta-base", "general"]
    assert (item.line, item.n) == ((0.0822, -0.940), 65)
    # Least squares through the paper's own table is another line.
    assert np.polyfit(item.rows.lp, item.gain, 1) == pytest.approx((0.126, -1.83), abs=0.03)


@pytest.mark.parametrize("path", [None, Path("nothing-here.json"), Path("file.txt") / "below"])
def test_without_a_file_the_packaged_ones_stand(
    path: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    assert load_calibrations(path) == load_packaged()


def test_a_file_replaces_its_namesakes_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "calibrations.json"
    moved = replace(load_packaged()[KEY], gain=load_packaged()[KEY].gain + 5.0)
    path.write_text(dump_calibrations([moved], []))
    found = load_calibrations(path)
    assert set(found) == set(load_packaged())
    assert found[KEY].gain == pytest.approx(load_packaged()[KEY].gain + 5.0, abs=1e-4)
    assert found[QUICK_KEY] is load_packaged()[QUICK_KEY]
    before = predict_gain("t5-base", lp_accuracy=82.5)
    after = predict_gain("t5-base", lp_accuracy=82.5, calibrations=found)
    assert before.gain is not None
    assert after.gain == pytest.approx(before.gain + 5.0, abs=1e-3)


def test_a_file_written_anew_is_read_anew_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calibrations.json"
    item = load_packaged()[KEY]
    for shift in (0.0, 1.0, 2.0):
        text = dump_calibrations([replace(item, gain=item.gain + shift)], [])
        (tmp_path / "new").write_text(text)
        os.utime(tmp_path / "new", ns=(10**18, 10**18))  # the clock has not moved on
        (tmp_path / "new").replace(path)
        assert load_calibrations(path)[KEY].gain == pytest.approx(item.gain + shift, abs=1e-4)


# What is no such file


def change(edit: Callable[[dict[str, Any]], object], key: tuple[str, str, str] = KEY) -> str:
    content = content_of(key)
    edit(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("not a file of calibrations",)),
        ("{", ("not a file of calibrations",)),
        ("[" * 100_000, ("not a file of calibrations",)),
        ("[]", ("valid dictionary",)),
        ("{}", ("version None, expected 1",)),
        ('{"version": 1}', ("refused", "Field required")),
        ('{"models": [1, 2], "version": "1.0"}', ("version '1.0', expected 1",)),
        (change(lambda c: c.update(version=0)), ("version 0, expected 1",)),
        (change(lambda c: c.update(version=2)), ("version 2, expected 1",)),
        (change(lambda c: c.update(extra=1)), ("extra",)),
        (
            change(lambda c: c["calibrations"][0]["models"][3].update(lp=float("nan"))),
            ("calibrations.0.models.3.lp", "finite"),
        ),
        (
            change(lambda c: c["calibrations"][0]["models"][3].update(gain="much")),
            ("calibrations.0.models.3.gain",),
        ),
        (
            change(lambda c: c["calibrations"][0]["models"][3].update(flags="01")),
            ("calibrations.0.models.3.flags",),
        ),
        (
            change(lambda c: c["calibrations"][0].update(models=[])),
            ("calibrations.0.models", "at least 20"),
        ),
        (
            change(lambda c: c["calibrations"][0]["choices"]["lp"].update(form="parabola")),
            ("parabola", "expected one of"),
        ),
        (
            change(lambda c: c["calibrations"][0]["choices"]["lp"].update(form="quick line")),
            ("calibrations.0", "the form for 'lp' needs quick too"),
        ),
        (
            change(lambda c: c["calibrations"][0]["choices"].pop("lp+flags")),
            ("calibrations.0", "no form was chosen for 'lp+flags'"),
        ),
        (
            change(lambda c: c["calibrations"][0]["choices"]["lp"].update(ridge=0.0)),
            ("ridge", "greater than 0"),
        ),
        (
            change(lambda c: c["calibrations"][0]["models"][0].pop("quick"), QUICK_KEY),
            ("expected 4 scores of the base model and of every model",),
        ),
        (
            change(lambda c: c["calibrations"][0].update(quick_base=[1.0]), QUICK_KEY),
            ("expected 4 scores of the base model and of every model",),
        ),
    ],
)
def test_another_file_is_refused_by_name_with_the_remedy(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"mine\.json: ") as refused:
        load_calibrations(path)
    for word in (*words, "write it anew with `hubbot calibrate`, or remove it"):
        assert word in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(SettingsError, match=r"mine\.json: not a file of calibrations"):
        load_calibrations(path)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"not a file of calibrations .*directory"):
        load_calibrations(tmp_path)
