"""What a request for a stream says: its URL, its headers, its body (PROTOCOL §3, §5)."""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from fuzz import reading
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.handshake import check_not_a_browser, check_origin, check_tls, is_this_machine
from jitterbug.server.opening import from_query
from jitterbug.server.sse import from_body

_LISTED = "https://app.example"
_HOST = b"hub.example"
_OWN = b"https://hub.example"
_LOOP = asyncio.new_event_loop()
_HEADERS = (b"origin", b"sec-fetch-site", b"last-event-id", b"x-forwarded-proto")
_UNREAD = object()


def check(data: bytes) -> None:
    """Lines: the query string, then headers in a fixed order, then the body; each is read or refused, never more."""
    query, *rest = data.split(b"\n", len(_HEADERS) + 1)
    headers = [(name, value) for name, value in zip(_HEADERS, rest, strict=False) if value]
    body = rest[len(_HEADERS)] if len(rest) > len(_HEADERS) else data
    scope = _scope(query, headers)
    _from_page(scope, dict(headers))
    _by_url(scope, query, dict(headers).get(b"last-event-id", b"").decode("latin-1"))
    _by_body(scope, body)


def _scope(query: bytes, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    fixed = [(b"host", _HOST), (b"content-type", b"application/json")]
    return {
        "type": "http",
        "scheme": "https",
        "method": "GET",
        "path": "/",
        "client": ("192.0.2.1", 1),
        "query_string": query,
        "headers": [*headers, *fixed],
    }


def _from_page(scope: dict[str, Any], headers: dict[bytes, bytes]) -> None:
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    foreign = origin not in {None, _OWN, _LISTED.encode()}
    sent_by_other = site in {b"cross-site", b"same-site"} and origin != _LISTED.encode()
    try:
        listed = check_origin(scope, (_LISTED,))
    except RefusedRequest as refused:
        assert refused.status == 403
        assert foreign or sent_by_other, "refused without a reason"
    else:
        assert not foreign and not sent_by_other, "a foreign page passed"
        assert (listed == _LISTED) == (origin == _LISTED.encode()), "CORS for another origin"
    try:
        check_not_a_browser(scope)
    except RefusedRequest:
        assert origin is not None or site is not None
    else:
        assert origin is None and site is None, "a browser published"
    assert not is_this_machine(scope)
    plain = {**scope, "scheme": "http"}
    try:
        check_tls(plain, always=False)
    except RefusedRequest as refused:
        assert refused.status == 403
    else:
        raise AssertionError("plain HTTP from elsewhere passed")


def _by_url(scope: dict[str, Any], query: bytes, cursor: str) -> None:
    pairs = _fields(query)
    try:
        kid, channels = from_query(scope)
    except RefusedRequest as refused:
        assert refused.status == 400
        return
    names = [value for name, value in pairs if name == "channel"]
    assert [kid] == [value for name, value in pairs if name == "kid"], "another kid"
    assert len(names) + 1 == len(pairs), "an unknown field passed"
    assert list(channels) == list(dict.fromkeys(names)), "other channels"
    places = decode_cursor(cursor, names)
    assert channels == {name: places.get(name) for name in names}, "other places"
    again = "&".join([f"kid={quote(kid)}", *(f"channel={quote(name)}" for name in channels)])
    assert from_query({**scope, "query_string": again.encode()}) == (kid, channels)


def _fields(query: bytes) -> list[tuple[str, str]]:
    """``application/x-www-form-urlencoded`` (WHATWG URL §5.1)."""
    pairs = (part.partition(b"=") for part in query.split(b"&") if part)
    return [(_text(name), _text(value)) for name, _, value in pairs]


def _text(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8", "replace")


def _by_body(scope: dict[str, Any], body: bytes) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    try:
        second = reading.read(body)
    except ValueError:
        second = _UNREAD
    try:
        kid, channels = _LOOP.run_until_complete(from_body(scope, receive))
    except RefusedRequest as refused:
        assert refused.status in {400, 413}
        return
    assert second is not _UNREAD, "a malformed body passed"
    assert kid == second["kid"] and second.keys() <= {"kid", "channels"}, "another kid, or an unknown member"
    asked = second.get("channels", {})
    assert channels == {name: value and Position(*value) for name, value in asked.items()}, "other places"
