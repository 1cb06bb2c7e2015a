"""Tokens and what they allow: ``POST BASE/session`` (PROTOCOL §3, RFC 8725)."""

import base64
import hashlib
import hmac
import json
from typing import Any

from jitterbug.config import Secret
from jitterbug.hub.channels import is_channel
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.grants import Grants
from jitterbug.server.tokens import TokenExchange
from jitterbug.testing import ManualClock
from tests.protocol import outside

_SECRET = bytes(range(64, 128))
_AUDIENCE = "hub"
_HEADER = b'{"alg":"HS256","typ":"JWT"}'
_CLOCK = ManualClock(outside.NOW_MS)
_EXCHANGE = TokenExchange(Secret(_SECRET), algorithm="HS256", audience=_AUDIENCE, clock=_CLOCK, leeway_s=5)
_MAX_GLOB_CHARS = 24
"""The reference for patterns tries everything."""


def check(data: bytes) -> None:
    """Lines: claims, a token header, a channel. As they come, a stranger's; then under a right signature."""
    claims, _, rest = data.partition(b"\n")
    header, _, channel = rest.partition(b"\n")
    text = data.decode("latin-1")
    for stranger in (text, f"Bearer {text}", f"bearer {_unsigned(_HEADER, claims)}.", _unsigned(header, claims)):
        _must_be_refused(stranger)
    if header:
        _judge(_signed(header, claims), claims, header)
    _judge(_signed(_HEADER, claims), claims, _HEADER)
    _judge_patterns(claims, channel.decode("latin-1"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unsigned(header: bytes, claims: bytes) -> str:
    return f"{_b64(header)}.{_b64(claims)}"


def _signed(header: bytes, claims: bytes) -> str:
    text = _unsigned(header, claims)
    return f"{text}.{_b64(hmac.new(_SECRET, text.encode(), hashlib.sha256).digest())}"


def _must_be_refused(authorization: str) -> None:
    try:
        _EXCHANGE.identity(authorization)
    except RefusedRequest as refused:
        assert (refused.status, refused.code) == (401, "unauthorized")
        assert refused.cause.isprintable(), "a stranger's line ends on the log line"
        return
    raise AssertionError("a token without a signature passed")


def _judge(token: str, claims: bytes, header: bytes) -> None:
    try:
        identity = _EXCHANGE.read(token)
    except RefusedRequest as refused:
        assert refused.status == 401
        assert refused.cause.isprintable(), "a stranger's line ends on the log line"
        return
    said: dict[str, Any] = json.loads(claims)
    assert json.loads(header)["alg"] == "HS256", "another algorithm passed"
    assert said["aud"] == _AUDIENCE or _AUDIENCE in said["aud"], "another audience passed"
    assert identity.subject == said["sub"]
    assert identity.subject.isprintable() or not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in said["sub"])
    assert identity.expires_at == said["exp"] > _CLOCK.now_ms() / 1_000, "a token that is over passed"
    assert said.get("nbf", 0) <= _CLOCK.now_ms() / 1_000 + 5, "a token before its time passed"


def _judge_patterns(claims: bytes, channel: str) -> None:
    try:
        claim = json.loads(claims)
        if isinstance(claim, dict) and "jitterbug" in claim:
            claim = claim["jitterbug"]
        grants = Grants.from_claim(claim)
    except (ValueError, RecursionError):
        return
    if not is_channel(channel):
        return  # refused before a pattern is looked at (jitterbug.hub.policy)
    for action in ("subscribe", "publish"):
        patterns = [] if claim is None else claim.get(action, [])
        allowed = grants.allow(action, channel)
        if len(channel) <= _MAX_GLOB_CHARS:
            assert allowed == any(_matches(pattern, channel) for pattern in patterns), "another channel matches"


def _matches(pattern: str, channel: str) -> bool:
    """``*`` any run without a slash, ``**`` and more any run at all: the set of places each letter can end at."""
    places = {0}
    at = 0
    while at < len(pattern):
        stars = len(pattern) - at - len(pattern[at:].lstrip("*"))
        if stars:
            ends = {(start, end) for start in places for end in range(start, len(channel) + 1)}
            places = {end for start, end in ends if stars > 1 or "/" not in channel[start:end]}
        else:
            places = {place + 1 for place in places if channel[place : place + 1] == pattern[at]}
        at += max(stars, 1)
    return len(channel) in places
