"""Secrets with a mark: a hub does everything it can do, and not one byte of it holds them (R4, R48, R60, O13, O17).

Every answer, every stream and WebSocket, both outputs, every file, the alerts it sends and the operator's listener are
searched, in every usual encoding and for parts of nine bytes. The answer to a key request holds that key, and no other
secret.
"""

from collections.abc import Iterator

import pytest

from jitterbug.protocol.keys import hkdf_sha256
from tests.protocol.outside import b64
from tests.security.canary import PUBLISHER_KID, ROOT_KID, Canary, head_and_body
from tests.security.canary_deeds import MARK, SOCKET_WORDS, STATUSES, live, refuse, talk
from tests.security.needles import Needles
from tests.server.answers import WORDS
from tests.server.receiver import Receiver

FILE = "sqlite:///history.db"
MODES = {
    "development": {"logs_everything": False, "production": False, "engine": "memory://"},
    "development, every log line": {"logs_everything": True, "production": False, "engine": FILE},
    "production": {"logs_everything": False, "production": True, "engine": FILE},
}
SECRETS = {
    "root", "previous", "publisher", "tokens", "webhook", "webhook address", "session of ada", "key of ada",
    "session of bob", "key of bob", "token of eve", "token of mallory",
}  # fmt: skip
"""All that are marked; in production the visitors' tokens as well."""


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def canary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """A hub that has done everything and is gone."""
    with Receiver(500) as receiver:  # of alerts, the first of which it refuses
        canary = Canary(tmp_path_factory.mktemp("canary"), receiver=receiver, **request.param)
        try:
            live(canary)
            talk(canary)
            refuse(canary)
            assert canary.stop() == 0
            yield canary
        finally:
            canary.hub.stop()


def test_no_secret_left_the_hub_r4_r48_o17(canary: Canary) -> None:
    """No key, given or derived: roots', back ends', of tokens, of alerts; no session id; and no part of one."""
    needles = Needles()
    for name, secret in canary.secrets.items():
        needles.add(name, secret)
        needles.add(f"{name}, as it signs kids", hkdf_sha256(secret, salt=b"", info=b"jitterbug kid v1"))

    assert canary.secrets.keys() - {"token of ada", "token of bob"} == SECRETS
    assert canary.search(needles) == []


def test_every_place_is_searched_and_there_is_something_in_it(canary: Canary) -> None:
    """R48: a secret in any of them would be found, and the history file is looked at before it is closed as well."""
    sizes: dict[str, int] = {}
    for name, data in canary.everything():
        sizes[name] = max(sizes.get(name, 0), len(data))
    places = {"publish", "stream 0", "socket 0", "socket 5", "sent up a socket", "alert", "stdout", "stderr"}
    if canary.engine == FILE:
        places |= {"history.db", "history.db, while it ran", "history.db-wal, while it ran"}
    if canary.production:
        places |= {"audit.jsonl", "audit.jsonl.seal"}

    assert {name for name in places if sizes.get(name, 0) > 20} == places


def test_every_frame_on_a_websocket_was_answered_as_it_must_be_r60_r63(canary: Canary) -> None:
    """What works is acknowledged, what does not is told one of four things or ends the connection."""
    assert canary.words == SOCKET_WORDS | {"once": "ack"}
    assert all(socket.received.startswith(b"HTTP/1.1 101 ") for socket in canary.sockets)


def test_alerts_are_signed_and_the_refused_one_is_sent_again_r81_r48(canary: Canary) -> None:
    """With the marked key, which makes the search mean something; the log names the receiver's status."""
    first, second, *_ = canary.receiver.deliveries

    assert first.id == second.id
    assert all(delivery.is_signed_by(canary.secrets["webhook"]) for delivery in canary.receiver.deliveries)
    assert b"Alert webhook: status 500" in canary.hub.written()["stderr"]


def test_a_history_file_holds_publications_and_nonces_and_no_word_of_whose(canary: Canary) -> None:
    """R48, O17: ids of keys and positions are there; where there is no file, nothing is."""
    if canary.engine != FILE:
        assert not [name for name in canary.while_running if name.startswith("history")]
        return
    held = b"".join(data for name, data in canary.while_running.items() if name.startswith("history.db"))

    assert MARK.encode() in held
    assert all(kid.encode() in held for kid in (ROOT_KID, PUBLISHER_KID, canary.visitors[0].kid))


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
    assert MARK.encode() not in b"".join(data for name, data in written.items() if name != "history.db")


def test_a_hub_writes_no_file_but_its_audit_trail_and_its_history_r48_r83(canary: Canary) -> None:
    """The trail names what happened, with hashes for whom, and its seal holds the trail's own key alone."""
    written = canary.hub.written()
    trail = {"audit.jsonl", "audit.jsonl.seal"} if canary.production else set()
    history = {"history.db"} if canary.engine == FILE else set()

    assert set(written) - {"stdout", "stderr"} == trail | history
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
