"""The short routes: session, keys, frames, publish, health (PROTOCOL §2, §3, §5, §6)."""

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from jitterbug.errors import FrameTooLargeError, PublishError, StoreError
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol import base64
from jitterbug.protocol.codes import PUBLISH, ErrorCode, Refusal
from jitterbug.protocol.verifying import Authentic, Refused, authenticate
from jitterbug.server.answers import STATUS, RefusedRequest, answer, no_content
from jitterbug.server.body import parse, read_body, read_json
from jitterbug.server.failures import Failures
from jitterbug.server.handshake import client_address
from jitterbug.server.tokens import Identity, TokenExchange
from jitterbug.telemetry.events import Fact, FactCode

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_SMALL_BODY_BYTES: Final = 1_024
_MAX_ID_CHARS: Final = 64
_ALGORITHM: Final = "sha256"


class Api:
    """Handlers, one a route. Each returns an answer or raises RefusedRequest."""

    def __init__(self, push: "Jitterbug") -> None:
        self._push = push
        self._failures = Failures()

    async def open_session(self, request: Request) -> Response:
        """``POST BASE/session``: a token becomes a login; in development whoever asks gets an anonymous one."""
        push, sessions = self._push, self._push.own_sessions
        if sessions is None:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "the application has its own logins")
        await read_body(request.scope, request.receive, _SMALL_BODY_BYTES)
        self._limit(request, await push.limits.admit_login(client_address(request.scope)))
        identity = self._identity(request)
        if identity is not None:
            self._limit(request, await push.limits.admit_subject(identity.subject))
        old = sessions(request)
        if old is not None:
            # A new id at each login: whoever planted or knew the old one has nothing (fixation).
            await self._end(old, request)
        address = push.limits.capped(client_address(request.scope))
        if identity is None:
            session = sessions.create(address)
        else:
            session = sessions.create(
                address, subject=identity.subject, expires_at=identity.expires_at, data=identity.grants
            )
        if session is None:
            self._tell(request, FactCode.RATE_LIMITED, None, "sessions")
            raise RefusedRequest(ErrorCode.RATE_LIMITED, "too many sessions from one address")
        self._tell(request, FactCode.SESSION_OPENED, session, "anonymous" if identity is None else "token")
        return no_content(headers={"set-cookie": sessions.cookie(session)})

    def _limit(self, request: Request, wait_s: int | None) -> None:
        if wait_s is not None:
            self._tell(request, FactCode.RATE_LIMITED, None, "logins")
            raise RefusedRequest(ErrorCode.RATE_LIMITED, "logins", headers={"retry-after": str(wait_s)})

    def _identity(self, request: Request) -> Identity | None:
        """Who the token says it is; None for an anonymous visitor of a development hub. Raises RefusedRequest."""
        push = self._push
        authorization = request.headers.getlist("authorization")
        if not authorization and push.config.development:
            return None
        try:
            return _one_token(push.tokens, authorization)
        except RefusedRequest:
            self._tell(request, FactCode.AUTH_FAILED, None, "token")
            raise

    async def close_session(self, request: Request, session: Session) -> Response:
        """``DELETE BASE/session``: ends every key and stream of the session."""
        await self._end(session, request)
        sessions = self._push.own_sessions
        cookie = {"set-cookie": sessions.expired_cookie()} if sessions is not None else {}
        return no_content(headers=cookie)

    async def issue_key(self, request: Request, session: Session) -> Response:
        """``POST BASE/keys``."""
        push = self._push
        body = await read_body(request.scope, request.receive, _SMALL_BODY_BYTES)
        if body.strip() and parse(body) != {}:
            raise RefusedRequest(ErrorCode.INVALID, "key request body")
        try:
            wait_s = await push.limits.admit_key(session, client_address(request.scope))
        except StoreError:
            self._tell(request, FactCode.KEY_REFUSED, session, "store")
            raise
        if wait_s is not None:
            self._tell(request, FactCode.RATE_LIMITED, session, "keys")
            self._tell(request, FactCode.KEY_REFUSED, session, "limit")
            raise RefusedRequest(ErrorCode.RATE_LIMITED, "keys", headers={"retry-after": str(wait_s)})
        now_ms = push.clock.now_ms()
        key = push.hub.issue_key(session, now_ms)
        self._tell(request, FactCode.KEY_ISSUED, session, None, kid=key.kid)
        return answer({
            "algorithm": _ALGORITHM,
            "expiresAt": key.expires_at_ms,
            "kid": key.kid,
            "secret": base64.encode(key.secret).decode(),
            "serverTime": now_ms,
        }, headers={"vary": "Cookie, Origin"})  # fmt: skip

    async def frames(self, request: Request, session: Session) -> Response:
        """``POST BASE/frames``: one signed frame up; the answer carries its outcome."""
        body = await read_json(request.scope, request.receive, self._push.config.max_frame_bytes)
        outcome = await self._push.upstream.handle(
            session, body, address=client_address(request.scope), request_id=request.state.request_id
        )
        if outcome.code is not None:
            raise _refusal(outcome)
        members: dict[str, Any] = {} if outcome.id is None else {"id": outcome.id}
        if outcome.position is not None:
            members["pos"] = outcome.position.to_json()
        return answer(members)

    async def publish(self, request: Request) -> Response:
        """``POST BASE/publish``: a frame signed by a trusted back end with a root key, or a key for its channels."""
        push = self._push
        address = push.limits.capped(client_address(request.scope))
        wait_s = self._failures.wait_s(address, push.clock.monotonic_ns())
        if wait_s:
            self._tell(request, FactCode.RATE_LIMITED, None, "publish")
            raise RefusedRequest(ErrorCode.RATE_LIMITED, "publish failures", headers={"retry-after": str(wait_s)})
        try:
            body = await read_json(request.scope, request.receive, push.config.max_frame_bytes)
            frame = await self._authentic(body, request)
        except RefusedRequest:
            self._failures.count(address, push.clock.monotonic_ns())
            raise
        channel, data, publication_id = _publication(frame.payload)
        if not push.publishers.allow(frame.kid, channel):
            self._tell(request, FactCode.PUBLISH_REFUSED, None, "policy", kid=frame.kid, channel=channel)
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "publish: not a channel of this key")
        try:
            # One back end's ids mean nothing under another's key.
            position = await push.hub.publish(channel, data, publication_id=f"{frame.kid}:{publication_id}")
        except PublishError as error:
            status = 413 if isinstance(error, FrameTooLargeError) else 400
            raise RefusedRequest(ErrorCode.INVALID, str(error), status=status) from None
        return answer({"ch": channel, "pos": position.to_json()})

    async def health(self, _request: Request) -> Response:
        """``GET BASE/health``: no detail for strangers."""
        if self._push.hub.is_draining or not self._push.hub.is_fit:
            raise RefusedRequest(ErrorCode.INTERNAL, "draining or not fit")
        return answer({"status": "ok"})

    async def _authentic(self, body: bytes, request: Request) -> Authentic:
        push = self._push
        now_ms = push.clock.now_ms()
        verdict: Authentic | Refused = authenticate(
            body, now_ms, push.publishers, skew_ms=push.config.skew_ms, max_frame_bytes=push.config.max_frame_bytes
        )
        reason = verdict.reason.value if isinstance(verdict, Refused) else None
        if isinstance(verdict, Authentic) and verdict.ts < push.started_at_ms:
            # A root key outlives the process, the memory of nonces may not: what was signed before could be a replay.
            verdict = Refused(Refusal.STALE, verdict.kid)
            reason = verdict.reason.value
        if isinstance(verdict, Authentic):
            claim = await push.hub.store.claim(verdict.kid, verdict.nonce, verdict.ts, now_ms)
            reason = None if claim else claim.refusal.value
        code = FactCode.FRAME_VERIFIED if reason is None else FactCode.FRAME_REFUSED
        self._tell(request, code, None, reason or PUBLISH, kid=verdict.kid)
        if isinstance(verdict, Refused) and verdict.reason.value in {"size", "grammar"}:
            raise RefusedRequest(ErrorCode.INVALID, f"publish: {reason}")
        if isinstance(verdict, Refused) or reason is not None:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, f"publish: {reason}")
        return verdict

    async def _end(self, session: Session, request: Request) -> None:
        push = self._push
        push.hub.revoke(session.id)
        if push.own_sessions is not None:
            push.own_sessions.end(session)
        self._tell(request, FactCode.SESSION_ENDED, session, "logout")

    def _tell(
        self,
        request: Request,
        code: FactCode,
        session: Session | None,
        reason: str | None,
        *,
        kid: str | None = None,
        channel: str | None = None,
    ) -> None:
        self._push.hub.facts.emit(
            Fact(
                code=code,
                reason=reason,
                kid=kid,
                session=session.hash if session else None,
                address=client_address(request.scope),
                channel=channel,
                request_id=request.state.request_id,
            )
        )


