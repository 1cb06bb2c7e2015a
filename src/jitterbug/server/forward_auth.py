"""Logins by asking another HTTP service: the cookie goes there, who it is comes back."""

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request

from jitterbug.clock import Clock, SystemClock
from jitterbug.errors import JitterbugError
from jitterbug.hub.sessions import Session
from jitterbug.server.grants import Grants
from jitterbug.settings.values import web_address

if TYPE_CHECKING:
    import httpx2

_LOG = logging.getLogger("jitterbug.server")
_MAX_REMEMBERED: Final = 10_000
_MAX_ANSWER_BYTES: Final = 65_536
_MAX_COOKIE_CHARS: Final = 8_192
_TIMEOUT_S: Final = 2.0
_MAX_CONNECTIONS: Final = 20
_NO: Final = {401, 403}


def forward_auth(
    url: str, *, cache_s: float = 5, timeout_s: float = _TIMEOUT_S, clock: Clock | None = None
) -> "ForwardAuth":
    """Take logins from a service that is asked with the request's ``Cookie`` header, by GET.

    It answers 200 with ``{"id": …, "subject": …, "expires_at": …, "jitterbug": {"subscribe": […], "publish": […]}}``,
    of which only ``id`` must be there: the login's id on the server side, 1 to 1,024 characters, never the cookie
    itself. ``expires_at`` is in Unix seconds. 401 and 403 say that nobody is logged in. Anything else, and no answer
    in time, is logged and counts as no login. The grants become ``Session.data``: pass
    ``authorize=jitterbug.server.grants.rule`` to go by them.

    Args:
        url: Of the service; HTTPS, or HTTP on this machine, as the cookie goes over it.
        cache_s: Seconds an answer holds, so that a logout is seen that much later; 0 = each request asks.
        timeout_s: Seconds to wait for an answer.
        clock: None = the system's.

    Raises:
        SettingError: The address is not HTTPS.
    """
    return ForwardAuth(
        web_address("forward_auth", url), cache_s=cache_s, timeout_s=timeout_s, clock=clock or SystemClock()
    )


class ForwardAuth:
    """The resolver that :func:`forward_auth` makes. Remembers a bounded number of answers, by a hash of the cookie."""

    __slots__ = ("_answers", "_asking", "_cache_ns", "_client", "_clock", "_timeout_s", "_url")

    def __init__(self, url: str, *, cache_s: float, timeout_s: float, clock: Clock) -> None:
        self._url = url
        self._cache_ns = int(cache_s * 1_000_000_000)
        self._timeout_s = timeout_s
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[int, Session | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Session | None]] = {}
        self._client: httpx2.AsyncClient | None = None

    async def __call__(self, request: Request) -> Session | None:
        """Find the session of a request's cookies."""
        cookie = "; ".join(request.headers.getlist("cookie"))
        if not cookie or len(cookie) > _MAX_COOKIE_CHARS:
            return None
        name = hashlib.sha256(cookie.encode()).digest()
        known = self._answers.get(name)
        if known is not None and known[0] > self._clock.monotonic_ns():
            return known[1]
        # Requests that come together ask together; one that goes away takes the question from none of the others.
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = asyncio.get_running_loop().create_task(self._ask(cookie, name))
            asking.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(asking)

    async def aclose(self) -> None:
        """Close the connections to the service; the next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask(self, cookie: str, name: bytes) -> Session | None:
        try:
            client = await self._connected()
            async with asyncio.timeout(self._timeout_s):
                session = await self._answer(client, cookie)
        except Exception as error:
            # Not remembered: the next request may find the service up again.
            problem = error if isinstance(error, _WrongAnswerError) else type(error).__name__
            _LOG.warning("Forward auth: %s; taken for no login", problem)
            return None
        self._answers[name] = self._clock.monotonic_ns() + self._cache_ns, session
        self._answers.move_to_end(name)
        if len(self._answers) > _MAX_REMEMBERED:
            self._answers.popitem(last=False)
        return session

    async def _connected(self) -> "httpx2.AsyncClient":
        if self._client is None:
            # It reads the certificates of all authorities, which takes a while.
            made = await asyncio.to_thread(_new_client)
            if self._client is None:
                self._client = made
        return self._client

    async def _answer(self, client: "httpx2.AsyncClient", cookie: str) -> Session | None:
        headers = {"cookie": cookie, "accept": "application/json"}
        async with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code in _NO:
                return None
            if response.status_code != 200:
                raise _WrongAnswerError(f"status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise _WrongAnswerError("an answer without end")
        return _session(json.loads(body))


class _WrongAnswerError(JitterbugError):
    """Says which, without any of it."""


def _session(members: Any) -> Session:
    if not isinstance(members, dict) or not isinstance(members.get("id"), str):
        raise _WrongAnswerError("an answer without an id")
    subject, expires_at = members.get("subject"), members.get("expires_at")
    if subject is not None and not isinstance(subject, str):
        raise _WrongAnswerError("a subject that is not text")
    if expires_at is not None and (type(expires_at) not in {int, float} or not 0 <= expires_at < 1e11):
        raise _WrongAnswerError("an end that is no time")
    return Session(members["id"], subject, expires_at, Grants.from_claim(members.get("jitterbug")))


def _new_client() -> "httpx2.AsyncClient":
    import httpx2  # noqa: PLC0415 - only where it is used

    # Nothing that the service sets is kept: the next question is somebody else's.
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx2.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=2)
    return httpx2.AsyncClient(limits=limits, follow_redirects=False, trust_env=False, timeout=None, cookies=none)
