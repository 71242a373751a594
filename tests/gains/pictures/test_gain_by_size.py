"""Gain over training rows: every size where its numbers say, and every number to be read."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Annotation, Text

from hubbot.gains.pictures.canvas import MINUS, drawing
from hubbot.gains.pictures.draw import draw_gain_by_size
from hubbot.gains.pictures.gain_by_size import gain_by_size
from hubbot.outcomes import Sensed, SensedSize

GAINS = {50: (8.25, 3.0, 12.0), 200: (-4.0, -8.5, -1.0), 12_000: (0.0, -0.5, 0.75)}
NEAR = {
    500: (8.0, 3.0, 13.0),
    900: (4.0, 1.0, 7.0),
    1000: (1.5, -0.5, 3.5),
    20_000: (0.0, -1.0, 1.0),
}


def sensed(gains: dict[int, tuple[float, float, float]], **changes: Any) -> Sensed:
    sizes = tuple(
        SensedSize(
            n_train=n_train,
            protocol="gain-minilm@1",
            gain=gain,
            interval=(low, high),
            se=1.0,
            p_value=0.1,
            verdict="it helps",
            score=60 + gain,
            base_score=60.0,
            seeds_needed=3,
            least_visible=1.0,
        )
        for n_train, (gain, low, high) in gains.items()
    )
    values: dict[str, Any] = {
        "dataset": "reviews",
        "source": "reviews.csv",
        "hub_id": "",
        "config": None,
        "data_revision": "",
        "architecture": "all-MiniLM-L6-v2",
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "model": "me/strong",
        "revision": "",
        "rank": None,
        "protocol": "gain-minilm@1",
        "gain": sizes[-1].gain,
        "interval": sizes[-1].interval,
        "se": 1.0,
        "p_value": 0.1,
        "verdict": "it helps",
        "seeds": 5,
        "metric": "accuracy",
        "n_test": 277,
        "sizes": sizes,
        "split_rule": "as given",
    }
    return Sensed(**values | changes)


def draw(found: Sensed) -> Figure:
    with drawing():
        figure = gain_by_size(found)
        figure.set_dpi(200)  # as it is saved: hinting makes letters wider at fewer
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return figure


def words_of(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("gains", [GAINS, NEAR, {1131: (-2.0, -3.0, -1.0)}])
def test_every_size_stands_where_its_numbers_say(
    gains: dict[int, tuple[float, float, float]],
) -> None:
    (axes,) = draw(sensed(gains)).axes
    (container,) = (c for c in axes.containers if isinstance(c, ErrorbarContainer))
    points, _, (bars,) = container.lines
    assert np.asarray(points.get_xydata()).tolist() == [[n, gain[0]] for n, gain in gains.items()]
    ends = [np.asarray(part).tolist() for part in bars.get_segments()]
    assert ends == [[[n, low], [n, high]] for n, (_, low, high) in gains.items()]
    assert axes.get_xscale() == "log" or len(gains) == 1
    low, high = axes.get_ylim()
    assert low < min(0, *(gain[1] for gain in gains.values()))
    assert high > max(0, *(gain[2] for gain in gains.values()))


def test_gains_are_written_with_their_sign_and_rows_with_commas() -> None:
    (axes,) = draw(sensed(GAINS)).axes
    written = [text.get_text() for text in axes.texts if isinstance(text, Annotation)]
    assert written == ["+8.2", f"{MINUS}4.0", "0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "200", "12,000"]


@pytest.mark.parametrize("gains", [GAINS, NEAR])
def test_numbers_do_not_lie_on_each_other(
    gains: dict[int, tuple[float, float, float]],
) -> None:
    (axes,) = draw(sensed(gains)).axes
    upper = [text for text in axes.get_xticklabels() if "\n" not in text.get_text()]
    lower = [text for text in axes.get_xticklabels() if "\n" in text.get_text()]
    for texts in (upper, lower, axes.texts):
        boxes = [text.get_window_extent() for text in texts]
        assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert [int(text.get_text().replace(",", "")) for text in axes.get_xticklabels()] == [*gains]


@pytest.mark.parametrize("letters", ["W", "n", "roberta-"])
def test_long_names_stay_inside_the_picture(letters: str) -> None:
    name = letters * 90
    figure = draw(sensed(GAINS, dataset=name, model=f"a/{name}", base_model=f"{name}/b"))
    assert words_of(figure).count("…") == 3, "data set and both models"
    assert "…" in figure.get_suptitle()
    for text in figure.findobj(Text):
        assert text.get_window_extent().x1 <= figure.bbox.width


def test_short_names_are_whole() -> None:
    said = words_of(draw(sensed(GAINS)))
    assert "me/strong against sentence-transformers/all-MiniLM-L6-v2," in said


def test_it_is_said_what_was_compared_and_what_the_intervals_run_over() -> None:
    said = words_of(draw(sensed(GAINS)))
    for words in ("me/strong against", "5 seeds", "over seeds and test rows", "277 test rows"):
        assert words in said
    alone = words_of(draw(sensed(GAINS, seeds=1)))
    assert "1 seed, 95 % intervals over test rows alone" in alone


def test_correlations_are_called_by_their_name() -> None:
    (axes,) = draw(sensed(GAINS, metric="spearman")).axes
    assert axes.get_ylabel() == "gain in Spearman's correlation [points]"


def test_the_file_is_a_picture_in_greys_alone(
    tmp_path: Path, svg_words: Callable[[Path], list[str]]
) -> None:
    draw_gain_by_size(sensed(GAINS), tmp_path / "gain.png")
    red, green, blue = np.moveaxis(imread(tmp_path / "gain.png")[..., :3], -1, 0)
    assert (red == green).all()
    assert (green == blue).all()
    assert red.std() > 0.05
    draw_gain_by_size(sensed(GAINS), tmp_path / "gain.svg")
    assert "+8.2" in svg_words(tmp_path / "gain.svg")
