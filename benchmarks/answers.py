"""Invented answers to the example's form, as signed webhooks, and a load generator that posts them fast."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.simulator.typeform import SECRET, sign

HOOK = "/hooks/typeform"
COMPLAINTS = (
    "Terrible experience. I waited three hours and nobody told me what was happening, I am very angry.",
    "Ich habe drei Stunden gewartet und die Rechnung war viel zu teuer, das ist sehr enttäuschend.",
    "La espera fue demasiado larga y la factura muy cara, no estoy nada contento con el servicio.",
)
PRAISE = ("Great work, I love how honest and helpful the team is.", "Sehr freundlich und pünktlich, vielen Dank dafür.")


def names(number: int) -> list[str]:
    """One name an answer, like no other: who looks like a contact would be held."""
    dice = random.Random(7)
    return [f"{_word(dice)} {_word(dice)}" for _ in range(number)]


def email(name: str) -> str:
    """The address of an invented person."""
    return f"{name.replace(' ', '.').lower()}@example.com"


def known(people: Sequence[str]) -> list[tuple[str, str, str]]:
    """Every second of them is a contact of the CRM already: first name, last name, e-mail."""
    return [(*name.split(), email(name)) for name in people[1::2]]  # type: ignore[misc]


def bodies(people: Sequence[str], *, unhappy: float, at: datetime, prefix: str = "tok") -> list[bytes]:
    """One delivery a person; `unhappy` is the share of those who are."""
    dice = random.Random(3)
    sad = set(dice.sample(range(len(people)), round(unhappy * len(people))))
    return [
        _body(f"{prefix}{number:07d}", name, at + timedelta(milliseconds=number), dice, unhappy=number in sad)
        for number, name in enumerate(people)
    ]


def _word(dice: random.Random) -> str:
    return "".join(dice.choice("bdfgklmnprstvz") + dice.choice("aeiou") for _ in range(4)).capitalize()


def _body(token: str, name: str, at: datetime, dice: random.Random, *, unhappy: bool) -> bytes:
    answers: list[dict[str, object]] = [
        _number("csat", "opinion_scale", dice.choice([1, 2]) if unhappy else 5),
        _number("recommend", "nps", dice.choice([0, 3]) if unhappy else 9),
        {"type": "text", "text": dice.choice(COMPLAINTS if unhappy else PRAISE), "field": _field("why", "long_text")},
    ]
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    response = {
        "form_id": "aB3dE9",
        "token": token,
        "landed_at": stamp,
        "submitted_at": stamp,
        "hidden": {"email": email(name), "name": name, "service": "tyres", "location": "Hamburg"},
        "definition": {"id": "aB3dE9", "title": "How did we do?", "fields": [one["field"] for one in answers]},
        "answers": answers,
    }
    return json.dumps({"event_id": f"ev-{token}", "event_type": "form_response", "form_response": response}).encode()


def _number(ref: str, kind: str, value: int) -> dict[str, object]:
    return {"type": "number", "number": value, "field": _field(ref, kind)}


def _field(ref: str, kind: str) -> dict[str, object]:
    return {"id": f"fld-{ref}", "ref": ref, "type": kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a load generator saw: when it began and ended (`time.time`), answers that were not 200, CPU seconds."""

    number: int
    refused: int
    began: float
    ended: float
    worked: float

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.number / (self.ended - self.began)


def post(port: int, deliveries: Sequence[bytes], *, connections: int = 64, per_second: float | None = None) -> Posted:
    """POST signed deliveries over keep-alive connections, from a process of its own; as fast as they are taken, or
    `per_second` of them.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_post, args=(theirs, port, deliveries, connections, per_second), daemon=True)
    process.start()
    posted: Posted = ours.recv()
    process.join(10)
    return posted


def _post(tell: object, port: int, deliveries: Sequence[bytes], connections: int, per_second: float | None) -> None:
    requests = [signed(body) for body in deliveries]  # signed beforehand: the machine is shared
    tell.send(asyncio.run(_drive(port, requests, connections, per_second)))  # type: ignore[attr-defined]


def signed(body: bytes) -> bytes:
    """The whole HTTP request that delivers it."""
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Typeform-Signature: {sign(SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _drive(port: int, requests: Sequence[bytes], connections: int, per_second: float | None) -> Posted:
    waiting, refused = iter(enumerate(requests)), 0
    began, started, worked = time.time(), time.perf_counter(), time.process_time()

    async def one() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in waiting:
            if per_second is not None:
                await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            refused += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    ended, worked = time.time(), time.process_time() - worked
    return Posted(number=len(requests), refused=refused, began=began, ended=ended, worked=worked)
