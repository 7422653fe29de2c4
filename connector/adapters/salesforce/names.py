"""What Salesforce calls things, and what it can promise. Sources: docs/vendors/salesforce.md."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from connector.domain.model.intent import Promise, WriteKind

API_VERSION = "67.0"
"""Summer '26. One constant: a version is raised on purpose, after reading its release notes."""
DATA = f"/services/data/v{API_VERSION}"
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path

PERSON_FIELD = "CSAT_Person__c"
"""Text(64), External ID, Unique, on Contact: our key of the person."""
KEY_FIELD = "CSAT_Key__c"
"""Text(255), External ID, Unique, on Activity (so on Task): our key of the answer or step."""
KEY_LENGTHS: Mapping[str, int] = MappingProxyType({PERSON_FIELD: 64, KEY_FIELD: 255})

OBJECTS: Mapping[WriteKind, str] = MappingProxyType(
    {
        WriteKind.CONTACT: "Contact",
        WriteKind.CONTACT_FIELDS: "Contact",
        WriteKind.ACTIVITY: "Task",
        WriteKind.TASK: "Task",
    }
)
TASKS = frozenset({WriteKind.ACTIVITY, WriteKind.TASK})

BATCH = 200  # records in one sObject Collections call; the whole call costs one of the day's API requests
API = "api"  # the one quota: requests in a rolling 24 hours, shared by everything that talks to the org

KEYED = Promise(native=True, can_ask=True, batch=BATCH, endpoint_class=API)
"""Task and activity where the org has our key field, external id and unique."""
MARKED = Promise(
    native=False,
    can_ask=True,
    ask_first=True,
    batch=1,  # a call of several either creates or updates, and the lane may want both
    endpoint_class=API,
    settle=timedelta(seconds=60),
    residual=(
        f"Without {KEY_FIELD} on Activity a task is recognised by a line in its description: when somebody deletes "
        "that line while our write is in doubt, or the write lands later than a minute, there can be two. It is looked "
        "for among the tasks of its contact: one that names no contact is not found."
    ),
)
"""Task and activity elsewhere."""

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.CONTACT: Promise(
            native=True,
            can_ask=True,
            ask_first=True,  # the person may be there already, typed in by somebody
            batch=BATCH,
            endpoint_class=API,
            carries=frozenset({WriteKind.CONTACT_FIELDS}),
            residual="A contact somebody types in between our look-up and our write stays beside ours.",
        ),
        WriteKind.CONTACT_FIELDS: Promise(native=True, can_ask=False, batch=BATCH, endpoint_class=API),
        # Until the org is known to hold our key on Task, the weaker promise is the true one.
        WriteKind.ACTIVITY: MARKED,
        WriteKind.TASK: MARKED,
    }
)
KNOWN_FIELDS: Mapping[WriteKind, frozenset[str]] = MappingProxyType(
    {
        kind: frozenset(fields.split())
        for kinds, fields in (
            (
                (WriteKind.CONTACT, WriteKind.CONTACT_FIELDS),
                (
                    "AccountId AssistantName AssistantPhone Birthdate CleanStatus ContactSource Department Description "
                    "DoNotCall Email Fax FirstName GenderIdentity HasOptedOutOfEmail HasOptedOutOfFax HomePhone "
                    "IndividualId Jigsaw LastName LeadSource MailingCity MailingCountry MailingCountryCode "
                    "MailingPostalCode MailingState MailingStateCode MailingStreet MiddleName MobilePhone OtherCity "
                    "OtherCountry OtherCountryCode OtherPhone OtherPostalCode OtherState OtherStateCode OtherStreet "
                    "OwnerId Phone Pronouns RecordTypeId ReportsToId Salutation Suffix Title"
                ),
            ),
            (
                (WriteKind.ACTIVITY, WriteKind.TASK),
                (
                    "ActivityDate CallDisposition CallDurationInSeconds CallObject CallType Description "
                    "IsReminderSet OwnerId Priority RecordTypeId ReminderDateTime Status Subject TaskSubtype Type "
                    "WhatId WhoId"
                ),
            ),
        )
        for kind in kinds
    }
)
CUSTOM_FIELD = r"(?:[A-Za-z]\w*__)?[A-Za-z]\w*__c"


def remote_key(key: str, field: str) -> str:
    """`key` as it is written to `field`: itself where it fits, else its SHA-256.

    Unique text fields compare without case unless the admin chose otherwise, so a key with capitals is hashed too.
    """
    fits = len(key) <= KEY_LENGTHS[field] and key == key.lower()
    return key if fits else hashlib.sha256(key.encode()).hexdigest()


def record_url(url: str, name: str, record: object) -> str:
    """Where a person opens a record; My Domain redirects it to the Lightning host."""
    return f"{url}/lightning/r/{name}/{record}/view"


def marker(key: str) -> str:
    """The line in a task's description by which we know it again."""
    return f"csat-connector {remote_key(key, KEY_FIELD)}"
