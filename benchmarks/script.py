"""What one writes in an afternoon instead: each vendor's own client library, one answer after the other.

It does what the example configuration does for an answer: find or make the contact, put the answer on the timeline,
write the score, and for an unhappy one open a ticket and a task. It scores more simply, and matches by e-mail alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import hubspot
import requests
import urllib3
from hubspot.crm import contacts as hubspot_contacts
from hubspot.crm import objects as hubspot_objects
from simple_salesforce.api import Salesforce
from tenacity import Retrying, stop_after_attempt, wait_random_exponential
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
from zenpy import Zenpy
from zenpy.lib.api_objects import Comment, Ticket, User

from connector.simulator import hubspot as hubspot_site
from connector.simulator import salesforce as salesforce_site
from connector.simulator import zendesk as zendesk_site

CONNECTIONS = 32
ATTEMPTS = 5
Do = Callable[[Callable[[], Any]], Any]
"""How a step is done: at once, with retries, or remembered by an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the vendors listen. `crm` is which CRM it is."""

    crm: str
    crm_url: str
    desk_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the script reads from a delivery."""

    token: str
    email: str
    name: str
    rating: int
    recommend: int
    said: str
    day: str
    at: str

    @property
    def unhappy(self) -> bool:
        """As the example configuration's thresholds say."""
        return self.rating <= 3 or self.recommend <= 6


def read(body: bytes) -> Answer:
    """A delivery of Typeform."""
    form = json.loads(body)["form_response"]
    given = {one["field"]["ref"]: one[one["type"]] for one in form["answers"]}
    return Answer(
        token=form["token"],
        email=form["hidden"]["email"],
        name=form["hidden"]["name"],
        rating=given["csat"],
        recommend=given["recommend"],
        said=given["why"],
        day=form["submitted_at"][:10],
        at=form["submitted_at"],
    )


class Crm(Protocol):
    """The four things that are done in a CRM."""

    def find(self, email: str) -> str | None:
        """The contact with this address."""
        ...

    def create(self, answer: Answer) -> str:
        """A new contact."""
        ...

    def log(self, contact: str, answer: Answer) -> None:
        """The answer on the contact's timeline."""
        ...

    def score(self, contact: str, points: float) -> None:
        """The score on the contact."""
        ...

    def task(self, contact: str, answer: Answer, ticket: str) -> None:
        """Somebody is to call back."""
        ...


class Loopback(requests.adapters.HTTPAdapter):
    """The libraries say https; the stand-ins speak http."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send it to the same place in clear text."""
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def _session(**options: Any) -> requests.Session:
    session = requests.Session()
    session.mount("https://", Loopback(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS, **options))
    return session


class InSalesforce:
    """simple-salesforce, as its own page shows it."""

    def __init__(self, url: str) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": salesforce_site.CLIENT_ID,
            "client_secret": salesforce_site.CLIENT_SECRET,
        }
        token = httpx.post(f"{url}/services/oauth2/token", data=form).json()["access_token"]
        instance = url.replace("http://", "https://")
        self._api: Any = Salesforce(instance_url=instance, session_id=token, session=_session(), version="67.0")

    def find(self, email: str) -> str | None:
        """By a query."""
        rows = self._api.query(f"SELECT Id FROM Contact WHERE Email = '{email}'")["records"]
        return rows[0]["Id"] if rows else None

    def create(self, answer: Answer) -> str:
        """A new contact."""
        first, _, last = answer.name.rpartition(" ")
        made = self._api.Contact.create({"FirstName": first, "LastName": last, "Email": answer.email})
        return str(made["id"])

    def log(self, contact: str, answer: Answer) -> None:
        """A completed task."""
        subject = f"Survey answer: {answer.rating} of 5"
        fields = {"WhoId": contact, "Subject": subject, "Description": answer.said, "Status": "Completed"}
        self._api.Task.create({**fields, "Priority": "Normal", "ActivityDate": answer.day})

    def score(self, contact: str, points: float) -> None:
        """Custom fields of the contact."""
        self._api.Contact.update(contact, {"CSAT_Health__c": points})

    def task(self, contact: str, answer: Answer, ticket: str) -> None:
        """An open task."""
        fields = {"WhoId": contact, "Subject": f"Call back: {answer.name}", "Description": ticket}
        self._api.Task.create({**fields, "Status": "Not Started", "Priority": "High", "ActivityDate": answer.day})


