"""Salesforce's composite resource: several requests in one call. Simulated are queries and descriptions of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from connector.simulator.parts import Answer, Call, Fields, Refused
from connector.simulator.salesforce_batches import read_body
from connector.simulator.salesforce_refusals import REFUSALS

MOST, MOST_QUERIES = 25, 5
_URI_LIMIT = 16_384
_KEYS = frozenset({"method", "url", "referenceId", "httpHeaders", "body"})
_INHERITED = frozenset({"accept", "authorization", "content-type"})
_REFERENCE = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)


class Composite:
    """The route of one org; `query` answers a query by GET, `describe` says what fields an object has."""

    def __init__(self, query: Callable[[Call], Answer], describe: Callable[[Call], Answer]) -> None:
        self._query = query
        self._describe = describe

    def act(self, call: Call) -> Answer:
        """`POST …/composite`: 200 whatever became of the requests in it, an answer for each. Raises Refused."""
        body = read_body(call)
        if unknown := set(body) - {"allOrNone", "collateSubrequests", "compositeRequest"}:
            raise Refused("json", f"Unrecognized field {', '.join(sorted(unknown))}")
        wanted = body.get("compositeRequest")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) for one in wanted):
            raise Refused("json", "compositeRequest must be a list of requests")
        names = [_name(one) for one in wanted]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise Refused("reference-twice", twice[0])
        if len(wanted) > MOST:
            return Answer(data={"compositeResponse": [_complaint(Refused("too-many-requests", str(MOST)), None)]})
        if sum(_asks(one) for one in wanted) > MOST_QUERIES:
            refused = Refused("too-many-queries", str(MOST_QUERIES))
            return Answer(data={"compositeResponse": [_complaint(refused, None)]})
        answers = [self._one(call, one, name) for one, name in zip(wanted, names, strict=True)]
        if body.get("allOrNone") is True and any(one["httpStatusCode"] >= 300 for one in answers):
            halted = Refused("halted")
            answers = [
                _complaint(halted, name) if one["httpStatusCode"] < 300 else one
                for one, name in zip(answers, names, strict=True)
            ]
        return Answer(data={"compositeResponse": answers})

    def _one(self, call: Call, wanted: Mapping[str, Any], name: str) -> Fields:
        try:
            answer = self._answer(call, wanted)
        except Refused as refused:
            return _complaint(refused, name)
        return {"body": answer.data, "httpHeaders": {}, "httpStatusCode": answer.status, "referenceId": name}

    def _answer(self, call: Call, wanted: Mapping[str, Any]) -> Answer:
        path, _, query = str(wanted["url"]).partition("?")
        path, base = path.rstrip("/"), call.path.rpartition("/")[0]
        inner = replace(call, method="GET", path=path, query=dict(parse_qsl(query, keep_blank_values=True)), body=b"")
        if len(str(wanted["url"])) > _URI_LIMIT:
            raise Refused("uri-too-long")
        if wanted.get("method") == "GET" and path in {f"{base}/query", f"{base}/queryAll"}:
            return self._query(inner)
        described = re.fullmatch(rf"{re.escape(base)}/sobjects/(\w+)/describe", path)
        if wanted.get("method") == "GET" and described:
            return self._describe(replace(inner, params={"object": described[1]}))
        raise Refused("unknown-route", path)


def _asks(wanted: Mapping[str, Any]) -> bool:
    """Whether a request counts as one of the few queries a call may carry."""
    return "/query" in str(wanted["url"]).partition("?")[0]


def _name(wanted: Mapping[str, Any]) -> str:
    """The reference of one request. Raises Refused where the request is none."""
    if unknown := set(wanted) - _KEYS:
        raise Refused("json", f"Unrecognized field {', '.join(sorted(unknown))}")
    name = wanted.get("referenceId")
    if not isinstance(name, str) or not _REFERENCE.fullmatch(name) or not isinstance(wanted.get("url"), str):
        raise Refused("json", "each request needs a method, a url and a referenceId")
    headers = wanted.get("httpHeaders") or {}
    if _INHERITED & {header.lower() for header in headers}:
        raise Refused("composite-header")
    if "@{" in wanted["url"]:
        raise Refused("reference", wanted["url"])
    return name


def _complaint(refused: Refused, name: str | None) -> Fields:
    row = REFUSALS[refused.refusal]
    error = {"errorCode": row.code, "message": row.text.format(refused.detail)}
    return {"body": [error], "httpHeaders": {}, "httpStatusCode": row.status, "referenceId": name}
