"""The tables that mirror what other systems last reported of their contacts and tickets. Part of `schema.py`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, Text

from connector.store.columns import Instant, metadata

contact = Table(
    "contact",
    metadata,
    Column("account", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),
    Column("email", Text, comment="blind"),
    Column("phone", Text, comment="blind"),
    Column("sealed", LargeBinary, comment="name, e-mail, phone, owner, url, values; sealed JSON"),
    Column("modified_at", Instant),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("merged_into", Text),
    Column("blocks", LargeBinary, comment="what it is filed under in match_block, 8 bytes each; null: not filed"),
    Index(None, "account", "email"),
    Index(None, "account", "phone"),
    comment="the CRM's contacts as contacts_since last reported them",
)

match_block = Table(
    "match_block",
    metadata,
    Column("blind", BigInteger, primary_key=True, autoincrement=False, comment="of the account and a key of likeness"),
    Column("contact_id", Text, primary_key=True),
    sqlite_with_rowid=False,
    comment="under which keys the contacts of a CRM are looked up that are like somebody",
)

ticket = Table(
    "ticket",
    metadata,
    Column("account", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),
    Column("status", Text, nullable=False, comment="new | open | pending | hold | solved | closed | deleted"),
    Column("requester", Text, comment="blind e-mail"),
    Column("key", Text, comment="the marker we wrote on it; null on tickets that are not ours"),
    Column("url", Text),
    Column("first_at", Instant, nullable=False, comment="oldest change ever reported"),
    Column("updated_at", Instant, nullable=False),
    Column("sealed", LargeBinary, comment="values we may write; sealed JSON"),
    Index(None, "account", "requester"),
    comment="the helpdesk's tickets as tickets_since last reported them",
)
