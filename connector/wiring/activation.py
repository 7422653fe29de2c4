"""Runs: which one a process plans under, so that everything a configuration led to can be undone together."""

from __future__ import annotations

from connector.config import Loaded
from connector.config.fingerprint import fingerprint
from connector.store import runs
from connector.store.database import Database
from connector.store.runs import RunKind


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