class InHubSpot:
    """hubspot-api-client, as its own page shows it; its `/crm/v3` is what HubSpot now calls by date."""

    def __init__(self, url: str) -> None:
        client = hubspot.Client.create(access_token=hubspot_site.SERVICE_KEY, host=url)
        self._contacts = client.crm.contacts.basic_api
        self._search = client.crm.contacts.search_api
        self._records = client.crm.objects.basic_api
        for api in (self._contacts, self._search, self._records):
            api.api_client.rest_client.pool_manager = _Dated(maxsize=CONNECTIONS)

    def find(self, email: str) -> str | None:
        """By a search."""
        wanted = {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": email}]}]}
        found = self._search.do_search(public_object_search_request=wanted).results
        return str(found[0].id) if found else None

    def create(self, answer: Answer) -> str:
        """A new contact."""
        first, _, last = answer.name.rpartition(" ")
        properties = {"firstname": first, "lastname": last, "email": answer.email}
        body = hubspot_contacts.SimplePublicObjectInputForCreate(properties=properties, associations=[])
        return str(self._contacts.create(simple_public_object_input_for_create=body).id)

    def log(self, contact: str, answer: Answer) -> None:
        """A note."""
        said = f"Survey answer: {answer.rating} of 5\n{answer.said}"
        self._record("notes", contact, 202, {"hs_note_body": said, "hs_timestamp": answer.at})

    def score(self, contact: str, points: float) -> None:
        """A property of the contact."""
        body = hubspot_contacts.SimplePublicObjectInput(properties={"csat_health": f"{points:g}"})
        self._contacts.update(contact_id=contact, simple_public_object_input=body)

    def task(self, contact: str, answer: Answer, ticket: str) -> None:
        """A task."""
        properties = {"hs_task_subject": f"Call back: {answer.name}", "hs_task_body": ticket}
        self._record("tasks", contact, 204, {**properties, "hs_timestamp": answer.at, "hs_task_status": "NOT_STARTED"})

    def _record(self, kind: str, contact: str, association: int, properties: Mapping[str, str]) -> None:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": association}]
        body = hubspot_objects.SimplePublicObjectInputForCreate(
            properties=dict(properties), associations=[{"to": {"id": contact}, "types": types}]
        )
        self._records.create(object_type=kind, simple_public_object_input_for_create=body)


class _Dated(urllib3.PoolManager):
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super().request(method, url.replace("/crm/v3/objects/", "/crm/objects/2026-03/"), *args, **kwargs)


class Desk:
    """zenpy, as its own page shows it. `leave`: how many of the minute's calls it is told to leave to others."""

    def __init__(self, url: str, leave: int | None = None) -> None:
        credentials = {
            "grant_type": "client_credentials",
            "client_id": zendesk_site.CLIENT_ID,
            "client_secret": zendesk_site.CLIENT_SECRET,
            "scope": "read write",
            "expires_in": 172_800,
        }
        token = httpx.post(f"{url}/oauth/tokens", json=credentials).json()["access_token"]
        os.environ["ZENPY_FORCE_NETLOC"] = urlsplit(url).netloc  # zenpy's own switch for another address
        session = _session(**Zenpy.http_adapter_kwargs())
        self._api = Zenpy(subdomain="acme", oauth_token=token, session=session, proactive_ratelimit=leave)

    def ticket(self, answer: Answer) -> str:
        """A ticket with a private first comment; its address."""
        text = f"Rating: {answer.rating} of 5\nSaid: {answer.said}"
        made = self._api.tickets.create(
            Ticket(
                subject=f"Service recovery: {answer.rating} of 5",
                comment=Comment(body=text, public=False),
                requester=User(name=answer.name, email=answer.email),
                priority="high",
            )
        )
        return str(made.ticket.url)


class Script:
    """Everything that is done for one answer. `do` is how each step is done."""

    def __init__(self, places: Places) -> None:
        self.crm: Crm = InHubSpot(places.crm_url) if places.crm == "hubspot" else InSalesforce(places.crm_url)
        self.desk = Desk(places.desk_url)
        self.moods = SentimentIntensityAnalyzer()

    def points(self, answer: Answer) -> float:
        """A plain average of what was given and what was said."""
        mood = 50 * (1 + self.moods.polarity_scores(answer.said)["compound"])
        points: float = round((25 * (answer.rating - 1) + 10 * answer.recommend + mood) / 3, 1)
        return points

    def handle(self, body: bytes, do: Do) -> None:
        """Do what is to be done for one delivery."""
        answer = read(body)
        contact = do(lambda: self.crm.find(answer.email)) or do(lambda: self.crm.create(answer))
        do(lambda: self.crm.log(contact, answer))
        do(lambda: self.crm.score(contact, self.points(answer)))
        if answer.unhappy:
            ticket = do(lambda: self.desk.ticket(answer))
            do(lambda: self.crm.task(contact, answer, ticket))


def at_once(step: Callable[[], Any]) -> Any:
    """Without a second try."""
    return step()


def with_retries(step: Callable[[], Any]) -> Any:
    """Up to five tries, whatever went wrong."""
    patient = Retrying(stop=stop_after_attempt(ATTEMPTS), wait=wait_random_exponential(0.1, max=2), reraise=True)
    return patient(step)


def drain(url: str, file: str, waiting: int) -> None:
    """Open so many tickets; done is what the file says, and what was under way is done again."""
    logging.disable()
    done = set(Path(file).read_text().split()) if Path(file).exists() else set()
    desk = Desk(url)
    with Path(file).open("a") as notes:
        for email in backlog(waiting):
            if email not in done:
                desk.ticket(complaint(email))
                notes.write(f"{email}\n")
                notes.flush()


def drain_slowly(url: str, leave: int, number: int) -> None:
    """Open so many tickets and leave so many of the minute's calls to others, as well as zenpy can."""
    logging.disable()  # it tells of every second it waits
    desk = Desk(url, leave=leave)
    for email in backlog(number):
        desk.ticket(complaint(email))


def backlog(number: int) -> Iterator[str]:
    """The addresses of those whose tickets wait."""
    return (f"old{each}@example.com" for each in range(number))


def complaint(email: str) -> Answer:
    """An unhappy answer of one of them."""
    return Answer(token="", email=email, name=email, rating=2, recommend=3, said="2 of 5", day="", at="")
