"""HubSpot holds what every CRM must hold."""

from __future__ import annotations

from datetime import timedelta

from connector.simulator.hubspot import HubSpot
from connector.testing.effect import mail
from connector.testing.feeds import ContactsSuite, Feed
from connector.testing.world import Stand
from connector.testing.writing import WriterSuite
from tests.durability.effects_hubspot import HUBSPOT, hub


def there(stand: Stand) -> HubSpot:
    assert isinstance(stand.account, HubSpot)
    return stand.account


def merge(stand: Stand, loser: str, winner: str) -> None:
    there(stand).merge(winner, loser)


class TestWrites(WriterSuite):
    cases = HUBSPOT


class TestContacts(ContactsSuite):
    cases = {
        "contacts": Feed(
            page="hubspot",
            vendor=hub,
            read=lambda crm, cursor: crm.contacts_since(cursor, ("email", "last_service")),
            id_of=lambda contact: contact.id,
            add=lambda stand, number: there(stand).add_contact(lastname="Sample", email=mail(number)),
            calls="* /crm/objects/*/contacts*",
            merge=merge,
            delete=lambda stand, contact: there(stand).human_delete(contact),
            lag=timedelta(minutes=2),
        )
    }
