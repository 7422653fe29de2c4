"""Are the connected accounts ready for what the mappings will write? Asked once at the start, beside the lanes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from connector.config import Loaded
from connector.domain.model.intent import WriteKind
from connector.errors import ConnectorError
from connector.observe import log
from connector.ports import Describable, Finding, Inspectable
from connector.store import pauses
from connector.store.database import Database
from connector.sync.outlet import Notify
from connector.wiring.adapters import Adapters
from connector.wiring.demand import demand_of

# What asking an account can raise; a reply of a shape nobody expected is no reason to stop anything.
_FAILURES = (ConnectorError, ValueError, LookupError, TypeError, AttributeError)


class Readiness:
    """One look at every account that can describe itself, each in a thread of its own.

    What is missing there is logged as `account_not_ready`; what will make writes fail the operators are told, at most
    once a day. An account that cannot be asked now shows its trouble when it is written to.
    """

    def __init__(self, *, db: Database, loaded: Loaded, adapters: Adapters, notify: Notify) -> None:
        self._db = db
        self._loaded = loaded
        self._accounts = adapters.accounts
        self._notify = notify
        self._log = log("readiness")
        self._stopped = False
        self._telling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._look, args=(name, one), name=f"readiness/{name}", daemon=True)
            for name, one in adapters.made.items()
            if isinstance(one, Describable)
        ]

    def start(self) -> None:
        """Begin to ask; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing is told any more; a question that is still open is not waited for."""
        with self._telling:
            self._stopped = True

    def _look(self, name: str, account: Describable) -> None:
        with self._db.read() as tx:
            if pauses.of_connection(tx, name):
                return
        try:
            found = self._found(name, account)
            with self._telling:
                if not self._stopped:
                    self._tell(name, found)
        except _FAILURES as error:
            reason = str(error) if isinstance(error, ConnectorError) else type(error).__name__
            self._log.warning("account_not_asked", connection=name, reason=reason)

    def _found(self, name: str, account: Describable) -> Sequence[Finding]:
        """What it lacks of the fields written, and of those a score rests on: without them it would rest on nothing."""
        demand = demand_of(self._loaded, name)
        if demand.reads and isinstance(account, Inspectable):
            return account.inspect(demand)
        return account.describe(fields_written(self._loaded, name))

    def _tell(self, name: str, found: Sequence[Finding]) -> None:
        for one in found:
            self._log.warning(
                "account_not_ready",
                connection=name,
                subject=one.subject,
                reason=one.message,
                fix=one.fix,
                blocking=one.blocking,
            )
        blocking = [f"{one.subject}: {one.message}; {one.fix}" for one in found if one.blocking]
        if blocking:
            account = self._accounts.get(name, name)
            text = f"{account} is not ready, writes will be refused:\n" + "\n".join(blocking)
            with self._db.write() as tx:
                self._notify(tx, account, "account_not_ready", text)


def fields_written(loaded: Loaded, name: str) -> Mapping[WriteKind, frozenset[str]]:
    """The fields the configuration writes through one connection, by kind of write."""
    fields: dict[WriteKind, frozenset[str]] = {}
    for section, mapping in loaded.field_mappings.get(name, {}).items():
        if section in loaded.sections[name]:
            fields[mapping.kind] = fields.get(mapping.kind, frozenset()) | mapping.names
    return fields
