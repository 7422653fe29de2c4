"""An in-memory twin of a Writer: a vendor account as strict as a real one, with a truth table and faults on request.

It refuses what vendors refuse: unresolved references, updates of what does not exist, an idempotency key with another
body, a record twice in a batch, a batch that is too large, questions it never promised to answer. What it holds is in
`things`, apart from what it answers.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connector.clock import Clock
from connector.domain.model.intent import (
    NOTES,
    Found,
    Item,
    Json,
    Promise,
    Receipt,
    Request,
    WriteKind,
    strip_references,
)
from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
    Unauthorized,
)
from connector.ports import Failed, Job, Outcome

_WAIT = timedelta(minutes=1)


class Crash(BaseException):
    """The process died here. Nothing catches it, just as nothing survives a kill."""


class Trouble(StrEnum):
    """What can go wrong with one call, in order of when it does."""

    CRASH_BEFORE = "our process dies before the request leaves"
    REFUSED = "no connection"
    THROTTLED = "too fast"
    EXHAUSTED = "the day's budget is gone"
    UNAUTHORIZED = "credentials refused"
    LOCKED = "another writer holds the record"
    CONFLICT = "changed meanwhile"
    REJECTED = "refused as one, for no record in particular"
    GONE = "what it is about does not exist any more"
    LOST_BEFORE = "no answer, not committed"
    LOST_AFTER = "no answer, committed"
    LATE = "no answer, committed some time later"
    CRASH_AFTER = "our process dies after the vendor committed"
    SHORT = "the answer leaves the last record out"
    VANISHED = "accepted as a job that nobody knows later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object the account holds. `texts` are its notes, `seen_from` when questions find it."""

    id: str
    kind: WriteKind
    key: str
    fields: Mapping[str, Json]
    seen_from: datetime
    texts: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to go wrong with the next call; `late` is how long a late commit takes."""

    trouble: Trouble
    late: timedelta = timedelta(seconds=20)


@dataclass(slots=True)
class _Key:
    digest: str
    at: datetime
    outcomes: Sequence[Outcome]


@dataclass(slots=True)
class Twin:
    """A vendor account in memory.

    Args:
        account: as a real adapter would name it.
        promises: what it promises for each kind; it keeps exactly that.
        clock: when commits become visible and keys are forgotten.
        faults: one is used up by each `send`, none when empty.
        bad: field values that make a record be refused for good.
        job_takes: how long a job runs, where the outcome of a kind is `job`.
        index_lag: how long questions do not find what is new, where that is longer than promised.
        refused_next: the records of the next request that are refused, by their place in it.
    """

    account: str
    promises: Mapping[WriteKind, Promise]
    clock: Clock
    faults: list[Fault] = field(default_factory=list)
    bad: frozenset[str] = frozenset({"bad"})
    job_takes: timedelta = timedelta(seconds=5)
    index_lag: timedelta = timedelta(0)
    refused_next: frozenset[int] = frozenset()
    things: dict[str, Thing] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[datetime, WriteKind, Request]] = field(default_factory=list)
    questions: list[tuple[datetime, WriteKind, tuple[str, ...]]] = field(default_factory=list)
    on_send: Callable[[WriteKind, Request], None] | None = None
    _keys: dict[str, _Key] = field(default_factory=dict)
    _late: list[tuple[datetime, WriteKind, Request]] = field(default_factory=list)
    _jobs: dict[str, tuple[datetime, Sequence[Outcome]]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: int = 0

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """The request as JSON; a key header where the kind takes one."""
        promise = self.promises[kind]
        if not 1 <= len(items) <= promise.batch:
            raise AssertionError(f"{len(items)} records, at most {promise.batch} fit")
        records: list[Json] = [
            {"key": item.key, "target": item.target, "fields": dict(item.fields), "at": item.cause_at.isoformat()}
            for item in items
        ]
        body = json.dumps(records, sort_keys=True).encode()
        key = f"{items[0].key}#{items[0].revision}" if promise.key_window is not None else None
        return Request(method="POST", path=f"/{kind}", body=body, idempotency_key=key)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Commit the records unless a fault says otherwise."""
        if self.on_send is not None:
            self.on_send(kind, request)
        with self._lock:
            self.catch_up()
            fault = self.faults.pop(0) if self.faults else None
            self._before(kind, request, fault)
            outcomes = self._commit(kind, request, self.clock.now())
            if len(outcomes) != count:
                raise AssertionError("the count is not that of the request")
            return self._after(kind, outcomes, fault)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """The outcomes, once the job has run."""
        with self._lock:
            if job not in self._jobs:
                raise Gone("no such job")
            done_at, outcomes = self._jobs[job]
            return outcomes if self.clock.now() >= done_at else Job(id=job)

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """What carries each key and is visible by now."""
        if not self.promises[kind].can_ask:
            raise AssertionError(f"nobody promised that a {kind} can be asked for")
        with self._lock:
            self.catch_up()
            self.questions.append((self.clock.now(), kind, tuple(item.key for item in items)))
            return [Found(receipts=self._carrying(kind, item)) for item in items]

    def catch_up(self) -> None:
        """Commit what was still under way and is due by now."""
        with self._lock:
            due = [entry for entry in self._late if entry[0] <= self.clock.now()]
            self._late = [entry for entry in self._late if entry[0] > self.clock.now()]
            for at, kind, request in due:
                self._commit(kind, request, at)

    def add(self, kind: WriteKind, **fields: Json) -> str:
        """Somebody makes an object there; returns its id."""
        with self._lock:
            self._numbers += 1
            made = Thing(id=f"{kind}-{self._numbers}", kind=kind, key="", fields=fields, seen_from=self.clock.now())
            self.things[made.id] = made
            return made.id

    def merge(self, loser: str, winner: str) -> None:
        """Merge one object into another; the loser answers with a pointer from now on."""
        self.moved[loser] = winner
        del self.things[loser]

    def carrying(self, key: str) -> list[Thing]:
        """The truth about a key, whatever questions would find: the objects made with it, or holding its note."""
        made = [thing for thing in self.things.values() if thing.key == key]
        noted = [thing for thing in self.things.values() for written, _ in thing.texts if written == key]
        return [*made, *noted]

    def _carrying(self, kind: WriteKind, item: Item) -> tuple[Receipt, ...]:
        now = self.clock.now()
        if kind in NOTES:
            texts = [
                (thing, number)
                for thing in self.things.values()
                for number, (key, _) in enumerate(thing.texts)
                if key == item.key and thing.seen_from <= now
            ]
            return tuple(Receipt(remote_id=f"{thing.id}/{number}") for thing, number in texts)
        email = item.fields.get("email") if kind is WriteKind.CONTACT else None
        return tuple(
            Receipt(remote_id=thing.id, url=f"https://twin.example/{thing.id}", values=thing.fields)
            for thing in self.things.values()
            if thing.kind is kind
            and thing.seen_from <= now
            and (thing.key == item.key or (email is not None and thing.fields.get("email") == email))
        )

    def _before(self, kind: WriteKind, request: Request, fault: Fault | None) -> None:
        """Faults that keep the request from being committed now."""
        trouble = None if fault is None else fault.trouble
        if trouble is Trouble.CRASH_BEFORE:
            raise Crash
        if trouble is not None and (error := self._refusal(trouble)) is not None:
            raise error
        self.requests.append((self.clock.now(), kind, request))
        if trouble is Trouble.LOST_BEFORE:
            raise InDoubt("no answer")
        if trouble is Trouble.LATE and fault is not None:
            self._late.append((self.clock.now() + fault.late, kind, request))
            raise InDoubt("no answer in time")

    def _refusal(self, trouble: Trouble) -> RemoteError | None:
        now = self.clock.now()
        refusals: dict[Trouble, RemoteError] = {
            Trouble.REFUSED: Transient("connection refused"),
            Trouble.THROTTLED: Throttled("slow down", retry_at=now + _WAIT),
            Trouble.EXHAUSTED: QuotaExhausted("no calls left", until=now + 10 * _WAIT),
            Trouble.UNAUTHORIZED: Unauthorized("token refused"),
            Trouble.LOCKED: Locked("row is locked"),
            Trouble.CONFLICT: Conflict("changed meanwhile"),
            Trouble.REJECTED: Rejected("a record is wrong"),
            Trouble.GONE: Gone("not there any more"),
        }
        return refusals.get(trouble)

    def _after(self, kind: WriteKind, outcomes: Sequence[Outcome], fault: Fault | None) -> Sequence[Outcome] | Job:
        """Faults that strike once everything is committed."""
        trouble = None if fault is None else fault.trouble
        if trouble is Trouble.LOST_AFTER:
            raise InDoubt("no answer")
        if trouble is Trouble.CRASH_AFTER:
            raise Crash
        if self.promises[kind].outcome == "job":
            job = f"job-{len(self.requests)}"
            if trouble is not Trouble.VANISHED:
                self._jobs[job] = (self.clock.now() + self.job_takes, outcomes)
            return Job(id=job)
        if self.promises[kind].outcome == "opaque" and any(isinstance(one, Failed) for one in outcomes):
            raise Rejected("a record is wrong")
        return outcomes[:-1] if trouble is Trouble.SHORT else outcomes

    def _commit(self, kind: WriteKind, request: Request, at: datetime) -> Sequence[Outcome]:
        """Do what the request says, once for each idempotency key that is still remembered."""
        digest = hashlib.sha256(request.body).hexdigest()
        window = self.promises[kind].key_window
        if window is not None and request.idempotency_key is not None:
            known = self._keys.get(request.idempotency_key)
            if known is not None and at < known.at + window:
                if known.digest != digest:
                    raise Conflict("this key was used for another body")
                return known.outcomes
        records = json.loads(request.body)
        if len({(record["key"], record["target"]) for record in records}) != len(records):
            raise Rejected("a record is in the batch twice")
        bad = {at for at, record in enumerate(records) if self._is_bad(record)} | self.refused_next
        self.refused_next = frozenset()
        refuses_whole = self.promises[kind].outcome == "opaque" and bool(bad)
        outcomes = [
            Failed(error=Rejected("wrong value", field="value"))
            if refuses_whole or place in bad
            else self._write(kind, record, at + max(self.promises[kind].lookup_lag, self.index_lag))
            for place, record in enumerate(records)
        ]
        if window is not None and request.idempotency_key is not None:
            self._keys[request.idempotency_key] = _Key(digest, at, outcomes)
        return outcomes

    def _is_bad(self, record: Mapping[str, Json]) -> bool:
        text = json.dumps(record, ensure_ascii=False)
        if strip_references(text) != text:
            raise AssertionError("a reference left our house")
        fields = record["fields"]
        assert isinstance(fields, dict)
        return any(isinstance(value, str) and value in self.bad for value in fields.values())

    def _write(self, kind: WriteKind, record: Mapping[str, Json], seen_from: datetime) -> Outcome:
        key, target, fields = record["key"], record["target"], record["fields"]
        assert isinstance(key, str)
        assert isinstance(fields, dict)
        if target is not None:
            assert isinstance(target, str)
            return self._update(kind, key, target, fields, seen_from)
        known = [thing for thing in self.things.values() if thing.kind is kind and thing.key == key]
        if known and self.promises[kind].native:
            return self._update(kind, key, known[0].id, fields, seen_from)
        self._numbers += 1
        made = Thing(
            id=f"{kind}-{self._numbers}",
            kind=kind,
            key=key,
            fields=fields,
            seen_from=seen_from,
        )
        self.things[made.id] = made
        return Receipt(remote_id=made.id, url=f"https://twin.example/{made.id}", created=True, request_id="r-1")

    def _update(
        self, kind: WriteKind, key: str, target: str, fields: Mapping[str, Json], seen_from: datetime
    ) -> Outcome:
        thing = self.things.get(target)
        if thing is None:
            return Failed(error=Gone("no such object", moved_from=target, moved_to=self.moved.get(target)))
        if kind not in NOTES:
            self.things[target] = replace(thing, fields={**thing.fields, **fields})
            return Receipt(remote_id=target, created=False)
        handling = {name: value for name, value in fields.items() if name != "text"}
        texts = (*thing.texts, (key, fields.get("text")))
        self.things[target] = replace(
            thing, fields={**thing.fields, **handling}, texts=texts, seen_from=max(thing.seen_from, seen_from)
        )
        return Receipt(remote_id=f"{target}/{len(texts) - 1}", created=True)
