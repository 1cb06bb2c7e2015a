"""HTTP answers: few, fixed, and with the same headers on every one of them (PROTOCOL §3, §7).

Nothing here says why: no field, value, key id, path, stack or library name. The request id leads to the log.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from starlette.responses import Response

from jitterbug.protocol.codes import ErrorCode

_LOG = logging.getLogger("jitterbug.server")
STATUS: Final[Mapping[ErrorCode, int]] = {
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.INVALID: 400,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 503,
}
_BASE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")

RawHeaders = Iterable[tuple[bytes, bytes]]


class RefusedRequest(Exception):  # noqa: N818 - not an error of ours, an answer to give
    """Ends the handling of a request with a generic answer.

    Attributes:
        code: What the peer is told.
        status: HTTP status; by default the one that belongs to the code.
        cause: For the log alone.
        headers: Further headers.
    """

    def __init__(
        self, code: ErrorCode, cause: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(cause)
        self.code = code
        # A stranger's words may be in it: they stay on the log line they belong to (CWE-117).
        self.cause = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cause)
        self.status = status or STATUS[code]
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        """The answer itself."""
        return answer({"error": self.code.value}, self.status, headers=self.headers)


def answer(body: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that nobody may keep."""
    content = json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
    return Response(
        content,
        status,
        headers={"cache-control": "no-store", "content-type": "application/json", **(headers or {})},
    )


def no_content(*, headers: Mapping[str, str] | None = None) -> Response:
    """204."""
    return Response(status_code=204, headers={"cache-control": "no-store", **(headers or {})})


def common_headers(request_id: str, *, production: bool) -> list[tuple[bytes, bytes]]:
    """Headers that every answer has, errors and streams included."""
    headers = [*_BASE_HEADERS, (b"x-request-id", request_id.encode())]
    return [*headers, _HSTS] if production else headers


def finished(respond: Callable[[], Response], *, production: bool = False) -> Response:
    """Answer where nothing is waited for: with the headers that all have, and a log line where it is a refusal.

    Args:
        respond: Returns the answer or raises RefusedRequest.
        production: Adds HSTS.
    """
    request_id = os.urandom(8).hex()
    try:
        response = respond()
    except RefusedRequest as refused:
        _LOG.info("Request %s refused: %s (%s %s)", request_id, refused.cause, refused.status, refused.code)
        response = refused.answer()
    response.raw_headers.extend(common_headers(request_id, production=production))
    return response
