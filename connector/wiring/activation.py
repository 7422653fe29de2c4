"""Which configuration takes over, and under which run it plans: what it led to can be undone together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connector.config import Config, Loaded
from connector.config.fingerprint import fingerprint
from connector.errors import ConfigError, Problem
from connector.store import runs
from connector.store.database import Database, Transaction
from connector.store.runs import RunKind

FIXED = ("listen", "store")
"""What only a start reads, besides the keys."""


def activate(db: Database, loaded: Loaded, kind: RunKind) -> int:
    """Plan under the run of this configuration from now on; returns its number.

    The last run goes on when it had the same configuration and mode and was not undone; else a new one begins.
    """
    config, mode = fingerprint(loaded.config), loaded.config.mode
    with db.write() as tx:
        last = runs.active(tx)
        if last is not None and (last.config, last.mode, last.undone_at) == (config, mode, None):
            number = last.id
        else:
            if last is not None:
                runs.end(tx, last.id)
            number = runs.begin(tx, kind, mode=mode, config=config)
        db.run_id = number
    return number


def follow(db: Database, loaded: Loaded) -> Callable[[Transaction], None]:
    """Plans on under the run of this configuration when another process begins it anew, as undoing it does.

    To be asked in each transaction that may plan something: what it plans belongs to the run that is active in it.
    """
    config, mode = fingerprint(loaded.config), loaded.config.mode

    def look(tx: Transaction) -> None:
        active = runs.active(tx)
        if active is not None and (active.config, active.mode) == (config, mode):
            db.run_id = tx.run_id = active.id

    return look


def refuse_fixed(before: Config, after: Loaded, fixed: Sequence[str] = FIXED) -> None:
    """Raise ConfigError when a configuration that is to take over changes what only a start reads."""
    changed = [name for name in fixed if getattr(before, name) != getattr(after.config, name)]
    if [key.reveal() for key in before.privacy.keys] != [key.reveal() for key in after.config.privacy.keys]:
        changed.append("privacy.keys")
    if before.privacy.tombstones != after.config.privacy.tombstones:
        changed.append("privacy.tombstones")
    if changed:
        raise ConfigError(
            [
                Problem(file=str(after.files[0]), line=1, column=1, message=f"{name} changed: restart the connector")
                for name in changed
            ]
        )
