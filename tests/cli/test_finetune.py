"""``hubbot finetune``: what the saved folder says of itself, with real weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubbot.hub.download import declared_by_card

BASE = "sentence-transformers/all-MiniLM-L6-v2"


def test_the_card_names_the_checkpoint_that_was_started_from(
    hubbot: Callable[..., Any], child: str, films: Any, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    ran = hubbot("finetune", child, *films.options, "--out", out, "--epochs", "1")
    assert ran.code == 0, ran.err
    assert declared_by_card(out) == (child, BASE)
    further = tmp_path / "further"
    ran = hubbot("finetune", out, *films.options, "--out", further, "--epochs", "1")
    assert ran.code == 0, ran.err
    assert declared_by_card(further) == (BASE,), "a folder's name is no Hub id"
