"""The twin of a Writer as a stand: the suites hold for it, so it is as strict as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector.clock import Clock
from connector.domain.model.intent import Found, Item, Promise, Request, WriteKind
from connector.errors import Rejected, RemoteError, Throttled, Unauthorized
from connector.ports import Job, Outcome
from connector.ports.erasing import Erased, Fate, Subject
from connector.simulator.faults import BEFORE, Fault, Faults
from connector.simulator.parts import Answer, FaultKind, Fields, Logged, Site
from connector.testing.twin import Fault as Order
from connector.testing.twin import Trouble, Twin
from connector.testing.world import Stand
from connector.transport.client import CallNote
from connector.transport.kit import Kit

TOKEN = "twin-token-0123456789"  # noqa: S105  nobody's
_TROUBLES = {
    FaultKind.REFUSE: Trouble.LOST_BEFORE,
    FaultKind.RESET_BEFORE: Trouble.LOST_BEFORE,
    FaultKind.COMMIT_LATE: Trouble.LATE,
    FaultKind.RESET_AFTER_COMMIT: Trouble.LOST_AFTER,
    FaultKind.ERROR_AFTER_COMMIT: Trouble.LOST_AFTER,
    FaultKind.TORN: Trouble.LOST_AFTER,
}
_KINDS = BEFORE | frozenset(_TROUBLES) | {FaultKind.LATE_JOB_FAILURE}


class Premises(Site):
    """A vendor's site that nobody listens on: the log, the faults and the clockwork, without a socket."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, [], refusals={}, say=lambda *_: Answer(), gate=lambda *_: {}, actions={})
        self.token_works = True

    def admit(self, method: str, path: str, body: bytes, *, kit: Kit, write: bool, spends: str) -> Fault | None:
        """One call arrives: what was ordered for it. Raises RemoteError where it is refused; logs it either way."""
        if write and kit.read_only:
            raise Rejected("this adapter may only read")
        fault = _take(self.faults, f"{method} {path}", body)
        error: RemoteError | None = None
        if not self.token_works:
            error = Unauthorized("the token was refused")
        elif fault is not None and fault.kind is FaultKind.THROTTLE:
            error = Throttled("too fast", retry_at=self.clock.now() + timedelta(seconds=fault.retry_after or 1))
        self._note(method, path, 200 if error is None and fault is None else 429, kit=kit, write=write, spends=spends)
        if error is not None:
            raise error
        return fault

    def _note(self, method: str, path: str, status: int, *, kit: Kit, write: bool, spends: str) -> None:
        entry = Logged(
            method=method,
            path=path,
            query={},
            endpoint=f"{method} {path}",
            status=status,
            write=write,
            at=self.clock.now(),
            digest="",
        )
        self.requests.add(entry)
        if kit.on_call is not None:
            outcome = "ok" if status == 200 else "refused"
            kit.on_call(CallNote(connection="twin", endpoint_class=spends, outcome=outcome, write=write, seconds=0.0))


def _take(faults: Faults, operation: str, body: bytes) -> Fault | None:
    return faults.take(_KINDS, operation, body)


class TwinSite(Premises):
    """The premises of a `Twin`: its truth is what the twin holds."""

    def __init__(self, clock: Clock, twin: Twin) -> None:
        super().__init__(clock)
        self._twin = twin

    def settle(self) -> None:
        """What is due by now is committed."""
        self._twin.catch_up()

    def snapshot(self) -> Fields:
        """Kind → id → fields; the notes of an object are its `texts`."""
        self.settle()
        objects: dict[str, dict[str, Any]] = {}
        for thing in self._twin.things.values():
            texts = [text for _, text in thing.texts]
            objects.setdefault(thing.kind.value, {})[thing.id] = {**thing.fields, "texts": texts}
        return {"objects": objects, "writes": []}


class TwinWriter:
    """The adapter of a twin: Writer and Erasing."""

    residual = ""

    def __init__(self, twin: Twin, site: TwinSite, kit: Kit) -> None:
        self.account = twin.account
        self.promises: Mapping[WriteKind, Promise] = twin.promises
        self._twin = twin
        self._site = site
        self._kit = kit

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """As the twin does."""
        return self._twin.render(kind, items)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Commit, unless something else was ordered."""
        with self._site.lock:
            fault = self._call("POST", request.path, request.body, kind, write=True)
            if fault is not None and fault.kind is FaultKind.LATE_JOB_FAILURE:
                self._twin.refused_next = frozenset(fault.records)
            elif fault is not None:
                late = timedelta(seconds=fault.seconds)
                self._twin.faults.append(Order(trouble=_TROUBLES[fault.kind], late=late))
            return self._twin.send(kind, request, count)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """As the twin does."""
        self._call("GET", f"/jobs/{job}", b"", kind, write=False)
        return self._twin.poll(kind, job, count)

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """As the twin does; nothing is asked about nothing."""
        if not items:
            return []
        self._call("GET", f"/{kind}", b"", kind, write=False)
        return self._twin.ask(kind, items)

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Take away what is named, and the notes that were written about them."""
        ids = [*subject.contacts, *(one for records in subject.records.values() for one in records)]
        told = []
        for one in dict.fromkeys(ids):
            self._twin.things.pop(one, None)
            told.append(Erased(object=f"object {one}", fate=Fate.ERASED))
        for target, key in subject.notes:
            thing = self._twin.things.get(target)
            if thing is not None:
                texts = tuple((written, text) for written, text in thing.texts if written != key)
                self._twin.things[target] = replace(thing, texts=texts)
            told.append(Erased(object=f"note {key}", fate=Fate.ERASED))
        return told

    def _call(self, method: str, path: str, body: bytes, kind: WriteKind, *, write: bool) -> Fault | None:
        spends = self.promises[kind].endpoint_class
        return self._site.admit(method, path, body, kit=self._kit, write=write, spends=spends)


def twin_stand(clock: Clock, account: str, promises: Mapping[WriteKind, Promise]) -> Stand:
    """A twin that keeps exactly these promises, and how to connect to it."""
    twin = Twin(account=account, promises=promises, clock=clock)
    site = TwinSite(clock, twin)

    def hide(lag: timedelta) -> None:
        twin.index_lag = lag

    def revoke() -> None:
        site.token_works = False

    def readmit() -> None:
        site.token_works = True

    return Stand(
        site=site,
        account=twin,
        connect=lambda kit: TwinWriter(twin, site, kit),
        hide=hide,
        revoke=revoke,
        readmit=readmit,
        secrets=(TOKEN,),
    )
