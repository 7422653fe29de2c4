"""`connector backup` and `connector restore`: a copy of the store for a bad day, and putting one back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import ConfigPath, console
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.store.backup import back_up, put_back_otherwise
from connector.store.backup import restore as put_back
from connector.store.distrust import Distrusted
from connector.store.keyring import KeyRing
from connector.wiring.opening import load_config, open_store


def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes; never replaces a file.")],
    config: ConfigPath = "connector.yaml",
) -> None:
    """Copy the store while the daemon runs. The copy is sealed; the keys are not in it and belong elsewhere."""
    loaded = load_config(config).config
    back_up(loaded.store, file)
    ids = ", ".join(KeyRing(loaded.privacy.keys).key_ids)
    console().print(f"Wrote {file} ({file.stat().st_size:,} bytes). It opens with the keys {ids} only.", markup=False)


def restore(
    file: Annotated[Path | None, typer.Argument(help="A copy made by `connector backup`; it is left as it is.")] = None,
    done: Annotated[
        bool, typer.Option("--done", help="It was put back already: by pg_restore, from a snapshot, by copying a file.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Let a backup be the store. The one before it is set aside; what is unsent then asks before it writes."""
    loaded = load_config(config).config
    out = console()
    if done:
        _say(put_back_otherwise(loaded.store, open_store(loaded, running_clock())))
        return
    if file is None:
        raise ConnectorError("name the backup, or say --done when the store was put back already")
    if not file.is_file():
        raise ConnectorError(f"{file}: no such file")
    if not yes and not typer.confirm("What came in after the backup is in the store that is set aside only. Go on?"):
        raise ConnectorError("nothing was changed")
    found, aside = put_back(loaded.store, file, KeyRing(loaded.privacy.keys), running_clock())
    out.print(f"The store is as {file} has it.", markup=False)
    if aside is not None:
        out.print(f"The store before it is {aside}.", markup=False)
    _say(found)


def _say(found: Distrusted) -> None:
    out = console()
    out.print(
        f"{found.intents} unsent intents will ask before they write; {found.fields} confirmed values are unknown now.",
        markup=False,
    )
    out.print("Surveys that are polled fetch what came in meanwhile; webhooks: ask the survey tool to send them again.")
