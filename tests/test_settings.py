"""Settings: where they come from, and every way to get them wrong, said with place and name."""

import os
from pathlib import Path
from typing import Any

import pytest

from hubbot.errors import SettingsError
from hubbot.settings import BotSettings, Settings, load_settings
from hubbot.settings_file import unknown_variables
from hubbot.settings_values import leaves, variable_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting in the environment."""
    for name in [name for name in os.environ if name.upper().startswith("HUBBOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    Path("hubbot.toml").write_bytes(data)


def refusal(content: str | bytes | None = None, **flags: Any) -> str:
    """Return what is said of a settings file."""
    if content is not None:
        write(content)
    with pytest.raises(SettingsError, match=r".") as caught:
        load_settings(**flags)
    return str(caught.value)


# Where they come from


def test_flags_stand_over_environment_over_file_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("[bot]\nmax_models = 1\nmax_open_per_owner = 2\nmax_attempts = 7\n")
    monkeypatch.setenv("HUBBOT_BOT__MAX_MODELS", "10")
    monkeypatch.setenv("HUBBOT_BOT__MAX_OPEN_PER_OWNER", "20")
    bot = load_settings(bot={"max_models": 100}).bot
    assert (bot.max_models, bot.max_open_per_owner, bot.max_attempts) == (100, 20, 7)
    assert bot.screen_train == BotSettings().screen_train


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings() == Settings()
    assert load_settings().bot == BotSettings()


def test_another_file_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text("[bot]\nmax_models = 3\n")
    monkeypatch.setenv("HUBBOT_CONFIG", "other.toml")
    assert load_settings().bot.max_models == 3
    monkeypatch.setenv("HUBBOT_CONFIG", "nothing.toml")
    assert "HUBBOT_CONFIG names nothing.toml, which does not exist" in refusal()


def test_an_empty_variable_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[bot]\nmax_models = 3\n")
    for path, _ in leaves(Settings):
        monkeypatch.setenv(variable_of(path), "")
    monkeypatch.setenv("HUBBOT_CONFIG", "")
    assert load_settings().bot.max_models == 3
    assert load_settings().write_token is None


def test_a_limit_of_the_file_is_lifted_by_none(monkeypatch: pytest.MonkeyPatch) -> None:
    write('data_dir = "none"\n[bot]\nmax_models = 3\nbudget_minutes = "none"\n')
    monkeypatch.setenv("HUBBOT_BOT__MAX_MODELS", "none")
    settings = load_settings()
    assert settings.bot.max_models is None
    assert settings.bot.budget_minutes is None
    assert settings.data_dir is None


@pytest.mark.parametrize("text", ["me, you/m,", '["me", "you/m"]', " me,you/m"])
def test_a_list_in_the_environment_is_json_or_divided_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__OPT_OUT", text)
    assert load_settings().bot.opt_out == ("me", "you/m")


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write('cache_dir = "~/cache"\n[github]\nprivate_key_file = "~/app.pem"\n')
    assert load_settings().cache_dir == tmp_path / "cache"
    assert load_settings().github.private_key_file == tmp_path / "app.pem"


def test_a_byte_order_mark_does_no_harm() -> None:
    write(b"\xef\xbb\xbf[bot]\r\nmax_models = 3\r\n")
    assert load_settings().bot.max_models == 3


def test_a_file_is_read_anew_each_time() -> None:
    write("[bot]\nmax_models = 3\n")
    assert load_settings().bot.max_models == 3
    write("[bot]\nmax_models = 4\n")
    assert load_settings().bot.max_models == 4


# Wrong files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[bot]\nmax_models = \n", ("is not TOML", "line 2", "mend that line")),
        ("[bot]\n[bot]\n", ("is not TOML", "line 2")),
        ("[bot]\nmax_models = 1\nmax_models = 2\n", ("is not TOML", "line 3")),
        ("x = " + "[" * 9999, ("nested too deeply",)),
        ("x = " + "9" * 9999, ("is not TOML",)),
        (b"[bot]\noperator = 'Ren\xe9'\n", ("line 2 is not UTF-8 (byte 0xe9)", "save the file as")),
        ("[bot]\n".encode("utf-16"), ("is UTF-16, expected UTF-8",)),
        (b"\0\0\0\0", ("is not TOML",)),
    ],
)
def test_a_file_that_cannot_be_read_as_toml_names_the_line(
    content: str | bytes, words: tuple[str, ...]
) -> None:
    said = refusal(content)
    assert said.startswith("hubbot.toml")
    for word in words:
        assert word in said


def test_a_folder_in_the_files_place_is_named() -> None:
    Path("hubbot.toml").mkdir()
    assert "hubbot.toml is a folder, expected a settings file" in refusal()


def test_a_file_that_may_not_be_read_is_named() -> None:
    write("[bot]\n")
    Path("hubbot.toml").chmod(0)
    if os.access("hubbot.toml", os.R_OK):
        pytest.skip("this account may read every file")
    assert "hubbot.toml cannot be read (Permission denied); make it readable" in refusal()


def test_a_file_that_is_no_folders_child_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[bot]\n")
    monkeypatch.setenv("HUBBOT_CONFIG", "hubbot.toml/below")
    assert "hubbot.toml/below cannot be read (Not a directory)" in refusal()


def test_a_link_that_leads_nowhere_is_not_taken_for_no_file() -> None:
    Path("hubbot.toml").symlink_to("gone.toml")
    assert "hubbot.toml is a link to gone.toml, which does not exist" in refusal()


# Wrong names


@pytest.mark.parametrize(
    ("content", "name", "near"),
    [
        ("recordsdir = 'x'", "recordsdir", "records_dir"),
        ("[prob]\n", "prob", "probe"),
        ("[Bot]\n[bot]\n", "Bot", "bot"),
        ("[probe]\ndevise = 'cpu'", "probe.devise", "device"),
        ("[bot]\nMAX_MODELS = 1", "bot.MAX_MODELS", "max_models"),
        ("[github]\nlable = ['a']\n[github.x]\ny = 1", "github.lable", "labels"),
        ("strangers = true", "strangers", "bot.strangers"),
        ("[probe]\nbudget_minutes = 3", "probe.budget_minutes", "bot.budget_minutes"),
        ("max_gb = 3", "max_gb", "download.max_gb"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(content: str, name: str, near: str) -> None:
    said = refusal(content)
    assert f"hubbot.toml: unknown setting {name!r}; did you mean {near!r}?" in said


def test_a_name_that_is_near_nothing_points_at_the_list() -> None:
    assert "unknown setting 'zzz'; see `hubbot init`" in refusal("zzz = 1")


def test_every_mistake_is_told_at_once() -> None:
    said = refusal("zzz = 1\n[bot]\nstrangers = 3\n[probe]\ndevise = 'cpu'\n")
    for word in ("'zzz'", "'bot.strangers'", "'probe.devise'"):
        assert word in said


# Wrong values


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[probe]]\ndevice = 'cpu'", ("'probe'", "begun by the line [probe]", "found a list")),
        ("bot = []", ("'bot'", "a table", "found a list")),
        ("bot = 'me'", ("'bot'", "a table", "found 'me'")),
        ("cache_dir = {a = 1}", ("'cache_dir'", "found a table")),
        ("cache_dir = 5", ("'cache_dir'", "found 5")),
        ("cache_dir = ''", ("'cache_dir'", "expected a path")),
        ("cache_dir = '~nobody-here/x'", ("'cache_dir'", "home folder that there is")),
        ("[probe.device]\nx = 1", ("'probe.device'", "expected text", "found a table")),
        ("[probe]\ndevice = ['cpu']", ("'probe.device'", "expected text", "found a list")),
        ("[probe]\ndevice = 'gpu'", ("'probe.device'", "cuda", "found 'gpu'")),
        ("[bot]\nopt_out = ['me', 3]", ("'bot.opt_out.1'", "expected text", "found 3")),
        ("[bot]\nopt_out = 3", ("'bot.opt_out'", "expected a list", "found 3")),
        ("[bot]\nopt_out = '[\"me\"'", ("'bot.opt_out'", 'a, b or ["a", "b"]')),
        ("[bot]\nstrangers = 1", ("'bot.strangers'", "expected true or false", "found 1")),
        ("[bot]\nstrangers = 'perhaps'", ("'bot.strangers'", "true or false", "'perhaps'")),
        ("[bot]\nmax_models = true", ("'bot.max_models'", "expected a number", "found true")),
        ("[bot]\nmax_models = 2.5", ("'bot.max_models'", "whole number", "found 2.5")),
        ("[bot]\nmax_models = 'many'", ("'bot.max_models'", "whole number", "found 'many'")),
        ("[bot]\nmax_models = -1", ("'bot.max_models'", "or equal to 0", "found -1")),
        ("[bot]\nmax_attempts = 0", ("'bot.max_attempts'", "or equal to 1", "found 0")),
        ("[bot]\nmax_pull_requests_per_day = -3", ("per_day'", "or equal to 0", "found -3")),
        ("[bot]\nbudget_minutes = -5", ("'bot.budget_minutes'", "number greater than 0", "-5")),
        ("[bot]\nprice_per_hour = -0.5", ("'bot.price_per_hour'", "equal to 0", "found -0.5")),
        ("[bot]\nprice_per_hour = inf", ("'bot.price_per_hour'", "finite")),
        ("[bot]\ntolerance_points = nan", ("'bot.tolerance_points'", "finite")),
        ("[download]\nmax_gb = 1e400", ("'download.max_gb'", "finite")),
        ("[bot]\noperator = 2026-01-02", ("'bot.operator'", "expected text", "found a date")),
        ("[github]\nrepository = 'scores'", ("'github.repository'", "found 'scores'")),
        ("[github]\nfolder = '../up/'", ("'github.folder'", "found '../up/'")),
    ],
)
def test_a_wrong_value_is_told_with_file_name_and_what_was_expected(
    content: str, words: tuple[str, ...]
) -> None:
    said = refusal(content)
    assert said.startswith("hubbot.toml: setting ")
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "content",
    [
        "write_token = ['hf_secret']",
        "write_token = {hf_secret = 1}",
        "[github]\ntoken = ['ghp_secret']",
        "github = 'ghp_secret'",
        "github = ['ghp_secret']",
        "[github]\ntoken = 5_5555_5555",
        "[github]\ntokn = 'ghp_secret'",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(content: str) -> None:
    said = refusal(content)
    assert "secret" not in said
    assert "555" not in said


def test_a_wrong_value_of_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBOT_BOT__MAX_MODELS", "many")
    assert refusal().startswith("HUBBOT_BOT__MAX_MODELS in the environment: setting ")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("HUBBOT_PROBE__DEVISE", "unknown setting 'probe.devise'; did you mean 'device'?"),
        ("HUBBOT_PROBE__DEVICE__X", "setting 'probe.device': expected text"),
        ("HUBBOT_BOT", "setting 'bot': expected a table"),
    ],
)
def test_a_wrong_variable_below_a_section_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    monkeypatch.setenv(variable, "cpu")
    said = refusal()
    assert said.startswith(f"{variable} in the environment: ")
    assert words in said


def test_a_wrong_flag_is_not_blamed_on_the_file() -> None:
    said = refusal("[probe]\ndevice = 'cpu'\n", probe={"device": "abacus"})
    assert said.startswith("setting 'probe.device': ")
    assert "found 'abacus'" in said


# Variables that are no settings


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("HUBBOT_BOT_STRANGERS", "HUBBOT_BOT__STRANGERS"),
        ("HUBBOT_GITHUB_TOKEN", "HUBBOT_GITHUB__TOKEN"),
        ("HUBBOT_WRITE_TOKN", "HUBBOT_WRITE_TOKEN"),
        ("HUBBOT_CONFIGS", "HUBBOT_CONFIG"),
        ("HUBBOT_QQ", ""),
    ],
)
def test_an_unknown_variable_is_told_of_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, near: str
) -> None:
    monkeypatch.setenv(variable, "its secret value")
    assert unknown_variables(Settings) == {variable: near}
    assert load_settings() == Settings()
    assert f"{variable} in the environment is no setting of hubbot's" in caplog.text
    assert (f"did you mean {near}?" in caplog.text) == bool(near)
    assert "secret" not in caplog.text


def test_every_setting_and_hubbots_own_variables_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path, _ in leaves(Settings):
        monkeypatch.setenv(variable_of(path), "x")
    for name in ("HUBBOT_CONFIG", "HUBBOT_CHANNEL", "HUBBOT_NETWORK_GUARD", "hubbot_cache_dir"):
        monkeypatch.setenv(name, "x")
    assert unknown_variables(Settings) == {}
