"""What the YAML says about a Typeform connection."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector.secret import Secret
from connector.transport.client import READ

BASE_URL = "https://api.typeform.com"
"""Accounts in the EU data centre have https://api.eu.typeform.com."""


class Options(BaseModel):
    """One Typeform account: its webhooks and, with a token, its API."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    webhook_secret: list[Secret] = Field(
        default=[], description="The webhook's secret; several while you rotate, any of them is accepted."
    )
    verify: Literal["signature", "refetch"] = Field(
        default="signature",
        description="refetch: webhooks without a secret. Each is only a hint to fetch what is new, with api_token.",
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

    @model_validator(mode="after")
    def _one(self) -> Options:
        if bool(self.webhook_secret) == (self.verify == "refetch"):
            raise ValueError("expected exactly one of webhook_secret and `verify: refetch`")
        if self.verify == "refetch" and self.api_token is None:
            raise ValueError("`verify: refetch` needs api_token: with it answers are fetched")
        return self

    @property
    def site(self) -> str:
        """Whose limits its calls spend: Typeform names no account in a token."""
        return f"typeform:{urlsplit(self.base_url).hostname}"

    @property
    def url(self) -> str:
        """Where the API answers, without a trailing slash."""
        return self.base_url.rstrip("/")
