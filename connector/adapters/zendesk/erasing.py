"""Erasing a person at Zendesk: tickets and users deleted and then deleted for good, notes on other tickets redacted.

What was deleted is not found any more, and yet there until it is deleted for good. So who and what a search found is
reported as under way first, and erased when the erasure, having noted it, asks again: whoever dies in between knows it.

A deletion for good runs there as a job. Until it has ended the ticket is under way: it is asked for again, and what is
gone by then answers 404, which is the receipt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from connector.adapters.zendesk import feed
from connector.adapters.zendesk.names import ACCOUNT, TICKETS, marker
from connector.domain.model.intent import Json, WriteKind
from connector.errors import Gone, Rejected
from connector.ports.erasing import Erased, Fate, Subject
from connector.transport.client import Api, Reply
from connector.transport.shapes import expecting

RESIDUAL = (
    "E-mails Zendesk sent out, and what agents wrote about the person on other people's tickets, stay. Of a ticket "
    "deleted for good Zendesk keeps its number. Users and tickets that somebody had deleted before are not found."
)
_END_USER = "end-user"
_DONE = frozenset({"completed", "complete"})


def erase(api: Api, subject: Subject) -> Sequence[Erased]:
    """Everything the account holds of `subject`. Raises RemoteError."""
    users = list(_users(api, subject))
    requested = [] if subject.keep_contacts else list(_requested(api, users))
    leaving = [] if subject.keep_contacts else [str(user["id"]) for user in users if user.get("role") == _END_USER]
    found = [*(f"ticket {one}" for one in requested), *(f"user {one}" for one in leaving)]
    if fresh := [one for one in dict.fromkeys(found) if one not in subject.under_way]:
        return [Erased(object=one, fate=Fate.UNDER_WAY) for one in fresh]
    ours = list(subject.records.get(WriteKind.TICKET, ()))
    theirs: list[str] = [] if subject.keep_contacts else [*subject.tickets, *requested]
    doomed = list(dict.fromkeys([*ours, *theirs, *_begun(subject, "ticket")]))
    jobs = [_delete(api, "ticket", TICKETS, "/api/v2/deleted_tickets", one) for one in doomed]
    told = [one if job is None or _is_done(api, job) else replace(one, fate=Fate.UNDER_WAY) for one, job in jobs]
    told += [_redact(api, ticket, key) for ticket, key in subject.notes if ticket not in doomed]
    told += [_user(api, user, keep=subject.keep_contacts) for user in users]
    told += [_delete_user(api, one) for one in _begun(subject, "user") if one not in leaving]
    return told


def _begun(subject: Subject, what: str) -> list[str]:
    return [one.removeprefix(f"{what} ") for one in subject.under_way if one.startswith(f"{what} ")]


def _users(api: Api, subject: Subject) -> Iterator[Mapping[str, Any]]:
    """Users with one of the addresses. Search finds parts of words, too: only the very address counts."""
    for mail in subject.emails:
        reply = _get(api, "/api/v2/users/search", query=f"email:{mail}")
        with expecting("which users have an address", **reply.context()):
            rows = feed.rows(reply, "users")
            yield from (row for row in rows if str(row.get("email") or "").casefold() == mail.casefold())


def _requested(api: Api, users: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for user in users:
        if user.get("role") != _END_USER:
            continue
        page = 1
        while True:
            reply = _get(api, f"/api/v2/users/{user['id']}/tickets/requested", page=page, per_page=100)
            with expecting("which tickets a user asked for", **reply.context()):
                yield from (str(row["id"]) for row in feed.rows(reply, "tickets"))
                answer = reply.json()
                if not isinstance(answer, dict) or not answer.get("next_page"):
                    break
            page += 1


def _delete(api: Api, what: str, path: str, for_good: str, one: str) -> tuple[Erased, str | None]:
    """Delete, then delete for good; the second job's id while Zendesk works on it."""
    request_id, job = "", None
    try:
        request_id = _write(api, "DELETE", f"{path}/{one}").request_id
    except Gone as gone:
        request_id = gone.request_id
    try:
        reply = _write(api, "DELETE", f"{for_good}/{one}")
        request_id = reply.request_id
        answer = reply.json()
        status = answer.get("job_status") if isinstance(answer, dict) else None
        job = str(status["id"]) if isinstance(status, dict) and status.get("id") else None
    except Gone as gone:
        request_id = gone.request_id or request_id
    return Erased(object=f"{what} {one}", fate=Fate.ERASED, request_id=request_id), job


def _is_done(api: Api, job: str) -> bool:
    try:
        reply = _get(api, f"/api/v2/job_statuses/{job}")
    except Gone:
        return False  # it is seen next time whether the ticket is there
    with expecting("how the job stands", **reply.context()):
        answer = reply.json()
        status = answer.get("job_status") if isinstance(answer, dict) else None
        return isinstance(status, dict) and status.get("status") in _DONE


def _user(api: Api, user: Mapping[str, Any], *, keep: bool) -> Erased:
    name = f"user {user['id']}"
    if user.get("role") != _END_USER:
        return Erased(object=name, fate=Fate.KEPT, why="it is an agent or administrator of the helpdesk")
    if keep:
        return Erased(object=name, fate=Fate.KEPT, why="the company's own record was to stay")
    return _delete_user(api, str(user["id"]))


def _delete_user(api: Api, one: str) -> Erased:
    try:
        return _delete(api, "user", "/api/v2/users", "/api/v2/deleted_users", one)[0]
    except Rejected as refused:
        why = "Zendesk refused it: a user with tickets that are not closed cannot be deleted, nor one who is an agent"
        return Erased(object=f"user {one}", fate=Fate.KEPT, why=why, request_id=refused.request_id)


def _redact(api: Api, ticket: str, key: str) -> Erased:
    """Blacken our note on a ticket that is somebody else's. What is redacted cannot be found again, nor need it be."""
    name, line = f"note on ticket {ticket}", marker(key)
    request_id = ""
    try:
        reply = _get(api, f"{TICKETS}/{ticket}/comments", sort_order="desc", per_page=100)
        with expecting("which comments there are", **reply.context()):
            ours = [row for row in feed.rows(reply, "comments") if line in str(row.get("body") or "").splitlines()]
        for row in ours:
            html = str(row.get("html_body") or escape(str(row.get("body"))))
            body: Json = {"ticket_id": int(ticket), "html_body": f"<redact>{html}</redact>"}
            path = f"/api/v2/comment_redactions/{row['id']}"
            request_id = api.call("PUT", path, json=body, endpoint_class=ACCOUNT, write=True).request_id
    except Gone as gone:
        return Erased(object=name, fate=Fate.ERASED, why="the ticket is gone", request_id=gone.request_id)
    except Rejected as refused:
        why = "Zendesk refused to redact it"
        return Erased(object=name, fate=Fate.KEPT, why=why, request_id=refused.request_id)
    return Erased(object=name, fate=Fate.ANONYMISED, why="redacted", request_id=request_id)


def _get(api: Api, path: str, **params: str | int) -> Reply:
    return api.call("GET", path, params=params or None, endpoint_class=ACCOUNT, write=False)


def _write(api: Api, method: str, path: str) -> Reply:
    return api.call(method, path, endpoint_class=ACCOUNT, write=True)
