"""Start-up of the commands that must answer at once, beside an empty Python.

Both sides run in turn (A B A B) from this one process; the medians and their ratio are printed.

    python benchmarks/startup.py [--rounds 9]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hubbot.publishing.card import annotate
from hubbot.records.from_published import published_record

MODEL = "ibm/ColD-Fusion-itr13-seed0"
EMPTY = ["-c", "pass"]


def commands(folder: Path) -> dict[str, list[str]]:
    """The commands by name; ``show`` reads an annotated card from ``folder``."""
    record = published_record("roberta-base", MODEL, revision="0" * 40)
    (folder / "README.md").write_bytes(annotate(b"# A model\n", record))
    predict = ["predict", "-a", "roberta-base", "--lp-accuracy", "72.5"]
    return {
        "hubbot --help": ["-m", "hubbot", "--help"],
        "hubbot predict": ["-m", "hubbot", *predict],
        "hubbot show": ["-m", "hubbot", "show", str(folder)],
    }


def seconds(arguments: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        measure(commands(Path(folder)), rounds)


def measure(programs: dict[str, list[str]], rounds: int) -> None:
    for name, arguments in programs.items():
        empty, command = [], []
        seconds(arguments)
        for _ in range(rounds):
            empty.append(seconds(EMPTY))
            command.append(seconds(arguments))
        a, b = statistics.median(empty), statistics.median(command)
        print(
            json.dumps(
                {
                    "command": name,
                    "median_s": round(b, 3),
                    "least_s": round(min(command), 3),
                    "empty_python_s": round(a, 3),
                    "ratio": round(b / a, 1),
                }
            )
        )


if __name__ == "__main__":
    main()
