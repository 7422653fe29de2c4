"""The CRMs a demo can be played with: what was in them before, and what of ours they hold, in words they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from connector.simulator.hubspot import PORTAL_ID, HubSpot
from connector.simulator.hubspot_portal import FIRST_ID
from connector.simulator.salesforce import Salesforce
from connector.simulator.salesforce_fields import record_id
from connector.simulator.server import Site

Rows = Mapping[str, Mapping[str, Any]]

CONTACT_IDS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "salesforce": lambda number: record_id("Contact", number),
        "hubspot": lambda number: str(FIRST_ID - 1 + number),
    }
)
"""The id each CRM gives to its first, second … contact."""

TWINS = ("Robin", "Robyn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a CRM holds of ours: open tasks, answers on timelines, contacts we made, scores by e-mail address."""

    tasks: int
    timeline: int
    contacts: int
    scores: Mapping[str, float]


class DemoCrm(Protocol):
    """One CRM as the demo sees it. `name` is the vendor's own; `page` leads a person to a contact."""

    name: str
    site: Site

    def add(self, first: str, last: str, email: str, phone: str | None = None, served: str | None = None) -> str:
        """Somebody enters a contact, `served` last on that day; returns its id."""
        ...

    def add_twins(self, email: str, phone: str) -> None:
        """Two contacts that nobody can tell apart by what their answers say."""
        ...

    def contacts(self) -> int:
        """How many contacts there are."""
        ...

    def held(self) -> Held:
        """What it holds of ours."""
        ...

    def page(self) -> str:
        """Where some contact with a score can be looked at."""
        ...


class DemoSalesforce:
    """Salesforce as the demo sees it."""

    name = "Salesforce"

    def __init__(self, salesforce: Salesforce) -> None:
        self._org = salesforce
        self.site = salesforce.site

    def add(self, first: str, last: str, email: str, phone: str | None = None, served: str | None = None) -> str:
        """Somebody enters a contact; returns its id."""
        fields = {"FirstName": first, "LastName": last, "Email": email, "Phone": phone, "Last_Service__c": served}
        return self._org.add_contact(**{name: value for name, value in fields.items() if value is not None})

    def add_twins(self, email: str, phone: str) -> None:
        """They share their address."""
        for first in TWINS:
            self._org.add_contact(FirstName=first, LastName="Doppel", Email=email)

    def contacts(self) -> int:
        """How many contacts there are."""
        return len(self.site.truth.kind("Contact"))

    def held(self) -> Held:
        """Tasks are open; an answer is a completed task."""
        tasks: Rows = self.site.truth.kind("Task")
        contacts: Rows = self.site.truth.kind("Contact")
        return Held(
            tasks=sum(row["Status"] != "Completed" for row in tasks.values()),
            timeline=sum(row["Status"] == "Completed" for row in tasks.values()),
            contacts=sum(bool(row["CSAT_Person__c"]) for row in contacts.values()),
            scores={r["Email"]: r["CSAT_Health__c"] for r in contacts.values() if r["CSAT_Health__c"] is not None},
        )

    def page(self) -> str:
        """A record page."""
        contacts: Rows = self.site.truth.kind("Contact")
        key = next((row["Id"] for row in contacts.values() if row["CSAT_Health__c"] is not None), "")
        return f"{self.site.base_url}/lightning/r/Contact/{key}/view"


class DemoHubSpot:
    """HubSpot as the demo sees it."""

    name = "HubSpot"

    def __init__(self, hubspot: HubSpot) -> None:
        self._account = hubspot
        self.site = hubspot.site

    def add(self, first: str, last: str, email: str, phone: str | None = None, served: str | None = None) -> str:
        """Somebody enters a contact; returns its id."""
        given = {"firstname": first, "lastname": last, "email": email, "phone": phone, "last_service": served}
        return self._account.add_contact(**{name: value for name, value in given.items() if value is not None})

    def add_twins(self, email: str, phone: str) -> None:
        """No two contacts have one address here, so they share their telephone."""
        for first in TWINS:
            self._account.add_contact(firstname=first, lastname="Doppel", phone=phone)

    def contacts(self) -> int:
        """How many contacts there are."""
        return len(self.site.truth.kind("contacts"))

    def held(self) -> Held:
        """Tasks are tasks; an answer is a note."""
        contacts = [row["properties"] for row in self.site.truth.kind("contacts").values()]
        return Held(
            tasks=len(self.site.truth.kind("tasks")),
            timeline=len(self.site.truth.kind("notes")),
            contacts=sum("csat_person" in row for row in contacts),
            scores={row["email"]: float(row["csat_health"]) for row in contacts if "csat_health" in row},
        )

    def page(self) -> str:
        """A record page."""
        contacts: Rows = self.site.truth.kind("contacts")
        key = next((key for key, row in contacts.items() if "csat_health" in row["properties"]), "")
        return f"{self.site.base_url}/contacts/{PORTAL_ID}/record/0-1/{key}"
