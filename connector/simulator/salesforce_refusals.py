"""Everything the Salesforce simulator refuses: HTTP status, error code, words.

Codes and statuses: Salesforce's REST developer guide ("Status Codes and Error Responses", "sObject Collections") and
the replies quoted in `docs/vendors/salesforce`. In a collection the same code appears per record under `statusCode`,
with HTTP 200; what JSON cannot be read into fails the whole request.
"""

from __future__ import annotations

from connector.simulator.parts import Refusal

REFUSALS = {
    "oauth-grant": Refusal(400, "unsupported_grant_type", "grant type not supported"),
    "oauth-client": Refusal(400, "invalid_client_id", "client identifier invalid"),
    "oauth-secret": Refusal(400, "invalid_client", "invalid client credentials"),
    "session": Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    "scope": Refusal(403, "INVALID_SESSION_ID", "This session is not valid for use with the REST API"),
    "throttled": Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "uri-too-long": Refusal(414, "URI_TOO_LONG", "URI and headers exceed 16,384 bytes"),
    "unknown-route": Refusal(404, "NOT_FOUND", "The requested resource does not exist"),
    "unknown-method": Refusal(405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed"),
    "unknown-object": Refusal(404, "NOT_FOUND", "The requested resource does not exist"),
    "media-type": Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported"),
    "json": Refusal(400, "JSON_PARSER_ERROR", "{}"),
    "wrong-type": Refusal(
        400, "JSON_PARSER_ERROR", "Cannot deserialize instance of {} or request may be missing a field"
    ),
    "unknown-field": Refusal(400, "INVALID_FIELD", "{}"),
    "external-in-body": Refusal(400, "INVALID_FIELD", "The {} field should not be specified in the sobject data."),
    "external-id": Refusal(404, "NOT_FOUND", "{}"),
    "not-found": Refusal(404, "NOT_FOUND", "The requested resource does not exist"),
    "deleted": Refusal(404, "ENTITY_IS_DELETED", "{}"),
    "malformed-id": Refusal(400, "MALFORMED_ID", "{}"),
    "several": Refusal(300, "", "{}"),
    "read-only": Refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: {}"),
    "id-in-insert": Refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "{}"),
    "required": Refusal(400, "REQUIRED_FIELD_MISSING", "{}"),
    "too-long": Refusal(400, "STRING_TOO_LONG", "{}"),
    "out-of-range": Refusal(400, "NUMBER_OUTSIDE_VALID_RANGE", "{}"),
    "picklist": Refusal(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "{}"),
    "bad-email": Refusal(400, "INVALID_EMAIL_ADDRESS", "{}"),
    "bad-reference": Refusal(400, "INVALID_CROSS_REFERENCE_KEY", "{}"),
    "duplicate-value": Refusal(400, "DUPLICATE_VALUE", "{}"),
    "duplicates-detected": Refusal(400, "DUPLICATES_DETECTED", "{}"),
    "too-many": Refusal(
        400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call"
    ),
    "record-type": Refusal(400, "INVALID_TYPE", "{}"),
    "no-id": Refusal(400, "MISSING_ARGUMENT", "{}"),
    "twice": Refusal(400, "DUPLICATE_VALUE", "{}"),
    "several-records": Refusal(400, "DUPLICATE_EXTERNAL_ID", "{}"),
    "rolled-back": Refusal(
        400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid"
    ),
    "malformed-query": Refusal(400, "MALFORMED_QUERY", "{}"),
    "unknown-type": Refusal(400, "INVALID_TYPE", "sObject type '{}' is not supported."),
    "unknown-column": Refusal(400, "INVALID_FIELD", "{}"),
    "not-filterable": Refusal(400, "INVALID_FIELD", "field '{}' can not be filtered in a query call"),
    "wrong-literal": Refusal(400, "INVALID_FIELD", "{}"),
    "insufficient-access": Refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY", "{}"),
    "full-name": Refusal(400, "INVALID_TYPE", "{}"),
    "duplicate-name": Refusal(400, "DUPLICATE_DEVELOPER_NAME", "{}"),
    "field-type": Refusal(400, "FIELD_INTEGRITY_EXCEPTION", "{}"),
    "integrity": Refusal(400, "FIELD_INTEGRITY_EXCEPTION", "{}"),
    "too-many-requests": Refusal(400, "LIMIT_EXCEEDED", "The request can’t contain more than {} operations."),
    "too-many-queries": Refusal(
        400, "LIMIT_EXCEEDED", "The request can’t contain more than {} sObject Collections or query operations."
    ),
    "reference": Refusal(400, "INVALID_REFERENCE", "Invalid reference specified: {}"),
    "reference-twice": Refusal(400, "DUPLICATE_REFERENCE", "Duplicate referenceId: {}"),
    "composite-header": Refusal(
        400, "INVALID_HTTP_HEADER", "Accept, Authorization and Content-Type cannot be set for a subrequest"
    ),
    "halted": Refusal(
        400,
        "PROCESSING_HALTED",
        "The transaction was rolled back since another operation in the same transaction failed.",
    ),
    "locator": Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator: {}"),
}
"""By id. Every one is provoked by a test that sends the bad request."""
