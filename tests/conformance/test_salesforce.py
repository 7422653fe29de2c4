"""Salesforce holds what every CRM must hold."""

from __future__ import annotations

from datetime import timedelta

from connector.simulator.salesforce import Salesforce
from connector.testing.effect import mail
from connector.testing.feeds import ContactsSuite, Feed
from connector.testing.world import Stand
from connector.testing.writing import WriterSuite
from tests.durability.effects import SALESFORCE, org


def there(stand: Stand) -> Salesforce:
    assert isinstance(stand.account, Salesforce)
    return stand.account


class TestWrites(WriterSuite):
    cases = SALESFORCE


class TestContacts(ContactsSuite):
    cases = {
        "contacts": Feed(
            page="salesforce",
            vendor=org,
            read=lambda crm, cursor: crm.contacts_since(cursor, ("Email", "Last_Service__c")),
            id_of=lambda contact: contact.id,
            add=lambda stand, number: there(stand).add_contact(LastName="Sample", Email=mail(number)),
            calls="GET *query*",
            merge=lambda stand, loser, winner: there(stand).merge(winner, loser),
            delete=lambda stand, contact: there(stand).human_delete(contact),
            lag=timedelta(minutes=2),
        )
    }
