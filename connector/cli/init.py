"""`connector init`: a configuration, its mappings and a fresh key, to start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from connector.adapters.registry import kinds
from connector.cli.config import SCHEMA
from connector.cli.demo import Crm
from connector.cli.example_files import example_root
from connector.cli.output import console
from connector.config.schema import schema_text
from connector.errors import ConnectorError
from connector.store.keyring import KeyRing
from connector.testing.example import for_crm

NEXT = """
Next:
  cd {folder}
  export CONNECTOR_KEY=$(cat connector.key)
  connector check        # says what is still missing, with file and line
  connector run          # writes nothing elsewhere until you set mode: live
  connector plan         # what that would write, field by field
Keep connector.key, but apart from backups of the store: without it nothing in
the store can be read, with it everything can."""

IGNORED = """\
# Never into a repository: the key opens everything in the store.
connector.key
connector.db*
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made when missing.")] = Path(),
    crm: Annotated[Crm, typer.Option(help="The CRM the configuration names.")] = Crm.SALESFORCE,
) -> None:
    """Write connector.yaml, its schema for editors, mappings/, a key and a .gitignore; what exists stays untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    config, mappings, key = folder / "connector.yaml", folder / "mappings", folder / "connector.key"
    present = [path.name for path in (config, mappings, key) if path.exists()]
    if present:
        raise ConnectorError(f"{', '.join(present)} exist already in {folder.resolve()}; nothing was written")
    root = example_root()
    example = for_crm((root / "config.example.yaml").read_text(encoding="utf-8"), crm)
    config.write_text(f"# yaml-language-server: $schema={SCHEMA}\n{example}", encoding="utf-8")
    schema = folder / SCHEMA
    if not schema.exists():
        schema.write_text(schema_text(kinds()), encoding="utf-8")
    shutil.copytree(root / "mappings", mappings)
    key.touch(mode=0o600)
    key.write_text(KeyRing.generate() + "\n")
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text(IGNORED)
    console().print(f"Wrote {config}, {mappings}/ and {key}.{NEXT.format(folder=folder)}", markup=False)
