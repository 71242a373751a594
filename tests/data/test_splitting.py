import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.data.splitting import (
    Rows,
    cut_ends,
    cut_ends_of_groups,
    cut_spread,
    cut_written_test,
    cut_written_test_of_groups,
    size_of,
)

SITE_TRAIN_SIZES = {
    "qnli": (104_743, 103_743),
    "sst2": (67_349, 66_349),
    "qqp": (363_846, 362_846),
    "cb": (250, 226),
    "copa": (400, 360),
    "wsc": (554, 498),
    "wnli": (635, 571),
    "rte": (2490, 2242),
    "mrpc": (3668, 3302),
    "wic": (5428, 4886),
    "cola": (8551, 7695),
    "boolq": (9427, 8485),
}
"""Official training rows, and rows left: ``constants.py`` of the model-recycling site."""

GROUPS = st.lists(st.integers(0, 12), min_size=1, max_size=300).map(np.array)


def digest(rows: Rows) -> str:
    """SHA-256 over the row numbers as decimal text: the same on every machine."""
    return hashlib.sha256(",".join(str(int(row)) for row in rows).encode()).hexdigest()


def test_train_keeps_as_many_rows_as_the_site_lists() -> None:
    left = {name: len(cut_ends(n_rows)[0]) for name, (n_rows, _) in SITE_TRAIN_SIZES.items()}
    assert left == {name: n_left for name, (_, n_left) in SITE_TRAIN_SIZES.items()}


@pytest.mark.parametrize(
    ("n_rows", "cut"),
    [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 1),
        (10, 1),
        (29, 1),
        (30, 2),
        (50, 2),
        (70, 4),
        (100, 5),
        (9999, 500),
        (10_000, 500),
        (10**6, 500),
    ],
)
def test_as_many_rows_leave_each_end_as_worked_out_by_hand(n_rows: int, cut: int) -> None:
    kept, validation = cut_ends(n_rows)
    assert validation.tolist() == [*range(cut), *range(n_rows - cut, n_rows)]
    assert kept.tolist() == list(range(cut, n_rows - cut))


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        (250, "397391538e6d8464c10f6a361f02f0032209909f1f836cf17fee361662a1a50c"),
        (3668, "13db33f86f78dc89bf46cbab6cf5dc6d504aa712db2384232fbb499cb0767cea"),
        (104_743, "f71aefcb2e8c2ce8703bb82d5e4c99a713ae02b1f1e7ee4047124e5bf40c0723"),
    ],
)
def test_the_rows_cut_off_the_ends_are_the_same_on_every_machine(
    n_rows: int, expected: str
) -> None:
    """Digests made without Python: ``seq`` of both ends, joined by commas, ``sha256sum``."""
    assert digest(cut_ends(n_rows)[1]) == expected


@pytest.mark.parametrize(
    ("n_rows", "size", "expected"),
    [
        (7516, 1504, "56e470d22193d7bf52ee0f65f330e4cd7660857932917008ecaeba8bd3274f15"),
        (2490, 249, "9edbd3693eb9a87eba044146d4acd4fcdbe7540c2763e76d4c7124f4a2578a02"),
    ],
)
def test_the_rows_spread_evenly_are_the_same_on_every_machine(
    n_rows: int, size: int, expected: str
) -> None:
    """Digests made without Python: the shell's whole-number i * n / size, ``sha256sum``."""
    assert digest(cut_spread(n_rows, size)[1]) == expected


@pytest.mark.parametrize(
    ("n_rows", "first", "last", "size"),
    [
        (250, [0, 10, 20, 30], 240, 25),
        (2490, [0, 10, 20, 30], 2480, 249),
        (3668, [0, 10, 20, 30], 3657, 366),
        (67_349, [0, 67, 134, 202], 67_281, 1000),
    ],
)
def test_the_written_test_is_spread_as_worked_out_by_hand(
    n_rows: int, first: list[int], last: int, size: int
) -> None:
    kept, test = cut_written_test(n_rows)
    assert test[:4].tolist() == first
    assert int(test[-1]) == last
    assert len(test) == size
    assert len(kept) == n_rows - size


