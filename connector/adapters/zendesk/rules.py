"""Would a trigger or an automation of the account write to the customer because of us? Pure.

Conditions are judged in three values: what we know of our own writes is yes or no, everything else is "perhaps". Ours
are made by an agent through the API, with private comments only, and a recovery's tickets carry our tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from connector.adapters.zendesk.names import OWN_TAG
from connector.ports import Finding

Verdict = bool | None
CUSTOMER = frozenset({"requester_id", "requester_and_ccs", "requester", "ticket_ccs"})
_MAILS = frozenset({"notification_user", "notification_sms_user"})
_SURVEY = "{{satisfaction."
_WRITES = ("writes to the customer about", "may write to the customer about")
_API = "5"  # via_id of what came through the API
_PRIVATE: Mapping[str, bool] = MappingProxyType(
    {"true": False, "requester_can_see_comment": False, "false": True, "not_relevant": True}
)


def findings(
    triggers: Iterable[Mapping[str, Any]], automations: Iterable[Mapping[str, Any]], tags: Sequence[str]
) -> Iterator[Finding]:
    """Rules that reach the customer. `tags` are those of every ticket of ours, the one against surveys last."""
    carried = frozenset({OWN_TAG, *tags})
    for rule in triggers:
        verdicts = [judge(rule, event, carried) for event in ("Create", "Change")]
        if _reaches_customer(rule) and verdicts != [False, False]:
            yield _finding("trigger", rule, tags[0], certain=True in verdicts)
    for rule in automations:
        # It comes by later: nothing but the tags is known of a ticket then.
        if _reaches_customer(rule) and judge(rule, "", carried) is not False:
            yield _finding("automation", rule, tags[-1], certain=_is_survey(rule))


def judge(rule: Mapping[str, Any], event: str, tags: frozenset[str]) -> Verdict:
    """Whether the rule's conditions are met by our write `event` (Create or Change; empty: some time later)."""
    conditions = rule.get("conditions") or {}
    every = [_condition(each, event, tags) for each in conditions.get("all") or []]
    some = [_condition(each, event, tags) for each in conditions.get("any") or []]
    if False in every or (some and set(some) == {False}):
        return False
    if None in every or (some and True not in some):
        return None
    return True


def _condition(condition: Mapping[str, Any], event: str, tags: frozenset[str]) -> Verdict:
    field, operator = str(condition.get("field")), str(condition.get("operator") or "is")
    value = str(condition.get("value") if condition.get("value") is not None else "")
    if field == "current_tags":
        return _tagged(operator, set(value.split()), tags)
    known = _KNOWN.get(field) if event else None
    verdict = None if known is None else known(value, event)
    if operator == "is_not":
        return None if verdict is None else not verdict
    return verdict if operator in {"is", "value"} else _compared(field, operator, value, event)


def _tagged(operator: str, named: set[str], tags: frozenset[str]) -> Verdict:
    if operator == "includes":
        return bool(named & tags)
    return not named & tags if operator == "not_includes" else None


def _compared(field: str, operator: str, value: str, event: str) -> Verdict:
    """`status less_than solved` is how standard rules say "not solved yet", and our writes never solve."""
    return True if (field, operator, value) == ("status", "less_than", "solved") and event else None


def _status(value: str, event: str) -> Verdict:
    return False if value in {"solved", "closed"} else None


def _public(value: str, event: str) -> Verdict:
    return None if event == "Change" else value == "private"


_KNOWN: Mapping[str, Callable[[str, str], Verdict]] = MappingProxyType(
    {
        "update_type": lambda value, event: value == event,
        "comment_is_public": lambda value, event: _PRIVATE.get(value),
        "ticket_is_public": _public,
        "role": lambda value, event: value == "agent",
        "current_via_id": lambda value, event: value == _API,
        "via_id": lambda value, event: value == _API if event == "Create" else None,
        "status": _status,
    }
)


def _reaches_customer(rule: Mapping[str, Any]) -> bool:
    return _is_survey(rule) or any(
        action.get("field") in _MAILS and str(_first(action.get("value"))) in CUSTOMER for action in _actions(rule)
    )


def _is_survey(rule: Mapping[str, Any]) -> bool:
    return any(
        action.get("field") == "satisfaction_score" or _SURVEY in json.dumps(action.get("value"))
        for action in _actions(rule)
    )


def _actions(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [action for action in rule.get("actions") or [] if isinstance(action, dict)]


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _finding(kind: str, rule: Mapping[str, Any], tag: str, *, certain: bool) -> Finding:
    survey = _is_survey(rule)
    words = ("surveys the customer about", "may survey the customer about") if survey else _WRITES
    return Finding(
        subject=f"{kind} {str(rule.get('title'))[:80]!r}",
        message=f"{words[0 if certain else 1]} a recovery ticket",
        fix=f"add to it the condition `Tags contains none of {tag}`: Admin Center › Objects and rules › "
        f"Business rules › {kind.capitalize()}s",
        blocking=certain,
    )
