"""Scores as they would have been computed: at every decided answer, and each day in which nothing happens.

What `decide` and `timers` do with a store, done in memory: which rules `on: score` begin to hold is the same question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.score import Fact, Score
from connector.domain.scoring.config import ScoringConfig
from connector.domain.scoring.score import TREND_SPAN, Ageing, score
from connector.store.transaction import Transaction
from connector.sync import score_rules
from connector.sync.rescore import FRESH
from connector.sync.rules import Ruling
from connector.sync.settings import DecideSettings

LONGEST: Final = 32
"""Days that are looked at together while scores only fade."""
Fired = Callable[[Sequence[Ruling], datetime], None]
"""Rules begin to hold, at a moment."""


@dataclass(slots=True)
class _Person:
    """`last` is the newest score of the history, which leaves out what says the same; `then` that one by the facts
    known now, None while nobody asked.
    """

    facts: Sequence[Fact]
    scored_at: datetime
    last: Score | None = None
    then: Score | None = None


@dataclass(slots=True)
class Evaluations:
    """One run over the history, in its order; `fired` is told what begins, from about `since` on."""

    tx: Transaction
    settings: DecideSettings
    config: ScoringConfig
    since: datetime
    fired: Fired
    _is_dated: bool = field(init=False)
    _people: dict[int, _Person] = field(default_factory=dict)
    _lately: dict[int, tuple[Score, tuple[bool, ...]]] = field(default_factory=dict)
    _values: dict[int, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._is_dated = any("score.as_of" in rule.when.paths for rule in self.settings.score_rules)

    def answered(self, person: int, facts: Sequence[Fact], now: datetime, *, acts: bool) -> None:
        """An answer was decided at `now`; `facts` are those known with it. What an old one changed is no news."""
        known = self._aged(person, now)
        then = None if known is None else self._then(known)
        before: Sequence[Fact] = () if known is None else known.facts
        computed = self._compute(self._learnt(person, facts, now), now)
        if then is not None and computed is not None:
            self._react(person, then, computed if acts else score(before, now, self.config))

    def recorded(self, person: int, facts: Sequence[Fact], now: datetime) -> None:
        """An import brought an answer: it moves the score quietly."""
        self._aged(person, now)
        self._compute(self._learnt(person, facts, now), now)

    def finish(self, now: datetime) -> None:
        """The days until `now`."""
        for person in self._people:
            self._aged(person, now)

    def _aged(self, person: int, now: datetime) -> _Person | None:
        """The person just before `now`, every day since the last evaluation having had its own."""
        known = self._people.get(person)
        if known is None:
            return None
        ageing = Ageing(known.facts, self.config)
        jumps = self._jumps(known.facts)
        days = (min(now, self.since) - known.scored_at) // FRESH - 1
        if days > 0:  # nothing that begins before what counts is counted: the last of these days is as good as all
            self._compute(known, known.scored_at + days * FRESH, ageing)
        while (left := _days_before(now, known.scored_at)) > 0:
            ahead = [_days_before(jump, known.scored_at) for jump in jumps if jump > known.scored_at]
            stride = max(1, min([left, LONGEST, *ahead]))
            if not self._is_smooth(person, known, ageing, known.scored_at + stride * FRESH, stride):
                for _ in range(stride):
                    self._day(person, known, ageing)
        return known

    def _day(self, person: int, known: _Person, ageing: Ageing) -> None:
        then = self._then(known)
        computed = self._compute(known, known.scored_at + FRESH, ageing)
        if then is not None and computed is not None:
            self._react(person, then, computed)

    def _is_smooth(self, person: int, known: _Person, ageing: Ageing, end: datetime, stride: int) -> bool:
        """Go on to `end` at once, where the same rules hold then and the band is the same; False: day by day.

        In between nothing is said or drops out: facts only fade, all in one direction.
        """
        then = self._then(known)
        if stride < 2 or self._is_dated or then is None:
            return False
        ahead = ageing.at(end)
        if ahead.band != then.band or self._held(person, then) != self._held(person, ahead):
            return False
        known.scored_at = end
        self._keep(known, ahead)
        return True

    def _held(self, person: int, one: Score) -> tuple[bool, ...]:
        known = self._lately.get(person)
        if known is None or known[0] is not one:
            known = (one, score_rules.held(self.settings, self._about(person), one, self.config))
            self._lately[person] = known
        return known[1]

    def _about(self, person: int) -> Mapping[str, object]:
        if person not in self._values:
            self._values[person] = score_rules.person_values(self.tx, person, self.settings)
        return self._values[person]

    def _jumps(self, facts: Sequence[Fact]) -> list[datetime]:
        """When something drops out: of the 30 days of a trend, or of a component's window; or begins to count."""
        windows = {part.name: part.window for part in self.config.components if part.window is not None}
        found = {fact.at + span for fact in facts for span in (timedelta(0), TREND_SPAN)}
        for fact in facts:
            if (window := windows.get(fact.component)) is not None:
                found |= {fact.at + window, fact.at + window + TREND_SPAN}
        return sorted(found)

    def _learnt(self, person: int, facts: Sequence[Fact], now: datetime) -> _Person:
        known = self._people.setdefault(person, _Person(facts=facts, scored_at=now))
        known.facts, known.then = facts, None
        return known

    def _then(self, known: _Person) -> Score | None:
        if known.then is None and known.last is not None:
            known.then = score(known.facts, known.last.as_of, self.config)
        return known.then

    def _compute(self, known: _Person, now: datetime, ageing: Ageing | None = None) -> Score | None:
        """As `rescore` does: a score that says the same as the last one is not kept."""
        known.scored_at = now
        if not known.facts and known.last is None:
            return None
        computed = (ageing or Ageing(known.facts, self.config)).at(now)
        self._keep(known, computed)
        return computed

    def _keep(self, known: _Person, computed: Score) -> None:
        if known.last is None or replace(computed, as_of=known.last.as_of) != known.last:
            known.last = known.then = computed

    def _react(self, person: int, then: Score, now: Score) -> None:
        if not self._is_dated and replace(now, as_of=then.as_of) == then:
            return  # a score that says the same begins nothing
        rulings, _ = score_rules.begun(self.settings, self._about(person), now, then, self.config)
        if rulings:
            self.fired(rulings, now.as_of)


def _days_before(moment: datetime, since: datetime) -> int:
    """How many days from `since` on end before `moment`."""
    return max(0, -(-(moment - since) // FRESH) - 1)
