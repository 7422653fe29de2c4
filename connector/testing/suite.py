"""What every suite is made of: criteria, whom they apply to, and waivers that cannot go stale.

A suite is a class whose tests each ask one criterion about one *case*: a kind of write, a feed, a source. An adapter's
test file subclasses it, names its cases and, where something cannot be had from the vendor, waives a criterion with the
reason:

    class TestWrites(WriterSuite):
        cases = MY_EFFECTS
        waived = {"C9 alert": "A message has no fields that could be blank."}

A waived test must fail: when it passes, the run is red. What a case leaves out cannot be asked; where it should be, the
class says in `lacks` why there is nothing to ask, or it cannot be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import pytest

CRITERIA: Mapping[str, str] = MappingProxyType(
    {
        "C1": "nothing to do makes no call",
        "C2": "each record of a mixed batch has its own outcome",
        "C3": "the same intent twice, or after a restored backup, is one object",
        "C4": "committed and the answer lost, then tried again: one object",
        "C5": "a time the vendor named is waited for",
        "C6": "what fails late is a failure",
        "C7": "a look-up that lags is waited for",
        "C8": "what was merged is followed, what is gone ends",
        "C9": "absent, null and empty differ",
        "C10": "days and instants arrive as they are",
        "C11": "a token that ends midway is renewed once; without one the account pauses and goes on",
        "C12": "no secret and nothing personal in logs and errors",
        "C13": "an unknown field or choice is refused by its name",
        "C14": "a newer value is never overwritten",
        "C15": "observing and read-only open no write",
        "C16": "an erased person is gone",
        "C17": "as many records in one call as declared, and no more calls than that takes",
        "C18": "a process that dies midway loses nothing and doubles nothing",
        "P": "what is declared is what the simulator shows",
    }
)

Case = Any
Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one test asks, of which cases, and in which variants."""

    criterion: str
    applies: Callable[[Case], bool]
    variants: Callable[[Case], tuple[Any, ...]] | None


def always(case: Case) -> bool:
    """It applies to every case."""
    return True


def asks(
    criterion: str,
    applies: Callable[[Case], bool] = always,
    variants: Callable[[Case], tuple[Any, ...]] | None = None,
) -> Callable[[Test], Test]:
    """Mark a test as asking `criterion` of the cases it applies to; it takes `case`, and `variant` where there are."""
    question = Question(criterion=criterion, applies=applies, variants=variants)

    def mark(test: Test) -> Test:
        assert criterion in CRITERIA, f"there is no criterion {criterion}"
        test.asks = question  # type: ignore[attr-defined]  # functions take attributes, their type does not say so
        return test

    return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one criterion stands for one case: asked in so many tests, waived with a reason, or not applicable."""

    criterion: str
    case: str
    tests: int
    waived: str


class Suite:
    """The base of every suite.

    `waived` is `C9` or `C9 case` → why, for this adapter alone; `lacks` is `C9` or `C9 group` → why there is nothing to
    ask. A group are the cases of one kind of write, elsewhere each case by itself.
    """

    cases: ClassVar[Mapping[str, Case]] = MappingProxyType({})
    waived: ClassVar[Mapping[str, str]] = MappingProxyType({})
    lacks: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @classmethod
    def group_of(cls, name: str, case: Case) -> str:
        """What a case is an instance of."""
        return name

    @classmethod
    def expects(cls, criterion: str, case: Case) -> bool:
        """Whether the criterion has to be asked of a case like this one, or of another in its group."""
        return True

    def __init_subclass__(cls, **more: Any) -> None:
        """Leave out what applies to no case.

        Raises ValueError for a waiver that waives nothing, and for a criterion that is not asked without a reason.
        """
        super().__init_subclass__(**more)
        if not cls.cases:
            return
        every = {question.criterion for _, question in _questions(cls)}
        for name, question in list(_questions(cls)):
            if not any(_applies(question, case) for case in cls.cases.values()):
                setattr(cls, name, None)
        cells = list(cells_of(cls))
        for key, why in cls.waived.items():
            criterion, _, case = key.partition(" ")
            if not why or not any(c.criterion == criterion and case in {"", c.case} and c.tests for c in cells):
                raise ValueError(f"{cls.__name__} waives {key}, which is not asked or has no reason")
        missing = _missing(cls, every, cells)
        excused = {key for key in missing if cls.lacks.get(key) or cls.lacks.get(key.partition(" ")[0])}
        if open_ones := sorted(missing - excused):
            raise ValueError(
                f"{cls.__name__} leaves out {', '.join(open_ones)}: give the cases what that takes, or why not"
            )
        needless = [key for key in cls.lacks if not any(key in {one, one.partition(" ")[0]} for one in missing)]
        if needless:
            raise ValueError(f"{cls.__name__} does not lack {', '.join(needless)}")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each case, and variant, that the question applies to."""
        question: Question | None = getattr(metafunc.function, "asks", None)
        if question is None:
            return
        params = []
        for name, case in self.cases.items():
            if not _applies(question, case):
                continue
            why = _waiver(type(self), question.criterion, name)
            marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
            if question.variants is None:
                params.append(pytest.param(case, id=name, marks=marks))
                continue
            params += [
                pytest.param(case, variant, id=f"{name}-{getattr(variant, '__name__', variant)}", marks=marks)
                for variant in question.variants(case)
            ]
        metafunc.parametrize(("case",) if question.variants is None else ("case", "variant"), params)


def cells_of(suite: type[Suite]) -> Iterator[Cell]:
    """Each criterion of the suite with each case, in order."""
    asked = [question for _, question in _questions(suite)]
    for criterion in CRITERIA:
        questions = [question for question in asked if question.criterion == criterion]
        if not questions:
            continue
        for name, case in suite.cases.items():
            tests = sum(
                1 if question.variants is None else len(question.variants(case))
                for question in questions
                if _applies(question, case)
            )
            yield Cell(criterion=criterion, case=name, tests=tests, waived=_waiver(suite, criterion, name))


def _applies(question: Question, case: Case) -> bool:
    only: frozenset[str] = getattr(case, "only", frozenset())
    return question.applies(case) and (not only or question.criterion in only)


def _missing(suite: type[Suite], criteria: set[str], cells: list[Cell]) -> set[str]:
    """What should be asked of a group and is asked of none of its cases: `C9 group`."""
    groups: dict[str, list[str]] = {}
    for name, case in suite.cases.items():
        groups.setdefault(suite.group_of(name, case), []).append(name)
    asked = {(cell.criterion, cell.case) for cell in cells if cell.tests}
    return {
        f"{criterion} {group}"
        for criterion in criteria
        for group, names in groups.items()
        if any(suite.expects(criterion, suite.cases[name]) for name in names)
        and not any((criterion, name) in asked for name in names)
    }


def _questions(suite: type[Suite]) -> Iterator[tuple[str, Question]]:
    for name in dir(suite):
        question = getattr(getattr(suite, name), "asks", None)
        if isinstance(question, Question):
            yield name, question


def _waiver(suite: type[Suite], criterion: str, case: str) -> str:
    return suite.waived.get(f"{criterion} {case}") or suite.waived.get(criterion, "")
