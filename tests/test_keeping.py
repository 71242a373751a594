"""The card of a kept checkpoint: what it was trained from."""

import shutil
from pathlib import Path

import pytest

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import recognise
from hubbot.demo.contents import base_folder
from hubbot.hub.download import declared_by_card
from hubbot.keeping import write_minimal_card

MINILM = get_architecture("all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("start", "declared"),
    [
        ("me/strong-model", ("me/strong-model", MINILM.hub_id)),
        ("strong-model", ("strong-model", MINILM.hub_id)),
        (MINILM.hub_id, (MINILM.hub_id,)),
        ("", (MINILM.hub_id,)),
    ],
)
def test_the_real_start_is_declared_and_the_checkpoint_is_recognised_again(
    tmp_path: Path, start: str, declared: tuple[str, ...]
) -> None:
    write_minimal_card(tmp_path, MINILM, start)
    assert declared_by_card(tmp_path) == declared
    shutil.copy(base_folder() / "config.json", tmp_path)
    config = read_config((tmp_path / "config.json").read_bytes(), model="kept")
    assert recognise(config, declared_by_card(tmp_path), model="kept") == MINILM


def test_two_base_models_are_not_taken_for_a_merge(tmp_path: Path) -> None:
    write_minimal_card(tmp_path, MINILM, "me/strong-model")
    assert "\nbase_model_relation: finetune\n" in (tmp_path / "README.md").read_text()
    write_minimal_card(tmp_path, MINILM)
    assert "relation" not in (tmp_path / "README.md").read_text()
