"""Salesforce: contacts, the answers on their timeline, tasks with a deadline, and the feed of contacts.

Writes go through sObject Collections, 200 records a call. simple-salesforce quotes SOQL, queries and describes; its
requests travel over our own client, so its missing time-outs and endless re-login (issue 804) cannot happen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from simple_salesforce.api import Salesforce as Sdk

from connector.adapters.salesforce import composite, contacts, erasing, fitness, questions, readiness, writes
from connector.adapters.salesforce.names import (
    API,
    API_VERSION,
    CUSTOM_FIELD,
    KEY_FIELD,
    KEYED,
    KNOWN_FIELDS,
    MARKED,
    OBJECTS,
    PERSON_FIELD,
    PROMISES,
    TASKS,
    TOKEN_PATH,
    remote_key,
)
from connector.adapters.salesforce.options import Options
from connector.adapters.salesforce.replies import reply_table, usage
from connector.adapters.salesforce.setup import Preparation
from connector.domain.model.account import Change, Demand
from connector.domain.model.intent import Found, Item, Json, Promise, Request, WriteKind
from connector.domain.model.person import Contact
from connector.errors import Gone, Rejected, RemoteError, Transient
from connector.ports import Failed, Finding, Job, Outcome, Page
from connector.ports.erasing import Erased, Subject
from connector.transport import bridge
from connector.transport.grants import ClientCredentials
from connector.transport.kit import Kit
from connector.transport.shapes import expecting

__all__ = ["CUSTOM_FIELD", "KNOWN_FIELDS", "PROMISES", "READS_QUOTA", "ROLES", "Options", "Salesforce"]

READS_QUOTA = True
ROLES = frozenset({"crm"})


class Salesforce:
    """One org: a Writer of contacts, activities and tasks, Contacts, Tasks, Describable, Preparing, Retractable."""

    kind = "salesforce"
    read_class = API
    task_class = API
    residual = erasing.RESIDUAL

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self.promises: Mapping[WriteKind, Promise] = PROMISES
        self._clock = kit.clock
        self._url = options.url
        auth = ClientCredentials(
            token_url=options.url + TOKEN_PATH,
            client_id=options.client_id,
            client_secret=options.client_secret,
            style="basic",
        )
        self._api = kit.api(name, options.url, auth, options.timeout, reply_table(kit.clock), usage)
        self._sdk = Sdk(
            session_id="carried by our own client",
            instance_url=options.url,
            version=API_VERSION,
            session=bridge.session(self._api, endpoint_class=API),
            object_pairs_hook=dict,
        )
        self._sees_likeness = True  # until a query for accounts and postcodes is refused
        self._preparation = Preparation(self._api, self._query)
        self._keyed: bool | None = None  # does Task have our key? None: not asked yet

    def prepare(self) -> None:
        """Learn, once, whether tasks can be upserted by our key here; the promises follow."""
        if self._keyed is None:
            with expecting("which fields Task has"):
                self._learn(self._fields("Task"))

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """One sObject Collections call. A task hangs on the contact its WhoId names."""
        return writes.render(kind, items, keyed=self._keyed is not False)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome]:
        """Send it. A contact that lost a merge comes back as Gone with its successor, where the org can say."""
        if kind in TASKS:
            self.prepare()
            if request.path == writes.UPSERT_TASKS and not self._keyed:
                raise Transient(f"{KEY_FIELD} is not on Task here; the write has to be rendered anew, with a marker")
        reply = self._api.call(
            request.method,
            request.path,
            body=request.body,
            endpoint_class=self.promises[kind].endpoint_class,
            write=True,
        )
        outcomes = writes.outcomes(kind, reply, request, count, self._url, self._clock.now())
        return self._follow(kind, request, outcomes)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """No write is accepted as a job here. Raises Gone."""
        raise Gone("Salesforce has no such job")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Find contacts by key, else e-mail; tasks by key, else marker. Field updates are absolute: nothing to find."""
        if kind in TASKS:
            self.prepare()
        with expecting("which records there are"):
            if kind is WriteKind.CONTACT:
                return self._ask_contacts(items)
            if kind in TASKS:
                return self._ask_tasks(items)
        return [Found(receipts=()) for _ in items]

    def retract(self, kind: WriteKind, fields: Mapping[str, Json], why: str) -> Mapping[str, Json]:
        """A task is completed and says why; so does an answer on the timeline, which stays where it was."""
        return writes.retraction(kind, fields, why)

    def read_records(
        self, kind: WriteKind, ids: Sequence[str], fields: Sequence[str]
    ) -> Mapping[str, Mapping[str, Json]]:
        """What contacts or tasks hold now; deleted ones are absent."""
        found: dict[str, Mapping[str, Json]] = {}
        with expecting("what the records hold"):
            for query in questions.records(OBJECTS[kind], ids, fields):
                found |= {str(row["Id"]): {name: row.get(name) for name in fields} for row in self._query(query)}
        return found

    def completed_tasks(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        """The closed ones, and when they were last changed."""
        rows = self.read_records(WriteKind.TASK, ids, ("IsClosed", "LastModifiedDate"))
        return {one: contacts.moment(str(row["LastModifiedDate"])) for one, row in rows.items() if row["IsClosed"]}

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        """A page of at most 2,000 changes, merged and deleted contacts among them."""
        with expecting("which contacts changed"):
            rows = self._changes(cursor, fields)
            return contacts.page(rows, cursor, fields, self.account, self._url)

    def describe(self, fields: Mapping[WriteKind, frozenset[str]]) -> Sequence[Finding]:
        """Look for missing and read-only fields and for our two keys."""
        with expecting("which fields Contact and Task have"):
            described = self._described()
            self._learn(described["Task"])
            return list(readiness.findings(fields, described))

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """As `describe`, and whether every field takes what will be written to it, and may be read."""
        with expecting("which fields Contact and Task have"):
            described = self._described()
            self._learn(described["Task"])
            return [*readiness.findings(demand.names, described), *fitness.misfits(demand, described)]

    def wanted(self, demand: Demand) -> Sequence[Change]:
        """Custom fields that are missing, and access to them."""
        with expecting("which fields Contact and Task have"):
            return self._preparation.wanted(demand, self._described())

    def apply(self, change: Change) -> str:
        """Make a field, or give the run-as user access to it."""
        return self._preparation.apply(change)

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Overwrite and delete their contacts and tasks. Raises RemoteError."""
        with expecting("what the org holds of a person"):
            return erasing.erase(self._api, self._query, self._fields, self._clock.now(), subject)

    def _ask_contacts(self, items: Sequence[Item]) -> Sequence[Found]:
        words = [f"{remote_key(item.key, PERSON_FIELD)}{questions.email_of(item)}" for item in items]
        pieces = list(questions.batches(items, words))
        rows = self._queries([questions.contacts_by_key_or_email(piece) for piece in pieces])
        return [
            answer
            for piece, found in zip(pieces, rows, strict=True)
            for answer in questions.contacts_found(piece, found, self._url)
        ]

    def _ask_tasks(self, items: Sequence[Item]) -> Sequence[Found]:
        answers: list[Found] = []
        if self._keyed:
            pieces = list(questions.batches(items, [remote_key(item.key, KEY_FIELD) for item in items]))
            rows = self._queries([questions.tasks_by_key(piece) for piece in pieces])
            for piece, found in zip(pieces, rows, strict=True):
                answers += questions.tasks_found(piece, found, self._url)
            return answers
        for piece in questions.batches(items, [questions.who_of(item) for item in items]):
            found = self._query(questions.tasks_by_contact(piece)) if any(map(questions.who_of, piece)) else []
            answers += questions.marked_tasks_found(piece, found, self._url)
        return answers

    def _follow(self, kind: WriteKind, request: Request, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Give each Gone outcome the contact that lost a merge and the one that survived it."""
        lost = {
            position: (contact, outcome.error)
            for position, (record, outcome) in enumerate(zip(writes.records(request), outcomes, strict=True))
            if isinstance(outcome, Failed) and isinstance(outcome.error, Gone)
            if (contact := writes.contact_of(kind, record))
        }
        if not lost:
            return outcomes
        try:
            with expecting("which contact survived a merge"):
                rows = self._query(questions.successors([contact for contact, _ in lost.values()]), deleted=True)
                moved = {row["Id"]: row["MasterRecordId"] for row in rows if row.get("MasterRecordId")}
        except RemoteError:
            # The write is over: a failing look-up must not hide its outcomes. Whether the contact was merged or
            # deleted is not known yet, and a merged one must not cost the task: the record is sent again, and looked
            # up then.
            return [_looked_up_later(lost[n][1]) if n in lost else one for n, one in enumerate(outcomes)]
        for contact, error in lost.values():
            error.moved_from, error.moved_to = contact, moved.get(contact)
        return outcomes

    def _changes(self, cursor: str | None, fields: Sequence[str]) -> list[dict[str, Any]]:
        if self._sees_likeness:
            try:
                return self._query(contacts.query(cursor, fields), deleted=True)
            except Rejected:
                # A run-as user without these fields can be matched for all the same. What else is wrong, the query
                # without them says.
                rows = self._query(contacts.query(cursor, fields, likeness=False), deleted=True)
                self._sees_likeness = False
                return rows
        return self._query(contacts.query(cursor, fields, likeness=False), deleted=True)

    def _learn(self, task: readiness.Fields) -> None:
        self._keyed = readiness.is_key(task.get(KEY_FIELD))
        promise = KEYED if self._keyed else MARKED
        self.promises = {**self.promises, **dict.fromkeys(TASKS, promise)}

    def _fields(self, name: str) -> readiness.Fields:
        return readiness.fields_of(getattr(self._sdk, name).describe())

    def _described(self) -> Mapping[str, readiness.Fields]:
        names = ("Contact", "Task")
        told = self._together([composite.description(name) for name in names])
        return {name: readiness.fields_of(one) for name, one in zip(names, told, strict=True)}

    def _query(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Every row, following the links to further pages."""
        return list(self._sdk.query_all_iter(soql, include_deleted=deleted))

    def _queries(self, asked: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Every row of each query; several travel in one call."""
        if not all(map(composite.takes, asked)):
            return [self._query(soql) for soql in asked]
        found: list[list[dict[str, Any]]] = []
        for start in range(0, len(asked), composite.QUERIES):
            some = asked[start : start + composite.QUERIES]
            if len(some) == 1:
                found.append(self._query(some[0]))
                continue
            found += [self._all_pages(page) for page in self._together([composite.query(soql) for soql in some])]
        return found

    def _together(self, paths: Sequence[str]) -> list[Mapping[str, Any]]:
        reply = self._api.call("POST", composite.PATH, body=composite.asking(paths), endpoint_class=API, write=False)
        return composite.answers(reply, len(paths), self._clock.now())

    def _all_pages(self, page: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = list(page["records"])
        while not page["done"]:
            page = self._sdk.query_more(page["nextRecordsUrl"], identifier_is_url=True)
            rows += page["records"]
        return rows


def _looked_up_later(gone: RemoteError) -> Failed:
    """The record was refused because its contact is gone, and which contact stands for it could not be asked."""
    return Failed(
        error=Transient(
            f"{gone.message}; whether its contact was merged could not be asked yet",
            connection=gone.connection,
            operation=gone.operation,
            status=gone.status,
            request_id=gone.request_id,
        )
    )
