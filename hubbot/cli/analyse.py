"""``hubbot analyse``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hubbot.cli.options import AsJson
from hubbot.cli.output import note, points, print_json, print_pairs, print_table, print_text

if TYPE_CHECKING:
    from hubbot.gains.analysis.correlation import Correlation
    from hubbot.gains.analysis.papers.claims import Claim
    from hubbot.gains.analysis.report import Analysis

_ROWS_SHOWN = 10
"""Rows of a long table on a terminal; ``--json`` has them all."""


File = Annotated[
    Path | None,
    typer.Argument(help="CSV of gains in points: a row per source, a column per target."),
]
Paper = Annotated[bool, typer.Option("--paper", help="Recompute the claims of the papers instead.")]
NameColumn = Annotated[
    str | None,
    typer.Option("--name-column", metavar="COL", help="Names of the sources (else the first)."),
]
Rankings = Annotated[
    list[str] | None,
    typer.Option("--ranking", metavar="COL", help="Column to rank sources by; repeatable."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COL", help="Column that is no target; repeatable."),
]
GroupColumn = Annotated[
    str | None, typer.Option("--group-column", metavar="COL", help="Groups of the sources.")
]
GroupFile = Annotated[
    Path | None,
    typer.Option("--groups", metavar="FILE", help="CSV with the columns name and group."),
]
SdFile = Annotated[
    Path | None,
    typer.Option("--sds", metavar="FILE", help="CSV like FILE with standard deviations."),
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="Seeds behind each gain, for errors.")
]
UnitsOf = Annotated[
    Literal["points", "fractions"] | None,
    typer.Option("--units", help="Unit of the numbers; fractions are converted."),
]
Top = Annotated[
    list[int] | None,
    typer.Option("--top", metavar="N", min=1, help="Sources tried; repeatable (1 and 3)."),
]
Restarts = Annotated[
    int, typer.Option("--restarts", min=0, max=1000, help="Random starts of the fit.")
]
Shuffles = Annotated[
    int, typer.Option("--shuffles", min=0, max=10_000, help="Shuffled matrices to fit.")
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE.{png,svg}", help="Draw the matrix as a heat map."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of starts and shuffles.")]


def analyse_command(
    file: File = None,
    paper: Paper = False,
    name_column: NameColumn = None,
    ranking: Rankings = None,
    ignore: Ignore = None,
    group_column: GroupColumn = None,
    groups: GroupFile = None,
    sds: SdFile = None,
    seeds: Seeds = None,
    units: UnitsOf = None,
    top: Top = None,
    restarts: Restarts = 20,
    shuffles: Shuffles = 100,
    seed: Seed = 0,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Analyse a matrix of gains, sources by targets, or recompute the papers' claims.

    Example: hubbot analyse gains.csv --ranking lp_gain --groups groups.csv
    """
    if paper == (file is not None):
        raise typer.BadParameter("expected FILE.csv or --paper, one of the two")
    if paper:
        if plot is not None:
            raise typer.BadParameter("--plot draws the matrix of a FILE.csv; leave out --paper")
        from hubbot.gains.analysis.papers.run import paper_claims

        claims = paper_claims(restarts=restarts, shuffles=shuffles, seed=seed)
        print_json(claims) if as_json else _print_claims(claims)
        return
    from hubbot.gains.analysis.report import DEFAULT_TOP
    from hubbot.gains.analysis.run import analyse_file

    assert file is not None  # noqa: S101  (told from --paper above; for the type checker)
    analysis = analyse_file(
        file,
        name_column=name_column,
        rankings=ranking or (),
        ignore=ignore or (),
        group_column=group_column,
        groups=groups,
        sds=sds,
        seeds=seeds,
        units=units,
        top=top or DEFAULT_TOP,
        restarts=restarts,
        shuffles=shuffles,
        seed=seed,
        plot=plot,
    )
    if plot is not None:
        note(f"wrote {plot}")
    print_json(analysis) if as_json else _print_analysis(analysis)


