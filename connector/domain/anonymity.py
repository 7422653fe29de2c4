"""Groups so small that a figure about them is one about somebody: what is printed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name")


def counts_of_many(counts: Mapping[Name, int], minimum_n: int) -> Mapping[Name, int] | None:
    """`counts` of a group, as they are printed: None when it is smaller than `minimum_n`, so neither they nor their
    sum may be. A group of nobody tells of nobody.
    """
    total = sum(counts.values())
    return None if 0 < total < minimum_n else counts
