"""No way down: to no signature, another algorithm, an older form, or settings that switch something off (R20, T7)."""

import base64
import hashlib
import hmac
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from jitterbug import Config, Jitterbug
from jitterbug.errors import SecurityError, SettingError
from jitterbug.protocol import FrameSigner, FrameVerifier
from jitterbug.protocol.codes import Down
from jitterbug.settings import load
from tests.protocol import outside
from tests.protocol.outside import KID, NOW_MS, SECRET, b64
from tests.server import serving
from tests.server.answers import assert_refused
from tests.server.serving import Running
from tests.server.visitor import Visitor

PAYLOAD = '{"t":"ping"}'
GOOD = outside.frame(PAYLOAD)


def text(**members: Any) -> bytes:
    return outside.changed(GOOD, **members)


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in outside.members(GOOD).items() if name not in names}).encode()


def signed_with(make: Callable[[bytes, bytes], bytes]) -> bytes:
    """The good frame, its signature made in another way from secret and message."""
    members = outside.members(GOOD)
    message = f"{KID}:{members['ts']}:{members['nonce']}:{PAYLOAD}".encode()
    return text(sig=b64(make(SECRET, message)))


def mac(algorithm: str, size: int = 32) -> Callable[[bytes, bytes], bytes]:
    return lambda secret, message: hmac.new(secret, message, algorithm).digest()[:size].ljust(min(size, 32), b"\0")


def old_form() -> bytes:
    """Twelve-byte nonce, URL-safe alphabet, other separators, a member that names the algorithm."""
    nonce = base64.urlsafe_b64encode(os.urandom(12)).decode()
    tag = hmac.digest(SECRET, f"{KID}|{NOW_MS}|{nonce}|{PAYLOAD}".encode(), "sha256")
    sig = base64.urlsafe_b64encode(tag).decode().rstrip("=")
    members = {"kid": KID, "ts": NOW_MS, "nonce": nonce, "sig": sig, "alg": "HS256", "payload": json.loads(PAYLOAD)}
    return json.dumps(members).encode()


def signed_text(template: str, **members: Any) -> bytes:
    """A frame of the right form whose signature covers another text than ``kid:ts:nonce:payload``."""
    nonce = outside.members(GOOD)["nonce"]
    message = template.format(kid=KID, ts=NOW_MS, nonce=nonce, payload=PAYLOAD).encode()
    return text(sig=b64(hmac.digest(SECRET, message, "sha256")), **members)


