"""What our branch is to hold: whatever stands where, merging it gives what was planned."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.hub.github_plan import Plan, plan

PATHS = [f"p{number}" for number in range(4)]
FILES = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["v0", "v1", "v2"]))
LEFT_OUT = st.sets(st.sampled_from(PATHS), max_size=2)

Files = Mapping[str, str]


def committed(done: Plan, base: Files, head: Files | None) -> dict[str, str]:
    """Return what our branch holds once the commit is made."""
    start = base if head is None or done.is_merge else head
    changed = {path: done.commit.get(path, start.get(path)) for path in {*start, *done.commit}}
    return {path: name for path, name in changed.items() if name is not None}


def merged(base: Files, branch: Files, old: Files) -> dict[str, str] | None:
    """Return the base after a merge of the branch as git does it; None where it conflicts."""
    found = {}
    for path in {*base, *branch, *old}:
        before, theirs, ours = old.get(path), base.get(path), branch.get(path)
        if before != theirs != ours != before:
            return None
        name = ours if theirs == before else theirs
        if name is not None:
            found[path] = name
    return found


def wanted(done: Plan, base: Files) -> dict[str, str]:
    """Return the base with what is proposed."""
    changed = {path: done.proposed.get(path, base.get(path)) for path in {*base, *done.proposed}}
    return {path: name for path, name in changed.items() if name is not None}


@given(FILES, st.none() | FILES, FILES, FILES, LEFT_OUT)
def test_merging_the_branch_gives_what_is_proposed(
    base: Files, head: Files | None, old: Files, here: Files, left_out: set[str]
) -> None:
    done = plan(base=base, head=head, old=old, given=here, left_out=left_out, may_merge=True)
    branch = committed(done, base, head)
    # After a merge the two branches part where the base stands now.
    parted = base if head is None or done.is_merge else old
    assert merged(base, branch, parted) == wanted(done, base)
    again = plan(base=base, head=branch, old=parted, given=here, left_out=left_out, may_merge=True)
    assert not again.is_needed
    assert again.proposed == done.proposed


@given(FILES, FILES, FILES, FILES, LEFT_OUT)
def test_a_branch_that_may_not_be_merged_conflicts_only_where_we_want_another_text(
    base: Files, head: Files, old: Files, here: Files, left_out: set[str]
) -> None:
    done = plan(base=base, head=head, old=old, given=here, left_out=left_out, may_merge=False)
    assert not done.is_merge
    asked = {path for path, name in here.items() if path not in left_out}
    assert {*done.conflicts} <= {path for path in asked if here[path] != base.get(path)}
    if not done.conflicts:
        assert merged(base, committed(done, base, head), old) == wanted(done, base)


@given(FILES, FILES, FILES, FILES, LEFT_OUT)
def test_what_is_given_is_proposed_and_nothing_else_that_the_base_changed(
    base: Files, head: Files, old: Files, here: Files, left_out: set[str]
) -> None:
    done = plan(base=base, head=head, old=old, given=here, left_out=left_out, may_merge=True)
    for path, name in here.items():
        is_wanted = path not in left_out and name != base.get(path)
        assert (path in done.proposed) == is_wanted
        assert done.proposed.get(path, name) == name
    for path in done.proposed.keys() - here.keys():
        assert (base.get(path), done.proposed[path]) == (old.get(path), head.get(path))


@pytest.mark.parametrize("head", [None, {"a": "v0", "b": "v1"}])
def test_a_base_that_moved_elsewhere_needs_no_merge(head: Files | None) -> None:
    base, old = {"a": "v0", "c": "v9"}, {"a": "v0", "c": "v0"}
    head = None if head is None else {**head, "c": "v0"}
    done = plan(base=base, head=head, old=old, given={"b": "v2"}, left_out=(), may_merge=True)
    assert (done.commit, done.is_merge, done.conflicts) == ({"b": "v2"}, False, ())
