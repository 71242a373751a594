"""``hubbot discover`` on a long list: peak memory, calls against pages, time per 1,000 models.

``python benchmarks/discover.py [--models 100000]`` starts the embedded Hub in a process of its own,
lists models of mixed kinds on it, and runs the command three times, each in a process of its own:
on an empty ledger, with nothing new, and with some models changed. The peak is of resident memory,
as the system counts it for the whole process. Exit status 1 where the memory or the calls are more
than they may be.
"""

import argparse
import itertools
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hubbot.bot.triage import queries_of
from hubbot.catalog.architectures import load_architectures
from hubbot.localhub.server import LocalHub
from hubbot.schema import Architecture

PAGE = 1000
MOST_MB = 300.0
MOST_EXTRA_CALLS = 0.01
START = datetime(2020, 1, 1, tzinfo=UTC)
OFTEN, SELDOM = 0.5, 0.05
"""Shares: of models that declare their base model, and of those with one of the defects below."""


def a_model(number: int, entry: Architecture, chance: random.Random) -> dict[str, Any]:
    """One listed model, with a header as long as people write them."""
    card: dict[str, Any] = {
        "license": "mit",
        "language": ["en"],
        "datasets": ["you/data"],
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": f"m{number}", "results": [{"task": {"type": "x"}}] * 3}],
        "widget": [{"text": "An example of some length, as a page of a model shows it."}] * 3,
    }
    if chance.random() < OFTEN:
        card["base_model"] = entry.hub_id
    item: dict[str, Any] = {
        "id": f"owner{number % 997}/model-{number:06}",
        "config": {"model_type": entry.model_type},
        "cardData": card,
        "safetensors": {"parameters": {"F32": entry.parameters}, "total": entry.parameters},
        "downloads": int(10 ** (chance.random() * 5)),
        "likes": chance.randrange(30),
        "lastModified": (START + timedelta(minutes=25 * number)).isoformat(),
    }
    defects: tuple[dict[str, Any], ...] = (
        {"gated": "auto"},
        {"library_name": "peft"},
        {"safetensors": None},
        {"safetensors": {"parameters": {"F32": 5}, "total": 5}},
        {"cardData": card | {"language": "de"}},
        {"cardData": card | {"hubbot": False}},
    )
    for defect in defects:
        if chance.random() < SELDOM:
            item |= defect
    return item


def models(count: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(0)  # noqa: S311 - no secret
    entries = itertools.cycle(load_architectures())
    return (a_model(number, next(entries), chance) for number in range(count))


# The Hub's process


def serve(count: int) -> None:
    """Serve until standard input ends; each line asks for the calls since the line before."""
    with LocalHub() as hub:
        hub.add_listed(models(count))
        tags = Counter(tag for item in hub.state.listed.entries() for tag in item.tags)
        queries = [query[0] for query in queries_of(load_architectures())]
        pages = sum(max(1, math.ceil(tags[query] / PAGE)) for query in queries)
        print(json.dumps({"url": hub.url, "pages": pages, "queries": len(queries)}), flush=True)
        for line in sys.stdin:
            calls = [one.status for one in hub.log if one.path == "/api/models"]
            # The client asks once a day for a file of its own.
            others = [one.path for one in hub.log if one.path != "/api/models"]
            print(json.dumps({"calls": calls, "others": others}), flush=True)
            hub.clear_log()
            for number in range(int(line)):
                now = datetime.now(UTC)
                hub.change_listed(
                    f"owner{number % 997}/model-{number:06}", lastModified=now, sha=f"{number:040x}"
                )


# The measuring process


def run(url: str, folder: Path) -> dict[str, Any]:
    """Run the command in a process of its own and return what it took."""
    environment = os.environ | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(folder / "hf"),
        "HUBBOT_LEDGER_FILE": str(folder / "ledger.sqlite"),
        "OMP_NUM_THREADS": "1",
    }
    begun = time.monotonic()
    with (folder / "out.json").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hubbot", "discover", "--json"],
            env=environment,
            cwd=folder,
            stdout=out,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"hubbot discover ended with {process.returncode}: {said}")
    return {
        "seconds": time.monotonic() - begun,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "rows": count_rows(folder / "out.json"),
        "said": said,
    }


def count_rows(path: Path) -> int:
    """Count the items of a printed list, one a line.

    They are not held at once: what this process has in memory counts as its children's peak, whose
    memory is its own until they become another program.
    """
    with path.open(encoding="utf-8") as file:
        lines = (line.strip().rstrip(",") for line in file)
        return sum(1 for line in lines if line not in ("[", "]") and json.loads(line)["model"])


def main() -> None:
    """Start the Hub, measure three runs, print, and say whether all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=50, help="models changed before the third")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.models)
        return
    command = [sys.executable, __file__, "--serve", "--models", str(options.models)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        hub = json.loads(server.stdout.readline())
        bounds = {"first": hub["pages"], "nothing new": hub["queries"], "changed": hub["queries"]}
        is_good = True
        for number, (name, pages) in enumerate(bounds.items()):
            found = run(hub["url"], Path(folder))
            server.stdin.write(f"{options.changed if number == 1 else 0}\n")
            server.stdin.flush()
            log = json.loads(server.stdout.readline())
            calls, others = log["calls"], log["others"]
            per_thousand = 1000 * found["seconds"] / options.models
            print(
                f"{name}: {found['rows']} models in the ledger, {len(calls)} calls for {pages} "
                f"pages (and {' '.join(others) or 'no others'}), peak {found['peak_mb']:.0f} MB, "
                f"{found['seconds']:.1f} s, of which {found['cpu']:.1f} s computing: "
                f"{per_thousand:.3f} s per 1,000 models"
            )
            print("  " + found["said"].strip().replace("\n", "\n  "))
            is_good &= found["peak_mb"] < MOST_MB and set(calls) == {200}
            is_good &= len(calls) + len(others) <= max(pages + 1, pages * (1 + MOST_EXTRA_CALLS))
        server.stdin.close()
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
