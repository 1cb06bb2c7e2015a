"""From a request to its handler, and from whatever happens there to an answer (PROTOCOL §3, §7, R11).

A table of exact paths and methods; everything else is 404 or 405. The checks that every route shares stand here, in
their order: where it comes from, which page sent it, who it is.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from jitterbug.errors import StoreError
from jitterbug.hub.sessions import Session
from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest, common_headers, no_content
from jitterbug.server.api import Api
from jitterbug.server.handshake import (
    HANDSHAKE,
    as_http,
    check_development,
    check_not_a_browser,
    check_origin,
    check_tls,
    client_address,
)
from jitterbug.server.sessions import resolve
from jitterbug.server.socket_sinks import POLICY
from jitterbug.server.sse import OpenStream, Stream
from jitterbug.server.websocket import WebSocket
from jitterbug.telemetry.events import Fact, FactCode

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_LOG = logging.getLogger("jitterbug.server")
_PATHS: Final[dict[str, tuple[str, ...]]] = {
    "/session": ("DELETE", "POST"),
    "/keys": ("POST",),
    "/stream": ("GET", "POST"),
    "/ws": ("GET",),
    "/frames": ("POST",),
    "/publish": ("POST",),
    "/health": ("GET",),
}
_FOREIGN: Final = 403
"""Status of the checks in :mod:`jitterbug.server.handshake`, and of nothing else."""
Handler = Callable[[Request, Session], Awaitable[Response]]


class Routes:
    """The ASGI application below ``BASE``."""

    def __init__(self, push: "Jitterbug") -> None:
        self._push = push
        self._api = Api(push)
        self._stream = Stream(push)
        self._websocket = WebSocket(push)
        self._with_session: dict[tuple[str, str], Handler] = {
            ("/session", "DELETE"): self._api.close_session,
            ("/keys", "POST"): self._api.issue_key,
            ("/frames", "POST"): self._api.frames,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket."""
        stream = await self._answer(scope, receive, send)
        if stream is not None:
            del scope, send
            await stream.until_gone(receive)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> OpenStream | None:
        """All of it but an open stream's rest."""
        if scope["type"] == "websocket":
            await receive()  # websocket.connect: nothing is answered before it
        elif scope["type"] != "http":
            return None
        request_id = os.urandom(8).hex()
        headers = common_headers(request_id, production=not self._push.config.development)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            response = await self._serve(as_http(scope), receive, watched, request_id, headers)
        except RefusedRequest as refused:
            _LOG.info("Request %s refused: %s (%s %s)", request_id, refused.cause, refused.status, refused.code)
            if refused.status == _FOREIGN:
                self._tell_foreign(scope, refused, request_id)
            response = None if started else refused.answer()
        except Exception as error:
            _LOG.exception("Request %s failed", request_id)
            self._push.hub.facts.emit(
                Fact(
                    code=FactCode.INTERNAL_ERROR,
                    reason=type(error).__name__,
                    address=client_address(scope),
                    request_id=request_id,
                )
            )
            if started:
                raise  # the server closes the connection; there is nothing left to answer
            code = 503 if isinstance(error, StoreError) else 500
            response = RefusedRequest(ErrorCode.INTERNAL, "failure", status=code).answer()
        if isinstance(response, OpenStream):
            return response
        if response is not None:
            response.raw_headers.extend(headers)
            await _respond(response, scope, receive, send)
        return None

    def _tell_foreign(self, scope: Scope, refused: RefusedRequest, request_id: str) -> None:
        """Tell what comes from where it may not, by name of the check (R86)."""
        address = client_address(scope)
        self._push.hub.facts.emit(
            Fact(code=FactCode.CONNECTION_REFUSED, reason=refused.cause, address=address, request_id=request_id)
        )

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: list[tuple[bytes, bytes]]
    ) -> Response | OpenStream | None:
        push = self._push
        path, method = _below_mount(scope), scope["method"]
        await push.ensure_started()
        if push.config.development:
            check_development(scope)
        else:
            check_tls(scope, always=push.requires_tls)
        methods = _PATHS.get(path)
        if methods is None or (path != "/ws" and HANDSHAKE in scope):
            raise RefusedRequest(ErrorCode.INVALID, "no such path", status=404)
        request = Request(scope, receive)
        request.state.request_id = request_id
        if path != "/health" and not push.hub.is_fit:
            # What cannot be recorded or checked is not done at all (R12).
            if (path, method) == ("/keys", "POST"):
                await self._tell_unfit(request)
            raise RefusedRequest(ErrorCode.INTERNAL, "the hub is not fit: see the log")
        if path == "/publish":
            check_not_a_browser(scope)
            if method == "POST":
                return await self._api.publish(request)
        if path == "/health" and method in {"GET", "HEAD"}:
            return await self._api.health(request)
        listed = check_origin(scope, push.allowed_origins) if method in {*methods, "OPTIONS"} else None
        if listed is not None:
            headers += _cors(listed, path, methods)
            if method == "OPTIONS":
                return no_content()
        if method not in methods:
            raise RefusedRequest(ErrorCode.INVALID, "method", status=405, headers={"allow": ", ".join(methods)})
        if path == "/session" and method == "POST":
            return await self._api.open_session(request)
        found = await resolve(push.resolver, request)
        if path == "/stream" and found is not None and push.hub.is_revoked(found):
            return no_content()  # never come back (PROTOCOL §5)
        session = self._logged_in(found, request)
        if path in {"/stream", "/ws"}:
            del request  # they last for hours, and need no more of it than the scope
        if path == "/stream":
            return await self._stream(scope, receive, send, session, request_id, headers)
        if path == "/ws":
            if HANDSHAKE not in scope:
                raise RefusedRequest(ErrorCode.INVALID, "no WebSocket handshake")
            await self._websocket(scope, receive, send, session, request_id, headers)
            return None
        return await self._with_session[path, method](request, session)

    async def _tell_unfit(self, request: Request) -> None:
        """Count a key that a login was not given, as any other failing of the key service (R82)."""
        session = await resolve(self._push.resolver, request)
        if session is not None and not self._push.has_expired(session):
            self._push.hub.facts.emit(
                Fact(
                    code=FactCode.KEY_REFUSED,
                    reason="unfit",
                    session=session.hash,
                    address=client_address(request.scope),
                    request_id=request.state.request_id,
                )
            )

    def _logged_in(self, session: Session | None, request: Request) -> Session:
        if session is None or self._push.has_expired(session):
            address, request_id = client_address(request.scope), request.state.request_id
            self._push.hub.facts.emit(
                Fact(code=FactCode.AUTH_FAILED, reason="session", address=address, request_id=request_id)
            )
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "no session")
        return session


def _below_mount(scope: Scope) -> str:
    """The path as this application sees it, whatever it is mounted under (ASGI: ``path`` includes ``root_path``)."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _cors(origin: str, path: str, methods: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """For a listed origin, and exactly that one."""
    token = ", authorization" if path == "/session" else ""  # the one route that takes a token
    pairs: dict[str, str] = {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": f"content-type, last-event-id{token}",
        "vary": "Origin",
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()]


async def _respond(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer; where the server cannot answer a WebSocket handshake in full, it makes a 403 of the refusal."""
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY, "reason": ""})
    else:
        await response(scope, receive, send)
