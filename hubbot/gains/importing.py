"""Published results made into the small tables under ``data/``; run by hand, not on the path.

``python -m hubbot.gains.importing models_tested.csv DEST.csv`` writes the rows of the
model-recycling results that can be used: complete, aligned, LP measured, not copied (their
``usable`` column), and with a probe that learned something (``lp_is_class_prior``): an LP that
hubbot's own gate would refuse cannot be in its calibration either. The base models' own rows are
left out too: their gain over themselves is seed noise.
"""

import csv
import sys
from pathlib import Path

COLUMNS = ("architecture", "model", "lp_accuracy", "avg_gain")
_NEEDED = ("model_name", "base_model", "mnli_lp", "avg_gain", "usable", "lp_is_class_prior")


def import_model_recycling(source: Path, destination: Path) -> int:
    """Write the usable rows of the published table and return how many there are.

    Args:
        source: ``models_tested.csv``; ``mnli_lp`` as a fraction, ``avg_gain`` in points.
        destination: CSV to write; LP accuracy and gain in points, ordered by name.

    Raises:
        ValueError: If a column is missing.
    """
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(_NEEDED) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{source}: column(s) {sorted(missing)} are missing")
        rows = [
            (row["base_model"], row["model_name"], f"{100 * float(row['mnli_lp']):.4f}", gain)
            for row in reader
            if row["usable"] == "True"
            and row["lp_is_class_prior"] != "True"
            and row["model_name"] != row["base_model"]
            for gain in [f"{float(row['avg_gain']):.4f}"]
        ]
    with destination.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(rows))
    return len(rows)


if __name__ == "__main__":
    import_model_recycling(Path(sys.argv[1]), Path(sys.argv[2]))
