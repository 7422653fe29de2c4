"""What the YAML says about a Zendesk connection."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from connector.secret import Secret
from connector.transport.client import READ


class Options(BaseModel):
    """One account, reached as the user behind a confidential OAuth client with the client credentials grant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subdomain: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="The `acme` of acme.zendesk.com; never a host-mapped domain."
    )
    client_id: str = Field(min_length=1, description="Unique identifier of the OAuth client.")
    client_secret: Secret = Field(description="Secret of the OAuth client.")
    webhook_secret: tuple[Secret, ...] = Field(
        default=(), description="Signing secrets of the ticket webhook; several while one is being replaced."
    )
    base_url: str | None = Field(
        default=None, description="Instead of https://<subdomain>.zendesk.com, for a simulator or a proxy."
    )
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds after which a call counts as unanswered.")

    @property
    def url(self) -> str:
        """Where the account answers, without a trailing slash."""
        return (self.base_url or f"https://{self.subdomain}.zendesk.com").rstrip("/")

    @property
    def account(self) -> str:
        """Which account this is, whatever the YAML calls the connection."""
        return f"zendesk:{self.subdomain.lower()}"
