"""What is printed of groups."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.domain.anonymity import counts_of_many

COUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(min_value=0, max_value=9))


@given(COUNTS, st.integers(min_value=1, max_value=20))
def test_only_groups_of_many_or_of_nobody_have_figures(counts: dict[str, int], minimum_n: int) -> None:
    shown = counts_of_many(counts, minimum_n)
    assert (shown is None) == (sum(counts.values()) in range(1, minimum_n))
    assert shown is None or shown == counts
