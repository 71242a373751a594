"""Pictures into files: what ``--plot FILE`` calls.

matplotlib is imported when a picture is drawn, not before: ``hubbot --help`` starts at once, and
an installation without the extra ``analysis`` is told what to install.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.calibration import Calibration
from hubbot.outcomes import Sensed, SourceSize

SUFFIXES = (".png", ".svg")
"""Kinds of file a picture can be written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One checkpoint to be marked in a picture, with its prediction."""

    name: str
    """Hub id or any other name."""
    lp: float
    """LP on the scale of the calibration, points."""
    gain: float
    """Predicted gain, points."""
    interval: tuple[float, float]
    """Lower and upper end, points."""


def check_plot_path(path: Path) -> None:
    """Refuse a file that no picture can be written to, before long work is begun for it.

    Args:
        path: Where the picture shall go; a file that is there will be replaced.

    Raises:
        SettingsError: If the suffix is neither .png nor .svg, the folder is missing, the path is a
            folder or cannot be written to, or the extra ``analysis`` is missing.
    """
    if path.suffix.lower() not in SUFFIXES:
        found = repr(path.suffix) if path.suffix else "none"
        raise SettingsError(
            f"{path}: pictures are written as {' or '.join(SUFFIXES)}, found {found} as suffix; "
            f"try {path.with_suffix('.png').name}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise SettingsError(
            f"{path}: there is no folder {folder}; expected one that exists: make it first, or "
            "choose another"
        )
    if path.is_dir():
        raise SettingsError(f"{path}: this is a folder; expected the name of a file for a picture")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise SettingsError(
            f"{path}: no permission to write there; expected a file that you may write: choose "
            "another folder"
        )
    require_extra("analysis", purpose="a picture (--plot)")


def draw_lp_against_gain(
    calibration: Calibration, path: Path, *, marked: Sequence[Marked] = ()
) -> None:
    """Draw LP against gain: every model of a calibration, the expected gain and its 90 % band.

    Args:
        calibration: From ``load_calibrations``, for a group of targets predicted from LP.
        path: Ends in .png or .svg.
        marked: Checkpoints to mark, at most some ten.

    Raises:
        SettingsError: As ``check_plot_path``; if the calibration cannot predict from LP alone, or
            the file cannot be written.
    """
    check_plot_path(path)
    from hubbot.gains.pictures.canvas import drawing, save
    from hubbot.gains.pictures.lp_against_gain import lp_against_gain

    with drawing():
        save(lp_against_gain(calibration, marked=marked), path)


def draw_gains_matrix(matrix: GainMatrix, path: Path, *, source: str = "") -> None:
    """Draw a matrix of gains as a heat map, significant cells starred where SDs are known.

    Args:
        matrix: Sources by targets, points.
        path: Ends in .png or .svg.
        source: Where the numbers come from and when, for the line below the picture.

    Raises:
        SettingsError: As ``check_plot_path``; if no gain is known, or the file cannot be written.
    """
    check_plot_path(path)
    from hubbot.gains.pictures.canvas import drawing, save
    from hubbot.gains.pictures.gains_matrix import gains_matrix

    with drawing():
        save(gains_matrix(matrix, source=source), path)


def draw_calibration_plot(
    calibrations: Sequence[Calibration], path: Path, *, n_repeats: int = 1
) -> None:
    """Draw nominal against achieved coverage, and how far probabilities come true.

    Every calibration is cross-validated first, ten folds with the choice of form inside: a
    few seconds per 200 models and repeat.

    Args:
        calibrations: One or more, of any architecture and group of targets.
        path: Ends in .png or .svg.
        n_repeats: Splits of the cross-validation.

    Raises:
        SettingsError: As ``check_plot_path``; if there is no calibration that was fitted, or the
            file cannot be written.
    """
    check_plot_path(path)
    from hubbot.gains.pictures.calibration_plot import calibration_plot
    from hubbot.gains.pictures.canvas import drawing, save
    from hubbot.gains.pictures.coverage import check_calibrations

    checked = check_calibrations(calibrations, n_repeats=n_repeats)
    with drawing():
        save(calibration_plot(checked), path)


def draw_gain_by_size(found: Sensed, path: Path) -> None:
    """Draw the gain of a strong model over the number of training rows.

    Args:
        found: From ``hubbot.sensitivity``.
        path: ``.png`` or ``.svg`` file to write.

    Raises:
        SettingsError: If the file cannot be written.
    """
    check_plot_path(path)
    from hubbot.gains.pictures.canvas import drawing, save
    from hubbot.gains.pictures.gain_by_size import gain_by_size

    with drawing():
        save(gain_by_size(found), path)


def draw_gain_by_source_size(found: Sequence[SourceSize], path: Path) -> None:
    """Draw the average gain over the number of rows of a source.

    Args:
        found: From ``hubbot.sources.evaluate_source``.
        path: ``.png`` or ``.svg`` file to write.

    Raises:
        SettingsError: If the file cannot be written, or no target was measured at every size.
    """
    check_plot_path(path)
    measured = [set(one.evaluation.gains) for one in found]
    if not measured or not measured[0] or any(other != measured[0] for other in measured):
        raise SettingsError(
            f"{path}: not drawn, since not every size was measured on the same targets; run again"
        )
    from hubbot.gains.pictures.canvas import drawing, save
    from hubbot.gains.pictures.gain_by_size import gain_by_source_size

    with drawing():
        save(gain_by_source_size(found), path)
