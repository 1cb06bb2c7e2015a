"""A frame off the wire: grammar, verification, canonical form (PROTOCOL §1, R22-R35)."""

import base64
import json
from typing import Any

import rfc8785

from fuzz import reading
from jitterbug.errors import SecurityError
from jitterbug.protocol.frames import UnverifiedFrame, parse_unverified
from jitterbug.protocol.verifying import FrameVerifier
from tests.protocol import outside

_LIMIT_BYTES = 4_096


def check(data: bytes) -> None:
    """A stranger's bytes are refused in one way; the same bytes under a right signature say what they said."""
    assert not _passes(FrameVerifier({outside.KID: outside.SECRET}, max_frame_bytes=_LIMIT_BYTES), data, outside.NOW_MS)
    frame = parse_unverified(data)
    if frame is not None:
        known = FrameVerifier({frame.kid: outside.SECRET}, max_frame_bytes=_LIMIT_BYTES)
        assert not _passes(known, data, frame.ts), "a signature passed that nobody made"
        _means_the_same(frame, data)
        _verifies_when_signed(frame, data)
    _signed_payload(data)


def _means_the_same(frame: UnverifiedFrame, data: bytes) -> None:
    second = reading.read(data)
    assert set(second) == {"kid", "nonce", "payload", "sig", "ts"}, "another member passed"
    assert (frame.kid, frame.nonce, frame.ts) == (second["kid"], second["nonce"], second["ts"])
    assert frame.tag == base64.b64decode(second["sig"]), "another signature"
    assert rfc8785.dumps(frame.payload) == rfc8785.dumps(second["payload"]), "another payload"
    text = frame.canonical_text()
    assert text == rfc8785.dumps(second), "another canonical form"
    assert parse_unverified(text) == frame, "the canonical form means something else"


def _verifies_when_signed(frame: UnverifiedFrame, data: bytes) -> None:
    members: dict[str, Any] = reading.read(data)
    payload = rfc8785.dumps(members["payload"]).decode()
    tag = outside.tag(outside.SECRET, members["kid"], members["ts"], members["nonce"], payload)
    # Loosely written, as anybody may write to a hub.
    signed = json.dumps({**members, "sig": outside.b64(tag)}, ensure_ascii=False).encode()
    if len(signed) > _LIMIT_BYTES:
        return
    verifier = FrameVerifier({frame.kid: outside.SECRET}, max_frame_bytes=_LIMIT_BYTES)
    assert rfc8785.dumps(verifier.verify(signed, frame.ts)) == payload.encode(), "verified as something else"
    assert not _passes(verifier, signed, frame.ts), "a replay passed"
    fresh = FrameVerifier({frame.kid: outside.SECRET}, max_frame_bytes=_LIMIT_BYTES)
    assert not _passes(fresh, signed, frame.ts + fresh.skew_ms + 1), "a stale frame passed"


def _signed_payload(data: bytes) -> None:
    """The bytes as the payload of an honest frame: they pass if and only if they are a canonical object."""
    try:
        # A payload is one level into the frame.
        payload = reading.read(b'{"p":%b}' % data)["p"]
        good = isinstance(payload, dict) and rfc8785.dumps(payload) == data
    except (ValueError, KeyError):
        return
    if not good:
        return
    signed = outside.frame(data.decode(), nonce=outside.b64(bytes(32)))
    if len(signed) <= _LIMIT_BYTES:
        verifier = FrameVerifier({outside.KID: outside.SECRET}, max_frame_bytes=_LIMIT_BYTES)
        assert rfc8785.dumps(verifier.verify(signed, outside.NOW_MS)) == data, "verified as something else"


def _passes(verifier: FrameVerifier, data: bytes, now_ms: int) -> bool:
    try:
        verifier.verify(data, now_ms)
    except SecurityError as error:
        assert str(error) == "Frame verification failed"
        assert error.__cause__ is None, "the cause is told"
        return False
    return True
