"""What HubSpot calls things, and what it can promise. Sources: docs/vendors/hubspot.md."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from connector.domain.model.intent import Promise, WriteKind

API_VERSION = "2026-09"
"""One constant: paths carry the date of their version, which is raised on purpose, after reading its changes."""
OBJECTS = f"/crm/objects/{API_VERSION}"
ASSOCIATIONS = f"/crm/associations/{API_VERSION}"
PROPERTIES = f"/crm/properties/{API_VERSION}"
TOKEN_PATH = "/oauth/2026-03/token"  # noqa: S105  # a path; OAuth has versions of its own

CONTACTS, NOTES, TASKS = "contacts", "notes", "tasks"
PERSON = "csat_person"
"""Single-line text with unique values, on contacts: our key of the person."""
KEY = "csat_key"
"""The same on tasks and on notes: our key of the step or answer."""
CONTACT_ID = "contact_id"
"""Our word in a mapping for the contact a task or note hangs on; it is no property but an association."""

OBJECT: Mapping[WriteKind, str] = MappingProxyType(
    {
        WriteKind.CONTACT: CONTACTS,
        WriteKind.CONTACT_FIELDS: CONTACTS,
        WriteKind.ACTIVITY: NOTES,
        WriteKind.TASK: TASKS,
    }
)
ENGAGEMENTS = frozenset({WriteKind.ACTIVITY, WriteKind.TASK})
BODY: Mapping[str, str] = MappingProxyType({NOTES: "hs_note_body", TASKS: "hs_task_body"})
"""The text of each, which HubSpot shows as HTML."""
TO_CONTACT: Mapping[str, int] = MappingProxyType({NOTES: 202, TASKS: 204})
"""The association type from each to its contact."""
_PAGES: Mapping[str, str] = MappingProxyType({CONTACTS: "0-1", TASKS: "0-27", NOTES: "0-46"})

BATCH = 100  # records in one batch call; the whole call counts as one request
DEFAULT = "default"
"""The quota of everything but search."""
SEARCH = "search"
"""Five requests a second for the whole account."""

KEYED = Promise(native=True, can_ask=True, batch=BATCH, mixed=False, endpoint_class=DEFAULT)
"""Task or note where the account has our key with unique values: a second create is refused, and the first found."""
MARKED = Promise(
    native=False,
    can_ask=True,
    ask_first=True,
    batch=BATCH,
    mixed=False,
    endpoint_class=DEFAULT,
    settle=timedelta(seconds=60),
    residual=(
        f"Without {KEY} on tasks and notes they are recognised by a line in their text: when somebody deletes that "
        "line while our write is in doubt, or the write lands later than a minute, there can be two. It is looked for "
        "among the tasks or notes of its contact: one that names no contact is not found."
    ),
)
"""Task or note elsewhere."""

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        # The person may be there already, typed in by somebody: HubSpot refuses a second one with the same address, or
        # with our key, and only then it is asked which one that is.
        WriteKind.CONTACT: Promise(
            native=True,
            can_ask=True,
            batch=BATCH,
            endpoint_class=DEFAULT,
            carries=frozenset({WriteKind.CONTACT_FIELDS}),
            residual="A contact somebody types in without an e-mail address stays beside ours.",
        ),
        WriteKind.CONTACT_FIELDS: Promise(native=True, can_ask=False, batch=BATCH, endpoint_class=DEFAULT),
        # Until the account is known to hold our key, the weaker promise is the true one.
        WriteKind.ACTIVITY: MARKED,
        WriteKind.TASK: MARKED,
    }
)
_CONTACT_FIELDS = (
    "address annualrevenue city company company_size country date_of_birth degree email fax field_of_study firstname "
    "gender graduation_date hs_content_membership_notes hs_language hs_lead_status hs_legal_basis hs_timezone "
    "hubspot_owner_id industry job_function jobtitle lastname lifecyclestage marital_status message mobilephone "
    "military_status numemployees phone relationship_status salutation school seniority start_date state twitterhandle "
    "website work_email zip"
)
_NOTE_FIELDS = f"{CONTACT_ID} hs_attachment_ids hs_note_body hs_timestamp hubspot_owner_id"
_TASK_FIELDS = (
    f"{CONTACT_ID} hs_task_body hs_task_priority hs_task_reminders hs_task_status hs_task_subject hs_task_type "
    "hs_timestamp hubspot_owner_id hs_queue_membership_ids"
)
KNOWN_FIELDS: Mapping[WriteKind, frozenset[str]] = MappingProxyType(
    {
        WriteKind.CONTACT: frozenset(_CONTACT_FIELDS.split()),
        WriteKind.CONTACT_FIELDS: frozenset(_CONTACT_FIELDS.split()),
        WriteKind.ACTIVITY: frozenset(_NOTE_FIELDS.split()),
        WriteKind.TASK: frozenset(_TASK_FIELDS.split()),
    }
)
CUSTOM_FIELD = r"[a-z][a-z0-9_]{0,249}"
"""A custom property looks like a standard one, so only the account can judge a name in small letters."""


def remote_key(key: str) -> str:
    """`key` as it is written: itself where it fits, else its SHA-256.

    Nothing says whether unique values are compared with case, so a key with capitals is hashed too.
    """
    return key if len(key) <= 255 and key == key.lower() else hashlib.sha256(key.encode()).hexdigest()


def marker(key: str) -> str:
    """The line in the text of a task or note by which we know it again."""
    return f"csat-connector {remote_key(key)}"


def record_url(app_url: str, portal: str, name: str, record: object) -> str:
    """Where a person opens a record."""
    return f"{app_url}/contacts/{portal}/record/{_PAGES[name]}/{record}"
