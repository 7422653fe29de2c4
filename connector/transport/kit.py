"""What an adapter is handed to speak with: everything about this process that is not the vendor's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.clock import Clock
from connector.ports import TokenStore
from connector.transport.client import READ, Api, CallNote, QuotaReading
from connector.transport.grants import Auth
from connector.transport.replies import ReplyTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Clock, token store, mode and observers, made once by the wiring and given to every adapter.

    `on_reading` gets the connection's name and what a reply said about a quota; `on_call` a note of each request.
    """

    clock: Clock
    token_store: TokenStore
    read_only: bool = False
    on_reading: Callable[[str, QuotaReading], None] | None = None
    on_call: Callable[[CallNote], None] | None = None

    def api(
        self,
        connection: str,
        base_url: str,
        auth: Auth,
        timeout: float = READ,
        replies: ReplyTable | None = None,
        on_reply: Callable[[Mapping[str, str]], QuotaReading | None] | None = None,
    ) -> Api:
        """An endpoint for one connection; see `Api` for the arguments."""
        return Api(
            connection=connection,
            base_url=base_url,
            auth=auth,
            clock=self.clock,
            timeout=timeout,
            replies=replies,
            on_reply=on_reply,
            on_reading=self.on_reading,
            on_call=self.on_call,
            tokens=self.token_store,
            read_only=self.read_only,
        )
