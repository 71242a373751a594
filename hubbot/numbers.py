"""The verbs that work on numbers alone: nothing here measures, and nothing talks to the Hub."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.catalog.architectures import get_architecture
from hubbot.errors import SettingsError
from hubbot.gains.calibration import MIN_MODELS, PUBLISHED, Calibration
from hubbot.gains.calibration_file import dump_calibrations, load_calibrations
from hubbot.gains.flags import name_flags
from hubbot.gains.groups import LAST_RESORT, LP_ONLY_GROUPS
from hubbot.gains.predict import predict_gain
from hubbot.schema import CalibrationSummary, Prediction
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from hubbot.gains.analysis.report import Analysis
    from hubbot.gains.batch import Answer
    from hubbot.gains.findings import Report
    from hubbot.gains.pictures.draw import Marked
    from hubbot.gains.ranking import Ranking


def predict(
    architecture: str,
    *,
    lp_accuracy: float | None = None,
    lp_gain: float | None = None,
    protocol: str = PUBLISHED,
    model: str | None = None,
    quick: Mapping[str, float] | None = None,
    settings: Settings | None = None,
) -> Prediction:
    """Predict the gain of a checkpoint from its linear probe.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        lp_accuracy: Accuracy of the probe, points; on the published scale only.
        lp_gain: LP(m, MNLI), points.
        protocol: Protocol under which the probe was measured.
        model: The checkpoint's name, for the flags that it calls for; None where not known.
        quick: Scores after fine-tuning on some of ``rte``, ``cb``, ``mrpc`` and ``cola``, points.
        settings: Read from flags, environment and file where None.

    Returns:
        The prediction; its ``gain`` is None where no number can be given, and ``note`` says why.

    Raises:
        SettingsError: If a name is unknown, or the numbers are not points.
    """
    settings = settings or load_settings()
    return predict_gain(
        architecture,
        lp_accuracy=lp_accuracy,
        lp_gain=lp_gain,
        protocol=protocol,
        flags=None if model is None else name_flags(model),
        quick=quick,
        calibrations=load_calibrations(settings.calibrations_file),
    )


def predict_table(path: Path, *, settings: Settings | None = None) -> "Iterator[Answer]":
    """Yield a prediction for each row of a CSV file, in the same order.

    Args:
        path: Columns as ``gains.batch.predict_table`` says.
        settings: Read from flags, environment and file where None.

    Raises:
        SettingsError: If the file is no such table.
    """
    from hubbot.gains.batch import predict_table as answers

    settings = settings or load_settings()
    yield from answers(path, calibrations=load_calibrations(settings.calibrations_file))


def calibrate(
    *,
    out: Path | None = None,
    records: Path | None = None,
    is_dry: bool = False,
    plot: Path | None = None,
    settings: Settings | None = None,
) -> list[CalibrationSummary]:
    """Refit every calibration from the published results and from measured gains on record.

    Args:
        out: File to write everything to; None for the one that predictions read, which gets the
            calibrations from your own records alone: the published ones come with hubbot, and
            would stay as they are now when hubbot's change.
        records: Folder of score records; None for the settings'.
        is_dry: Whether to write nothing.
        plot: Picture of nominal against achieved coverage to draw; None for none.
        settings: Read from flags, environment and file where None.

    Returns:
        A line for each calibration, and for each group of targets that has none.
    """
    from hubbot.gains.calibrating import fit_all, published_samples, summarise
    from hubbot.records.samples import record_samples
    from hubbot.records.store import write_text

    settings = settings or load_settings()
    if plot is not None:
        from hubbot.gains.pictures.draw import check_plot_path

        check_plot_path(plot)
    samples = [*published_samples(), *record_samples(records or settings.records_dir)]
    done, refused = fit_all(samples)
    if not is_dry:
        kept = [item for item in done if out is not None or item.name != PUBLISHED]
        if kept:
            write_text(out or settings.calibrations_file, dump_calibrations(kept, refused))
            logger.info("wrote %d calibrations to %s", len(kept), out or settings.calibrations_file)
    if plot is not None:
        from hubbot.gains.pictures.draw import draw_calibration_plot

        draw_calibration_plot(done, plot)
    return summarise(done, refused)


def plot_lp_against_gain(
    architecture: str,
    path: Path,
    *,
    marked: "Sequence[Marked]" = (),
    settings: Settings | None = None,
) -> None:
    """Draw LP against gain for one architecture, on the published scale.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        path: ``.png`` or ``.svg`` file to write.
        marked: Checkpoints to mark.
        settings: Read from flags, environment and file where None.

    Raises:
        SettingsError: If there is no calibration, or the file cannot be written.
    """
    from hubbot.gains.pictures.draw import draw_lp_against_gain

    draw_lp_against_gain(find_calibration(architecture, settings=settings), path, marked=marked)


def find_calibration(
    architecture: str, *, protocol: str = PUBLISHED, settings: Settings | None = None
) -> Calibration:
    """Return the calibration that predicts from LP for one architecture.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        protocol: Protocol under which the probe was measured.
        settings: Read from flags, environment and file where None.

    Raises:
        SettingsError: If there is none.
    """
    entry = get_architecture(architecture)
    known = load_calibrations((settings or load_settings()).calibrations_file)
    for group in (*LP_ONLY_GROUPS, LAST_RESORT):
        if (protocol, entry.name, group) in known:
            return known[protocol, entry.name, group]
    others = sorted({name for found, name, _ in known if found == protocol})
    raise SettingsError(
        f"there is no calibration for {entry.name} under {protocol}: fewer than {MIN_MODELS} "
        f"models have a measured gain; there is one for {', '.join(others) or 'no architecture'}"
    )


def rank(architecture: str, *, settings: Settings | None = None) -> "Ranking":
    """Rank every model known of an architecture by the gain to expect from starting there.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        settings: Read from flags, environment and file where None.

    Returns:
        The ranking; ``lines(top)`` are its models, best first.

    Raises:
        SettingsError: If the architecture is unknown.
    """
    from hubbot.records.ranked import rank_models

    settings = settings or load_settings()
    return rank_models(
        architecture,
        records_dir=settings.records_dir,
        calibrations=load_calibrations(settings.calibrations_file),
    )[0]


def check(path: Path) -> "Report":
    """Look for what does not add up in a CSV table of scores.

    Args:
        path: A row per model, a column per target; points, or the published layout.

    Returns:
        Findings, counts, and the rules that could not run.

    Raises:
        SettingsError: If the file is no such table.
    """
    from hubbot.gains.published import load_known_levels, load_test_sizes
    from hubbot.gains.score_table import read_scores
    from hubbot.gains.table_checks import check_table

    return check_table(read_scores(path, load_test_sizes()), load_known_levels())


def analyse(path: Path) -> "Analysis":
    """Compute the papers' statistics on a CSV matrix of gains.

    Args:
        path: A row per source, a column per target, points; ``analyse_file`` in
            ``hubbot.gains.analysis.run`` has all options.

    Raises:
        SettingsError: If the extra ``analysis`` is missing or the file is no such matrix.
    """
    from hubbot.gains.analysis.run import analyse_file

    return analyse_file(path)
