"""Request bodies, in the shapes of hubspot-api-client. Pure.

Only its models are used: they know the vendor's names and refuse what its schema refuses. Its `Configuration` is
not, since making one turns log levels of this process up, nor its clients, which call `/crm/v3` without a time-out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from hubspot.crm import objects as sdk

# All that a model reads of a Configuration.
_CHECKED = SimpleNamespace(client_side_validation=True)


def updates(rows: Iterable[tuple[str, str, Mapping[str, str]]]) -> bytes:
    """A batch update by record id. `rows`: the id, the trace id and the properties of each record."""
    inputs = [
        sdk.SimplePublicObjectBatchInput(
            id=record,
            object_write_trace_id=trace,
            properties=dict(properties),
            local_vars_configuration=_CHECKED,
        )
        for record, trace, properties in rows
    ]
    return _text(sdk.BatchInputSimplePublicObjectBatchInput(inputs=inputs, local_vars_configuration=_CHECKED))


def creates(rows: Iterable[tuple[str, str, Mapping[str, str]]], association_type: int | None = None) -> bytes:
    """A batch create. `rows`: the contact a record hangs on (empty: none), the trace id and the properties."""
    inputs = [
        sdk.SimplePublicObjectBatchInputForCreate(
            associations=[_association(contact, association_type)] if contact and association_type else [],
            object_write_trace_id=trace,
            properties=dict(properties),
            local_vars_configuration=_CHECKED,
        )
        for contact, trace, properties in rows
    ]
    return _text(sdk.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs, local_vars_configuration=_CHECKED))


def reads(ids: Sequence[str], properties: Sequence[str], id_property: str | None = None) -> bytes:
    """A batch read by record id, or by the values of `id_property`."""
    return _text(
        sdk.BatchReadInputSimplePublicObjectId(
            id_property=id_property,
            inputs=_ids(ids),
            properties=list(properties),
            properties_with_history=[],
            local_vars_configuration=_CHECKED,
        )
    )


def associated(ids: Sequence[str], after: Mapping[str, str]) -> bytes:
    """A batch read of associations of the records `ids`, going on where `after` says for those that have more."""
    body = sdk.BatchInputSimplePublicObjectId(inputs=_ids(ids), local_vars_configuration=_CHECKED)
    found = _present(body.to_dict(serialize=True))
    for one in found["inputs"]:
        if one["id"] in after:
            one["after"] = after[one["id"]]
    return _encoded(found)


def search(filters: Sequence[tuple[str, str, str]], properties: Sequence[str], *, sort: str, limit: int) -> bytes:
    """A search for records to which all `filters` (property, operator, value) apply, in the order of `sort`."""
    group = sdk.FilterGroup(
        filters=[
            sdk.Filter(property_name=name, operator=operator, value=value, local_vars_configuration=_CHECKED)
            for name, operator, value in filters
        ],
        local_vars_configuration=_CHECKED,
    )
    return _text(
        sdk.PublicObjectSearchRequest(
            filter_groups=[group],
            sorts=[{"propertyName": sort, "direction": "ASCENDING"}],
            properties=list(properties),
            limit=limit,
            local_vars_configuration=_CHECKED,
        )
    )


def _association(contact: str, association_type: int) -> Any:
    kind = sdk.AssociationSpec(
        association_category="HUBSPOT_DEFINED",
        association_type_id=association_type,
        local_vars_configuration=_CHECKED,
    )
    to = sdk.PublicObjectId(id=contact, local_vars_configuration=_CHECKED)
    return sdk.PublicAssociationsForObject(types=[kind], to=to, local_vars_configuration=_CHECKED)


def _ids(ids: Sequence[str]) -> list[Any]:
    return [sdk.SimplePublicObjectId(id=one, local_vars_configuration=_CHECKED) for one in ids]


def _text(model: Any) -> bytes:
    return _encoded(_present(model.to_dict(serialize=True)))


def _present(value: Any) -> Any:
    """Without what was not given: the models spell that as null, which the vendor need not take for absent."""
    if isinstance(value, dict):
        return {name: _present(part) for name, part in value.items() if part is not None}
    return [_present(part) for part in value] if isinstance(value, list) else value


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
