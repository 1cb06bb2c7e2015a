"""Under which key a wire is signed, and how it ends (R2, R38, PROTOCOL §2)."""

import pytest

from jitterbug.protocol.codes import ByeReason, Down
from jitterbug.protocol.signing import FrameSigner
from tests.hub.bare_wire import TICK_NS, flush, publication, reader
from tests.hub.house import FULL_WIRE_BYTES
from tests.looped import in_loop


@in_loop
async def test_r38_nothing_is_signed_under_an_expired_key() -> None:
    client = reader("a")
    connection, clock = client.connection, client.house.clock
    connection.offer(publication(1))
    clock.advance(ms=connection.key_expires_at_ms - clock.now_ms())
    flush(client)
    assert client.data() == [1], "its last millisecond is still its own"

    clock.advance(ms=1)
    connection.offer(publication(2))
    connection.control(Down.HB)
    before = client.sink.writes
    assert flush(client) is None
    assert client.sink.writes == before
    assert connection.backlog == 1, "it waits in the ring"


@in_loop
async def test_r2_rekey_is_the_last_frame_under_the_old_key() -> None:
    client = reader("a")
    new = client.house.hub.issue_key(client.session)
    client.keys.add(new)
    client.connection.rekey_hinted = True
    client.connection.rekey(FrameSigner(new.kid, new.secret), new.expires_at_ms + 5)
    client.connection.control(Down.HB)
    client.connection.offer(publication(1))
    assert client.connection.kid == client.key.kid, "not before the frame that says so is out"
    flush(client)

    client.check_wire()
    old = client.key.kid
    assert [(seen.kind, seen.kid) for seen in client.seen] == [
        ("hello", old), ("rekey", old), ("hb", new.kid), ("msg", new.kid),
    ]  # fmt: skip
    assert client.of("rekey")[0]["kid"] == new.kid
    assert client.connection.key_expires_at_ms == new.expires_at_ms + 5
    assert not client.connection.rekey_hinted


# The end.


@in_loop
async def test_bye_is_the_last_frame_and_ends_the_wire() -> None:
    client = reader("a")
    client.connection.control(Down.HB)
    client.connection.offer(publication(1))
    client.connection.bye(ByeReason.LIFETIME, 700)
    client.connection.control(Down.HB)
    client.connection.bye(ByeReason.SLOW, 1)
    assert "bye" not in client.kinds()
    assert flush(client) is None

    client.check_wire()
    assert client.kinds() == ["hello", "hb", "bye"]
    assert client.of("bye")[0] | {"reason": "lifetime", "retry": 700} == client.of("bye")[0]
    assert client.sink.is_ended
    assert not client.sink.is_aborted


@in_loop
async def test_bye_waits_for_a_full_wire() -> None:
    client = reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    client.connection.bye(ByeReason.SHUTDOWN, 1)
    assert flush(client) == TICK_NS, "looks again"
    ended_while_full = client.sink.is_ended
    client.sink.release()
    flush(client)

    assert client.kinds()[-1] == "bye"
    assert (ended_while_full, client.sink.is_ended) == (False, True)


@pytest.mark.parametrize("is_full", [False, True])
@in_loop
async def test_a_farewell_that_no_key_can_sign_any_more_ends_the_wire_without_it(is_full: bool) -> None:
    """The process slept, or the wire was full, past the key's life: an unsigned frame is no answer, a zombie none."""
    client = reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES if is_full else 0
    client.connection.bye(ByeReason.KEY_EXPIRED, 1)
    client.house.clock.advance(s=601)

    assert flush(client) is None
    assert client.kinds() == ["hello"]
    assert client.sink.is_ended


@in_loop
async def test_abort_cuts_whatever_waits() -> None:
    client = reader("a")
    client.connection.control(Down.HB)
    client.connection.offer(publication(1))
    client.connection.abort()
    flush(client)

    assert client.sink.is_aborted
    assert client.kinds() == ["hello"]
