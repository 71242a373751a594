"""What the pages for operators name is there, and what the workflows need is on the pages."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from hubbot.settings import Settings

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if not path.name.startswith("_")]
OPERATORS = (ROOT / "docs" / "running_a_bot.md").read_text("utf-8")
ALL = "\n".join(path.read_text("utf-8") for path in (*WORKFLOWS, ROOT / "action.yml"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_links_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).is_file(), target


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(?:vars|secrets)\.(\w+)", ALL))))
def test_a_variable_or_secret_that_a_workflow_reads_is_explained(name: str) -> None:
    assert name in {"HF_TOKEN"} or f"`{name}`" in OPERATORS


def test_every_input_of_the_action_is_explained_with_its_default() -> None:
    inputs: dict[str, Any] = YAML(typ="safe").load((ROOT / "action.yml").read_text())["inputs"]
    for name, told in inputs.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", OPERATORS, re.MULTILINE)
        assert not told.get("default") or f"`{told['default']}`" in row


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(HUBBOT_\w+):", ALL))))
def test_a_setting_that_a_workflow_makes_is_one_of_hubbots(name: str) -> None:
    section: type[BaseModel] = Settings
    *levels, last = name.removeprefix("HUBBOT_").lower().split("__")
    for level in levels:
        kind = section.model_fields[level].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        section = kind
    assert last in section.model_fields


def test_the_limits_that_the_pages_name_are_those_of_the_workflow() -> None:
    scan = YAML(typ="safe").load((ROOT / ".github" / "workflows" / "scan.yml").read_text())
    minutes = scan["jobs"]["measure"]["timeout-minutes"]
    assert f"below the job's {minutes} " in OPERATORS
    (row,) = re.findall(r"^\| `HUBBOT_BUDGET_MINUTES` \|.*\| (\d+) \|$", OPERATORS, re.MULTILINE)
    assert f"'{row}'" in scan["env"]["HUBBOT_BOT__BUDGET_MINUTES"]
    assert int(row) < minutes


@pytest.mark.parametrize(("name", "job"), [("scan", "measure"), ("sensitivity", "measure")])
def test_what_measures_is_told_to_end_before_its_job_is_ended(name: str, job: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8")
    most = YAML(typ="safe").load(text)["jobs"][job]["timeout-minutes"]
    (minutes, grace), *more = {
        (int(minutes), int(grace))
        for grace, minutes in re.findall(r"timeout --foreground --kill-after=(\d+)m (\d+)m", text)
    }
    assert not more
    assert minutes + grace + 10 <= most, "time to install, and to hand over"
    if name == "scan":
        assert f"({minutes} - float" in text
        assert f"at most {minutes - 10}; below the job's {most} " in OPERATORS
        assert f"ended after {minutes} minutes" in " ".join(OPERATORS.split())
