"""What every answer of a hub has in common, and the one body each class of refusal has (PROTOCOL §3, §7)."""

import re
from collections.abc import Mapping

import httpx2
import pytest

WORDS = {
    400: "invalid request",
    401: "unauthorized",
    403: "unauthorized",
    404: "invalid request",
    405: "invalid request",
    413: "invalid request",
    415: "invalid request",
    429: "rate limited",
    500: "internal error",
    503: "internal error",
}
_TELLING = {"server", "x-powered-by", "via", "x-aspnet-version"}
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def assert_base(headers: Mapping[str, str]) -> str:
    """Check the headers that every answer has; return the request id."""
    found = {name.lower(): value for name, value in headers.items()}
    assert not _TELLING & found.keys(), "the server's make is told"
    assert {name: found.get(name) for name in _ALWAYS} == _ALWAYS
    assert re.fullmatch(r"[0-9a-f]{16}", found.get("x-request-id", ""))
    return found["x-request-id"]


def assert_no_cors(headers: Mapping[str, str]) -> None:
    """Check that no other origin is let in."""
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def assert_refused(answer: httpx2.Response, status: int) -> str:
    """Check that this is the one generic answer of its class, to the byte; return the request id."""
    assert (answer.status_code, answer.text) == (status, f'{{"error":"{WORDS[status]}"}}')
    assert answer.headers["content-type"] == "application/json"
    assert_no_cors(answer.headers)
    return assert_base(answer.headers)


def causes(log: pytest.LogCaptureFixture, request_id: str) -> str:
    """What the log says under a request id."""
    return "\n".join(text for record in log.records if request_id in (text := record.getMessage()))
