"""Design, section 2: which room may import what, read off the source files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubbot

PACKAGE = Path(hubbot.__file__).parent

ROOMS_OF = {
    "huggingface_hub": {"hub"},
    "httpx2": {"hub"},
    "github": {"hub", "localhub"},
    "datasets": {"data"},
    "evaluate": {"data"},
    "torch": {"probing", "finetuning", "fusing"},
    "transformers": {"probing", "finetuning", "fusing"},
    "starlette": {"localhub"},
    "uvicorn": {"localhub"},
}
"""Library: the rooms of hubbot that may import it."""

LOCALHUB_USERS = {"localhub", "demo"}
"""hubbot itself does not know that the embedded Hub exists; the demo does."""


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_is_allowed_in_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    for name in imported_names(path):
        top = name.split(".")[0]
        if top in ROOMS_OF:
            assert room in ROOMS_OF[top], f"{path.name} imports {name}"
        if name.startswith("hubbot.localhub"):
            assert room in LOCALHUB_USERS, f"{path.name} knows the embedded Hub"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_are_absolute(path: Path) -> None:
    relative = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_only_the_command_line_prints() -> None:
    for path in source_files():
        if path.relative_to(PACKAGE).parts[0] in {"cli"}:
            continue
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ]
        assert not calls, f"{path} prints"
