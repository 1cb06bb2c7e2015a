"""HTTP to the hub: where it is, how to ask it, how to listen to it (PROTOCOL §2-§5, §7)."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, Self

import httpx2

from jitterbug.client import refusals
from jitterbug.client.refusals import InsecureError, NetworkError, UnreadableError
from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical
from jitterbug.protocol.position import Position

DEFAULT_BASE: Final = "/api/jitterbug"
_ANSWER_WITHIN_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 65_536
_KEEP_IDLE_S: Final = 2.0
"""Shorter than any server keeps an idle connection, so that no request is sent on one that is being closed."""
_NO_CONTENT: Final = 204
_JSON: Final = {"content-type": "application/json"}
_OF_ONE_REQUEST: Final = {"accept", "accept-encoding", "connection", "host"}
"""What an HTTP client says of its requests; a handshake has its own."""
# Nothing of these can have left: the request may be repeated.
_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


def base_url(url: str) -> str:
    """The hub's base: a URL without a path gets the usual one, any other path is taken as it is.

    Args:
        url: Such as ``https://app.example.org`` or ``https://app.example.org/push/api/jitterbug``.

    Raises:
        InsecureError: Plain HTTP to another machine: keys would cross the network in the clear (R5, R49).
        ValueError: Not an HTTP URL.
    """
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ValueError("The hub's address is not a URL.") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment or parsed.userinfo:
        raise ValueError("The hub's address looks like https://host or https://host/base.")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise InsecureError("Plain HTTP to another machine would show the keys.", remedy="Use https://.")
    path = parsed.path.rstrip("/") or DEFAULT_BASE
    return str(parsed.copy_with(path=path))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Handshake(NamedTuple):
    """How to open a WebSocket to the hub.

    Attributes:
        address: ``ws:`` or ``wss:``.
        headers: The cookie, and what else the HTTP client says in each request.
        tls: Certificates to trust; None where the address is plain.
        is_loopback: The hub is on this machine: no proxy can reach it.
    """

    address: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None
    is_loopback: bool


class Transport:
    """One hub, one cookie jar. No redirect is followed, no environment proxy stands before a loopback hub."""

    __slots__ = ("_base", "_http", "_owned", "_tls", "_token")

    def __init__(
        self,
        url: str,
        *,
        cookies: Mapping[str, str] | None = None,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        """Prepare, without connecting.

        Args:
            url: See :func:`base_url`.
            cookies: The session cookie, by name.
            token: JWT for ``POST BASE/session``.
            tls: Certificates to trust; None = the system's.
            http: A client with TLS, proxies and headers of its own; stays the caller's to close.
        """
        self._base = base_url(url)
        self._token = token
        self._owned = http is None
        self._tls = tls
        self._http = http or _client(self._base, tls)
        for name, value in (cookies or {}).items():
            self._http.cookies.set(name, value)

    async def open_session(self) -> None:
        """Ask for a session; the cookie stays in the jar."""
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        await self._ask("/session", b"", headers)

    async def fetch_key(self) -> bytes:
        """Ask for an ephemeral key. Returns the JSON text of the answer."""
        return await self._ask("/keys", b"{}", _JSON)

    async def post_frame(self, frame: bytes, path: str = "/frames") -> dict[str, Any]:
        """Send one signed frame up.

        Raises:
            HubError: Refused.
            NetworkError: No answer; ``sent`` tells whether it may have arrived.
        """
        body = await self._ask(path, frame, _JSON)
        try:
            answer = canonical.decode(body)
        except CanonicalError:
            raise UnreadableError from None
        if not isinstance(answer, dict):
            raise UnreadableError
        return answer

    @asynccontextmanager
    async def stream(self, kid: str, positions: Mapping[str, Position | None]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream of server-sent events; gives its chunks as they come.

        Args:
            kid: The key it shall be signed with.
            positions: Channels, with the place after which to go on; None = from now.
        """
        channels = {name: place.to_json() if place else None for name, place in positions.items()}
        body = json.dumps({"kid": kid, "channels": channels}).encode()
        # Silence is the reader's business, who knows about heartbeats.
        headers = _JSON | {"accept": "text/event-stream"}
        async with self._opened("/stream", body, headers, read_within_s=None) as response:
            if response.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/event-stream":
                raise UnreadableError
            yield _chunks(response)

    def handshake(self, kid: str) -> Handshake:
        """How to open a WebSocket under a key."""
        request = self._http.build_request("GET", f"{self._base}/ws", params={"kid": kid})
        headers = {name: text for name, text in request.headers.items() if name not in _OF_ONE_REQUEST}
        if request.url.scheme == "https" and self._tls is None:
            self._tls = httpx2.create_ssl_context()
        tls = self._tls if request.url.scheme == "https" else None
        address = "ws" + str(request.url).removeprefix("http")
        return Handshake(address, headers, tls, is_loopback(request.url.host))

    async def _ask(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send and read a short answer. HTTP 204 is an answer only where nothing is to be said."""
        async with self._opened(path, body, headers, read_within_s=_ANSWER_WITHIN_S) as response:
            if response.status_code == _NO_CONTENT:
                return b""
            read = bytearray()
            async for chunk in _chunks(response):
                read += chunk
                if len(read) > _MAX_ANSWER_BYTES:
                    raise UnreadableError
            return bytes(read)

    @asynccontextmanager
    async def _opened(
        self, path: str, body: bytes, headers: Mapping[str, str], *, read_within_s: float | None
    ) -> AsyncIterator[httpx2.Response]:
        request = self._http.build_request(
            "POST",
            self._base + path,
            content=body,
            headers={"accept-encoding": "identity", **headers},
            timeout=httpx2.Timeout(_ANSWER_WITHIN_S, read=read_within_s),
        )
        try:
            response = await self._http.send(request, stream=True, follow_redirects=False)
        except _NEVER_SENT as error:
            raise NetworkError(sent=False) from error
        except httpx2.TransportError as error:
            raise NetworkError(sent=True) from error
        try:
            if response.status_code != 200 and not (response.status_code == _NO_CONTENT and path == "/session"):
                raise refusals.of_status(
                    response.status_code,
                    retry_after=response.headers.get("retry-after"),
                    request_id=response.headers.get("x-request-id"),
                )
            yield response
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close connections, unless the HTTP client is the caller's."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _client(base: str, tls: ssl.SSLContext | None) -> httpx2.AsyncClient:
    """An HTTP client for one hub; its proxies are the environment's."""
    limits, verify = httpx2.Limits(keepalive_expiry=_KEEP_IDLE_S), tls or True
    if is_loopback(httpx2.URL(base).host):
        # A transport of its own: a proxy cannot reach this machine's loopback, and should not see its traffic.
        return httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(limits=limits, verify=verify))
    return httpx2.AsyncClient(limits=limits, verify=verify)


async def _chunks(response: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx2.TransportError as error:
        raise NetworkError(sent=True) from error
