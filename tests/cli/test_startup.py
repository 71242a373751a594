"""What is imported when: commands that read start without the libraries that measure."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "evaluate",
    "sklearn",
    "scipy",
    "pyarrow",
    "accelerate",
}

_SCRIPT = """
import sys
{statement}
print(*sorted(set(sys.modules) & set({names!r})), file=sys.stderr)
"""


def imported(statement: str) -> tuple[str, str]:
    """Run a statement in a fresh process; gives its output and the heavy modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(statement=statement, names=sorted(HEAVY))],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return done.stdout, done.stderr.splitlines()[-1]


def command(*arguments: str) -> str:
    return f"from hubbot.cli import main; assert main({list(arguments)!r}) == 0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("probe", "--help"),
        ("predict", "--architecture", "roberta-base", "--lp-accuracy", "72.5"),
        ("predict", "-a", "roberta-base", "--lp-gain", "12", "--protocol", "lp-mnli"),
        ("predict", "-a", "roberta-base", "--lp-accuracy", "72.5", "--quick-rte", "76"),
        ("calibrate", "--dry-run"),
    ],
)
def test_a_command_that_measures_nothing_imports_nothing_heavy(
    environment: Path, arguments: tuple[str, ...]
) -> None:
    out, heavy = imported(command(*arguments))
    assert out
    assert heavy == ""


def test_show_and_annotate_with_a_record_import_nothing_heavy(
    hub: LocalHub,
    sound: dict[str, Any],
    environment: Path,
    token: Callable[..., str],
    record_of: Callable[..., Path],
) -> None:
    token("me")
    hub.add_model("me/child", sound)
    out, heavy = imported(
        command("annotate", "me/child", "--record", str(record_of("me/child")), "--send", "--json")
    )
    assert '"opened"' in out
    assert heavy == ""
    hub.merge_pull_request("me/child", 1, "me")
    out, heavy = imported(command("show", "me/child", "--json"))
    assert '"lp_accuracy"' in out
    assert heavy == ""


def test_predict_does_not_import_the_hubs_client(environment: Path) -> None:
    names = "{'huggingface_hub', 'httpx2'}"
    out, _ = imported(
        command("predict", "-a", "roberta-base", "--lp-gain", "12")
        + f"; print('HUB', *(set(sys.modules) & {names}))"
    )
    assert out.splitlines()[-1] == "HUB"


def test_the_python_interface_imports_what_it_needs_when_it_is_called(environment: Path) -> None:
    out, heavy = imported(
        "from hubbot import annotate, predict, probe, show\n"
        "print(predict('roberta-base', lp_accuracy=72.5).architecture)"
    )
    assert out == "roberta-base\n"
    assert heavy == ""


def test_an_unknown_name_of_the_python_interface_is_an_attribute_error() -> None:
    import hubbot

    with pytest.raises(AttributeError, match="no attribute 'rnak'; it has"):
        hubbot.rnak  # noqa: B018


def test_the_python_interface_gives_the_values_of_the_commands(
    hubbot: Callable[..., Any],
) -> None:
    from hubbot import predict

    value = predict("roberta-base", lp_gain=12.0, protocol="lp-mnli")
    told = hubbot(
        "predict", "-a", "roberta-base", "--lp-gain", "12", "--protocol", "lp-mnli", "--json"
    ).json
    assert told["gain"] == value.gain
    assert tuple(told["interval"]) == value.interval
