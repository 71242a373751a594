"""``hubbot recommend`` on files never seen before, and what comes of the command it prints."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = "all-MiniLM-L6-v2"

Hubbot = Callable[..., Any]


def test_the_printed_command_runs_and_its_model_can_be_evaluated_on_other_classes(
    hubbot: Hubbot, child: str, films: Any, cache_dir: Path
) -> None:
    # Other tests leave behind which commit of their base model they used; this Hub is a new one.
    shutil.rmtree(cache_dir / "base-models", ignore_errors=True)
    ran = hubbot(
        *("recommend", *films.options, "-a", MINILM, "--candidate", child),
        *("--budget", "4", "--seeds", "2"),
    )
    assert ran.code == 0, ran.err
    for words in ("4 of 4 fine-tunings", "as given", "start from", "Expected loss: ", BASE):
        assert words in ran.out
    (line,) = [line for line in ran.out.splitlines() if line.startswith("Next: ")]
    program, *arguments = shlex.split(line.removeprefix("Next: "))
    assert program == "hubbot"
    tuned = hubbot(*arguments, "--json")
    assert tuned.code == 0, tuned.err
    assert (tuned.json["n_train"], tuned.json["n_test"]) == (64, 60)
    assert tuned.json["protocol"] in ran.out
    assert tuned.json["score"] > 80, "the first word tells the class"

    # Two classes before, three now: the head is made anew.
    found = hubbot(
        *("evaluate", "./my-model", "--targets", "mnli", "--max-train", "60"),
        *("--epochs", "1", "--seeds", "1", "--json"),
    )
    assert found.code == 0, found.err
    assert found.json["gains"]["mnli"]["se"] is None
    assert found.json["model"] == "my-model"
    assert Path("my-model/README.md").exists()


@pytest.mark.parametrize(
    ("more", "code", "match"),
    [
        (("--budget", "5"), 2, "3 seed(s) each; expected 6 or more"),
        (("--budget", "9", "--search", "luck"), 2, "ranking or halving"),
        (("--budget", "9", "--label-column", "verdikt"), 2, "verdikt"),
        (("--budget", "9", "--candidate", "nobody/nothing"), 4, "nobody/nothing"),
        (("--budget", "9"), 2, "recommend: --candidate MODEL"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_trained(
    hubbot: Hubbot, child: str, films: Any, more: tuple[str, ...], code: int, match: str
) -> None:
    ran = hubbot("recommend", *films.options, "-a", MINILM, *more)
    assert ran.code == code
    assert match in ran.err
    assert ran.out == ""
    assert "seed 0" not in ran.err
