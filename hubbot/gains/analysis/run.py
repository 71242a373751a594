"""``hubbot analyse`` in one call: a file in, its analysis out."""

from collections.abc import Collection, Sequence
from pathlib import Path

from hubbot.extras import require_extra
from hubbot.gains.analysis.reading import read_matrix, with_groups, with_sds
from hubbot.gains.analysis.report import DEFAULT_TOP, Analysis, analyse_matrix
from hubbot.gains.pictures.draw import check_plot_path, draw_gains_matrix
from hubbot.gains.table import Units


def analyse_file(
    path: Path,
    *,
    name_column: str | None = None,
    rankings: Collection[str] = (),
    ignore: Collection[str] = (),
    group_column: str | None = None,
    groups: Path | None = None,
    sds: Path | None = None,
    seeds: int | None = None,
    units: Units | None = None,
    top: Sequence[int] = DEFAULT_TOP,
    restarts: int = 20,
    shuffles: int = 100,
    seed: int = 0,
    plot: Path | None = None,
) -> Analysis:
    """Analyse a CSV file of gains.

    Args:
        path: One row per source, one column per target.
        name_column: Column with the sources' names.
        rankings: Columns by which sources can be ranked.
        ignore: Columns to leave out.
        group_column: Column with the sources' groups.
        groups: CSV with the columns ``name`` and ``group``.
        sds: CSV of the same layout with standard deviations.
        seeds: Seeds behind each gain, for standard errors.
        units: Unit of gains and standard deviations; None for points, fractions refused.
        top: How many best-ranked sources are tried.
        restarts: Random starts of the interaction fit.
        shuffles: Shuffled matrices to compare with.
        seed: Of starts and shuffles.
        plot: ``.png`` or ``.svg`` file to draw the matrix into; None for no picture.

    Raises:
        SettingsError: If the extra ``analysis`` is missing or a file is not what it should be.
    """
    require_extra("analysis", purpose="hubbot analyse")
    if plot is not None:
        check_plot_path(plot)
    matrix = read_matrix(
        path,
        name_column=name_column,
        rankings=rankings,
        ignore=ignore,
        group_column=group_column,
        units=units,
    )
    if groups is not None:
        matrix = with_groups(matrix, groups)
    if sds is not None:
        matrix = with_sds(matrix, sds, units=units)
    if plot is not None:
        draw_gains_matrix(matrix, plot, source=path.name)
    return analyse_matrix(
        matrix, top=top, restarts=restarts, shuffles=shuffles, seed=seed, seeds=seeds
    )
