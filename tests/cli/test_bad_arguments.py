"""Wrong usage, broken settings and records that do not fit: said in words, exit code 2 or 3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hubbot.localhub.server import LocalHub

Files = dict[str, Any]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prob", "me/child"], ("No such command 'prob'", "Did you mean 'probe'")),
        (["probe"], ("Missing argument 'MODEL'",)),
        (
            ["probe", "me/child", "--max-trian", "100"],
            ("No such option: --max-trian", "--max-train"),
        ),
        (["probe", "me/child", "--max-train", "many"], ("should be a valid integer",)),
        (
            ["probe", "me/child", "--max-train", "3"],
            ("'--max-train'", "greater than or equal to 30"),
        ),
        (["probe", "me/child", "--device", "abacus"], ("'probe.device'", "cuda", "found 'abacus'")),
        (["predict"], ("name the architecture (--architecture", "--from FILE.csv")),
        (
            ["predict", "-a", "roberta-bse", "--lp-accuracy", "70"],
            ("roberta-bse", "did you mean", "roberta-base"),
        ),
        (["predict", "-a", "roberta-base"], ("--lp-accuracy", "--lp-gain", "found none")),
        (["predict", "-a", "roberta-base", "--lp-accuracy", "nan"], ("nan", "expected")),
        (["predict", "-a", "roberta-base", "--lp-accuracy", "170"], ("170", "expected", "100")),
        (["predict", "-a", "roberta-base", "--lp-gain", "-400"], ("-400", "expected")),
        (
            ["predict", "-a", "roberta-base", "--lp-accuracy", "70", "--lp-gain", "3"],
            ("LP accuracy 70", "LP gain +3", "contradict each other"),
        ),
        (
            ["predict", "-a", "roberta-base", "--lp-accuracy", "70", "--protocol", "lp-mnli"],
            ("borrowed", "give the LP gain instead (--lp-gain"),
        ),
        (
            ["predict", "-a", "roberta-base", "--lp-gain", "7", "--protocol", "lp-mnil"],
            ("lp-mnil", "lp-mnli"),
        ),
        (
            ["predict", "-a", "roberta-base", "--lp-accuracy", "70", "--quick-rte", "0.7"],
            ("quick_rte 0.7 looks like a fraction", "give 70"),
        ),
        (["calibrate", "--out"], ("--out", "requires an argument")),
        (["doctor", "extra"], ("unexpected extra argument",)),
    ],
)
def test_wrong_usage_is_named_with_what_was_expected(
    hub: LocalHub, hubbot: Callable[..., Any], arguments: list[str], words: tuple[str, ...]
) -> None:
    ran = hubbot(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    for word in words:
        assert word in ran.err
    assert "Traceback" not in ran.err
    assert hub.log == ()


def test_a_device_that_is_not_there_is_wrong_usage(
    hub: LocalHub, hubbot: Callable[..., Any], sound: Files, measured: None
) -> None:
    hub.add_model("me/child", sound)
    ran = hubbot("probe", "me/child", "--device", "cuda:99", "--max-train", "60")
    assert ran.code == 2
    assert "me/child: probe.device = 'cuda:99' is not usable here" in ran.err
    assert "try auto or cpu" in ran.err


@pytest.mark.parametrize("split", ["train", "validation_mismatched"])
def test_a_data_folder_that_lacks_a_split_names_it_and_the_places(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    data_dir: Path,
    tmp_path: Path,
    measured: None,
    split: str,
) -> None:
    hub.add_model("me/child", sound)
    (tmp_path / "mnli").mkdir()
    for path in (data_dir / "mnli").iterdir():
        if path.stem != split:
            (tmp_path / "mnli" / path.name).write_bytes(path.read_bytes())
    ran = hubbot("probe", "me/child", "--data-dir", tmp_path)
    assert ran.code == 1
    assert f"{split}.parquet" in ran.err
    assert str(tmp_path / "mnli") in ran.err
    assert not [one for one in hub.log if "model.safetensors" in one.path]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("probe = [", ("hubbot.toml is not TOML", "mend that line")),
        ("[probe]\ndevise = 'cpu'\n", ("unknown setting 'probe.devise'", "did you mean 'device'?")),
        ("[download]\nmax_gb = -1\n", ("'download.max_gb'", "greater than 0", "found -1")),
        ("[probe]\nbin = 'always'\n", ("'probe.bin'", "'base-models', 'sandboxed' or 'never'")),
        ("records = 'here'\n", ("unknown setting 'records'", "did you mean 'records_dir'?")),
    ],
)
@pytest.mark.parametrize("command", [["probe", "me/child"], ["show", "me/child"], ["doctor"]])
def test_a_broken_settings_file_is_wrong_usage(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    tmp_path: Path,
    command: list[str],
    text: str,
    words: tuple[str, ...],
) -> None:
    (tmp_path / "hubbot.toml").write_text(text)
    ran = hubbot(*command)
    assert ran.code == 2
    assert ran.out == ""
    for word in words:
        assert word in ran.err
    assert hub.log == ()


def test_a_token_never_appears_in_a_message(
    hub: LocalHub, hubbot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBOT_WRITE_TOKEN", "hf_secret_secret")
    monkeypatch.setenv("HUBBOT_DOWNLOAD__MAX_GB", "many")
    for arguments in (["doctor"], ["--verbose", "show", "me/child"]):
        ran = hubbot(*arguments)
        assert "hf_secret" not in ran.out + ran.err


# Records


@pytest.fixture
def refused(
    hub: LocalHub,
    hubbot: Callable[..., Any],
    sound: Files,
    token: Callable[..., str],
    writes: Callable[[], list[str]],
) -> Callable[..., str]:
    """Send a record that must be refused; gives what was said."""

    def run(record: Path, *, code: int) -> str:
        token("me")
        hub.add_model("me/child", sound)
        ran = hubbot("annotate", "me/child", "--record", record, "--send", "--json")
        assert ran.code == code, ran.err
        assert ran.out == ""
        assert "Traceback" not in ran.err
        assert writes() == []
        said: str = ran.err.splitlines()[-1]
        return said

    return run


def edited(path: Path, **changes: Any) -> Path:
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(path.read_text()) | changes
    with path.open("w") as file:
        yaml.dump(values, file)
    return path


def test_a_record_that_is_not_there_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "nothing.yaml: cannot be read" in refused(tmp_path / "nothing.yaml", code=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"model: [me/child", ("not YAML, line 1", "mend or remove it")),
        (b"- a\n- b\n", ("expected the keys of a score record, found list",)),
        (b"", ("expected the keys of a score record",)),
        (b"\xff\xfe\x00", ("not UTF-8",)),
        (b"model: me/child\n", ("key 'architecture' is missing",)),
        (b"!!python/object/apply:os.system [ls]\n", ("not YAML",)),
    ],
)
def test_what_is_no_record_is_wrong_usage(
    refused: Callable[..., str], tmp_path: Path, content: bytes, words: tuple[str, ...]
) -> None:
    path = tmp_path / "record.yaml"
    path.write_bytes(content)
    said = refused(path, code=2)
    assert "record.yaml" in said
    for word in words:
        assert word in said


def test_the_record_of_another_model_is_refused(
    refused: Callable[..., str], record_of: Callable[..., Path]
) -> None:
    said = refused(record_of("me/other"), code=2)
    assert "is the record of me/other, not of me/child; name the right file" in said


def test_the_record_of_other_weights_is_refused(
    refused: Callable[..., str], record_of: Callable[..., Path]
) -> None:
    said = refused(record_of("me/child", weights_digest="sha256:" + "ab" * 32), code=3)
    assert "was measured on sha256:abababababab..., me/child holds sha256:" in said
    assert "probe it again" in said


def test_the_record_of_another_architecture_is_refused(
    refused: Callable[..., str], record_of: Callable[..., Path]
) -> None:
    said = refused(record_of("me/child", architecture="bert-base-uncased"), code=3)
    assert "says bert-base-uncased" in said
    assert "that of all-MiniLM-L6-v2; probe it again" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lp_accuracy": {"head": float("nan")}}, ("lp_accuracy.head", "finite")),
        ({"lp_accuracy": {"head": 156.0}, "lp_gain": None}, ("lp_accuracy.head", "100")),
        ({"predicted_gain": float("inf")}, ("predicted_gain", "finite")),
        ({"predicted_gain": 2.0}, ("predicted_gain and predicted_gain_interval go together",)),
        ({"lp_gain": {"linear": 3.0, "head": 40.0}}, ("lp_gain.head 40.0 lies outside",)),
    ],
)
def test_a_record_with_impossible_numbers_does_not_pass_the_gate(
    refused: Callable[..., str],
    record_of: Callable[..., Path],
    changes: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    said = refused(edited(record_of("me/child"), **changes), code=3)
    for word in words:
        assert word in said


def test_an_unknown_key_of_a_record_is_a_spelling_mistake(
    refused: Callable[..., str], record_of: Callable[..., Path]
) -> None:
    said = refused(edited(record_of("me/child"), lp_acuracy={"head": 50.0}), code=2)
    assert "unknown key 'lp_acuracy'" in said
