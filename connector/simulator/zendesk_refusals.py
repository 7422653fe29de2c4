"""Everything the Zendesk simulator refuses: HTTP status, error name, words.

Names and shapes: developer.zendesk.com (errors, rate limits, tickets, job statuses, incremental export) and the
replies quoted in `docs/vendors/zendesk`. One rule is stricter than the vendor, which ignores ticket attributes it does
not know: here they are refused, so that a misspelt field is noticed.
"""

from __future__ import annotations

from connector.simulator.parts import Refusal

REFUSALS = {
    "oauth-client": Refusal(401, "invalid_client", "Client authentication failed"),
    "oauth-grant": Refusal(400, "unsupported_grant_type", "The grant type is not supported"),
    "oauth-scope": Refusal(400, "invalid_scope", "The requested scope is invalid, unknown or malformed: {}"),
    "oauth-expiry": Refusal(400, "invalid_request", "expires_in must be between 300 and 172800 seconds"),
    "no-token": Refusal(401, "Couldn't authenticate you", ""),
    "token": Refusal(401, "invalid_token", "The access token provided is expired, revoked, malformed or invalid"),
    "scope": Refusal(403, "Forbidden", "You do not have access to this page. The token lacks {}"),
    "throttled": Refusal(429, "APIRateLimitExceeded", "You have exceeded the number of allowed requests per minute"),
    "throttled-endpoint": Refusal(429, "APIRateLimitExceeded", "You have exceeded the rate limit of {}"),
    "throttled-ticket": Refusal(429, "APIRateLimitExceeded", "Ticket {} was updated too often"),
    "too-many-jobs": Refusal(429, "TooManyJobs", "Too many jobs are queued or running"),
    "unknown-route": Refusal(404, "InvalidEndpoint", "Not found"),
    "unknown-method": Refusal(404, "InvalidEndpoint", "Not found"),
    "not-found": Refusal(404, "RecordNotFound", "Not found"),
    "media-type": Refusal(415, "UnsupportedMediaType", "Content-Type must be application/json"),
    "json": Refusal(400, "InvalidJSON", "Server could not parse JSON"),
    "no-ticket": Refusal(400, "Invalid attribute", "You passed an invalid value for the {} attribute: it is required"),
    "unknown-field": Refusal(400, "Invalid attribute", "The {} attribute is not known"),
    "wrong-type": Refusal(400, "Invalid attribute", "You passed an invalid value for the {} attribute"),
    "bulk-only": Refusal(400, "Invalid attribute", "The {} attribute is for update_many"),
    "create-only": Refusal(400, "Invalid attribute", "The {} attribute is for new tickets"),
    "blank-comment": Refusal(422, "RecordInvalid", "Description: cannot be blank"),
    "long-comment": Refusal(422, "RecordInvalid", "Comment: is too long (maximum is 65535 characters)"),
    "status": Refusal(422, "RecordInvalid", "Status: {} is not a valid status"),
    "priority": Refusal(422, "RecordInvalid", "Priority: {} is not a valid priority"),
    "type": Refusal(422, "RecordInvalid", "Type: {} is not a valid type"),
    "group": Refusal(422, "RecordInvalid", "Group: {} is invalid"),
    "custom-status": Refusal(422, "RecordInvalid", "Custom status: {} is invalid"),
    "custom-field": Refusal(422, "RecordInvalid", "Custom field: {} does not exist"),
    "user": Refusal(422, "RecordInvalid", "User: {} does not exist"),
    "requester-email": Refusal(422, "RecordInvalid", "Requester: Email: {} is not properly formatted"),
    "requester-name": Refusal(422, "RecordInvalid", "Requester: Name: is too short (minimum is 1 character)"),
    "closed": Refusal(422, "RecordInvalid", "Status: closed prevents ticket update"),
    "follow-up": Refusal(422, "RecordInvalid", "Followup source: ticket {} is not closed"),
    "stale": Refusal(409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data"),
    "no-stamp": Refusal(400, "Invalid attribute", "You passed an invalid value for the updated_stamp attribute"),
    "key-too-long": Refusal(400, "IdempotentRequestError", "Idempotency-Key is longer than 255 characters"),
    "key-reuse": Refusal(400, "IdempotentRequestError", "Request parameters don't match the given idempotency key"),
    "too-many": Refusal(400, "TooManyValues", "Too many values: at most 100 are allowed"),
    "no-ids": Refusal(400, "BadRequest", "ids are required, comma-separated integers"),
    "page-size": Refusal(400, "InvalidPaginationParameter", "page[size] must be an integer from 1 to 100"),
    "cursor": Refusal(400, "InvalidPaginationParameter", "The cursor is invalid"),
    "no-start": Refusal(400, "InvalidValue", "start_time or cursor is required, start_time in epoch seconds"),
    "recent-start": Refusal(422, "StartTimeTooRecent", "Too recent start_time. Use a start_time older than 1 minutes."),
    "search": Refusal(422, "invalid", "Invalid search: {}"),
    "statuses-off": Refusal(403, "Forbidden", "Custom ticket statuses are not activated"),
    "status-label": Refusal(422, "RecordInvalid", "Agent label: must have 1 to 48 characters"),
    "taken": Refusal(422, "RecordInvalid", "Agent label: {} has already been taken"),
    "field-type": Refusal(422, "RecordInvalid", "Type: {} is not valid"),
    "field-title": Refusal(422, "RecordInvalid", "Title: cannot be blank"),
    "webhook": Refusal(400, "InvalidWebhook", "{}"),
    "delete-agent": Refusal(422, "RecordInvalid", "User: an agent cannot be deleted by this client"),
    "open-tickets": Refusal(422, "RecordInvalid", "User: is requester on {} tickets that are not closed"),
    "redaction": Refusal(400, "BadRequest", "html_body does not match the comment, or nothing in it is marked"),
    "external-id": Refusal(422, "RecordInvalid", "External: {} has already been taken"),
}
"""By id. Every one is provoked by a test that sends the bad request."""
