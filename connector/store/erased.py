"""The tables of erasures under way and of what became of each object. Part of `schema.py`."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from connector.store.columns import Id, Instant, metadata

erasure = Table(
    "erasure",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False, comment="salted digest of whom it is about, as the certificate shows it"),
    Column("state", Text, nullable=False, comment="searching | settling | vendors | deleting | done"),
    Column(
        "cause",
        Text,
        nullable=False,
        comment="asked | restored | resumed, where an old copy of the store brought them back",
    ),
    Column("keep_contacts", Boolean, nullable=False, comment="the company's own records of them stay"),
    Column("requested_at", Instant, nullable=False),
    Column("again_at", Instant, comment="when the next step is due"),
    Column("tries", Integer, nullable=False, default=0, comment="failed ones of the step it stands at"),
    Column("waits_for", Text, comment="in words, without personal data"),
    Column("known", LargeBinary, comment="sealed JSON of what is known of them; null once done"),
    Column("done_at", Instant),
    Column("certificate", JSON, comment="what was erased where, and what could not be; no personal data"),
    Index(None, "state", "id"),
    comment="people who are being or were erased",
)

erased = Table(
    "erased",
    metadata,
    Column("erasure_id", ForeignKey("erasure.id"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("object", Text, primary_key=True, comment="kind and id there: ticket 10023"),
    Column("fate", Text, nullable=False, comment="erased | anonymised | kept"),
    Column("why", Text, nullable=False),
    Column("request_id", Text, nullable=False, comment="the vendor's own id of the request"),
    Column("at", Instant, nullable=False),
    comment="receipts of erasures in other systems",
)
