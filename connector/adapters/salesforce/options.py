"""What the YAML says about a Salesforce connection."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from connector.secret import Secret
from connector.transport.client import READ


class Options(BaseModel):
    """One org, reached as the run-as user of an External Client App with the client credentials flow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*\.my\.salesforce\.com$",
        description="The org's My Domain host, for example acme.my.salesforce.com; a sandbox has its own.",
    )
    client_id: str = Field(min_length=1, description="Consumer key of the External Client App.")
    client_secret: Secret = Field(description="Consumer secret of the External Client App.")
    base_url: str | None = Field(default=None, description="Instead of https://<domain>, for a simulator or a proxy.")
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds after which a call counts as unanswered.")

    @property
    def url(self) -> str:
        """Where the org answers, without a trailing slash."""
        return (self.base_url or f"https://{self.domain}").rstrip("/")

    @property
    def account(self) -> str:
        """Which org this is, whatever the YAML calls the connection."""
        return f"salesforce:{self.domain.lower().removesuffix('.my.salesforce.com')}"
