"""Start-up, time and memory of ``hubbot rank``, packaged rows and 100,000 made-up ones.

Every run is a fresh process, an empty Python in turn with it; medians and the greatest resident
memory are printed. The made-up models have LPs on the grid of the MNLI test set, every fifth a
measured gain, every tenth a licence.

    python benchmarks/rank.py [--rounds 7] [--rows 100000]
"""

import argparse
import csv
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LIMITS = {"packaged": (1.5, 500.0), "table": (3.0, 500.0)}
"""Seconds and MB that a run should stay under."""

EMPTY = ["-c", "pass"]


def write_table(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    lp = 100 * rng.integers(5200, 8600, n) / 9832
    gain = np.clip(0.06 * (lp - 60) + rng.normal(0, 0.6, n), -20, 3)
    words = ("sst2", "squad", "mnli", "multitask", "ner", "clinical", "tweets", "qqp")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "model", "lp_accuracy", "measured_gain", "licence"])
        for row in range(n):
            measured = f"{gain[row]:.4f}" if row % 5 == 0 else ""
            licence = "apache-2.0" if row % 10 == 0 else ""
            name = f"owner{row % 4001}/roberta-base-{words[row % len(words)]}-{row}"
            writer.writerow(["roberta-base", name, f"{lp[row]:.4f}", measured, licence])


def run(arguments: list[str]) -> tuple[float, float]:
    """Run a Python; gives seconds and the greatest resident memory in MB."""
    begun = time.perf_counter()
    nothing = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(
        sys.executable, [sys.executable, *arguments], os.environ, file_actions=nothing
    )
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def measure(name: str, arguments: list[str], rounds: int) -> None:
    empty, seconds, memory = [], [], []
    run(["-m", "hubbot", *arguments])
    for _ in range(rounds):
        empty.append(run(EMPTY)[0])
        took, used = run(["-m", "hubbot", *arguments])
        seconds.append(took)
        memory.append(used)
    limit_s, limit_mb = LIMITS[name]
    print(
        json.dumps(
            {
                "what": " ".join(["hubbot", *arguments[:2]]) + f" ({name})",
                "rounds": rounds,
                "empty_python_s": round(statistics.median(empty), 3),
                "median_s": round(statistics.median(seconds), 3),
                "slowest_s": round(max(seconds), 3),
                "peak_mb": round(max(memory), 1),
                "limits": {"s": limit_s, "mb": limit_mb},
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HUBBOT_RECORDS_DIR"] = str(Path(folder) / "scores")
        table = Path(folder) / "models.csv"
        write_table(table, asked.rows)
        measure("packaged", ["rank", "roberta-base"], asked.rounds)
        measure("packaged", ["rank", "bert-base-uncased", "--all", "--json"], asked.rounds)
        measure("table", ["rank", "roberta-base", "--from", str(table)], asked.rounds)


if __name__ == "__main__":
    main()
