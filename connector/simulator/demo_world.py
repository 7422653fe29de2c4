"""The demo's world inside the simulators, and what they hold in the end, counted."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from connector.simulator.demo_input import DemoInput
from connector.simulator.suite import Simulators

SAFETY = "csat-safety"


def furnish(simulators: Simulators, world: DemoInput) -> None:
    """Enter the contacts and tickets that were there before the first answer."""
    for person in world.people:
        if person.contact_id is None:
            continue
        first, _, last = person.name.partition(" ")
        fields = {"FirstName": first, "LastName": last, "Email": person.email, "Phone": person.phone}
        if person.last_service_days is not None:
            day = world.now - timedelta(days=person.last_service_days)
            fields["Last_Service__c"] = day.date().isoformat()
        made = simulators.salesforce.add_contact(**fields)
        assert made == person.contact_id, "the simulator numbers its contacts in order"
    for twin in world.twins:
        for first in ("Robin", "Robyn"):
            simulators.salesforce.add_contact(FirstName=first, LastName="Doppel", Email=twin.email)
    for number, email in world.tickets:
        made_ticket = simulators.zendesk.add_ticket(requester_email=email, subject="Please help")
        assert made_ticket == number, "the simulator numbers its tickets in order"
        simulators.zendesk.desk.backdate(number, timedelta(days=3))


def held_figures(simulators: Simulators) -> dict[str, int]:
    """What the simulators really hold of the connector's work."""
    tasks = simulators.salesforce.site.truth.kind("Task").values()
    contacts = simulators.salesforce.site.truth.kind("Contact").values()
    tickets = simulators.zendesk.site.truth.kind("ticket").values()
    messages = simulators.slack.site.truth.kind("message").values()
    return {
        "tickets": sum(bool(ticket["external_id"]) for ticket in tickets),
        "tasks": sum(task["Status"] != "Completed" for task in tasks),
        "timeline": sum(task["Status"] == "Completed" for task in tasks),
        "contacts": sum(bool(contact["CSAT_Person__c"]) for contact in contacts),
        "scores": sum(contact["CSAT_Health__c"] is not None for contact in contacts),
        "messages": sum(message["channel"] == SAFETY for message in messages),
    }


def scores_held(simulators: Simulators) -> dict[str, float]:
    """The health score on each contact that has one, by e-mail."""
    contacts = simulators.salesforce.site.truth.kind("Contact").values()
    return {row["Email"]: row["CSAT_Health__c"] for row in contacts if row["CSAT_Health__c"] is not None}


def a_contact_with_score(simulators: Simulators) -> str:
    """The id of some contact that has one, to look at; empty when none has."""
    contacts = simulators.salesforce.site.truth.kind("Contact").values()
    return next((row["Id"] for row in contacts if row["CSAT_Health__c"] is not None), "")


def calls(simulators: Simulators) -> Counter[str]:
    """Vendor calls of every kind, tokens, polls and look-ups included."""
    sites = {
        "Salesforce": simulators.salesforce.site,
        "Zendesk": simulators.zendesk.site,
        "Slack": simulators.slack.site,
    }
    return Counter({name: len(site.requests) for name, site in sites.items()})
