"""The lock names versions alone, so that it works with any index."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = [
    line
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize("line", LINES)
def test_every_line_is_one_exact_public_version(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!]*", line), (
        f"{line!r}: expected name==version without index, link, path or local suffix; "
        "run `make lock`"
    )


def test_torch_is_pinned_to_the_version_that_has_a_cpu_build() -> None:
    assert "torch==2.13.0" in LINES


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    locked = {line.split("==")[0].lower().replace("_", "-").replace(".", "-") for line in LINES}
    for requirement in wanted:
        name = re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-").replace(".", "-")
        assert name == "hubbot" or name in locked, f"{requirement} is not in requirements.lock"
