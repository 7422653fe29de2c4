"""What the YAML says about a Typeform connection."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector.secret import Secret
from connector.transport.client import READ

BASE_URL = "https://api.typeform.com"
"""Accounts in the EU data centre have https://api.eu.typeform.com."""


class Options(BaseModel):
    """One Typeform account: its signed webhooks and, with a token, its API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_secret: list[Secret] = Field(
        min_length=1, description="The webhook's secret; several while you rotate, any of them is accepted."
    )
    api_token: Secret | None = Field(
        default=None,
        description="A personal access token (tfp_…): reads forms and answers, installs the webhook. Optional.",
    )
    base_url: str = Field(default=BASE_URL, description="Where the API is: https://api.eu.typeform.com in the EU.")
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds after which a call counts as unanswered.")

    @field_validator("api_token", mode="before")
    @classmethod
    def _absent_when_blank(cls, given: object) -> object:
        """`"${TYPEFORM_TOKEN:-}"` without that variable is no token."""
        return None if given == "" else given

    @property
    def url(self) -> str:
        """Where the API answers, without a trailing slash."""
        return self.base_url.rstrip("/")
