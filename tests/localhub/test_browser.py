"""The embedded Hub's pages in a real browser: what a person sees, and what must not run."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

pytestmark = pytest.mark.slow

HOSTILE = """# A model

<script>document.title = "owned"</script>
<img src=x onerror="document.title = 'owned'">
مرحبا 👋 &amp; <b>bold</b>
"""
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browse(tmp_path: Path) -> Any:
    program = shutil.which("chromium")
    assert program, "chromium is missing: sudo apt-get install --no-install-recommends chromium"

    def run(url: str, *options: str) -> str:
        done = subprocess.run(
            [program, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *options, url],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    return run


@pytest.fixture
def pull_request_url(hub: Any) -> str:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    hub.add_model("ann/model", {"README.md": HOSTILE.encode(), "config.json": b"{}"})
    commit = HfApi(token="hf_bot").create_commit(
        "ann/model",
        [CommitOperationAdd("README.md", (HOSTILE + "\nscore 1\n").encode())],
        commit_message="Add a <i>score</i>",
        create_pr=True,
    )
    assert commit.pr_url is not None
    return commit.pr_url


def test_a_card_is_shown_as_text_and_its_scripts_do_not_run(
    hub: Any, browse: Any, pull_request_url: str
) -> None:
    page = browse(f"{hub.url}/ann/model", "--dump-dom")
    assert "<title>owned</title>" not in page
    assert "&lt;script&gt;" in page
    assert "مرحبا 👋" in page


def test_a_pull_request_shows_its_title_and_the_added_line(
    browse: Any, pull_request_url: str
) -> None:
    page = browse(pull_request_url, "--dump-dom")
    assert "<title>owned</title>" not in page
    assert "Add a &lt;i&gt;score&lt;/i&gt;" in page
    assert "+score 1" in page


def test_the_page_of_a_pull_request_is_drawn(
    browse: Any, pull_request_url: str, tmp_path: Path
) -> None:
    picture = tmp_path / "page.png"
    browse(pull_request_url, "--window-size=1000,900", f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000
