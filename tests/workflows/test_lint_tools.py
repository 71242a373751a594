"""``make lint`` looks at the workflows with GitHub's schema and with zizmor, offline."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("check-jsonschema", "zizmor")


def lint_commands() -> list[str]:
    """Return the lines of the Makefile's lint that look at workflows, ready to run."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    lines = [line.strip() for line in recipe[1].splitlines()]
    programs = str(Path(sys.executable).parent)
    return [
        line.replace("$(BIN)", programs) for line in lines if any(tool in line for tool in TOOLS)
    ]


def lint(folder: Path) -> list[subprocess.CompletedProcess[str]]:
    # Without the user's settings: GH_TOKEN would send zizmor online.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return [
        subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in lint_commands()
    ]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of what is looked at, to be broken."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copyfile(ROOT / "action.yml", tmp_path / "action.yml")
    return tmp_path


def test_lint_names_both_tools_offline() -> None:
    commands = lint_commands()
    assert sum("check-jsonschema" in command for command in commands) == 3
    assert all("--builtin-schema vendor." in one for one in commands if "jsonschema" in one)
    (zizmor,) = [command for command in commands if "zizmor" in command]
    assert "--offline" in zizmor
    assert "--min-severity medium" in zizmor


def test_the_workflows_have_no_finding(copy: Path) -> None:
    for done in lint(copy):
        assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"


def test_no_finding_is_hidden_by_a_comment() -> None:
    files = [*(ROOT / ".github").rglob("*.yml"), ROOT / "action.yml"]
    assert all("zizmor: ignore" not in file.read_text("utf-8") for file in files)
    assert not any((ROOT / place / "zizmor.yml").exists() for place in (".", ".github"))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            ".github/workflows/scan.yml",
            "timeout-minutes: 360",
            "timeout-minuets: 360",
            "'timeout-minuets' was unexpected",
        ),
        (
            ".github/workflows/annotate.yml",
            '-- "$MODEL"',
            "-- ${{ inputs.model }}",
            "template-injection",
        ),
        (
            ".github/workflows/ci.yml",
            "        with:\n          persist-credentials: false\n",
            "",
            "artipacked",
        ),
        (
            ".github/workflows/ci.yml",
            "  pull_request:\n",
            "  pull_request_target:\n",
            "dangerous-triggers",
        ),
        (
            ".github/workflows/ci.yml",
            "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
            "actions/checkout@v6",
            "unpinned-uses",
        ),
        ("action.yml", "using: composite", "using: compost", "compost"),
        (".github/dependabot.yml", "interval: weekly", "interval: sometimes", "sometimes"),
    ],
)
def test_a_flaw_is_found(copy: Path, file: str, old: str, new: str, says: str) -> None:
    text = (copy / file).read_text("utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new), "utf-8")
    failed = [done for done in lint(copy) if done.returncode != 0]
    assert any(says in done.stdout + done.stderr for done in failed)
