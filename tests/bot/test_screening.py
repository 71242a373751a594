"""Which checkpoints get the full probe after the small one."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.bot.screening import LEAST_KNOWN, UPPER_SHARE, band_of, why_full

gains = st.lists(st.floats(-50, 50), min_size=LEAST_KNOWN, max_size=200)


@pytest.mark.parametrize("n_known", range(LEAST_KNOWN))
def test_there_is_no_band_before_enough_checkpoints_are_known(n_known: int) -> None:
    assert band_of([1.0] * n_known) is None


def test_the_band_holds_the_upper_fifth() -> None:
    assert band_of([float(number) for number in range(101)]) == pytest.approx(80.0)
    assert band_of([3.0] * LEAST_KNOWN) == 3.0


@given(gains)
def test_about_a_fifth_reaches_the_band_and_somebody_always_does(known: list[float]) -> None:
    band = band_of(known)
    assert band is not None
    above = sum(gain >= band for gain in known)
    assert above >= 1
    assert sum(gain > band for gain in known) <= UPPER_SHARE * len(known) + 1


@given(gains, st.randoms())
def test_the_order_in_which_they_were_measured_does_not_matter(
    known: list[float], random: Random
) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)
    assert band_of(shuffled) == band_of(known)


@pytest.mark.parametrize(
    ("interval", "band", "words"),
    [
        ((1.0, 5.0), 5.0, "reaches the upper band, which begins at +5.00 points"),
        ((6.0, 9.0), 5.0, "reaches the upper band"),
        ((-9.0, -1.0), -2.0, "begins at -2.00"),
        ((1.0, 5.0), None, "fewer than 10 checkpoints are known yet"),
    ],
)
def test_what_may_belong_to_the_upper_band_gets_the_full_probe(
    interval: tuple[float, float], band: float | None, words: str
) -> None:
    why = why_full("you/x", interval, band, share=0.0)
    assert why is not None
    assert words in why


def test_what_is_surely_below_the_band_does_not() -> None:
    assert why_full("you/x", (1.0, 4.99), 5.0, share=0.0) is None


@pytest.mark.parametrize("band", [None, 5.0])
def test_what_has_no_gain_gets_no_full_probe(band: float | None) -> None:
    assert why_full("you/x", None, band, share=1.0) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_about_the_wanted_share_of_the_others_is_drawn(share: float) -> None:
    drawn = [why_full(f"you/m{n}", (0.0, 1.0), 5.0, share=share) for n in range(4000)]
    assert set(drawn) <= {None, "drawn at random"}
    # Four standard deviations of a binomial.
    tolerance = 4 * np.sqrt(share * (1 - share) / 4000)
    assert sum(one is not None for one in drawn) / 4000 == pytest.approx(share, abs=tolerance)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_is_drawn_is_drawn_again_and_by_a_larger_share_too(
    model: str, one: float, other: float
) -> None:
    small, large = sorted((one, other))
    first = why_full(model, (0.0, 1.0), 5.0, share=small)
    assert why_full(model, (0.0, 1.0), 5.0, share=small) == first
    if first is not None:
        assert why_full(model, (0.0, 1.0), 5.0, share=large) is not None
