"""What calls the lanes: threads of the daemon, or the workers of a Celery deployment."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from connector.config.part import Misspelt, Model
from connector.config.quantities import Text
from connector.domain.model.nearest import nearest
from connector.secret import Secret

BROKERS: Final = ("amqp", "amqps", "pyamqp", "redis", "rediss", "redis+socket", "sentinel", "sqs")
"""The schemes of the brokers Celery calls stable."""


def _broker(secret: Secret) -> Secret:
    scheme, separator, rest = secret.reveal().partition("://")
    if not separator or (not rest and scheme != "sqs") or re.search(r"\s", rest):
        raise ValueError("expected an address such as redis://:password@host:6379/0 or amqp://user:password@host//")
    if scheme not in BROKERS:
        raise Misspelt(f"expected an address that begins with one of {', '.join(BROKERS)}", nearest(scheme, BROKERS))
    return secret


class Engine(Model):
    """What does the work that is due: threads of the daemon, or a Celery deployment."""

    kind: Literal["embedded", "celery"] = Field(
        default="embedded", description="embedded: threads of the daemon. celery: workers you run; it needs a broker."
    )
    broker: Annotated[Secret, AfterValidator(_broker)] | None = Field(
        default=None, description="celery: the address of the deployment's broker, `redis://…` or `amqp://…`."
    )
    queue: Text = Field(default="connector", description="celery: the queue that its workers take this work from.")
