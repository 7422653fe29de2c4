"""Everything the HubSpot simulator refuses: HTTP status, category, words, and the shape of its error bodies.

Sources: HubSpot's "Error handling" and "Usage guidelines", the bodies quoted in issues of its client libraries, and
`docs/vendors/hubspot`. Whether a bad record fails its whole batch is a matter of `hubspot_batches`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from types import MappingProxyType

from connector.simulator.parts import Answer, Fields, Refusal, Refused

VALUES: Mapping[str, str] = MappingProxyType(
    {
        "unknown-property": "PROPERTY_DOESNT_EXIST",
        "read-only": "READ_ONLY_VALUE",
        "too-long": "INVALID_LENGTH",
        "bad-email": "INVALID_EMAIL",
        "bad-number": "INVALID_NUMBER",
        "bad-date": "INVALID_LONG",
        "bad-option": "INVALID_OPTION",
        "bad-owner": "INVALID_OWNER_ID",
        "rule": "PROPERTY_VALIDATION_RULE",
    }
)
"""Refusals of one property value, with the code that names them inside the error body."""
SUB_CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "bad-association": "crm.associations.INVALID_OBJECT_IDS",
        "bad-association-type": "crm.associations.INVALID_ASSOCIATION_TYPE",
        "no-associations": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "erased": "CONTACT_GDPR_DELETED",
        "property-exists": "Properties.PROPERTY_ALREADY_EXISTS",
        "too-many-unique": "Properties.UNIQUE_PROPERTY_LIMIT_REACHED",
    }
)
POLICIES: Mapping[str, str] = MappingProxyType(
    {"throttled": "TEN_SECONDLY_ROLLING", "throttled-search": "SECONDLY", "daily": "DAILY"}
)

_BAD = 400, "VALIDATION_ERROR"
REFUSALS = {
    "oauth-grant": Refusal(400, "BAD_GRANT_TYPE", "grant_type must be refresh_token"),
    "oauth-client": Refusal(400, "BAD_CLIENT_ID", "missing or invalid client id"),
    "oauth-secret": Refusal(400, "BAD_CLIENT_SECRET", "missing or invalid client secret"),
    "oauth-refresh": Refusal(400, "BAD_REFRESH_TOKEN", "missing or invalid refresh token"),
    "no-token": Refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found."),
    "token": Refusal(401, "INVALID_AUTHENTICATION", "The access token provided is not valid."),
    "expired": Refusal(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired."),
    "scope": Refusal(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call."),
    "throttled": Refusal(429, "RATE_LIMITS", "You have reached your ten_secondly_rolling limit."),
    "throttled-search": Refusal(429, "RATE_LIMITS", "You have reached your secondly limit."),
    "daily": Refusal(429, "RATE_LIMITS", "You have reached your daily limit."),
    "locked": Refusal(423, "LOCKED", "The resource is locked by a sync in progress."),
    "migration": Refusal(477, "MIGRATION_IN_PROGRESS", "This account is moving to another data centre."),
    "unknown-route": Refusal(404, "NOT_FOUND", "No such resource: {}"),
    "unknown-method": Refusal(405, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed"),
    "unknown-version": Refusal(404, "NOT_FOUND", "No such version of this API: {}"),
    "unknown-object": Refusal(*_BAD, "Unable to infer object type from: {}"),
    "media-type": Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "HTTP 415 Unsupported Media Type"),
    "json": Refusal(*_BAD, "Invalid input JSON on line 1, column 1: {}"),
    "not-text": Refusal(*_BAD, "Invalid input JSON on line 1, column 1: {}"),
    "unknown-input": Refusal(*_BAD, "Invalid input JSON: unrecognized field {}"),
    "unknown-property": Refusal(*_BAD, "{}"),
    "read-only": Refusal(*_BAD, "{}"),
    "too-long": Refusal(*_BAD, "{}"),
    "bad-email": Refusal(*_BAD, "{}"),
    "bad-number": Refusal(*_BAD, "{}"),
    "bad-date": Refusal(*_BAD, "{}"),
    "bad-option": Refusal(*_BAD, "{}"),
    "bad-owner": Refusal(*_BAD, "{}"),
    "rule": Refusal(*_BAD, "{}"),
    "required": Refusal(*_BAD, "Some required properties were not set: {}"),
    "erased": Refusal(*_BAD, "This contact was permanently deleted for privacy reasons and cannot be created again."),
    "conflict": Refusal(409, "CONFLICT", "{}"),
    "not-found": Refusal(404, "OBJECT_NOT_FOUND", "Could not get some objects, they may be deleted or not exist: {}"),
    "no-id": Refusal(*_BAD, "Some required fields were not set: [{}]"),
    "bad-id": Refusal(*_BAD, "{} is not a valid object id"),
    "not-unique": Refusal(*_BAD, "Unable to perform update/upsert by non-unique property {}"),
    "partial-by-email": Refusal(*_BAD, "Partial upserts are not supported with idProperty email; missing: {}"),
    "twice": Refusal(*_BAD, "Duplicate IDs found in batch input: [{}]. IDs must be unique."),
    "no-inputs": Refusal(*_BAD, "Some required fields were not set: [inputs]"),
    "too-many": Refusal(*_BAD, "The maximum number of inputs supported in a batch request is {}"),
    "bad-association": Refusal(*_BAD, "One or more of the object ids are not valid: {}"),
    "bad-association-type": Refusal(*_BAD, "There is no association type {}"),
    "no-associations": Refusal(404, "OBJECT_NOT_FOUND", "No association found for {}"),
    "merge-self": Refusal(*_BAD, "Cannot merge the same object: {}"),
    "filters": Refusal(*_BAD, "There was a problem with the request: {}"),
    "deep-paging": Refusal(*_BAD, "Paging beyond 10,000 results is not supported: {}"),
    "page-size": Refusal(*_BAD, "limit must be between 1 and {}"),
    "cursor": Refusal(*_BAD, "{} is not a paging cursor"),
    "definition": Refusal(*_BAD, "{}"),
    "property-exists": Refusal(409, "OBJECT_ALREADY_EXISTS", "A property named '{}' already exists."),
    "too-many-unique": Refusal(*_BAD, "There are already 10 properties with unique values on {}"),
    "unique-on-object": Refusal(*_BAD, "Properties of {} cannot have unique values"),
    "immutable": Refusal(*_BAD, "{} cannot be changed"),
    "hubspot-defined": Refusal(*_BAD, "{} is defined by HubSpot"),
    "no-property": Refusal(404, "OBJECT_NOT_FOUND", "Property {} does not exist"),
}
"""By id. Every one is provoked by a test that sends the bad request."""


def say(row: Refusal, refused: Refused) -> Answer:
    """The error body of a refused request."""
    message = row.text.format(refused.detail)
    if refused.refusal in POLICIES:
        data: Fields = {
            "status": "error",
            "message": message,
            "errorType": "RATE_LIMIT",
            "correlationId": str(uuid.uuid4()),
            "policyName": POLICIES[refused.refusal],
            "groupName": "publicapi:private-apps:api-calls",
        }
        return Answer(status=row.status, data=data)
    if refused.refusal.startswith("oauth-"):
        return Answer(status=row.status, data={"status": row.code, "message": message})
    return Answer(status=row.status, data={**entry(row, refused), "correlationId": str(uuid.uuid4())})


def entry(row: Refusal, refused: Refused) -> Fields:
    """The part of an error body that stands for one record in a batch as well."""
    message = row.text.format(refused.detail)
    data: Fields = {"status": "error", "message": message, "category": row.code}
    if refused.refusal in SUB_CATEGORIES:
        data["subCategory"] = SUB_CATEGORIES[refused.refusal]
    if refused.refusal in VALUES:
        code = VALUES[refused.refusal]
        one = {"isValid": False, "message": message, "error": code, "name": refused.field}
        data["message"] = f"Property values were not valid: {json.dumps([one], separators=(',', ':'))}"
        data["errors"] = [{"message": message, "code": code, "context": {"propertyName": [refused.field]}}]
    elif refused.refusal == "scope":
        data["errors"] = [{"message": message, "context": {"requiredGranularScopes": [refused.detail]}}]
        data["context"] = {"missingScopes": [refused.detail]}
    elif refused.refusal == "required":
        data["context"] = {"properties": [refused.detail]}
    elif refused.refusal in {"not-found", "bad-association"} and refused.detail:
        data["context"] = {"ids": [refused.detail]}
    return data
