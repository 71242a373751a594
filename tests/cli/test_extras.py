"""The base install, without the extras: what works, and what says exactly what to install."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hubbot as package
from hubbot.localhub.server import LocalHub


@pytest.fixture(scope="session")
def base_python(
    tmp_path_factory: pytest.TempPathFactory, link_base_packages: Callable[[Path], None]
) -> Path:
    """An environment with hubbot and its own dependencies only, the files linked into it."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    venv.create(folder, symlinks=True)
    link_base_packages(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "hubbot.pth").write_text(str(Path(package.__file__).parent.parent))
    return folder / "bin" / "python"


@pytest.fixture
def run(base_python: Path, environment: Path) -> Callable[..., Any]:
    def call(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [base_python, "-m", "hubbot", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    return call


def test_the_base_environment_really_lacks_the_extras(base_python: Path) -> None:
    found = subprocess.run(
        [
            base_python,
            "-c",
            "from hubbot.extras import missing_modules as m; print(*m('probe'), *m('demo'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"torch", "transformers", "datasets", "evaluate", "pyarrow", "starlette"} <= set(
        found.stdout.split()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["probe", "me/child"],
        ["probe", "."],
        ["annotate", "me/child"],
    ],
)
def test_probing_says_exactly_what_to_install(
    hub: LocalHub, run: Callable[..., Any], base_python: Path, arguments: list[str]
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{base_python} -m pip install 'hubbot[probe]'" in done.stderr
    assert "torch" in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.log == (), "nothing is fetched for a probe that cannot be run"


def test_the_demo_says_exactly_what_to_install(run: Callable[..., Any], base_python: Path) -> None:
    done = run("demo")
    assert done.returncode == 2
    assert f"{base_python} -m pip install 'hubbot[demo]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_else_works_without_the_extras(
    hub: LocalHub,
    sound: dict[str, Any],
    run: Callable[..., Any],
    token: Callable[..., str],
    record_of: Callable[..., Path],
    base_python: Path,
) -> None:
    token("me")
    hub.add_model("me/child", sound)
    assert "Usage" in run("--help").stdout
    assert "points" in run("predict", "-a", "roberta-base", "--lp-accuracy", "72.5").stdout
    sent = run("annotate", "me/child", "--record", record_of("me/child"), "--send")
    assert sent.returncode == 0, sent.stderr
    assert "Pull request opened." in sent.stdout
    shown = run("show", "me/child@refs/pr/1")
    assert shown.returncode == 0, shown.stderr
    assert "56.25" in shown.stdout
    doctor = run("doctor")
    assert f"{base_python} -m pip install 'hubbot[probe]'" in " ".join(doctor.stdout.split())
    assert "Traceback" not in doctor.stderr
    assert sys.executable != str(base_python)
