"""`check --live`: every connected account is looked at closely before anything is written to it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from connector.clock import Clock
from connector.config import Loaded
from connector.domain.model.account import Demand
from connector.errors import QuotaExhausted, RemoteError, Throttled, Unauthorized
from connector.ports import Describable, Finding, Hookable, Inspectable, Source
from connector.store.database import Database
from connector.wiring.accounts import Accounts
from connector.wiring.demand import demand_of

SKEW = timedelta(minutes=1)
"""Clocks further apart than this are said; signed webhooks are refused from five minutes on."""
LITTLE = 0.1
"""Below this part of our share a budget is said to be nearly gone."""
HERE = "this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found at one connection. `asked`: there was somebody to ask."""

    connection: str
    kind: str
    findings: Sequence[Finding]
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All looks, and what can only be tried from elsewhere."""

    looks: Sequence[Look]
    to_try: Sequence[str]

    @property
    def blocking(self) -> int:
        """How many findings stand in the way."""
        return sum(finding.blocking for look in self.looks for finding in look.findings)


def inspect(loaded: Loaded, clock: Clock, db: Database) -> Inspection:
    """Look at every connection, one after the other. Raises ConfigError, StoreError."""
    accounts = Accounts(loaded, clock, db, read_only=True)
    looks = [_look(loaded, accounts, name) for name in accounts.made]
    here = [*_clock_findings(accounts), *_address_findings(loaded, accounts)]
    if here:
        looks.append(Look(connection=HERE, kind="", findings=here))
    return Inspection(looks=looks, to_try=list(_to_try(loaded, accounts)))


def pieces(demand: Demand) -> list[Demand]:
    """The demand, form by form where there are several: a survey tool may allow only a few calls at a time."""
    return [replace(demand, forms=(form,)) for form in demand.forms] or [demand]


def _look(loaded: Loaded, accounts: Accounts, name: str) -> Look:
    one, demand = accounts.made[name], demand_of(loaded, name)
    kind = loaded.config.connections[name].kind
    if not isinstance(one, Inspectable | Describable):
        return Look(connection=name, kind=kind, findings=(), asked=False)
    try:
        found = [each for part in pieces(demand) for each in accounts.ask(name, partial(_findings, one, part))]
    except RemoteError as error:
        found = [_unasked(error, name, kind)]
    unique = dict.fromkeys([*found, *_budget_findings(accounts, name)])
    return Look(connection=name, kind=kind, findings=sorted(unique, key=lambda each: not each.blocking))


def _findings(one: Inspectable | Describable, demand: Demand) -> Sequence[Finding]:
    return one.inspect(demand) if isinstance(one, Inspectable) else one.describe(demand.names)


def _unasked(error: RemoteError, name: str, kind: str) -> Finding:
    said = f"{error.message}{f' ({error.status})' if error.status else ''}"
    if isinstance(error, Unauthorized):
        return Finding(
            subject="credentials",
            message=f"{said}, {error.operation}" if error.operation else said,
            fix=f"check the credentials and rights of `connections.{name}`: docs/vendors/{kind}.md, Connecting",
            blocking=True,
        )
    if isinstance(error, Throttled | QuotaExhausted):
        return Finding(subject="limits", message=said, fix="look again later, or raise `quota.share`", blocking=True)
    return Finding(
        subject="connection",
        message=f"{said}, {error.operation}" if error.operation else said,
        fix=f"check the address of `connections.{name}` and that this machine may reach it",
        blocking=True,
    )


def _budget_findings(accounts: Accounts, name: str) -> Iterator[Finding]:
    for endpoint_class, left, most in accounts.budgets(name):
        if left <= most * LITTLE:
            yield Finding(
                subject=f"limit {endpoint_class}",
                message=f"{max(left, 0)} of our {most} calls are left",
                fix="go live when they are back, or raise `quota.share`",
                blocking=left <= 0,
            )


def _clock_findings(accounts: Accounts) -> Iterator[Finding]:
    """One vendor's clock may be wrong; when all of them differ it is ours."""
    ahead = min(accounts.ahead.values(), key=abs, default=timedelta(0))
    if abs(ahead) > SKEW:
        way = "behind" if ahead > timedelta(0) else "ahead of"
        yield Finding(
            subject="clock",
            message=f"it is {abs(ahead).total_seconds():.0f} s {way} what the other systems say",
            fix="timedatectl set-ntp true",
            blocking=False,
        )


def _address_findings(loaded: Loaded, accounts: Accounts) -> Iterator[Finding]:
    if loaded.config.public_url is None and any(isinstance(one, Hookable) for one in accounts.made.values()):
        yield Finding(
            subject="public_url",
            message="it is not set, so webhooks can neither be checked nor installed",
            fix="set `public_url: https://…`, where the daemon is reached from outside",
            blocking=False,
        )


def _to_try(loaded: Loaded, accounts: Accounts) -> Iterator[str]:
    url = loaded.config.public_url
    if url is None:
        return
    yield f"curl -i {url}/healthz   from another network, while the daemon runs: answers 200"
    for name, one in accounts.made.items():
        if isinstance(one, Source):
            yield f"curl -i -X POST {url}/hooks/{name}   answers 401, since it is not signed"
            return