@given(n_rows=st.integers(0, 30_000))
def test_a_cut_loses_no_row_and_doubles_none(n_rows: int) -> None:
    for kept, cut in (cut_ends(n_rows), cut_written_test(n_rows)):
        assert sorted([*kept.tolist(), *cut.tolist()]) == list(range(n_rows))
        assert kept.dtype == cut.dtype == np.int64
        assert kept.tolist() == sorted(kept.tolist())
        assert cut.tolist() == sorted(cut.tolist())


@given(n_rows=st.integers(1, 5000), share=st.floats(0, 1))
def test_a_spread_cut_leaves_even_gaps(n_rows: int, share: float) -> None:
    size = int(share * n_rows)
    kept, cut = cut_spread(n_rows, size)
    assert len(cut) == size
    assert len(kept) == n_rows - size
    gaps = set(np.diff(cut).tolist())
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_a_file_sorted_by_class_gives_a_written_test_of_every_class() -> None:
    labels = np.repeat(np.arange(20), 50)
    assert set(labels[cut_written_test(1000)[1]].tolist()) == set(range(20))


@pytest.mark.parametrize(
    ("cut", "n_rows", "rows"),
    [
        (0.2, 7666, 1534),
        (0.2, 7516, 1504),
        (0.1, 7516, 752),
        (0.2, 15, 3),
        (0.1, 30, 3),
        (1000, 4846, 1000),
        (1000, 2264, 1000),
        (1000, 1999, 999),
        (0.2, 0, 0),
        (0.2, 1, 0),
        (0.2, 2, 1),
    ],
)
def test_a_share_is_rounded_up_and_never_more_than_half_is_cut(
    cut: float, n_rows: int, rows: int
) -> None:
    assert size_of(cut, n_rows) == rows


@given(groups=GROUPS)
def test_no_group_is_split_between_train_and_what_is_cut(groups: Rows) -> None:
    for kept, cut in (cut_ends_of_groups(groups), cut_written_test_of_groups(groups)):
        assert not set(groups[kept].tolist()) & set(groups[cut].tolist())
        assert sorted([*kept.tolist(), *cut.tolist()]) == list(range(len(groups)))
        assert len(kept) > 0


@given(groups=GROUPS, shift=st.integers(1, 50))
def test_what_the_groups_are_called_does_not_matter(groups: Rows, shift: int) -> None:
    other = (groups * 31 + shift) % 1009
    for rule in (cut_ends_of_groups, cut_written_test_of_groups):
        assert rule(groups)[1].tolist() == rule(other)[1].tolist()


@given(n_rows=st.integers(3, 2000))
def test_groups_of_one_row_are_cut_as_rows_are(n_rows: int) -> None:
    groups = np.arange(n_rows)
    assert cut_ends_of_groups(groups)[1].tolist() == cut_ends(n_rows)[1].tolist()
    assert cut_written_test_of_groups(groups)[1].tolist() == cut_written_test(n_rows)[1].tolist()


def test_whole_groups_leave_the_ends_as_worked_out_by_hand() -> None:
    # 100 rows: five of each end are wanted. Groups 7 and 9 hold 3 + 4 rows, group 5 holds 6.
    groups = np.array([7] * 3 + [9] * 4 + [1] * 87 + [5] * 6)
    kept, cut = cut_ends_of_groups(groups)
    assert cut.tolist() == [*range(7), *range(94, 100)]
    assert len(kept) == 87


def test_rows_of_a_group_that_stand_apart_leave_together() -> None:
    groups = np.array([0] * 5 + [1] * 90 + [0] * 1 + [2] * 4)
    _, cut = cut_ends_of_groups(groups)
    assert cut.tolist() == [*range(5), *range(95, 100)]


@pytest.mark.parametrize("groups", [[4], [4] * 50])
def test_a_single_group_stays_in_train(groups: list[int]) -> None:
    for rule in (cut_ends_of_groups, cut_written_test_of_groups):
        kept, cut = rule(np.array(groups))
        assert (len(kept), len(cut)) == (len(groups), 0)


def test_a_written_test_of_groups_holds_at_least_the_wanted_rows() -> None:
    groups = np.repeat(np.arange(456), 60)
    _, cut = cut_written_test_of_groups(groups)
    # 27,360 rows: 1,000 are wanted, so 17 groups of 60.
    assert len(cut) == 17 * 60
    assert sorted(set(groups[cut].tolist())) == [i * 456 // 17 for i in range(17)]
