"""What the simulators hold of the connector's work, in words that two runs of one input share.

Ids, clocks, ports and the instants in texts differ between runs; whose they are is told by keys and addresses instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from connector.simulator.hubspot import PORTAL_ID
from connector.simulator.suite import Simulators

Thing = tuple[str, str, str, str]  # marker, kind, object, final fields
Rows = Mapping[str, Mapping[str, Any]]

CLOCKS = {"CreatedDate", "LastModifiedDate", "SystemModstamp", "CSAT_As_Of__c", "ActivityDate"}
PROPERTY_CLOCKS = {
    "createdate",
    "lastmodifieddate",
    "hs_createdate",
    "hs_lastmodifieddate",
    "csat_as_of",
    "hs_timestamp",
}
IDS = {"Id", "CreatedById", "LastModifiedById", "WhoId", "OwnerId"}
TICKET_FIELDS = ("subject", "priority", "type", "group_id", "status", "custom_status_id")
# As connector.domain.recovery.due writes it, in an urgent ticket or another.
_DEADLINE = re.compile(r"\b(?:latest )?by \w{3} \d+ \w{3} \d\d:\d\d \([^)]+\)")


def held(simulators: Simulators) -> list[Thing]:
    """Every object and every note, with its marker and final fields, sorted: what is there twice is listed twice."""
    names = _names(simulators)
    crm = _hubspot if simulators.crm == "hubspot" else _salesforce
    return sorted([*crm(simulators, names), *_zendesk(simulators, names), *_slack(simulators, names)])


def _names(simulators: Simulators) -> dict[str, str]:
    """What to read instead of an address that holds an id."""
    zendesk, salesforce, hubspot = simulators.zendesk.site, simulators.salesforce.site, simulators.hubspot.site
    tickets: Rows = zendesk.truth.kind("ticket")
    contacts: Rows = salesforce.truth.kind("Contact")
    others: Rows = hubspot.truth.kind("contacts")
    named = {f"{zendesk.base_url}/agent/tickets/{key}": f"<ticket {_ticket(row)}>" for key, row in tickets.items()}
    named |= {
        f"{hubspot.base_url}/contacts/{PORTAL_ID}/record/0-1/{key}": f"<contact {row['properties'].get('email')}>"
        for key, row in others.items()
    }
    return named | {
        f"{salesforce.base_url}/lightning/r/Contact/{key}/view": f"<contact {row['Email']}>"
        for key, row in contacts.items()
    }


def _ticket(row: Mapping[str, Any]) -> str:
    return str(row["external_id"] or row["id"])  # those without a key of ours were there before, with the same ids


def _salesforce(simulators: Simulators, names: Mapping[str, str]) -> list[Thing]:
    contacts: Rows = simulators.salesforce.site.truth.kind("Contact")
    tasks: Rows = simulators.salesforce.site.truth.kind("Task")
    made = [
        (str(row["CSAT_Person__c"] or ""), "contact", str(row["Email"]), _words(row, names, CLOCKS | IDS))
        for row in contacts.values()
    ]
    for row in tasks.values():
        whose = str(contacts[row["WhoId"]]["Email"])
        made.append((str(row["CSAT_Key__c"]), "task", whose, _words(row, names, CLOCKS | IDS)))
    return made


def _hubspot(simulators: Simulators, names: Mapping[str, str]) -> list[Thing]:
    truth = simulators.hubspot.site.truth
    contacts: Rows = truth.kind("contacts")
    made = []
    for key, row in contacts.items():
        held = row["properties"]
        words = _words(held, names, PROPERTY_CLOCKS | {"hs_object_id"})
        made.append((held.get("csat_person", ""), "contact", held.get("email", key), words))
    for kind in ("tasks", "notes"):
        rows: Rows = truth.kind(kind)
        for row in rows.values():
            held = row["properties"]
            whose = " ".join(contacts[key]["properties"]["email"] for key in row["associations"].get("contacts", []))
            words = _words(held, names, PROPERTY_CLOCKS | {"hs_object_id", "hubspot_owner_id"})
            made.append((held["csat_key"], kind, whose, words))
    return made


def _zendesk(simulators: Simulators, names: Mapping[str, str]) -> list[Thing]:
    tickets: Rows = simulators.zendesk.site.truth.kind("ticket")
    users: Rows = simulators.zendesk.site.truth.kind("user")
    made: list[Thing] = []
    for row in tickets.values():
        fields = {name: row.get(name) for name in TICKET_FIELDS} | {"tags": sorted(row["tags"])}
        whose = str(users[str(row["requester_id"])]["email"])
        made.append((_ticket(row), "ticket", whose, _words(fields, names)))
        for comment in row["comments"]:
            said = _renamed(_DEADLINE.sub("in time", comment["body"]), names)
            fields = {"body": said, "public": comment["public"]}
            made.append((said.splitlines()[-1], "comment", _ticket(row), _words(fields, names)))
    return made


def _slack(simulators: Simulators, names: Mapping[str, str]) -> list[Thing]:
    messages: Rows = simulators.slack.site.truth.kind("message")
    return [
        (row["metadata"]["event_payload"]["key"], "message", row["channel"], _words({"text": row["text"]}, names))
        for row in messages.values()
    ]


def _words(row: Mapping[str, Any], names: Mapping[str, str], without: frozenset[str] | set[str] = frozenset()) -> str:
    return _renamed(json.dumps({name: row[name] for name in row if name not in without}, sort_keys=True), names)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for address, name in names.items():
        if address in text:
            text = re.sub(re.escape(address) + r"(?![0-9A-Za-z])", name, text)
    return text
