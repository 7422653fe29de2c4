"""What the YAML says about a HubSpot connection."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.secret import Secret
from connector.transport.client import READ

HOST = "https://api.hubapi.com"


class Options(BaseModel):
    """One account, reached with a service key (`token`), or with OAuth as a private app's installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    portal: str = Field(pattern=r"^[0-9]{1,20}$", description="The account's number (Hub ID), shown in its addresses.")
    token: Secret | None = Field(default=None, description="Service key, or access token of a static-auth app.")
    client_id: str | None = Field(default=None, min_length=1, description="With OAuth: the app's client id.")
    client_secret: Secret | None = Field(default=None, description="With OAuth: the app's client secret.")
    refresh_token: Secret | None = Field(default=None, description="With OAuth: the refresh token of the installation.")
    base_url: str | None = Field(default=None, description=f"Instead of {HOST}, for a simulator or a proxy.")
    app_url: str = Field(
        default="https://app.hubspot.com",
        description="Where people open records; https://app-eu1.hubspot.com saves European accounts a redirect.",
    )
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds after which a call counts as unanswered.")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        oauth = (self.client_id, self.client_secret, self.refresh_token)
        if self.token is None and None in oauth:
            raise ValueError("needs `token`, or `client_id`, `client_secret` and `refresh_token`")
        if self.token is not None and any(part is not None for part in oauth):
            raise ValueError("takes `token` or the three of OAuth, not both")
        return self

    @property
    def url(self) -> str:
        """Where the API answers, without a trailing slash; one host serves all regions."""
        return (self.base_url or HOST).rstrip("/")

    @property
    def account(self) -> str:
        """Which account this is, whatever the YAML calls the connection."""
        return f"hubspot:{self.portal}"