def _print_claims(claims: "list[Claim]") -> None:
    print_table(
        "Claims of the papers, recomputed from their printed tables",
        ("claim", "published", "recomputed", "verdict"),
        [(c.claim, _value(c.published), _value(c.recomputed), c.verdict) for c in claims],
    )
    for claim in claims:
        print_text(f"* {claim.claim} ({claim.where})" + (f": {claim.note}" if claim.note else ""))
    counts = dict.fromkeys(sorted({claim.verdict for claim in claims}), 0)
    for claim in claims:
        counts[claim.verdict] += 1
    print_text(f"{len(claims)} claims: " + ", ".join(f"{n} {name}" for name, n in counts.items()))


def _value(value: float | str | None) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return value or "-"


def _print_analysis(analysis: "Analysis") -> None:
    _print_matrix(analysis)
    _print_regression(analysis)
    _print_losses(analysis)
    _print_correlations(analysis)
    _print_groups(analysis)


def _print_matrix(analysis: "Analysis") -> None:
    matrix, counts, symmetry = analysis.matrix, analysis.significance, analysis.symmetry
    pairs = [
        ("matrix", f"{matrix.name}: {matrix.n_sources} sources, {matrix.n_targets} targets"),
        ("known cells", f"{matrix.n_cells} of {matrix.n_sources * matrix.n_targets}"),
        ("mean gain", f"{points(matrix.mean, signed=True)} points"),
        ("positive cells", f"{counts.positive_cells} of {counts.cells}"),
        ("sources with a positive mean", f"{counts.positive_sources} of {counts.sources}"),
    ]
    for text, beyond in (("SD", counts.beyond_two_sd), ("SE", counts.beyond_two_se)):
        if beyond is not None:
            pairs.append(
                (f"beyond 2 {text}", f"{beyond.positive} above, {beyond.negative} below zero")
            )
    if symmetry.s is None:
        pairs.append(("symmetry s", f"none: {symmetry.note}"))
    else:
        shuffled = (
            f"; shuffled {symmetry.shuffled_mean:+.3f}, SD {symmetry.shuffled_sd:.3f}"
            if symmetry.shuffled_mean is not None and symmetry.shuffled_sd is not None
            else ""
        )
        pairs.append(
            (
                "symmetry s",
                f"{symmetry.s:+.3f} over {symmetry.n_pairs} pairs (1 symmetric{shuffled})",
            )
        )
    print_pairs(pairs)
    if matrix.left_out:
        note(f"not taken for targets: {', '.join(matrix.left_out)}")
    if matrix.empty:
        note(f"without any gain: {', '.join(matrix.empty[:_ROWS_SHOWN])}")


def _print_regression(analysis: "Analysis") -> None:
    fits, shuffled = analysis.regression, analysis.regression.shuffled
    spreads = (
        (None,) * 5
        if shuffled is None
        else (
            shuffled.interaction,
            shuffled.additive,
            shuffled.target_only,
            shuffled.base_only,
            None,
        )
    )
    named = (
        ("(b_i + t_j) u_j", fits.interaction.fit),
        ("b_i + t_j", fits.additive),
        ("target only, t_j", fits.target_only),
        ("base model only, b_i", fits.base_only),
        ("one number", fits.constant),
    )
    print_table(
        "Regression: mean squared error, squared points",
        ("gain =", "parameters", "MSE", "per degree of freedom", "cell left out", "shuffled (SD)"),
        [
            (
                name,
                str(fit.n_parameters),
                points(fit.mse),
                points(fit.mse_per_df),
                points(fit.mse_left_out),
                "-" if spread is None else f"{spread.mean:.2f} ({spread.sd:.2f})",
            )
            for (name, fit), spread in zip(named, spreads, strict=True)
        ],
    )
    interaction = fits.interaction
    exact = "" if interaction.closed_form_mse is None else ", the closed form among them"
    print_text(
        f"{interaction.starts_agreeing} of {interaction.starts} starts reached the least MSE"
        f"{exact}; the minima found differ by {interaction.minima_spread:.2g}."
    )
    if fits.note:
        print_text(fits.note)


