"""What an adapter is handed to speak with: everything about this process that is not the vendor's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.clock import Clock
from connector.ports import TokenStore
from connector.transport.client import READ, Api, CallNote, QuotaReading
from connector.transport.grants import Auth
from connector.transport.mail import Door, Mail
from connector.transport.replies import ReplyTable

ReadHeaders = Callable[[Mapping[str, str]], QuotaReading | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Clock, token store, mode and observers, made once by the wiring and given to every adapter.

    `on_reading` gets the connection's name and what a reply said about a quota; `on_call` a note of each request;
    `on_headers` the connection's name and the headers of each reply, in lower case.
    """

    clock: Clock
    token_store: TokenStore
    read_only: bool = False
    on_reading: Callable[[str, QuotaReading], None] | None = None
    on_call: Callable[[CallNote], None] | None = None
    on_headers: Callable[[str, Mapping[str, str]], None] | None = None

    def api(
        self,
        connection: str,
        base_url: str,
        auth: Auth,
        timeout: float = READ,
        replies: ReplyTable | None = None,
        on_reply: ReadHeaders | None = None,
    ) -> Api:
        """An endpoint for one connection; see `Api` for the arguments."""
        return Api(
            connection=connection,
            base_url=base_url,
            auth=auth,
            clock=self.clock,
            timeout=timeout,
            replies=replies,
            on_reply=self._heard(connection, on_reply),
            on_reading=self.on_reading,
            on_call=self.on_call,
            tokens=self.token_store,
            read_only=self.read_only,
        )

    def mail(self, connection: str, door: Door, timeout: float) -> Mail:
        """A mail server for one connection; see `Mail` for the arguments. Raises Rejected for one not to be used."""
        return Mail(
            connection=connection,
            door=door,
            clock=self.clock,
            timeout=timeout,
            on_call=self.on_call,
            read_only=self.read_only,
        )

    def _heard(self, connection: str, read: ReadHeaders | None) -> ReadHeaders | None:
        """What reads the quota of a reply, and shows its headers to whoever listens."""
        listener = self.on_headers
        if listener is None:
            return read

        def heard(headers: Mapping[str, str]) -> QuotaReading | None:
            listener(connection, headers)
            return None if read is None else read(headers)

        return heard
