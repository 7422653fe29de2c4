"""What `include` puts beside tickets: their users, and in the export what was measured of each."""

from __future__ import annotations

from connector.simulator.parts import Call, Fields
from connector.simulator.zendesk_desk import Desk


def with_beside(desk: Desk, call: Call, data: Fields, tickets: list[Fields]) -> Fields:
    """`data` with what the call asks for beside its `tickets`, which it shows in this order."""
    wanted = call.query.get("include", "").split(",")
    if "users" in wanted:
        named = (ticket[name] for ticket in tickets for name in ("requester_id", "assignee_id"))
        data["users"] = [dict(desk.users[str(number)]) for number in dict.fromkeys(named) if number is not None]
    if "metric_sets" in wanted:
        for shown, ticket in zip(data.get("tickets", []), tickets, strict=False):
            shown["metric_set"] = {"ticket_id": ticket["id"], "solved_at": ticket["_solved_at"]}
    return data
