"""Rules over one answer: which matched, and the part of each expression that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.domain.model.intent import Json
from connector.domain.model.recovery import Severity
from connector.errors import ExpressionError
from connector.sync.settings import Effect, OpenRecovery, Rule, SendAlert, StartWorkflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What came of one rule. `decided_by` is the sub-expression that decided; `missing` says which value was absent."""

    rule: str
    when: str
    matched: bool
    decided_by: str
    missing: str | None
    checks: tuple[tuple[str, str], ...]
    actions: tuple[Effect, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """For the history."""
        return {
            "rule": self.rule,
            "when": self.when,
            "matched": self.matched,
            "decided_by": self.decided_by,
            "missing": self.missing,
            "checks": [[text, outcome] for text, outcome in self.checks],
        }


def apply(rules: Sequence[Rule], context: Mapping[str, object]) -> list[Ruling]:
    """Every rule in order, up to the first that matches and says stop. A missing value makes a rule not act."""
    rulings: list[Ruling] = []
    for rule in rules:
        ruling = _apply(rule, context)
        rulings.append(ruling)
        if ruling.matched and rule.stop:
            break
    return rulings


def matching(rules: Sequence[Rule], context: Mapping[str, object]) -> list[Rule]:
    """The rules that `apply` finds to match, without the reasons: for who asks of many answers."""
    found: list[Rule] = []
    for rule in rules:
        if _matches(rule, context)[0]:
            found.append(rule)
            if rule.stop:
                break
    return found


def held(rules: Sequence[Rule], context: Mapping[str, object]) -> tuple[bool, ...]:
    """Whether each rule matches, whatever another one says."""
    return tuple(_matches(rule, context)[0] for rule in rules)


def begun(rules: Sequence[Rule], context: Mapping[str, object], before: Mapping[str, object]) -> list[Ruling]:
    """The rules that match in `context` and did not `before`, up to the first of them that says stop."""
    found: list[Ruling] = []
    for rule in rules:
        if _matches(rule, context)[0] and not _matches(rule, before)[0]:
            found.append(_apply(rule, context))
            if rule.stop:
                break
    return found


def _matches(rule: Rule, context: Mapping[str, object]) -> tuple[bool, str | None]:
    """Whether it matches, and which value is missing where that keeps it from saying so."""
    try:
        return bool(rule.when.evaluate(context)), None
    except ExpressionError as error:
        return False, error.message


def _apply(rule: Rule, context: Mapping[str, object]) -> Ruling:
    matched, missing = _matches(rule, context)
    return Ruling(
        rule=rule.name,
        when=rule.when.text,
        matched=matched,
        decided_by=rule.when.deciding(context),
        missing=missing,
        checks=tuple((check.text, _outcome(check.outcome)) for check in rule.when.explain(context)),
        actions=rule.actions if matched else (),
    )


def _outcome(outcome: bool | str) -> str:  # noqa: FBT001  # what an explanation's check holds
    if isinstance(outcome, str):
        return outcome
    return "yes" if outcome else "no"


def recoveries_wanted(rulings: Sequence[Ruling | Rule]) -> dict[str, Severity]:
    """The playbooks to open, each at the highest severity any rule asked for, whatever the order of the rules."""
    wanted: dict[str, Severity] = {}
    for ruling in rulings:
        for action in ruling.actions:
            if isinstance(action, OpenRecovery):
                known = wanted.get(action.playbook, action.severity)
                wanted[action.playbook] = max(known, action.severity, key=lambda severity: severity.rank)
    return wanted


def alerts_wanted(rulings: Sequence[Ruling | Rule]) -> list[SendAlert]:
    """The messages to send, in the order of the rules."""
    return [action for ruling in rulings for action in ruling.actions if isinstance(action, SendAlert)]


def events_wanted(rulings: Sequence[Ruling | Rule]) -> list[StartWorkflow]:
    """The events for other programs, in the order of the rules."""
    return [action for ruling in rulings for action in ruling.actions if isinstance(action, StartWorkflow)]