UNSIGNED = {
    "payload alone": PAYLOAD.encode(),
    "no signature": without("sig"),
    "no signature, nor nonce": without("sig", "nonce"),
    "no signature, nor key id": without("sig", "kid"),
    "empty": text(sig=""),
    "null": text(sig=None),
    "false": text(sig=False),
    "none": text(sig="none"),
    "zeros": text(sig=b64(bytes(32))),
    "a list": text(sig=[outside.members(GOOD)["sig"]]),
    "alg none beside it": text(alg="none"),
    "alg none instead": text(alg="none", sig=""),
    "alg sha256 beside it": text(alg="sha256"),
    "algorithm sha256 beside it": text(algorithm="sha256"),
    "unsigned true": text(unsigned=True),
    "version 0": text(v=0),
    "version 1": text(v=1),
}
OTHERWISE = {
    "SHA-256 without a key": signed_with(lambda _, message: hashlib.sha256(message).digest()),
    "SHA-256 of key and text": signed_with(lambda secret, message: hashlib.sha256(secret + message).digest()),
    "empty key": signed_with(lambda _, message: hmac.digest(b"", message, "sha256")),
    "key id as key": signed_with(lambda _, message: hmac.digest(KID.encode(), message, "sha256")),
    "text of the key": signed_with(lambda secret, message: hmac.digest(b64(secret).encode(), message, "sha256")),
    "half of the key": signed_with(lambda secret, message: hmac.digest(secret[:16], message, "sha256")),
    **{name: signed_with(mac(name)) for name in ("md5", "sha1", "sha224", "sha384", "sha512", "sha3_256", "blake2s")},
    "truncated": text(sig=b64(outside.tag(SECRET, KID, NOW_MS, outside.members(GOOD)["nonce"], PAYLOAD)[:16])),
    "hex": text(sig=outside.tag(SECRET, KID, NOW_MS, outside.members(GOOD)["nonce"], PAYLOAD).hex()),
}
OTHER_TEXT = {
    "payload alone": signed_text("{payload}"),
    "without the key id": signed_text("{ts}:{nonce}:{payload}"),
    "without the time": signed_text("{kid}:{nonce}:{payload}"),
    "without the nonce": signed_text("{kid}:{ts}:{payload}"),
    "other order": signed_text("{kid}:{nonce}:{ts}:{payload}"),
    "bars": signed_text("{kid}|{ts}|{nonce}|{payload}"),
    "dots": signed_text("{kid}.{ts}.{nonce}.{payload}"),
    "nothing between": signed_text("{kid}{ts}{nonce}{payload}"),
    "seconds": signed_text("{kid}:" + str(NOW_MS // 1_000) + ":{nonce}:{payload}"),
    "spaced payload": signed_text('{kid}:{ts}:{nonce}:{{"t": "ping"}}'),
}


def refused(frame: bytes) -> bool:
    try:
        FrameVerifier({KID: SECRET}).verify(frame, NOW_MS)
    except SecurityError:
        return True
    return False


@pytest.mark.parametrize("frame", UNSIGNED.values(), ids=UNSIGNED)
def test_a_frame_without_a_signature_is_refused_r20_r1(frame: bytes) -> None:
    assert refused(frame)


@pytest.mark.parametrize("frame", OTHERWISE.values(), ids=OTHERWISE)
def test_no_other_algorithm_signs_a_frame_r20_r74_o14(frame: bytes) -> None:
    """R6: HMAC-SHA256 with the whole key, whole and in base64."""
    assert refused(frame)


@pytest.mark.parametrize("frame", OTHER_TEXT.values(), ids=OTHER_TEXT)
def test_no_other_text_is_signed_r20_r28_o5(frame: bytes) -> None:
    assert refused(frame)


def test_the_old_form_is_refused_r20_o5() -> None:
    """Short nonce, other alphabet, other separators, an ``alg`` member."""
    assert refused(old_form())
    assert not refused(GOOD)


def test_nothing_in_the_calls_chooses_an_algorithm_r74_o14() -> None:
    """Neither signing nor verifying takes one, so none can be chosen, offered or left out."""
    for call in (FrameSigner, FrameSigner.sign, FrameVerifier, FrameVerifier.verify):
        names = set(inspect.signature(call).parameters)
        assert not {
            name for name in names if any(word in name for word in ("alg", "hash", "digest", "unsigned", "sign"))
        }


@pytest.mark.parametrize(
    "name",
    ["HMAC_ENABLED", "HMAC_ALGORITHM", "HMAC_DISABLED", "JITTERBUG_SIGNING", "JITTERBUG_UNSIGNED"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["false", "0", "none", "md5", "sha256", "true"])
@pytest.mark.parametrize("development", [False, True], ids=["production", "development"])
def test_no_setting_switches_signing_off_r10_r20(name: str, value: str, development: bool, tmp_path: Path) -> None:
    """R74: there is no such setting, and an unknown one is refused, in development too."""
    environ = {"HMAC_KEY_ID": "root-key", "HMAC_SECRET": b64(os.urandom(32)), name: value}

    with pytest.raises(SettingError) as caught:
        load({}, environ=environ, cwd=tmp_path, development=development)
    assert caught.value.setting == name


def test_no_field_of_the_settings_switches_signing_off_r10() -> None:
    names = {field.name for field in fields(Config)}

    assert not {name for name in names if any(word in name for word in ("sign", "enable", "disable", "alg", "verify"))}


# The same asked of a hub.


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    config = Config.profile("realtime", development=True, drain_s=0)
    running = serving.start("transport", Jitterbug(config=config))
    yield running
    running.stop()


@pytest.fixture
def visitor(hub: Running) -> Iterator[Visitor]:
    with Visitor(hub) as visitor:
        visitor.log_in().fetch_key()
        yield visitor


HINTS: list[Mapping[str, str]] = [
    {"X-Jitterbug-Unsigned": "1"}, {"X-Jitterbug-Version": "0"}, {"X-Signature": "none"},
    {"Upgrade-Insecure-Requests": "1"}, {"Accept": "text/event-stream;unsigned=1"}, {"Accept-Signature": "none"},
    {"Jitterbug-Alg": "none"}, {"Want-Repr-Digest": "none"}, {"Sec-WebSocket-Protocol": "unsigned"},
]  # fmt: skip


@pytest.mark.parametrize("headers", HINTS, ids=str)
def test_no_header_makes_a_stream_unsigned_r20_r1(hub: Running, visitor: Visitor, headers: Mapping[str, str]) -> None:
    """Whatever it asks for, each frame that comes is signed: hello, subscribed, publications."""
    with visitor.post_stream(["a"], headers=headers) as stream:
        stream.control(Down.SUBSCRIBED)
        hub.publish("a", {"n": 1})
        assert stream.take(1) == [{"n": 1}]
        assert not stream.faults()


@pytest.mark.parametrize(
    "query", ["unsigned=1", "v=0", "alg=none", "sig=none", "signed=false", "kid=none", "kid=", "plain", "debug=1"]
)
def test_no_query_makes_a_stream_unsigned_r20(hub: Running, visitor: Visitor, query: str) -> None:
    """Unknown fields and a second ``kid`` are refused before a stream opens."""
    assert_refused(visitor.http.get(f"/stream?kid={visitor.kid}&channel=a&{query}"), 400)


@pytest.mark.parametrize(
    "body",
    [{"unsigned": True}, {"v": 0}, {"alg": "none"}, {"algorithm": "md5"}, {"signed": False}, {"sig": None}],
    ids=str,
)  # fmt: skip
def test_no_body_makes_a_stream_or_a_key_weaker_r20(visitor: Visitor, body: Mapping[str, Any]) -> None:
    """O14: a key request may hold nothing, a stream request nothing else."""
    assert_refused(visitor.post("/stream", json.dumps({"kid": visitor.kid, **body}).encode()), 400)
    assert_refused(visitor.post("/keys", json.dumps(body).encode()), 400)
    assert visitor.fetch_key()["algorithm"] == "sha256"


@pytest.mark.parametrize("name", UNSIGNED)
def test_the_hub_takes_no_unsigned_frame_r20_r1(visitor: Visitor, name: str) -> None:
    """The same frames with this session's own key and a good time."""
    conn = visitor.post_stream().conn
    signed = json.loads(visitor.sign({"t": "ping", "id": "1", "conn": conn}))
    edited = {**json.loads(UNSIGNED[name]), "ts": signed["ts"], "payload": signed["payload"]}
    for member in ("kid", "nonce"):
        if member in edited:
            edited[member] = signed[member]
    if edited.get("sig") == outside.members(GOOD)["sig"]:
        edited["sig"] = signed["sig"]

    answer = visitor.post("/frames", json.dumps(edited).encode())
    assert_refused(answer, answer.status_code)
    assert answer.status_code in {400, 401}
    assert visitor.post("/frames", json.dumps(signed).encode()).json() == {"id": "1"}
