"""Reading a request body under a bound, before anything looks at it."""

import asyncio
import contextlib
from typing import Any, Final

from starlette.types import Receive, Scope

from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.handshake import header

BODY_TIMEOUT_S: Final = 10
_DISCARD_BYTES: Final = 65_536
_DISCARD_S: Final = 1.0


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Read the whole body.

    Args:
        scope: Of the request.
        receive: Of the request.
        limit_bytes: Largest body; one byte more is refused, by its announced length where there is one.

    Raises:
        RefusedRequest: Too large, too slow, or the peer went away.
    """
    announced = header(scope, b"content-length") or ""
    if announced.isdigit() and int(announced[:16]) > limit_bytes:
        if header(scope, b"expect") is None:  # that peer waits for the answer before it sends anything
            await _discard(receive)
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            more = True
            while more:
                part = await receive()
                if part["type"] == "http.disconnect":
                    raise RefusedRequest(ErrorCode.INVALID, "peer went away in the body")
                chunk = part.get("body", b"")
                more = part.get("more_body", False)
                size += len(chunk)
                if size > limit_bytes:
                    if more:
                        await _discard(receive)
                    raise _too_large()
                chunks.append(chunk)
    except TimeoutError:
        raise RefusedRequest(ErrorCode.INVALID, "body too slow", headers={"connection": "close"}) from None
    return b"".join(chunks)


async def _discard(receive: Receive) -> None:
    """Take some more of a body that is refused: a peer that is still sending would be reset and not see the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while size < _DISCARD_BYTES:
                part = await receive()
                size += len(part.get("body", b""))
                if not part.get("more_body", False):
                    return


async def read_json(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Like :func:`read_body`, for ``application/json`` only. Raises RefusedRequest, 415 for another type."""
    media_type = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedRequest(ErrorCode.INVALID, "content type is not JSON", status=415)
    return await read_body(scope, receive, limit_bytes)


def parse(body: bytes) -> Any:
    """Strict JSON. Raises RefusedRequest."""
    try:
        return canonical.decode(body)
    except CanonicalError as error:
        raise RefusedRequest(ErrorCode.INVALID, str(error)) from None


def _too_large() -> RefusedRequest:
    return RefusedRequest(ErrorCode.INVALID, "body too large", status=413, headers={"connection": "close"})