def _one_token(tokens: TokenExchange | None, authorization: list[str]) -> Identity:
    if tokens is None or len(authorization) != 1:
        raise RefusedRequest(ErrorCode.UNAUTHORIZED, "not one token, or nothing to verify it with")
    return tokens.identity(authorization[0])


def _publication(payload: dict[str, Any]) -> tuple[str, Any, str]:
    channel, publication_id = payload.get("ch"), payload.get("id")
    if payload.get("t") != PUBLISH or payload.keys() != {"t", "id", "ch", "data"}:
        raise RefusedRequest(ErrorCode.INVALID, "publish payload")
    if not isinstance(channel, str) or not isinstance(publication_id, str):
        raise RefusedRequest(ErrorCode.INVALID, "publish payload")
    if not 0 < len(publication_id) <= _MAX_ID_CHARS:
        raise RefusedRequest(ErrorCode.INVALID, "publish id")
    return channel, payload["data"], publication_id


def _refusal(outcome: Outcome) -> RefusedRequest:
    code = outcome.code or ErrorCode.INTERNAL
    headers = {"retry-after": str(outcome.retry_after_s)} if outcome.retry_after_s is not None else {}
    status = 413 if outcome.too_large else STATUS[code]
    return RefusedRequest(code, "frame", status=status, headers=headers)
