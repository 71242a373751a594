"""The papers' tables that travel with hubbot, as matrices of gains and as columns."""

from dataclasses import replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np

from hubbot.gains.analysis.matrix import Floats, GainMatrix
from hubbot.gains.analysis.reading import read_matrix, with_sds
from hubbot.gains.table import Table, read_table

SEEDS = 5
"""Runs behind each gain of Figure 1."""


def paper_table(
    file: str, *, text: tuple[str, ...], numbers: tuple[str, ...] | None = None
) -> Table:
    """Read one packaged table.

    Args:
        file: Name below ``hubbot/gains/data/papers``.
        text: Columns of text.
        numbers: Columns of numbers; None for all others.
    """
    with resources.as_file(_folder().joinpath(file)) as path:
        return read_table(path, text=text, numbers=numbers)


@cache
def in_house() -> GainMatrix:
    """Return Figure 1: RoBERTa-base, 22 sources on 22 targets, diagonal empty, with Figure 5."""
    with (
        resources.as_file(_folder().joinpath("fig1_inhouse_gains.csv")) as gains,
        resources.as_file(_folder().joinpath("fig5_inhouse_stds.csv")) as sds,
    ):
        return with_sds(read_matrix(gains, name_column="source"), sds, name_column="source")


@cache
def t5_in_house() -> GainMatrix:
    """Return Figure 13: T5, 14 sources on 14 targets, diagonal printed."""
    with resources.as_file(_folder().joinpath("fig13_t5_inhouse_gains.csv")) as path:
        return read_matrix(path)


@cache
def off_the_shelf(*, only_sound: bool) -> GainMatrix:
    """Return Figure 6, with the LP gain and mean gain of Table 4 as rankings.

    Args:
        only_sound: Leave out the nine rows that do not match their printed average.
    """
    with resources.as_file(_folder().joinpath("fig6_offtheshelf_gains.csv")) as path:
        matrix = read_matrix(path)
    rows = paper_table("fig6_offtheshelf_gains.csv", text=("fig6_label", "row_ok"), numbers=())
    sound = {
        name
        for name, is_ok in zip(rows.text["fig6_label"], rows.text["row_ok"], strict=True)
        if is_ok == "True"
    }
    models = table_4()
    matrix = replace(
        matrix,
        rankings={
            column: _by_label(matrix.sources, models, column)
            for column in ("mnli_lp_gain", "avg_gain")
        },
    )
    return matrix.select(sources=sound) if only_sound else matrix


@cache
def table_4() -> Table:
    """Return Table 4: 66 models of the Hub with mean gain and LP gain, points."""
    return paper_table(
        "table4_offtheshelf_models.csv",
        text=("model_id", "fig6_label", "name_truncated"),
        numbers=("avg_gain", "mnli_lp_gain"),
    )


def general_targets() -> tuple[str, ...]:
    """Return the 14 General targets, of which four are counted as NLI in Figure 1."""
    return t5_in_house().targets


def training_sizes(names: tuple[str, ...]) -> Floats:
    """Return the number of training rows of data sets, in the order asked for.

    Args:
        names: As in Figure 1.
    """
    table = paper_table("training_sizes.csv", text=("dataset",), numbers=("n_train",))
    size = dict(zip(table.text["dataset"], table.numbers["n_train"], strict=True))
    return np.array([size[name] for name in names])


def _by_label(names: tuple[str, ...], models: Table, column: str) -> Floats:
    value = dict(zip(models.text["fig6_label"], models.numbers[column], strict=True))
    return np.array([value.get(name, np.nan) for name in names])


def _folder() -> Traversable:
    return resources.files("hubbot.gains").joinpath("data", "papers")
