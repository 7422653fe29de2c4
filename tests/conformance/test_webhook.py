"""Anything that posts JSON, and files, hold what every source of answers must hold."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime

from connector.adapters import file, webhook
from connector.clock import VirtualClock
from connector.domain.model.intent import Json
from connector.ports import Hook
from connector.secret import Secret
from connector.testing.answers import Answers, SourceSuite
from connector.testing.world import START
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

SECRET = "sim-conformance"


def kit() -> Kit:
    clock = VirtualClock(START)
    return Kit(clock=clock, token_store=MemoryTokens(clock))


def source(**options: object) -> webhook.Webhook:
    return webhook.Webhook("inhouse", webhook.Options.model_validate(options), kit())


def body(key: str, values: Mapping[str, Json], submitted_at: str) -> bytes:
    return json.dumps({"id": key, "form": "f", "submitted_at": submitted_at, "answers": dict(values)}).encode()


def hook(raw: bytes, at: datetime, path: str = "/hooks/inhouse", **headers: str) -> Hook:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hook(method="POST", path=path, headers=named, body=raw, received_at=at)


def signed(raw: bytes, at: datetime) -> Hook:
    return hook(raw, at, x_signature="sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest())


class TestWebhook(SourceSuite):
    cases = {
        "answers": Answers(
            page="webhook",
            connect=lambda: source(webhook_secret=[Secret(SECRET)]),
            body=body,
            sign=signed,
            says_null=True,
            imports=True,
            secrets=(SECRET,),
        )
    }


class TestFile(SourceSuite):
    cases = {
        "answers": Answers(
            page="file",
            connect=lambda: file.File("files", file.Options(), kit()),
            body=body,
            sign=None,
            says_null=True,
        )
    }
    lacks = {"C12": "Nothing is delivered to a file, so nothing can be forged."}
