"""What goes when room is needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.storage import Kept, make_room


def _kept(
    gone: list[str], name: str, n_bytes: int, used: float, owner: str = "", busy: bool = False
) -> Kept:
    def forget() -> None:
        if busy:
            raise BlockingIOError(11, "somebody reads it")
        gone.append(name)

    return Kept(name=name, owner=owner, n_bytes=n_bytes, used=used, forget=forget)


def test_what_was_not_used_for_longest_goes_first_and_no_more_than_needed() -> None:
    gone: list[str] = []
    kept = [_kept(gone, name, 10, used) for name, used in (("c", 3), ("a", 1), ("b", 2), ("d", 4))]
    assert make_room(kept, most_bytes=25) == 20
    assert gone == ["a", "b"]


def test_what_fits_stays() -> None:
    gone: list[str] = []
    assert make_room([_kept(gone, "a", 10, 1)], most_bytes=10) == 0
    assert gone == []


def test_what_is_spared_counts_but_stays() -> None:
    gone: list[str] = []
    kept = [_kept(gone, "base", 90, 1, owner="a/base"), _kept(gone, "b", 10, 2, owner="b/b")]
    make_room(kept, most_bytes=50, spared={"a/base"})
    assert gone == ["b"]


def test_what_is_in_use_stays_and_the_next_goes(caplog: pytest.LogCaptureFixture) -> None:
    gone: list[str] = []
    kept = [_kept(gone, "a", 10, 1, busy=True), _kept(gone, "b", 10, 2)]
    assert make_room(kept, most_bytes=10) == 10
    assert gone == ["b"]
    assert "a could not be deleted: [Errno 11] somebody reads it" in caplog.text


@given(
    sizes=st.lists(st.tuples(st.integers(0, 50), st.floats(0, 9)), max_size=12),
    most=st.integers(0, 300),
)
def test_the_rest_is_small_enough_and_nothing_older_is_kept_for_something_newer(
    sizes: list[tuple[int, float]], most: int
) -> None:
    gone: list[str] = []
    kept = [_kept(gone, str(place), *one) for place, one in enumerate(sizes)]
    freed = make_room(kept, most_bytes=most)
    left = [one for one in kept if one.name not in gone]
    assert sum(one.n_bytes for one in left) <= most
    assert freed == sum(one.n_bytes for one in kept if one.name in gone)
    if gone and left:
        assert max(kept[int(name)].used for name in gone) <= min(one.used for one in left)
