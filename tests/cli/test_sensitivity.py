"""``hubbot sensitivity`` and the data-set card, on the embedded Hub with real weights."""

import os
import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from hubbot.localhub.server import LocalHub

BASE = "sentence-transformers/all-MiniLM-L6-v2"
MINILM = "all-MiniLM-L6-v2"
DATA = "ann/films"
CARD = b"---\r\nlicense: mit # mine\r\n---\r\n# Films\r\n\r\nReviews.\r\n"
TWO_SEEDS = ("-a", MINILM, "--with", "me/child", "--seeds", "2")

Hubbot = Callable[..., Any]


@pytest.fixture
def on_hub(hub: LocalHub, films: Any) -> str:
    files = {f"{split}.csv": path for split, path in films.files.items()}
    hub.add_user("ann", "hf_ann")
    hub.add_dataset(DATA, {"README.md": CARD, **files})
    return DATA


def n_cells() -> int:
    with sqlite3.connect(os.environ["HUBBOT_LEDGER_FILE"]) as connection:
        return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])


def test_sending_opens_one_pull_request_and_a_second_run_leaves_it(
    hub: LocalHub,
    hubbot: Hubbot,
    child: str,
    on_hub: str,
    token: Callable[..., str],
    writes: Callable[[], list[str]],
) -> None:
    token("bot")
    command = ("sensitivity", on_hub, *TWO_SEEDS, "--send", "--yes", "--json")
    ran = hubbot(*command)
    assert ran.code == 0, ran.err
    (request,) = hub.pull_requests(on_hub, kind="datasets")
    card = hub.read_file(on_hub, "README.md", "refs/pr/1", kind="datasets")
    assert isinstance(card, bytes)
    assert card.startswith(CARD.rstrip()), "the owner's words stay byte for byte"
    assert f"{ran.json['gain']:+.1f}".lstrip("+-") in card.decode()
    assert "me/child" in card.decode()
    assert ran.json["protocol"] in card.decode()
    assert request.author == "bot"
    assert "discussions/1" in ran.err
    first = ran.json
    told = first.pop("card")
    assert (told["action"], told["url"]) == ("opened", f"{hub.url}/datasets/{DATA}/discussions/1")
    assert "+<!-- hubbot:begin -->" in told["diff"]

    before, sent = n_cells(), len(writes())
    again = hubbot(*command)
    assert again.code == 0, again.err
    told = again.json["card"]
    assert (told["action"], told["diff"]) == ("unchanged", "")
    assert {key: again.json[key] for key in first} == first
    assert (n_cells(), len(writes())) == (before, sent), "neither trained nor written again"
    assert len(hub.pull_requests(on_hub, kind="datasets")) == 1


def test_without_send_the_hub_is_only_read(
    hubbot: Hubbot, child: str, on_hub: str, writes: Callable[[], list[str]]
) -> None:
    ran = hubbot("sensitivity", on_hub, *TWO_SEEDS)
    assert ran.code == 0, ran.err
    assert writes() == []
    for words in ("me/child", "gain-minilm@1", "p-value", "as given", f"{DATA}: "):
        assert words in ran.out
    assert "+<!-- hubbot:begin -->" in ran.out, "the exact diff"
    assert f"{DATA}: Dry run: nothing was written" in ran.err


def test_the_numbers_are_printed_whatever_becomes_of_the_card(
    hub: LocalHub, hubbot: Hubbot, child: str, on_hub: str, token: Callable[..., str]
) -> None:
    token("bot")
    hub.faults.fail("POST", r"/api/datasets/ann/films/commit/main", 403)
    ran = hubbot("sensitivity", on_hub, *TWO_SEEDS, "--send", "--yes", "--json")
    assert ran.code == 4
    assert ran.json["card"] is None
    assert ran.json["seeds"] == 2


def test_a_copy_of_the_base_model_is_answered_for_but_never_sent(
    hub: LocalHub,
    hubbot: Hubbot,
    child: str,
    sound: Any,
    base_file: Any,
    on_hub: str,
    token: Callable[..., str],
    writes: Callable[[], list[str]],
) -> None:
    token("bot")
    hub.add_model("me/copy", {**sound, "model.safetensors": base_file})
    ran = hubbot(
        *("sensitivity", on_hub, "-a", MINILM, "--with", "me/copy", "--seeds", "2"),
        *("--send", "--yes", "--json"),
    )
    assert ran.code == 3, ran.err
    assert ran.json["gain"] == 0
    assert ran.json["card"]["action"] == "skipped"
    assert "no difference" in ran.json["verdict"]
    assert "holds the base model's weights" in ran.err
    assert writes() == []


def test_sizes_beyond_the_rows_are_all_of_them_and_each_is_drawn(
    hubbot: Hubbot, child: str, films: Any, tmp_path: Any
) -> None:
    plot = tmp_path / "sizes.svg"
    ran = hubbot("sensitivity", *films.options, *TWO_SEEDS, "--sizes", "900,64,all", "--plot", plot)
    assert ran.code == 0, ran.err
    assert "gain-minilm@1\n" in re.sub(" +\n", "\n", ran.out), "one size, that of the whole file"
    assert "<svg" in plot.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (("--to-see", "nan"), "--to-see nan"),
        (("--to-see", "200"), "up to 100 points"),
        (("--to-see", "0"), "above 0"),
        (("--yes",), "--yes goes with --send"),
        (("--plot", "sizes.gif"), ".png or .svg"),
        (("--sizes", "1,all"), "training size 1"),
        (("--with", "bert-tiny-of-nobody"), "bert-tiny-of-nobody"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_trained(
    hubbot: Hubbot, child: str, films: Any, more: tuple[str, ...], match: str
) -> None:
    ran = hubbot("sensitivity", *films.options, *TWO_SEEDS, *more)
    assert ran.code in (2, 4)
    assert match in ran.err
    assert "seed 0" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("absent.csv",), "absent.csv"),
        (("mnli",), "leave --data-dir (HUBBOT_DATA_DIR) out"),
        (("mnli", "--max-rows", "500"), "fixes its columns"),
        ((DATA, "--with", "./folder"), "readers of a card cannot get"),
    ],
)
def test_what_no_card_can_name_is_refused_before_anything_is_trained(
    hub: LocalHub,
    hubbot: Hubbot,
    child: str,
    on_hub: str,
    token: Callable[..., str],
    arguments: tuple[str, ...],
    match: str,
) -> None:
    token("bot")
    ran = hubbot("sensitivity", *arguments[:1], *TWO_SEEDS, "--send", "--yes", *arguments[1:])
    assert ran.code == 2
    assert match in ran.err
    assert not [one for one in hub.log if "model.safetensors" in one.target]
