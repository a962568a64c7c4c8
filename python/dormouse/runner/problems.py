"""Refusals as problem documents (RFC 9457), with the words of docs/spec/errors.md."""

import json

from . import secrets_given

_TITLES = {
    "request_invalid": "The request is malformed", "input_invalid": "The input does not fit", "run_failed": "The function failed",
    "capacity_exhausted": "Every slot is taken", "body_too_large": "The body is too large", "method_not_allowed": "Method not allowed",
    "route_not_found": "Nothing is served here", "media_type_unsupported": "Media type not supported", "body_too_slow": "The body is too slow",
    "not_supported": "Not supported", "caller_left": "The caller left",
    "internal": "Internal failure",
}
_BY_STATUS = {400: "request_invalid", 408: "body_too_slow", 413: "body_too_large", 415: "media_type_unsupported", 500: "internal", 501: "not_supported"}


def problem(status, code, detail, invocation_id=None, retryable=False, headers=(), field=None):
    """Status, headers and body of a refusal."""
    document = {"type": "urn:dormouse:problem:" + code, "title": _TITLES.get(code, code), "status": status, "code": code, "detail": secrets_given.mask(detail)}
    if field is not None:
        document["field"] = field
    if invocation_id:
        document["invocation_id"] = invocation_id
    document["retryable"] = retryable
    return status, [("content-type", "application/problem+json")] + list(headers), json.dumps(document).encode("utf-8")


def of_bad_request(error):
    """The document of what the HTTP side refused."""
    return problem(error.status, _BY_STATUS.get(error.status, "request_invalid"), str(error), retryable=error.status in (408, 500))
