"""The wheel works outside the checkout: templates, catalog and calibrations travel with it."""

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("hubbot-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel; its dependencies are those of the tests.

    A ``.pth`` file that leads to other ``.pth`` files stops there, so the checkout, which is
    installed by one, is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], check=True
    )
    own = next((folder / "lib").glob("python*/site-packages"))
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return folder


def run(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(installed)}
    return subprocess.run(
        [installed / "bin" / "hubbot", *arguments],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_carries_templates_catalog_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for template in (ROOT / "cards" / "templates").iterdir():
        assert f"hubbot/_templates/{template.name}" in names
    for wanted in (
        "hubbot/catalog/architectures.toml",
        "hubbot/catalog/datasets.toml",
        "hubbot/catalog/protocols.toml",
        "hubbot/gains/data/calibrations.json",
        "hubbot/gains/data/scales.toml",
        "hubbot/gains/data/where_to_start_table4.csv",
        "hubbot/gains/data/LICENSE-model-recycling",
        "hubbot/gains/data/SOURCE.md",
        *(
            f"hubbot/gains/data/model_recycling_2023/{name}.csv"
            for name in ("models", "scores", "base_scores", "test_sizes")
        ),
        "hubbot/data/metrics/accuracy.py",
        "hubbot/data/samples/multi_nli/README.md",
    ):
        assert wanted in names
    assert not any("__pycache__" in name or name.startswith("tests/") for name in names)


def test_the_installed_package_is_not_the_checkout(installed: Path) -> None:
    code = "import hubbot; print(hubbot.__file__)"
    found = subprocess.run(
        [installed / "bin" / "python", "-c", code],
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(installed))


def test_predict_works_from_the_wheel(installed: Path) -> None:
    done = run(installed, "predict", "-a", "roberta-base", "--lp-accuracy", "72.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] > 100


@pytest.mark.parametrize("program", ["hubbot", "hf-hubbot"])
def test_both_console_scripts_are_installed(installed: Path, program: str) -> None:
    done = subprocess.run(
        [installed / "bin" / program, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("hubbot ")


def test_a_card_is_annotated_with_the_templates_of_the_wheel(installed: Path) -> None:
    code = """
import sys
from hubbot.publishing.card import annotate
from hubbot.records.from_published import published_record
record = published_record("roberta-base", "ibm/ColD-Fusion-itr13-seed0", revision="a" * 40)
sys.stdout.buffer.write(annotate(b"# A model\\n", record))
"""
    done = subprocess.run(
        [installed / "bin" / "python", "-c", code],
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "<!-- hubbot:begin -->" in done.stdout
    assert "86.25" in done.stdout
