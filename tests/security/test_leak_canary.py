"""Secrets with a mark: a hub does everything it can do, and not one byte of it holds them (R4, R48, R60, O13, O17).

Every answer, every stream, both outputs, every file and the operator's listener are searched, in every usual encoding
and for parts of nine bytes. The answer to a key request holds that key, and no other secret.
"""

from collections.abc import Iterator

import pytest

from jitterbug.protocol.keys import hkdf_sha256
from tests.protocol.outside import b64
from tests.security.canary import Canary, head_and_body
from tests.security.canary_deeds import MARK, STATUSES, live, refuse
from tests.security.needles import Needles
from tests.server.answers import WORDS

MODES = {
    "development": {"logs_everything": False, "production": False},
    "development, every log line": {"logs_everything": True, "production": False},
    "production": {"logs_everything": False, "production": True},
}


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def canary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """A hub that has done everything and is gone."""
    canary = Canary(tmp_path_factory.mktemp("canary"), **request.param)
    try:
        live(canary)
        refuse(canary)
        for visitor in canary.visitors:
            visitor.close()
        assert canary.hub.stop() == 0
        yield canary
    finally:
        canary.hub.stop()


def test_no_secret_left_the_hub_r4_r48_o17(canary: Canary) -> None:
    """Neither a root key, nor one derived, nor a session id, whole or in part."""
    needles = Needles()
    for name, secret in canary.secrets.items():
        needles.add(name, secret)
        needles.add(f"{name}, as it signs kids", hkdf_sha256(secret, salt=b"", info=b"jitterbug kid v1"))

    assert len(canary.secrets) >= 9
    assert canary.search(needles) == []


def test_every_refusal_took_place_and_said_one_of_four_things_r60_o13(canary: Canary) -> None:
    """R61, R62, R63: the whole body is fixed by the status."""
    bodies = {name: data.rpartition(b"\r\n")[2] for name, data in canary.answers}

    assert {name: canary.statuses[name] for name in STATUSES} == STATUSES
    assert canary.statuses["too many streams"] == 503
    for name, status in STATUSES.items():
        assert bodies[name].endswith(f'{{"error":"{WORDS[status]}"}}'.encode()), name
    worked = {name for name in canary.statuses if name.startswith("frame ")} | {"once", "log out", "health", "publish"}
    assert {name: canary.statuses[name] for name in worked if canary.statuses[name] >= 300} == {}
    assert all(400 <= canary.statuses[name] < 500 for name in ("websocket", "no HTTP"))


def test_the_log_names_causes_and_holds_no_payload_r64_o13(canary: Canary) -> None:
    """Refusals are there with their request ids; what was published, and the text of frames, are not."""
    written = canary.hub.written()
    log = written["stderr"]

    for cause in (b"signature", b"replay", b"stale", b"auth_failed", b"rate_limited"):
        assert cause in log
    assert b"Traceback" not in log
    assert MARK.encode() not in b"".join(written.values())


def test_a_hub_writes_no_file_but_its_audit_trail_r48_r83(canary: Canary) -> None:
    """The trail names what happened, with hashes for whom, and its seal holds the trail's own key alone."""
    written = canary.hub.written()

    assert set(written) - {"stdout", "stderr"} == ({"audit.jsonl", "audit.jsonl.seal"} if canary.production else set())
    for event in (b"key_issued", b"frame_refused", b"rate_limited", b"auth_failed") if canary.production else ():
        assert event in written["audit.jsonl"]


def test_the_search_finds_a_secret_where_there_is_one(canary: Canary) -> None:
    """The key answers themselves, unshortened, and each way of writing the root key in a log line."""
    needles = Needles()
    for name, secret in canary.secrets.items():
        needles.add(name, secret)
    root = canary.secrets["root"]
    given = [
        answer for visitor in canary.visitors for answer in visitor.answers if answer.request.url.path.endswith("/keys")
    ]

    assert all(needles.found_in(head_and_body(answer)) for answer in given[1:2])
    for form in (
        root,
        b64(root).encode(),
        b64(b"x" + root)[:-4].encode(),
        root.hex().encode(),
        repr(root).encode(),
        root[9:20],
    ):
        assert needles.found_in(b"some line: " + form + b" and more")
