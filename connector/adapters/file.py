"""Files of answers: `connector import` brings their rows in. See docs/operations.md."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from connector.errors import Forged
from connector.ports import Hook, Record, Row
from connector.transport import rows
from connector.transport.kit import Kit

ROLES = frozenset({"source"})


class Options(BaseModel):
    """A source that is files has nothing to configure: `connector import` names the file and its columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class File:
    """Answers from CSV and JSONL files. A mapping reads a row's columns as `answers.<column>`."""

    kind = "file"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:  # every adapter is called so
        pass

    def verify(self, hook: Hook) -> None:
        """Nothing is delivered to a file. Raises Forged."""
        raise Forged("answers of this connection come from files alone")

    def split(self, body: bytes) -> Sequence[bytes]:
        """One answer a delivery."""
        return (body,)

    def read(self, payload: bytes) -> Record | None:
        """The row. Raises MappingError."""
        return rows.read_record(payload)

    def deliver(self, row: Row) -> bytes:
        """The row as a delivery."""
        return rows.deliver(row)
