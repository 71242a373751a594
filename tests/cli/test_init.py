"""``hubbot init``: a settings file that shows every setting, made from the settings themselves."""

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.errors import SettingsError
from hubbot.initialising import list_sections, settings_text, to_toml, write_settings
from hubbot.settings import Settings, load_settings
from hubbot.settings_values import kinds_of, leaves, variable_of

_SWITCHED_OFF = re.compile(r"^#(?=\w+ = )", re.MULTILINE)

ALL = [(path, SecretStr in kinds_of(annotation)) for path, annotation in leaves(Settings)]
OPEN = [path for path, is_secret in ALL if not is_secret]
SECRET = [path for path, is_secret in ALL if is_secret]


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("HUBBOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def uncommented(text: str) -> str:
    return _SWITCHED_OFF.sub("", text)


def at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def block_of(text: str, path: tuple[str, ...]) -> str:
    """Return the lines of one setting: its comment and its default."""
    table = text.partition(f"\n[{path[0]}]\n")[2] if len(path) > 1 else text
    wanted = re.compile(rf"^# {variable_of(path)}(;|$)", re.MULTILINE)
    return next(block for block in table.split("\n\n") if wanted.search(block))


def test_as_written_the_file_sets_nothing(plain: Path) -> None:
    write_settings(plain / "hubbot.toml")
    sections = {"probe", "finetune", "download", "bot", "github"}
    values = tomllib.loads((plain / "hubbot.toml").read_text(encoding="utf-8"))
    assert values == {name: {} for name in sections}
    assert load_settings() == Settings()


def test_with_every_setting_switched_on_the_file_says_the_defaults(plain: Path) -> None:
    text = uncommented(settings_text())
    (plain / "hubbot.toml").write_text(text, encoding="utf-8")
    values = tomllib.loads(text)
    for path in OPEN:
        at(values, path)  # each is there
    loaded = load_settings()
    (plain / "hubbot.toml").unlink()
    assert loaded == load_settings()


def test_a_value_changed_in_the_file_is_read(plain: Path) -> None:
    text = settings_text().replace('#max_models = "none"', "max_models = 12")
    text = text.replace('#device = "auto"', 'device = "cuda:1"')
    (plain / "hubbot.toml").write_text(text, encoding="utf-8")
    assert load_settings().bot.max_models == 12
    assert load_settings().probe.device == "cuda:1"


@pytest.mark.parametrize("path", OPEN, ids=".".join)
def test_every_setting_stands_there_with_its_meaning_and_its_variable(
    plain: Path, path: tuple[str, ...]
) -> None:
    lines = block_of(settings_text(), path).splitlines()
    assert lines[-1].startswith(f"#{path[-1]} = ")
    assert lines[-3].startswith("# ")
    assert len(lines[-3]) > 10


@pytest.mark.parametrize("path", SECRET, ids=".".join)
def test_a_token_is_told_of_and_never_written(
    plain: Path, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable_of(path), "hf_secret")
    text = settings_text()
    assert "hf_secret" not in text
    assert f"# {path[-1]}: not written here; set {variable_of(path)} in the environment." in text
    assert not re.search(rf"^#?{path[-1]} =", text, re.MULTILINE)


def test_there_are_tokens_and_open_settings_in_every_section() -> None:
    assert {path[-1] for path in SECRET} == {"read_token", "write_token", "token"}
    named = {section.name: len(section.settings) for section in list_sections()}
    assert named.keys() == {"", "probe", "finetune", "download", "bot", "github"}
    assert sum(named.values()) == len(ALL)


def test_bounds_and_choices_are_told(plain: Path) -> None:
    text = settings_text()
    assert "at least 0, at most 1" in block_of(text, ("bot", "full_share"))
    assert "more than 0" in block_of(text, ("download", "max_gb"))
    assert 'one of "base-models", "sandboxed", "never"' in block_of(text, ("probe", "bin"))


def test_the_file_fits_another_account_too(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(plain))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    text = settings_text()
    assert '#cache_dir = "~/.cache/hubbot"' in text
    assert str(plain) not in text


def test_no_line_is_too_wide(plain: Path) -> None:
    wide = [line for line in settings_text().splitlines() if len(line) > 100]
    assert all(_SWITCHED_OFF.match(line) for line in wide), "only a default may be"


@pytest.mark.parametrize(
    "value",
    [
        "",
        'a "b" \\ c',
        "tab\tnew\nline\x7f\x01",
        "Réne 🙂",
        ("a", "b, c"),
        (),
        0,
        -2.5,
        1e300,
        True,
    ],
)
def test_what_is_written_as_toml_is_read_as_the_same(value: Any) -> None:
    read = tomllib.loads(f"x = {to_toml(value)}")["x"]
    assert read == (list(value) if isinstance(value, tuple) else value)
    assert type(read) is not int or isinstance(value, int)


# The command


def test_init_writes_the_file_and_says_where(hubbot: Callable[..., Any], tmp_path: Path) -> None:
    ran = hubbot("init")
    assert ran.code == 0, ran.err
    assert ran.out == "hubbot.toml\n"
    assert "HUBBOT_WRITE_TOKEN" in ran.err
    assert (tmp_path / "hubbot.toml").read_text(encoding="utf-8") == settings_text()
    assert hubbot("predict", "-a", "roberta-base", "--lp-gain", "12").code == 0


def test_init_prints_one_json_document(hubbot: Callable[..., Any], tmp_path: Path) -> None:
    told = json.loads(hubbot("init", "--out", tmp_path / "own.toml", "--json").out)
    assert told["file"] == str(tmp_path / "own.toml")
    assert set(told["settings"]) == {".".join(path) for path, _ in ALL}


def test_init_writes_what_the_environment_names(
    hubbot: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_CONFIG", "own.toml")
    assert hubbot("init").out == "own.toml\n"
    assert (tmp_path / "own.toml").exists()
    assert not (tmp_path / "hubbot.toml").exists()


def test_a_file_that_is_there_is_kept_unless_forced(
    hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "hubbot.toml"
    path.write_text("[bot]\nmax_models = 3\n")
    path.chmod(0o640)
    ran = hubbot("init")
    assert ran.code == 2
    assert "hubbot.toml is there already and is left as it is; give --force" in ran.err
    assert path.read_text() == "[bot]\nmax_models = 3\n"
    assert hubbot("init", "--force").code == 0
    assert path.read_text(encoding="utf-8") == settings_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.glob("*hubbot.toml*")] == ["hubbot.toml"]


def test_a_broken_file_does_not_keep_init_from_replacing_it(
    hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "hubbot.toml").write_text("[bot")
    assert hubbot("init", "--force").code == 0


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("old")
    link = tmp_path / "hubbot.toml"
    link.symlink_to("real.toml")
    with pytest.raises(SettingsError, match=r"is there already"):
        write_settings(link)
    write_settings(link, replace=True)
    assert link.is_symlink()
    assert (tmp_path / "real.toml").read_text(encoding="utf-8") == settings_text()


@pytest.mark.parametrize(
    ("where", "words"),
    [("missing/hubbot.toml", "No such file"), ("file/hubbot.toml", "Not a directory")],
)
def test_a_place_that_cannot_be_written_is_named(
    hubbot: Callable[..., Any], tmp_path: Path, where: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    ran = hubbot("init", "--out", where)
    assert ran.code == 2
    assert f"{where} cannot be written ({words}" in ran.err


def test_a_folder_is_not_replaced(hubbot: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "hubbot.toml").mkdir()
    assert hubbot("init").code == 2
    ran = hubbot("init", "--force")
    assert ran.code == 2
    assert "hubbot.toml cannot be written (it is no file)" in ran.err
