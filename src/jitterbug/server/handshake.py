"""Who is asking, and from which page: checks made before anything moves (PROTOCOL §3, R40, REQUIREMENTS §2.19)."""

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest

_FOREIGN_SITES: Final = {"cross-site", "same-site"}
_PROXY_HEADERS: Final = {
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
}
_LOOPBACK_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


HANDSHAKE: Final = "jitterbug.handshake"
"""Key in a scope that was a WebSocket's."""


OWN_SCOPE: Final = "jitterbug.own_scope"
"""Key in a scope that nobody in front of the hub will look at again."""


def let_go(scope: Scope) -> None:
    """Drop what a stream was asked with, where that is the hub's alone: under an application it is that one's too."""
    if OWN_SCOPE in scope:
        scope["headers"].clear()
        scope.clear()


def as_http(scope: Scope) -> Scope:
    """The scope of a request, or of a WebSocket handshake as the GET that it is, so that both pass the same checks."""
    if scope["type"] == "http":
        return scope
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return {**scope, "type": "http", "method": "GET", "scheme": scheme, HANDSHAKE: True}


@lru_cache(maxsize=1_024)
def is_loopback(address: str | None) -> bool:
    """Tell whether a client address is this machine."""
    if address is None:
        return False
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of a name in lower case; None where there is none.

    Every request passes here several times: one look along the list, without copying it into anything.
    """
    for found, value in scope["headers"]:
        if found == name:
            text: str = value.decode("latin-1")
            return text
    return None


def client_address(scope: Scope) -> str | None:
    """The peer's address as the server knows it; None over a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else None


def is_this_machine(scope: Scope) -> bool:
    """Tell whether this machine asks, by a name of this machine.

    The second half stops DNS rebinding: a page of another name that resolves to loopback would otherwise pass as
    same origin.
    """
    return names_this_machine(scope) and is_loopback(client_address(scope))


def names_this_machine(scope: Scope) -> bool:
    """Tell whether a request asks for a name of this machine; one without a ``Host`` asks for none."""
    return _LOOPBACK_HOST.fullmatch(header(scope, b"host") or "") is not None


def check_development(scope: Scope) -> None:
    """Let a development hub talk to this machine only. Raises RefusedRequest."""
    if not is_this_machine(scope):
        raise RefusedRequest(ErrorCode.UNAUTHORIZED, "development hub asked from elsewhere", status=403)


def check_tls(scope: Scope, *, always: bool = True) -> None:
    """Let nothing move over plain HTTP in production, and redirect nothing (R5, R49; ASVS 4.1.2).

    The scheme is the connection's own, or what a listed proxy says in ``X-Forwarded-Proto``.

    Args:
        scope: Of the request.
        always: False lets through what does not leave this machine and has not come through a proxy: an application
            that is being tried out where it is written.

    Raises:
        RefusedRequest: It is not HTTPS.
    """
    if scope["scheme"] == "https":
        return
    proxied = any(name in _PROXY_HEADERS for name, _ in scope["headers"])
    if always or proxied or not is_this_machine(scope):
        raise RefusedRequest(ErrorCode.UNAUTHORIZED, "plain HTTP in production", status=403)


def own_origin(scope: Scope) -> str:
    """The origin a page of this hub has."""
    return f"{scope['scheme']}://{header(scope, b'host') or ''}"


def check_origin(scope: Scope, allowed: Collection[str]) -> str | None:
    """Refuse what a foreign page makes a browser send.

    Args:
        scope: Of the request.
        allowed: Further origins, exact text.

    Returns:
        The origin, if it is one of ``allowed``: the answer then carries CORS headers for exactly that one.

    Raises:
        RefusedRequest: ``Sec-Fetch-Site`` or ``Origin`` says that the page is foreign. Neither header means that it is
            not a browser, which holds no ambient cookie of anybody else.
    """
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    origin: str | None = origins[0] if len(origins) == 1 else None
    if origin is not None and origin in allowed:
        return origin
    if is_foreign_site(scope) or (origins and origin != own_origin(scope)):
        raise RefusedRequest(ErrorCode.UNAUTHORIZED, "foreign origin", status=403)
    return None


def is_foreign_site(scope: Scope) -> bool:
    """Tell whether a browser says that a page of another site made it ask."""
    return header(scope, b"sec-fetch-site") in _FOREIGN_SITES


def check_not_a_browser(scope: Scope) -> None:
    """Refuse browsers altogether: back ends only (PROTOCOL §6). Raises RefusedRequest."""
    if header(scope, b"origin") is not None or header(scope, b"sec-fetch-site") is not None:
        raise RefusedRequest(ErrorCode.UNAUTHORIZED, "publish from a browser", status=403)
