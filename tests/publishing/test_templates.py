import shutil
from pathlib import Path

import pytest

import hubbot
from hubbot.errors import SettingsError
from hubbot.publishing.templates import render, template_folder

CHECKOUT = Path(hubbot.__file__).parent.parent / "cards" / "templates"


def test_wheel_keeps_templates_inside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "hubbot"
    shutil.copytree(CHECKOUT, package / "_templates")
    shutil.copytree(CHECKOUT, tmp_path / "cards" / "templates")
    assert template_folder(package) == package / "_templates"


def test_checkout_keeps_templates_beside_the_package(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT, tmp_path / "cards" / "templates")
    assert template_folder(tmp_path / "hubbot") == tmp_path / "cards" / "templates"


def test_missing_templates_are_named_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no templates in .*_templates and .*templates;"):
        template_folder(tmp_path / "hubbot")


def test_missing_value_is_an_error_and_no_blank() -> None:
    with pytest.raises(Exception, match="is undefined"):
        render("section.md.j2")
