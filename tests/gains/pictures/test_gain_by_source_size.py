"""Gain over the rows of a source: the average and its targets stand where their numbers say."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from hubbot.errors import SettingsError
from hubbot.gains.pictures.canvas import drawing
from hubbot.gains.pictures.draw import draw_gain_by_source_size
from hubbot.gains.pictures.gain_by_size import gain_by_source_size
from hubbot.outcomes import Evaluation, SourceSize, TargetGain

GAINS = {50: {"rte": 1.0, "cb": -2.0}, 800: {"rte": 6.5, "cb": 0.5}, 3200: {"rte": 9.0, "cb": 4.0}}


def sized(n_train: int, gains: Mapping[str, float], *, seeds: int, source: str) -> SourceSize:
    return SourceSize(
        source=source,
        n_train=n_train,
        folder="sources/mnli",
        evaluation=Evaluation(
            model="mnli",
            revision="",
            architecture="all-MiniLM-L6-v2",
            base_model="sentence-transformers/all-MiniLM-L6-v2",
            weights_digest="sha256:1",
            protocol="gain-minilm@1",
            gains={
                name: TargetGain(
                    gain=gain,
                    se=0.3,
                    interval=(gain - 1, gain + 1),
                    seeds=seeds,
                    score=60 + gain,
                    base_score=60,
                    n_train=800,
                    n_test=277,
                    metric="accuracy",
                )
                for name, gain in gains.items()
            },
            avg_gain=mean(gains.values()),
            avg_gain_se=None if seeds == 1 else 0.75,
            failed={},
            seconds=1.0,
        ),
    )


def sizes(
    gains: Mapping[int, Mapping[str, float]], *, seeds: int = 3, source: str = "mnli"
) -> list[SourceSize]:
    return [sized(rows, one, seeds=seeds, source=source) for rows, one in gains.items()]


def draw(found: list[SourceSize]) -> Figure:
    with drawing():
        figure = gain_by_source_size(found)
        figure.set_dpi(200)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return figure


def test_average_bars_and_targets_stand_where_their_numbers_say() -> None:
    (axes,) = draw(sizes(GAINS)).axes
    (container,) = (c for c in axes.containers if isinstance(c, ErrorbarContainer))
    points, _, (bars,) = container.lines
    assert np.asarray(points.get_xydata()).tolist() == [[50, -0.5], [800, 3.5], [3200, 6.5]]
    ends = [np.asarray(part)[:, 1].tolist() for part in bars.get_segments()]
    assert ends == [[-1.25, 0.25], [2.75, 4.25], [5.75, 7.25]]
    behind = {line.get_gid(): line for line in axes.lines if "target" in str(line.get_gid())}
    assert np.asarray(behind["target rte"].get_ydata()).tolist() == [1.0, 6.5, 9.0]
    assert np.asarray(behind["target cb"].get_ydata()).tolist() == [-2.0, 0.5, 4.0]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (sizes(GAINS), ("average over 2 target(s)", "3 seeds: bars are one", "grey: each target")),
        (sizes(GAINS, seeds=1), ("1 seed: no bars", "Targets: rte, cb")),
    ],
)
def test_it_is_said_what_is_drawn(found: list[SourceSize], words: tuple[str, ...]) -> None:
    figure = draw(found)
    said = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert all(word in said for word in words), said
    assert figure.get_suptitle() == "mnli as a source: gain by its size"


def test_one_target_is_its_own_average_and_not_drawn_twice() -> None:
    figure = draw(sizes({50: {"rte": 1.0}, 800: {"rte": 2.0}}))
    assert not [line for line in figure.axes[0].lines if "target" in str(line.get_gid())]
    assert "grey" not in " ".join(text.get_text() for text in figure.texts)


def test_a_long_name_stays_inside_the_picture() -> None:
    figure = draw(sizes(GAINS, source="W" * 90))
    assert "…" in figure.get_suptitle()
    for text in figure.findobj(Text):
        assert text.get_window_extent().x1 <= figure.bbox.width


def test_the_file_is_a_picture_in_greys_alone(tmp_path: Path) -> None:
    draw_gain_by_source_size(sizes(GAINS), tmp_path / "gain.png")
    red, green, blue = np.moveaxis(imread(tmp_path / "gain.png")[..., :3], -1, 0)
    assert (red == green).all()
    assert (green == blue).all()
    assert red.std() > 0.05


@pytest.mark.parametrize("gains", [{50: {"rte": 1.0}, 800: {"rte": 1.0, "cb": 2.0}}, {}])
def test_sizes_without_the_same_targets_are_not_drawn(
    gains: dict[int, dict[str, float]], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"gain\.png: not drawn, .*run again"):
        draw_gain_by_source_size(sizes(gains), tmp_path / "gain.png")
    assert not (tmp_path / "gain.png").exists()
