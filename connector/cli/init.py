"""`connector init`: a configuration, its mappings and a fresh key, to start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.example_files import example_root
from connector.cli.output import console
from connector.errors import ConnectorError
from connector.store.keyring import KeyRing


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made when missing.")] = Path(),
) -> None:
    """Write connector.yaml, mappings/ and a key file; existing files are never touched."""
    folder.mkdir(parents=True, exist_ok=True)
    config, mappings, key = folder / "connector.yaml", folder / "mappings", folder / "connector.key"
    present = [path.name for path in (config, mappings, key) if path.exists()]
    if present:
        raise ConnectorError(f"{', '.join(present)} exist already in {folder.resolve()}; nothing was written")
    root = example_root()
    shutil.copy(root / "config.example.yaml", config)
    shutil.copytree(root / "mappings", mappings)
    key.touch(mode=0o600)
    key.write_text(KeyRing.generate() + "\n")
    out = console()
    out.print(f"Wrote {config}, {mappings}/ and {key}.", markup=False)
    out.print(
        "Next: export CONNECTOR_KEY from connector.key (keep it apart from backups of the store: without it nothing of "
        "it can be read), fill in the connections, then run `connector check`.",
        markup=False,
    )
