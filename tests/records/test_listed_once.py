"""Names are told to come for the first time as a set would tell."""

from hypothesis import given
from hypothesis import strategies as st

from hubbot.records.listed_once import ListedOnce


def test_a_name_comes_for_the_first_time_once() -> None:
    with ListedOnce() as once:
        assert once.add(["a", "b", "a"]) == [True, True, False]
        assert once.add([]) == []
        assert once.add(["b", "c", "A"]) == [False, True, True]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3))))
def test_names_are_told_apart_as_a_set_would(pages: list[list[str]]) -> None:
    seen: set[str] = set()
    with ListedOnce() as once:
        for page in pages:
            expected = []
            for name in page:
                expected.append(name not in seen)
                seen.add(name)
            assert once.add(page) == expected
