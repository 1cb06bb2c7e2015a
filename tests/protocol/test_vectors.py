"""The vectors are what their script builds, and our code passes every one (§5.11 of the requirements)."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jitterbug.errors import CanonicalError, SecurityError
from jitterbug.protocol import FrameVerifier, base64, canonical, sse
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.keys import RootKey, RootKeys
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.sse import SseDecoder, SseEvent
from jitterbug.protocol.verifying import Refused, StaticKeys, VerifyKey
from jitterbug.testing import vectors
from tests.protocol import outside

ROOT = Path(__file__).resolve().parents[2]
FRAMES = vectors("frames")
Case = dict[str, Any]


def each(cases: list[Case]) -> pytest.MarkDecorator:
    """Parametrize over vectors, under their own names where they have one."""
    return pytest.mark.parametrize("case", cases, ids=[case.get("name", str(at)) for at, case in enumerate(cases)])


def maker() -> ModuleType:
    """A fresh copy of the script: it draws from one sequence of random numbers."""
    spec = importlib.util.spec_from_file_location("make_vectors", ROOT / "scripts" / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verifier() -> FrameVerifier:
    """A verifier as the file asks for it, that has seen nothing yet."""
    keys = {
        kid: VerifyKey(MacKey(base64.decode(key["secret"])), key["expires_at_ms"])
        for kid, key in FRAMES["keys"].items()
    }
    options = {name: FRAMES[name] for name in ("skew_ms", "replay_window_ms", "max_frame_bytes")}
    return FrameVerifier(StaticKeys(keys), **options)


def verdict(by: FrameVerifier, data: bytes, now_ms: int) -> str:
    found = by.check(data, now_ms)
    if not isinstance(found, Refused):
        return "verified"
    # The files name the step of the contract; whether step 5 knows the nonce or must fear to have forgotten it is ours.
    return "replay" if found.reason is Refusal.CLOCK else found.reason.value


def test_the_files_are_what_the_script_builds_byte_for_byte() -> None:
    built = maker().build()
    committed = {path.name: path.read_bytes() for path in (ROOT / "vectors").iterdir()}

    assert committed == {name: text.encode() for name, text in built.items()}


def test_the_script_builds_the_same_on_every_run() -> None:
    assert maker().build() == maker().build()


def test_the_vectors_name_every_reason_a_frame_is_refused_for_in_isolation() -> None:
    reasons = {case["reason"] for case in FRAMES["refuse"]}
    steps = {step["verdict"] for case in FRAMES["sequences"] for step in case["steps"]}

    assert reasons == {"size", "grammar", "key", "stale", "signature"}
    assert steps >= {"verified", "replay", "stale", "signature"}
    assert reasons | steps <= {*Refusal, "verified"}


@each(vectors("canonical")["cases"])
def test_canonical_text(case: Case) -> None:
    data = bytes.fromhex(case["input_hex"]) if "input_hex" in case else case["input"].encode()
    if case["canonical"] is None:
        with pytest.raises(CanonicalError):
            canonical.decode(data)
    else:
        assert canonical.encode(canonical.decode(data)) == case["canonical"].encode()
        assert canonical.encode(canonical.decode(case["canonical"].encode())) == case["canonical"].encode()


@each(FRAMES["sign"])
def test_a_frame_signed_outside(case: Case) -> None:
    """Made again from the standard library, our canonical form alone being ours, and verified."""
    secret = base64.decode(FRAMES["keys"][case["kid"]]["secret"])
    text = canonical.encode(case["payload"]).decode()
    made = outside.frame(text, kid=case["kid"], ts=case["ts"], nonce=case["nonce"], secret=secret)

    assert made == case["frame"].encode()
    assert verifier().verify(made, case["ts"]) == case["payload"]


@each(FRAMES["accept"])
def test_a_frame_that_is_accepted(case: Case) -> None:
    payload = verifier().verify(case["frame"].encode(), case["now_ms"])

    assert canonical.encode(payload) == case["payload_canonical"].encode()


@each(FRAMES["refuse"])
def test_a_frame_that_is_refused(case: Case) -> None:
    data = bytes.fromhex(case["frame_hex"]) if "frame_hex" in case else case["frame"].encode()

    assert verdict(verifier(), data, case["now_ms"]) == case["reason"]
    with pytest.raises(SecurityError, match=r"^Frame verification failed$"):
        verifier().verify(data, case["now_ms"])


@each(FRAMES["sequences"])
def test_a_sequence_of_frames(case: Case) -> None:
    by = verifier()
    for step in case["steps"]:
        assert verdict(by, step["frame"].encode(), step["now_ms"]) == step["verdict"]


@each(vectors("keys")["cases"])
def test_a_derived_key(case: Case) -> None:
    keys = RootKeys(RootKey("any-name", base64.decode(case["root"])))
    key = keys.open(case["session"], case["kid"])

    assert key is not None
    assert key.secret == base64.decode(case["secret"])
    assert keys.open(case["session"] + "x", case["kid"]) is None


@each(vectors("sse")["encode"])
def test_an_event_that_is_encoded(case: Case) -> None:
    event_id = None if case["id"] is None else case["id"].encode()

    assert sse.event(case["data"].encode(), event_id) == case["bytes"].encode()


@each(vectors("sse")["decode"])
def test_a_stream_that_is_decoded(case: Case) -> None:
    decoder = SseDecoder(max_event_bytes=1_000)
    events = [event for chunk in case["chunks"] for event in decoder.feed(chunk.encode())]

    assert events == [SseEvent(*(event[name].encode() for name in ("data", "id", "event"))) for event in case["events"]]
