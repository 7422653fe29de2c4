"""HubSpot: contacts, the answers on their timeline as notes, tasks with a deadline, and the feed of contacts.

Writes go through batch calls of 100 records, under paths of one dated version. hubspot-api-client makes the bodies;
they travel over our own client, since its own calls `/crm/v3` and has no time-out (its issue 331).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from connector.adapters.hubspot import (
    bodies,
    contacts,
    erasing,
    fitness,
    questions,
    readiness,
    retracting,
    setup,
    writes,
)
from connector.adapters.hubspot.names import (
    ASSOCIATIONS,
    BATCH,
    BODY,
    CONTACTS,
    CUSTOM_FIELD,
    DEFAULT,
    ENGAGEMENTS,
    KEY,
    KEYED,
    KNOWN_FIELDS,
    MARKED,
    NOTES,
    OBJECT,
    OBJECTS,
    PERSON,
    PROMISES,
    PROPERTIES,
    SEARCH,
    TASKS,
    TOKEN_PATH,
)
from connector.adapters.hubspot.options import Options
from connector.adapters.hubspot.questions import Row
from connector.adapters.hubspot.replies import reply_table, usage
from connector.domain.model.account import Change, Demand
from connector.domain.model.intent import Found, Item, Json, Promise, Request, WriteKind
from connector.domain.model.person import Contact
from connector.errors import Gone, Rejected, RemoteError, Transient, Unauthorized
from connector.ports import Failed, Finding, Job, Outcome, Page
from connector.ports.erasing import Erased, Subject
from connector.transport.client import Reply
from connector.transport.grants import Auth, RefreshToken, StaticBearer
from connector.transport.kit import Kit
from connector.transport.shapes import expecting

__all__ = ["CUSTOM_FIELD", "KNOWN_FIELDS", "PROMISES", "READS_QUOTA", "ROLES", "HubSpot", "Options"]

READS_QUOTA = True
ROLES = frozenset({"crm"})


class HubSpot:
    """One account: a Writer of contacts, notes and tasks that can be taken back, and Contacts.

    Also Tasks, Describable, Inspectable, Setup and Preparing.
    """

    kind = "hubspot"
    read_class = SEARCH
    task_class = DEFAULT
    residual = erasing.RESIDUAL

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self.promises: Mapping[WriteKind, Promise] = PROMISES
        self._clock = kit.clock
        self._place = writes.Place(app_url=options.app_url.rstrip("/"), portal=options.portal)
        self._api = kit.api(
            name, options.url, _auth(options), options.timeout, reply_table(kit.clock), usage(kit.clock)
        )
        self._keyed: dict[str, bool] = {}  # do contacts, tasks and notes have our key? absent: not asked yet
        self._types: dict[str, Mapping[str, str]] = {}  # of properties, by object and name; absent: not asked yet

    def prepare(self) -> None:
        """Learn, once, whether contacts, tasks and notes can be created under our keys here; the promises follow."""
        for name in (CONTACTS, NOTES, TASKS):
            if name not in self._keyed:
                with expecting(f"which properties {name} have"):
                    self._learn(name, self._properties(name))

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """One batch call. A task or note hangs on the contact its `contact_id` names."""
        return writes.render(kind, items, keyed=self._keyed.get(OBJECT[kind]) is not False)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome]:
        """Send it. A contact that lost a merge comes back as Gone with its successor."""
        if kind is WriteKind.CONTACT:
            self.prepare()
            if not self._keyed[CONTACTS]:
                # Nothing would refuse the second contact that a repeat after a lost answer makes.
                raise Rejected(f"contacts have no property {PERSON} with unique values here", field=PERSON)
        if kind in ENGAGEMENTS:
            self.prepare()
            if writes.carries_key(request) and not self._keyed[OBJECT[kind]]:
                raise Transient(f"{OBJECT[kind]} have no {KEY} here; the write has to be rendered anew, with a marker")
        reply = self._api.call(
            request.method,
            request.path,
            body=request.body,
            endpoint_class=self.promises[kind].endpoint_class,
            write=True,
        )
        return self._follow(kind, request, writes.outcomes(kind, reply, request, count, self._place))

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """No write is accepted as a job here. Raises Gone."""
        raise Gone("HubSpot has no such job")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Find contacts by key, else e-mail; tasks and notes by key, else marker. Field updates are absolute."""
        if kind in ENGAGEMENTS:
            self.prepare()
        with expecting("which records there are"):
            if kind is WriteKind.CONTACT:
                return self._ask_contacts(items)
            if kind in ENGAGEMENTS:
                return self._ask_engagements(OBJECT[kind], items)
        return [Found(receipts=()) for _ in items]

    def retract(self, kind: WriteKind, fields: Mapping[str, Json], why: str) -> Mapping[str, Json]:
        """A task is completed and says why; a note on the timeline says why, and stays where it is."""
        return retracting.retraction(kind, fields, why)

    def read_records(
        self, kind: WriteKind, ids: Sequence[str], fields: Sequence[str]
    ) -> Mapping[str, Mapping[str, Json]]:
        """What contacts, notes or tasks hold now; archived ones are absent, and a survivor answers for its losers."""
        with expecting("what the records hold"):
            return retracting.held(self._ask, OBJECT[kind], ids, fields, self._types_of(OBJECT[kind]))

    def completed_tasks(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        """The completed ones; the portal does not say when in a field that every account has."""
        rows = self.read_records(WriteKind.TASK, ids, ("hs_task_status",))
        return dict.fromkeys(one for one, row in rows.items() if row.get("hs_task_status") == "COMPLETED")

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        """A page of all contacts, later of those that changed; merged and archived contacts among them."""
        with expecting("which contacts changed"):
            at = contacts.Cursor.read(cursor, self._clock.now())
            types = self._types_of(CONTACTS)
            if at.sweep == "changed":
                reply = self._ask(f"{OBJECTS}/{CONTACTS}/search", contacts.searching(at, fields), endpoint_class=SEARCH)
            else:
                listed = contacts.listing(at, fields)
                path = f"{OBJECTS}/{CONTACTS}"
                reply = self._api.call("GET", path, params=listed, endpoint_class=SEARCH, write=False)
            at = at.opened(contacts.earlier(self._clock.now(), reply.headers))
            return contacts.page(reply.json(), at, fields, types, self.account, self._place)

    def describe(self, fields: Mapping[WriteKind, frozenset[str]]) -> Sequence[Finding]:
        """Look for missing, read-only and mistyped properties, for our keys, and for scopes."""
        had, unread = self._look()
        return [*unread, *_findings(fields, had)]

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """The same, and whether each property takes what will be written."""
        had, unread = self._look()
        return [*unread, *_findings(demand.names, had), *fitness.misfits(demand, had)]

    def wanted(self, demand: Demand) -> Sequence[Change]:
        """The custom properties that are missing."""
        had, _ = self._look(strict=True)
        with expecting("which properties there are"):
            return list(setup.changes(demand, had))

    def apply(self, change: Change) -> str:
        """Make one of them; whether tasks and notes have our key is looked at again."""
        self._keyed = {}
        return setup.make(self._api, change)

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Delete their contacts for good, overwrite and archive notes and tasks. Raises RemoteError."""
        with expecting("what the account holds of a person"):
            found = questions.by_email(
                self._batch_read(CONTACTS, list(subject.emails), questions.EMAIL), list(subject.emails)
            )
            known = [*subject.contacts, *(one for ids in found.values() for one in ids)]
            return erasing.erase(
                self._api,
                subject,
                list(dict.fromkeys(known)),
                live=lambda name, ids: [str(row["id"]) for row in self._batch_read(name, list(ids), None)],
                hanging=self._associated,
                ours=list(self._types_of(CONTACTS)),
            )

    def _look(self, *, strict: bool = False) -> tuple[Mapping[str, readiness.Properties], Sequence[Finding]]:
        """The properties of each object, and what keeps us from reading them; `strict`: that is an error."""
        had: dict[str, readiness.Properties] = {}
        unread: list[Finding] = []
        for name in (CONTACTS, NOTES, TASKS):
            try:
                with expecting(f"which properties {name} have"):
                    had[name] = self._properties(name)
                    self._learn(name, had[name])
            except Unauthorized as error:
                if strict or error.status == 401:
                    raise
                unread.append(readiness.lacking(name, error.message))
        return had, unread

    def _ask_contacts(self, items: Sequence[Item]) -> Sequence[Found]:
        """By our key; who is not found so, by e-mail address, the secondary ones of a contact included."""
        keyed = questions.by_key(self._batch_read(CONTACTS, map(questions.key_of, items), PERSON), PERSON)
        others = [questions.email_of(item) for item in items if questions.key_of(item) not in keyed]
        known = questions.by_email(self._batch_read(CONTACTS, others, questions.EMAIL), others)
        return [
            questions.found(
                keyed.get(questions.key_of(item)) or known.get(questions.email_of(item), []), self._url(CONTACTS)
            )
            for item in items
        ]

    def _ask_engagements(self, name: str, items: Sequence[Item]) -> Sequence[Found]:
        if self._keyed[name]:
            keyed = questions.by_key(self._batch_read(name, map(questions.key_of, items), KEY), KEY)
            return [questions.found(keyed.get(questions.key_of(item), []), self._url(name)) for item in items]
        hanging = self._associated(name, [questions.contact_of(item) for item in items])
        marked = questions.by_line(self._batch_read(name, hanging, None), name)
        return [questions.found(marked.get(questions.line_of(item), []), self._url(name)) for item in items]

    def _associated(self, name: str, of: Sequence[str]) -> list[str]:
        """The tasks or notes of the contacts `of`."""
        ids: list[str] = []
        for piece in questions.pieces(of, BATCH):
            asked, after = list(piece), dict[str, str]()
            while asked:
                path = f"{ASSOCIATIONS}/{CONTACTS}/{name}/batch/read"
                more, after = questions.targets(self._ask(path, bodies.associated(asked, after)).json())
                ids += more
                asked = list(after)
        return ids

    def _batch_read(self, name: str, values: Iterator[str] | Sequence[str], by: str | None) -> list[Row]:
        """The records with these ids or values of the unique property `by`; those that are not there are left out."""
        wanted = (*questions.IDENTITY, questions.MERGED) if name == CONTACTS else (KEY, BODY[name])
        rows: list[Row] = []
        for piece in questions.pieces(list(values), BATCH):
            body = bodies.reads(piece, [one for one in wanted if one != KEY or by == KEY], by)
            rows += questions.answers(self._ask(f"{OBJECTS}/{name}/batch/read", body).json())
        return rows

    def _follow(self, kind: WriteKind, request: Request, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Give each Gone outcome that names no successor the contact that is gone, and the one that stands for it."""
        lost = {
            position: (contact, outcome.error)
            for position, (record, outcome) in enumerate(zip(writes.records(request), outcomes, strict=True))
            if isinstance(outcome, Failed) and isinstance(outcome.error, Gone) and outcome.error.moved_to is None
            if (contact := writes.contact_of(kind, record))
        }
        if not lost:
            return outcomes
        try:
            with expecting("which contact survived a merge"):
                asked = [contact for contact, _ in lost.values()]
                standing = questions.survivors(self._batch_read(CONTACTS, asked, None), asked)
        except RemoteError:
            # The write is over: a failing look-up must not hide its outcomes. Whether the contact was merged or
            # deleted is not known yet, and a merged one must not cost the task: it is sent again, and looked up then.
            return [_looked_up_later(lost[n][1]) if n in lost else one for n, one in enumerate(outcomes)]
        for contact, error in lost.values():
            if standing.get(contact, contact) != contact:
                error.moved_from, error.moved_to = contact, standing[contact]
        return outcomes

    def _types_of(self, name: str) -> Mapping[str, str]:
        if name not in self._types:
            self._learn(name, self._properties(name))
        return self._types[name]

    def _learn(self, name: str, properties: readiness.Properties) -> None:
        self._types[name] = {field: str(one["type"]) for field, one in properties.items()}
        if name == CONTACTS:
            self._keyed[name] = readiness.is_key(properties.get(PERSON))
            return
        self._keyed[name] = readiness.is_key(properties.get(KEY))
        promise = KEYED if self._keyed[name] else MARKED
        kinds = [kind for kind in ENGAGEMENTS if OBJECT[kind] == name]
        self.promises = {**self.promises, **dict.fromkeys(kinds, promise)}

    def _properties(self, name: str) -> readiness.Properties:
        return readiness.properties_of(self._api.call("GET", f"{PROPERTIES}/{name}", write=False).json())

    def _ask(self, path: str, body: bytes, *, endpoint_class: str = DEFAULT) -> Reply:
        """A question in a body. It changes nothing, so observe mode lets it through and it may be repeated."""
        return self._api.call("POST", path, body=body, endpoint_class=endpoint_class, write=False)

    def _url(self, name: str) -> Callable[[str], str]:
        return lambda record: self._place.url(name, record)


def _auth(options: Options) -> Auth:
    if options.token is not None:
        return StaticBearer(options.token)
    assert options.client_id is not None
    assert options.client_secret is not None
    assert options.refresh_token is not None
    return RefreshToken(
        token_url=options.url + TOKEN_PATH,
        client_id=options.client_id,
        client_secret=options.client_secret,
        refresh_token=options.refresh_token,
    )


def _findings(fields: Mapping[WriteKind, frozenset[str]], had: Mapping[str, readiness.Properties]) -> Sequence[Finding]:
    return list(readiness.findings({kind: names for kind, names in fields.items() if OBJECT[kind] in had}, had))


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
