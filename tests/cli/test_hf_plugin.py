"""``hf hubbot``: the extension laid out as ``hf extensions install`` does, run through ``hf``.

Its archive comes from GitHub, so folder, environment, console script and manifest are made here
in the way of ``huggingface_hub.cli.extensions``; all that follows is that client's own.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub.cli.extensions import EXTENSIONS_ROOT, ExtensionManifest

from hubbot import __version__
from hubbot.localhub.server import LocalHub

ROOT = Path(__file__).parents[2]
HF = Path(sys.executable).parent / "hf"


@dataclass(frozen=True)
class Extension:
    """The installed extension."""

    home: Path
    """Home folder of the user who installed it."""
    folder: Path
    """The extension's own."""

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def run(self, *arguments: object, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run ``hf`` with arguments, as somebody who has nothing but it."""
        return subprocess.run(
            [str(HF), *map(str, arguments)],
            cwd=self.home,
            env={
                "HOME": str(self.home),
                "PATH": os.defpath,
                "HF_ENDPOINT": os.environ["HF_ENDPOINT"],
                "HF_HUB_DISABLE_UPDATE_CHECK": "1",
                "COLUMNS": "200",
                **settings,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    where = ("--outdir", str(out), str(ROOT))
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", *where)
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("hubbot-*.whl"))


@pytest.fixture(scope="module")
def extension(
    wheel: Path,
    link_base_packages: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Extension:
    home = tmp_path_factory.mktemp("home")
    folder = home / EXTENSIONS_ROOT.relative_to("~") / "hf-hubbot"
    environment = folder / "venv"
    # hf asks for pip too; linking it is the same, sooner.
    venv.EnvBuilder(symlinks=True).create(environment)
    link_base_packages(environment, "pip")
    subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(environment / "bin" / "python"),
                "install",
            ),
            *("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)),
        ],
        check=True,
        capture_output=True,
    )
    script = environment / "bin" / "hf-hubbot"
    assert script.is_file(), "hf refuses a package without this console script"
    ExtensionManifest(
        owner="me",
        repo="hf-hubbot",
        repo_id="me/hf-hubbot",
        short_name="hubbot",
        executable_path=str(script.resolve()),
        type="python",
        installed_at=datetime(2026, 1, 2, tzinfo=UTC),
        description="Which checkpoint to start from",
        commit_sha="ab" * 20,
    ).save(folder)
    return Extension(home=home, folder=folder)


@pytest.mark.parametrize("command", [("hubbot",), ("hf-hubbot",), ("extensions", "exec", "hubbot")])
def test_hf_runs_the_extension(extension: Extension, command: tuple[str, ...]) -> None:
    done = extension.run(*command, "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"hubbot {__version__}\n"


def test_the_extension_runs_from_its_own_environment(extension: Extension) -> None:
    code = "import hubbot; print(hubbot.__file__)"
    done = subprocess.run(
        [extension.python, "-c", code], cwd=extension.home, capture_output=True, text=True
    )
    assert done.stdout.startswith(str(extension.folder))


def test_hf_lists_the_extension_and_its_help_names_it(extension: Extension) -> None:
    listed = extension.run("extensions", "list")
    assert listed.returncode == 0, listed.stderr
    assert "hf hubbot" in listed.stdout
    assert "me/hf-hubbot" in listed.stdout
    assert "hubbot" in extension.run("--help").stdout


def test_hf_hubbot_ranks_an_architecture(extension: Extension) -> None:
    done = extension.run("hubbot", "rank", "all-MiniLM-L6-v2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["model"] == "sentence-transformers/all-MiniLM-L6-v2"


def test_hf_hubbot_predicts_a_gain(extension: Extension) -> None:
    done = extension.run(
        *("hubbot", "predict", "-a", "roberta-base", "--lp-accuracy", "72.5", "--json")
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["interval"][0] < told["gain"] < told["interval"][1]


def test_hf_hubbot_writes_a_settings_file_from_the_wheels_template(
    extension: Extension, tmp_path: Path
) -> None:
    path = tmp_path / "hubbot.toml"
    done = extension.run("hubbot", "init", "--out", path)
    assert done.returncode == 0, done.stderr
    assert "#max_gb = " in path.read_text()


def test_exit_codes_are_passed_through(hub: LocalHub, extension: Extension, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text("model,architecture,mrpc\nme/a,roberta-base,170.5\n")
    assert extension.run("hubbot", "predict").returncode == 2
    assert extension.run("hubbot", "check", scores).returncode == 3
    refused = extension.run("hubbot", "show", "me/nothing")
    assert refused.returncode == 4
    assert "me/nothing" in refused.stderr


@pytest.mark.parametrize("command", [("probe", "me/m"), ("annotate", "me/m")])
def test_a_missing_extra_is_installed_by_the_extensions_own_python(
    hub: LocalHub, extension: Extension, command: tuple[str, ...]
) -> None:
    done = extension.run("hubbot", *command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{extension.python} -m pip install 'hubbot[probe]'" in done.stderr
    assert "Traceback" not in done.stderr
    pip = subprocess.run([extension.python, "-m", "pip", "--version"], capture_output=True)
    assert pip.returncode == 0


def test_an_environment_made_by_uv_has_no_pip_and_is_told_of_uv(extension: Extension) -> None:
    configuration = extension.folder / "venv" / "pyvenv.cfg"
    before = configuration.read_text()
    (site,) = extension.folder.glob("venv/lib/python*/site-packages")
    pip = (site / "pip").readlink()
    try:
        configuration.write_text(before + "uv = 0.9.5\n")
        (site / "pip").unlink()
        done = extension.run("hubbot", "probe", "me/m")
    finally:
        configuration.write_text(before)
        (site / "pip").symlink_to(pip)
    assert done.returncode == 2
    assert f"uv pip install --python {extension.python} 'hubbot[probe]'" in done.stderr


def test_an_extension_whose_environment_is_gone_is_not_run(extension: Extension) -> None:
    script = extension.folder / "venv" / "bin" / "hf-hubbot"
    aside = script.with_name("aside")
    shutil.move(script, aside)
    try:
        done = extension.run("extensions", "exec", "hubbot", "--", "--version")
    finally:
        shutil.move(aside, script)
    assert done.returncode == 1
    assert "not installed" in done.stderr + done.stdout
