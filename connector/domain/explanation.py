"""An expression once it is compiled: what it comes to, and why, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from connector.errors import ExpressionError

Outcome = bool | str


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of an expression and its outcome: true, false, or why none (`missing: score.points`)."""

    text: str
    outcome: Outcome


def _nothing(context: Mapping[str, object]) -> object:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A node of an expression's logic: `and`, `or`, `not` over parts, or a leaf that `run` evaluates."""

    text: str
    operator: Literal["and", "or", "not", "leaf"] = "leaf"
    parts: tuple[Part, ...] = ()
    run: Callable[[Mapping[str, object]], object] = _nothing

    def checks(self, context: Mapping[str, object]) -> Iterator[Check]:
        """The leaves from left to right, all of them: also those a shorter evaluation would not have reached."""
        if self.operator == "leaf":
            yield Check(self.text, self._outcome(context))
        for part in self.parts:
            yield from part.checks(context)

    def decide(self, context: Mapping[str, object]) -> tuple[Outcome, str]:
        """The outcome and the source of the part that decided it, evaluated from left to right as Python would."""
        if self.operator == "leaf":
            return self._outcome(context), self.text
        if self.operator == "not":
            outcome, text = self.parts[0].decide(context)
            if isinstance(outcome, str):
                return outcome, text
            return not outcome, self.text if text == self.parts[0].text else text
        going_on = self.operator == "and"
        for part in self.parts:
            outcome, text = part.decide(context)
            if outcome is not going_on:
                return outcome, text
        return going_on, self.text

    def _outcome(self, context: Mapping[str, object]) -> Outcome:
        try:
            return bool(self.run(context))
        except ExpressionError as error:
            return error.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A checked expression. `paths` are the names it reads, `run` evaluates it whole, `logic` part by part."""

    text: str
    paths: frozenset[str]
    run: Callable[[Mapping[str, object]], object] = field(repr=False, compare=False)
    logic: Part = field(repr=False, compare=False)

    def evaluate(self, context: Mapping[str, object]) -> object:
        """Its value in `context`. A missing value raises ExpressionError, or gives None when compiled with `absent`."""
        return self.run(context)

    def explain(self, context: Mapping[str, object]) -> tuple[Check, ...]:
        """Every comparison between its `and`, `or` and `not`, with what it came to. Never raises."""
        return tuple(self.logic.checks(context))

    def deciding(self, context: Mapping[str, object]) -> str:
        """The source of the part that decided: the first false one of an `and`, the first true one of an `or`."""
        return self.logic.decide(context)[1]