def _print_losses(analysis: "Analysis") -> None:
    from hubbot.gains.analysis.report import BY_MEAN, BY_MEAN_OF_OTHERS

    print_table(
        "Lost gain with the n best-ranked sources, points",
        ("ranked by", "n", "mean", "max", "targets that lose over 1", "chosen"),
        [
            (
                name,
                n,
                points(loss.mean),
                points(loss.greatest),
                f"{loss.n_above_one} of {loss.n_targets}",
                ", ".join(loss.chosen[:3]) + (", ..." if len(loss.chosen) > 3 else ""),
            )
            for name, losses in analysis.selection_loss.items()
            for n, loss in losses.items()
        ],
    )
    print_text(
        f"'{BY_MEAN}', or by a column made from these gains, is judged by the gains that made it: "
        f"it beats a random choice even on noise. By '{BY_MEAN_OF_OTHERS}' every target has a list "
        "of its own, made without it."
    )


def _print_correlations(analysis: "Analysis") -> None:
    if analysis.correlation.rankings:
        print_table(
            "Ranking columns against the mean gain of the sources",
            ("column", "Pearson (p)", "Spearman (p)", "n", "line"),
            [
                (
                    name,
                    *_correlation(found.correlation),
                    "-"
                    if found.slope is None or found.intercept is None
                    else f"{found.slope:.4f} x {found.intercept:+.3f}",
                )
                for name, found in analysis.correlation.rankings.items()
            ],
        )
    rows = sorted(
        analysis.correlation.rows.items(),
        key=lambda item: -abs(item[1].with_max_of_others.pearson or 0.0),
    )
    print_table(
        "Which source tells what a target can gain: its gains against the best of the others"
        + (f" (first {_ROWS_SHOWN} of {len(rows)})" if len(rows) > _ROWS_SHOWN else ""),
        ("source", "Pearson (p)", "Spearman (p)", "n"),
        [(name, *_correlation(row.with_max_of_others)) for name, row in rows[:_ROWS_SHOWN]],
    )
    tested = analysis.correlation.n_rows_tested
    if tested > 1:
        print_text(
            f"Strongest first, each p for its source alone: of {tested} sources tested, "
            f"{0.05 * tested:.1f} are expected to have p below 0.05 by chance; all {tested} taken "
            f"together, p below {0.05 / tested:.2g} is significant (Bonferroni)."
        )


def _correlation(found: "Correlation") -> tuple[str, str, str]:
    def told(value: float | None, p: float | None) -> str:
        return "-" if value is None or p is None else f"{value:+.3f} ({p:.2g})"

    return (
        told(found.pearson, found.pearson_p),
        told(found.spearman, found.spearman_p),
        str(found.n),
    )


def _print_groups(analysis: "Analysis") -> None:
    if analysis.groups is None:
        return
    groups = analysis.groups
    targets = list(dict.fromkeys(mean.targets for mean in groups.means))
    sources = list(dict.fromkeys(mean.sources for mean in groups.means))
    cell = {(mean.sources, mean.targets): points(mean.mean, signed=True) for mean in groups.means}
    print_table(
        "Mean gain by group, points",
        ("sources", *targets),
        [(source, *(cell[source, target] for target in targets)) for source in sources],
    )
    print_table(
        "ANOVA over cells (not independent: p is too small)",
        ("targets", "same group against other, p", "all groups, p"),
        [
            (
                test.targets,
                *(
                    "-" if found.p is None else f"{found.p:.2g}"
                    for found in (test.same_against_other, test.all_groups)
                ),
            )
            for test in groups.tests
        ],
    )
    if groups.n_without_group:
        note(f"{groups.n_without_group} sources and targets have no group and are left out here")
