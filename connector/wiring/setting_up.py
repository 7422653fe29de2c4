"""What the connected accounts lack, connection by connection, and making it: fields, statuses, webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from connector.config import Loaded
from connector.domain.model.account import Change, InstalledHook
from connector.errors import RemoteError
from connector.ports import Hookable, Setup
from connector.wiring.accounts import Accounts
from connector.wiring.demand import demand_of
from connector.wiring.inspection import pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """The changes one connection wants. `error`: it could not be asked, and why."""

    connection: str
    changes: Sequence[Change] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One change and what came of it; `failed`: it was not made, and `said` is why."""

    connection: str
    change: Change
    said: str
    failed: bool = False


def lacks(loaded: Loaded, accounts: Accounts) -> list[Lack]:
    """What every account that can be prepared lacks; those that lack nothing are among them, with nothing."""
    return [
        _ask(accounts, name, partial(_wanted, accounts, name, one, loaded))
        for name, one in accounts.made.items()
        if isinstance(one, Setup)
    ]


def hook_lacks(loaded: Loaded, accounts: Accounts, public_url: str | None) -> list[Lack]:
    """Which webhooks are missing until all of them lead to `public_url`, by default the configured one."""
    return [
        _ask(accounts, name, partial(_unhooked, accounts, name, one, loaded, public_url))
        for name, one in accounts.made.items()
        if isinstance(one, Hookable)
    ]


def hooks(loaded: Loaded, accounts: Accounts) -> list[tuple[str, InstalledHook]]:
    """Every webhook that leads to us, or once did, by connection. Raises RemoteError."""
    return [
        (name, hook)
        for name, one in accounts.made.items()
        if isinstance(one, Hookable)
        for part in pieces(demand_of(loaded, name))
        for hook in accounts.ask(name, partial(one.hooks, part))
    ]


def make(accounts: Accounts, lack: Lack) -> Iterator[Made]:
    """Make what can be made, in order, and say so one by one; the first failure ends it, as later ones build on it."""
    one = accounts.made[lack.connection]
    for change in lack.changes:
        if change.only_by_hand:
            continue
        act = one.install if isinstance(one, Hookable) and "url" in change.details else _apply(one)
        try:
            said = accounts.ask(lack.connection, partial(act, change))
        except RemoteError as error:
            yield Made(connection=lack.connection, change=change, said=_words(error), failed=True)
            return
        yield Made(connection=lack.connection, change=change, said=said)


def _apply(one: object) -> Callable[[Change], str]:
    assert isinstance(one, Setup), "only such accounts are asked for changes"
    return one.apply


def _ask(accounts: Accounts, name: str, call: Callable[[], Sequence[Change]]) -> Lack:
    try:
        return Lack(connection=name, changes=call())
    except RemoteError as error:
        return Lack(connection=name, error=_words(error))


def _wanted(accounts: Accounts, name: str, one: Setup, loaded: Loaded) -> Sequence[Change]:
    return accounts.ask(name, partial(one.wanted, demand_of(loaded, name)))


def _unhooked(accounts: Accounts, name: str, one: Hookable, loaded: Loaded, public_url: str | None) -> Sequence[Change]:
    demand = demand_of(loaded, name, public_url)
    return [change for part in pieces(demand) for change in accounts.ask(name, partial(one.hook_changes, part))]


def _words(error: RemoteError) -> str:
    where = f" ({error.operation})" if error.operation else ""
    return f"{error.message}{where}"
