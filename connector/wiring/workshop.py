"""What a process works with under one configuration: adapters, settings, lanes and their leases."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from connector.clock import Clock
from connector.config import Config, Loaded
from connector.config.connections import CEILINGS, DEFAULT_CEILINGS, CeilingName
from connector.config.quantities import Rate
from connector.domain.model.intent import WriteKind
from connector.store.database import Database
from connector.store.receipts import lane_of
from connector.sync import erasing
from connector.sync.lane import Drain
from connector.sync.outlet import Ceiling, Limits
from connector.sync.settings import DecideSettings
from connector.transport.client import READ, patience
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import make_lanes
from connector.wiring.process import tokens_of
from connector.wiring.settings import settings_with
from connector.wiring.telemetry import Telemetry

LEASE_MARGIN = timedelta(seconds=25)
"""What a write lane's lease is longer than its longest call: no write starts under a lease that might not cover it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts. `leases` names the lanes that need a longer lease than others."""

    adapters: Adapters
    settings: DecideSettings
    drains: Mapping[str, Drain]
    leases: Mapping[str, timedelta]


def furnish(loaded: Loaded, *, db: Database, clock: Clock, telemetry: Telemetry) -> Workshop:
    """Make the parts; nothing happens and nobody is called yet. Raises ConfigError when an adapter cannot be made."""
    kit = Kit(
        clock=clock,
        token_store=tokens_of(db),
        read_only=loaded.config.mode == "observe",
        on_reading=telemetry.read,
        on_call=telemetry.called,
    )
    adapters = make_adapters(loaded.config, kit)
    telemetry.know(adapters.made)
    settings = settings_with(loaded, adapters)
    limits = {name: limits_of(loaded.config, name, one.promises) for name, one in adapters.writers.items()}
    drains = make_lanes(
        loaded=loaded,
        settings=settings,
        db=db,
        clock=clock,
        adapters=adapters,
        limits=limits,
        telemetry=telemetry,
    )
    leases = {
        erasing.LANE: max((one.timeout for one in limits.values()), default=timedelta()) + LEASE_MARGIN,
        **{lane_of(account): limits[name].timeout + LEASE_MARGIN for name, account in adapters.accounts.items()},
    }
    return Workshop(adapters=adapters, settings=settings, drains=drains, leases=leases)


def limits_of(config: Config, name: str, kinds: Container[WriteKind]) -> Limits:
    """How fast and how much one connection may write; a ceiling of its `kinds` that is not named has its default."""
    connection = config.connections[name]
    ceilings: dict[CeilingName, Rate] = {**DEFAULT_CEILINGS, **connection.ceiling}
    timeout: float = getattr(connection.options, "timeout", READ)
    return Limits(
        timeout=timedelta(seconds=patience(timeout)),
        linger=connection.linger,
        share=connection.quota.share,
        acts_within=config.act_on.answered_within,
        quiet=config.act_on.quiet,
        time_zone=ZoneInfo(config.time_zone),
        ceilings={
            CEILINGS[what]: Ceiling(count=rate.count, per=rate.per)
            for what, rate in ceilings.items()
            if CEILINGS[what] in kinds
        },
    )
