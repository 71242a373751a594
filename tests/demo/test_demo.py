"""The demo as a user starts it, with less training than the real one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hubbot.demo.contents import BOT, GENRE_MODEL, MNLI_MODEL, PUBLISHED_MODEL
from hubbot.localhub.server import LocalHub

pytestmark = pytest.mark.slow

KEYS = {
    "model",
    "architecture",
    "lp_accuracy",
    "lp_gain",
    "predicted_gain",
    "action",
    "url",
    "second_action",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """Folder, JSON and progress of one small run."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    sizes = ["--mnli-pairs", "600", "--genre-texts", "200", "--probe-pairs", "2000"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUBBOT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "hubbot", "demo", "--json", "--keep", folder, *sizes],
        capture_output=True,
        text=True,
        env=environment | {"HF_TOKEN": "hf_of_the_user"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), done.stderr


def test_every_model_gets_one_pull_request_and_the_second_pass_changes_nothing(
    kept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, summary, _ = kept
    rows = {row["model"]: row for row in summary["models"]}
    assert set(rows) == {MNLI_MODEL, GENRE_MODEL, PUBLISHED_MODEL}
    hub = LocalHub(folder=folder / "hub")
    for model, row in rows.items():
        assert set(row) >= KEYS
        assert (row["action"], row["second_action"]) == ("opened", "unchanged")
        (request,) = hub.pull_requests(model)
        assert (request.author, request.status) == (BOT, "open")
        assert row["url"].endswith(f"/{model}/discussions/{request.num}")


def test_the_scores_stand_on_the_cards_as_reported(
    kept: tuple[Path, dict[str, Any], str],
) -> None:
    folder, summary, _ = kept
    hub = LocalHub(folder=folder / "hub")
    for row in summary["models"]:
        card = hub.read_file(row["model"], "README.md", "refs/pr/1").decode()
        assert f"| MNLI linear-probe accuracy | {row['lp_accuracy']:.2f} |" in card


def test_the_gain_is_the_difference_to_the_base_models_accuracy(
    kept: tuple[Path, dict[str, Any], str],
) -> None:
    _, summary, _ = kept
    base = summary["base"]["lp_accuracy"]["head"]
    for row in summary["models"]:
        if row["architecture"] == "all-MiniLM-L6-v2":
            assert row["lp_gain"] == pytest.approx(row["lp_accuracy"] - base, abs=1e-3)


def test_only_the_calibrated_architecture_gets_a_predicted_gain(
    kept: tuple[Path, dict[str, Any], str],
) -> None:
    _, summary, _ = kept
    for row in summary["models"]:
        if row["model"] == PUBLISHED_MODEL:
            low, high = row["predicted_gain_interval"]
            assert low <= row["predicted_gain"] <= high
        else:
            assert row["predicted_gain"] is None
            assert "no calibration" in row["note"]


def test_the_users_own_token_is_not_used(kept: tuple[Path, dict[str, Any], str]) -> None:
    folder, _, _ = kept
    log = (folder / "hub" / "requests.jsonl").read_text(encoding="utf-8")
    assert '"user": "hubbot-demo"' in log
    assert '"status": 401' not in log, "the embedded Hub does not know the user's token"


def test_progress_and_time_left_are_shown(kept: tuple[Path, dict[str, Any], str]) -> None:
    progress = kept[2]
    assert "5/5" in progress
    assert "s left" in progress
    assert "encode train" in progress


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "hubbot", "demo", "--keep", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
