"""`python -m connector.store.migrations NAME` writes the next revision from what the schema has and the revisions lack.

Until a revision is released, a change of the schema deletes it and runs this again. Read what it wrote: a renamed
column looks like one dropped and one added.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from connector.store.migrations import configuration, upgrade


def main(name: str) -> None:
    """Write `versions/NNNN_<name>.py`."""
    number = len(list(Path(__file__).parent.joinpath("versions").glob("*.py"))) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/scratch.db")
        with engine.begin() as connection:
            if number > 1:
                upgrade(connection)
            config = configuration()
            config.attributes["connection"] = connection
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(config, name, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
