"""Which triggers and automations would write to a customer because of us: yes, no, or perhaps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapters.zendesk.names import OWN_TAG
from connector.adapters.zendesk.rules import findings, judge
from connector.simulator.zendesk_admin import _STANDARD

TAGS = ("csat-recovery", "csat-no-survey")
CARRIED = frozenset({OWN_TAG, *TAGS})


def condition(field: str, value: object, operator: str = "is") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def rule(*every: dict[str, Any], some: tuple[dict[str, Any], ...] = (), action: object = None) -> dict[str, Any]:
    actions = [action or {"field": "notification_user", "value": ["requester_id", "Subject", "Body"]}]
    return {"title": "Thanks", "conditions": {"all": list(every), "any": list(some)}, "actions": actions}


CREATE = condition("update_type", "Create")
UNKNOWN = condition("priority", "urgent")


@pytest.mark.parametrize(
    ("given_rule", "on_create", "on_change"),
    [
        (rule(), True, True),
        (rule(CREATE), True, False),
        (rule(condition("update_type", "Change")), False, True),
        (rule(condition("comment_is_public", "true")), False, False),
        (rule(condition("comment_is_public", "not_relevant")), True, True),
        (rule(condition("comment_is_public", "false")), True, True),
        (rule(condition("ticket_is_public", "public")), False, None),
        (rule(condition("ticket_is_public", "private")), True, None),
        (rule(condition("role", "end_user")), False, False),
        (rule(condition("role", "end_user", "is_not")), True, True),
        (rule(condition("current_via_id", 5)), True, True),
        (rule(condition("current_via_id", 4)), False, False),
        (rule(condition("status", "solved")), False, False),
        (rule(condition("status", "solved", "is_not")), True, True),
        (rule(condition("status", "solved", "less_than")), True, True),
        (rule(condition("status", "open")), None, None),
        (rule(condition("current_tags", "vip csat-recovery", "includes")), True, True),
        (rule(condition("current_tags", "vip", "includes")), False, False),
        (rule(condition("current_tags", "csat-connector", "not_includes")), False, False),
        (rule(condition("current_tags", "vip", "not_includes")), True, True),
        (rule(UNKNOWN), None, None),
        (rule(UNKNOWN, condition("role", "end_user")), False, False),
        (rule(some=(UNKNOWN, CREATE)), True, None),
        (rule(some=(UNKNOWN, condition("role", "end_user"))), None, None),
        (rule(some=(condition("role", "end_user"), condition("comment_is_public", "true"))), False, False),
    ],
)
def test_conditions_are_judged_by_what_we_know_of_our_writes(
    given_rule: dict[str, Any], on_create: bool | None, on_change: bool | None
) -> None:
    assert (judge(given_rule, "Create", CARRIED), judge(given_rule, "Change", CARRIED)) == (on_create, on_change)


def test_zendesks_own_triggers_are_harmless_since_our_comments_are_private() -> None:
    standard = [
        {"title": title, "conditions": conditions, "actions": [{"field": "notification_user", "value": [whom, "", ""]}]}
        for title, conditions, whom in _STANDARD
    ]
    # The first asks for a public ticket: one a customer opened is public, but then it is no longer being created.
    assert list(findings(standard, [], TAGS)) == []


@pytest.mark.parametrize(
    ("action", "reaches"),
    [
        ({"field": "notification_user", "value": ["requester_id", "a", "b"]}, True),
        ({"field": "notification_user", "value": ["requester_and_ccs", "a", "b"]}, True),
        ({"field": "notification_user", "value": ["assignee_id", "a", "b"]}, False),
        ({"field": "notification_user", "value": ["assignee_id", "a", "{{satisfaction.rating_section}}"]}, True),
        ({"field": "notification_sms_user", "value": ["requester_id", "1", "b"]}, True),
        ({"field": "satisfaction_score", "value": "offered"}, True),
        ({"field": "notification_group", "value": ["group_id", "a", "b"]}, False),
        ({"field": "current_tags", "value": "seen"}, False),
    ],
)
def test_only_what_reaches_the_customer_counts(action: dict[str, Any], reaches: bool) -> None:
    assert bool(list(findings([rule(CREATE, action=action)], [], TAGS))) is reaches
    assert bool(list(findings([], [rule(UNKNOWN, action=action)], TAGS))) is reaches


def test_certain_mail_stands_in_the_way_and_possible_mail_is_said() -> None:
    (certain,) = findings([rule(CREATE)], [], TAGS)
    (possible,) = findings([rule(CREATE, UNKNOWN)], [], TAGS)
    assert (certain.blocking, possible.blocking) == (True, False)
    assert "may write" in possible.message
    assert "csat-recovery" in certain.fix
    (survey,) = findings([], [rule(action={"field": "satisfaction_score", "value": "offered"})], TAGS)
    assert survey.blocking
    assert "csat-no-survey" in survey.fix


CONDITIONS = st.builds(
    condition,
    st.sampled_from(["update_type", "status", "role", "priority", "comment_is_public", "current_via_id", "SOLVED"]),
    st.sampled_from(["Create", "Change", "solved", "open", "end_user", "agent", "true", "false", "5", None, 24]),
    st.sampled_from(["is", "is_not", "less_than", "changed", "value"]),
)


@given(st.lists(CONDITIONS, max_size=4), st.lists(CONDITIONS, max_size=3), st.sampled_from(["Create", "Change", ""]))
def test_excluding_our_tag_always_helps(every: list[dict[str, Any]], some: list[dict[str, Any]], event: str) -> None:
    excluded = rule(*every, condition("current_tags", TAGS[0], "not_includes"), some=tuple(some))
    assert judge(excluded, event, CARRIED) is False
