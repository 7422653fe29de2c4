"""The demo's world inside the simulators, and what they hold in the end, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from connector.simulator.demo_crm import DemoCrm, DemoHubSpot, DemoSalesforce
from connector.simulator.demo_input import DemoInput
from connector.simulator.suite import Simulators

SAFETY = "csat-safety"


def crm_of(simulators: Simulators) -> DemoCrm:
    """The CRM in use."""
    return DemoHubSpot(simulators.hubspot) if simulators.crm == "hubspot" else DemoSalesforce(simulators.salesforce)


def furnish(simulators: Simulators, world: DemoInput) -> None:
    """Enter the contacts and tickets that were there before the first answer."""
    crm = crm_of(simulators)
    for person in world.people:
        if person.contact_id is None:
            continue
        first, _, last = person.name.partition(" ")
        days = person.last_service_days
        served = None if days is None else (world.now - timedelta(days=days)).date().isoformat()
        made = crm.add(first, last, person.email, person.phone, served)
        assert made == person.contact_id, "the simulator numbers its contacts in order"
    for twin in world.twins:
        crm.add_twins(twin.email, twin.phone)
    for number, email in world.tickets:
        made_ticket = simulators.desk.add(email, timedelta(days=3))
        assert made_ticket == number, "the simulator numbers its tickets in order"


def held_figures(simulators: Simulators) -> dict[str, int]:
    """What the simulators really hold of the connector's work."""
    ours = crm_of(simulators).held()
    messages = simulators.slack.site.truth.kind("message").values()
    return {
        "tickets": simulators.desk.ours(),
        "tasks": ours.tasks,
        "timeline": ours.timeline,
        "contacts": ours.contacts,
        "scores": len(ours.scores),
        "messages": sum(message["channel"] == SAFETY for message in messages),
    }


def scores_held(simulators: Simulators) -> Mapping[str, float]:
    """The health score on each contact that has one, by e-mail."""
    return crm_of(simulators).held().scores


def calls(simulators: Simulators) -> Counter[str]:
    """Vendor calls of every kind, tokens, polls and look-ups included."""
    crm = crm_of(simulators)
    desk = simulators.desk
    sites = {crm.name: crm.site, desk.name: desk.site, "Slack": simulators.slack.site}
    return Counter({name: len(site.requests) for name, site in sites.items()})
