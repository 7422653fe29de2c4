"""Tickets as an agent sees them."""

from __future__ import annotations

from connector.simulator import pages
from connector.simulator.parts import Answer, Fields
from connector.simulator.zendesk_desk import Desk


def ticket_list(desk: Desk) -> Answer:
    """Every ticket, newest first."""
    rows = [t for t in desk.tickets.values() if t["status"] != "deleted"]
    entries = [(f"/agent/tickets/{t['id']}", f"#{t['id']} [{t['status']}] {t['subject']}") for t in reversed(rows)]
    return pages.page(f"Tickets ({len(rows)})", pages.links(entries))


def ticket_page(desk: Desk, ticket: Fields) -> Answer:
    """One ticket with its comments; private ones look private."""
    users = desk.users
    requester = users[str(ticket["requester_id"])]
    facts = {
        "Status": desk.statuses[ticket["custom_status_id"]]["agent_label"],
        "Priority": ticket["priority"],
        "Group": desk.groups.get(ticket["group_id"]),
        "Requester": f"{requester['name']} <{requester['email']}>",
        "Due": ticket["due_at"],
        "Tags": ", ".join(ticket["tags"]),
        "External id": ticket["external_id"],
    }
    comments = (
        pages.block(
            f"{users[str(c['author_id'])]['name']}, {c['created_at']}, {'public' if c['public'] else 'private'}",
            c["body"],
            private=not c["public"],
        )
        for c in ticket["comments"]
    )
    return pages.page(f"#{ticket['id']} {ticket['subject']}", pages.table(facts), *comments)
