"""Key rotation, explored exhaustively: every order of what a reader, its keys and time can do, on the real hub.

R2, R7, R50, REQUIREMENTS §2.17. ``JITTERBUG_EXPLORE_DEEPER=1`` goes one action further.
"""

from collections.abc import Callable
from typing import Any

import pytest

from jitterbug.hub.connection import Connection
from jitterbug.hub.deadlines import Deadlines
from jitterbug.hub.hub import Hub
from jitterbug.hub.moment import Moment
from jitterbug.protocol.codes import Down
from jitterbug.protocol.signing import FrameSigner
from tests.looped import in_loop
from tests.security.exploring import DEEPER
from tests.security.rotation_model import Action, Rotation

Path = tuple[Action, ...]
STARTS: tuple[Path, ...] = (
    (),
    (("sleep", 0), ("sleep", 0), ("sleep", 0)),
    (("fetch", 0), ("fetch", 0), ("sleep", 0), ("sleep", 0), ("cross", 1)),
)
"""A key just fetched; one that the hub has asked to renew, on its last seconds; one that was renewed late."""


async def search(depth: int, first: Path = ()) -> tuple[int, set[str]]:
    """Explore from where ``first`` leads; return the number of states and what came to pass in them."""
    start = await Rotation.after(first)
    known, reached = {start.key()}, set[str]()
    edge: list[tuple[Path, Path]] = [(first, tuple(start.possible()))]
    done = 0
    for _ in range(depth):
        beyond: list[tuple[Path, Path]] = []
        for path in ((*before, action) for before, possible in edge for action in possible):
            try:
                world = await Rotation.after(path)
                name, following = world.key(), tuple(world.possible())
                await world.check_that_nothing_is_lost()
                reached.update(world.features())
            except AssertionError as error:
                raise AssertionError(f"{error} after {path}") from error
            done += 1
            if name not in known:
                known.add(name)
                beyond.append((path, following))
        edge = beyond
    # For the record: `pytest -s`.
    print(f"rotation, {len(first)} + {depth} actions: {len(known):,} states, {done:,} actions; {sorted(reached)}")  # noqa: T201
    return len(known), reached


@pytest.mark.slow
@in_loop
async def test_r50_r2_no_order_of_events_loses_a_publication_or_leaves_a_frame_without_a_living_key() -> None:
    """Never a frame under a key that is over or not confirmed; each is verified with what the reader has fetched;
    publications come once, in order, over all connections; ``rekey`` is the last frame under the old key; ``bye`` comes
    before a key ends; nothing leaves after a revocation."""
    states, reached = 0, set[str]()
    for first in STARTS:
        more, also = await search(4 + DEEPER, first)
        states, reached = states + more, reached | also

    assert states > 1_500
    assert reached >= {
        "hello", "subscribed", "msg", "msg again", "rekey asked", "rekey done", "3 keys on a wire",
        "bye key_expired", "bye revoked", "ended without bye",
    }  # fmt: skip


def switches_too_early(connection: Connection, signer: FrameSigner, expires_at_ms: int) -> None:
    connection._signer, connection.key_expires_at_ms = signer, expires_at_ms
    connection.control(Down.REKEY, kid=signer.kid)


def ends_nothing(_deadlines: Deadlines, _connection: Connection, moment: Moment) -> int:
    return moment.next_tick_ns


def revokes_streams_only(hub: Hub, session_id: str) -> None:
    for connection in hub.connections_of(session_id):
        connection.abort()


_flush = Connection.flush


def signs_for_ever(connection: Connection, moment: Moment) -> int | None:
    connection.key_expires_at_ms = moment.now_ms + 1_000_000
    return _flush(connection, moment)


_subscribe = Hub.subscribe


async def forgets_the_place(hub: Hub, connection: Connection, channel: str, _since: object = None) -> bool:
    return await _subscribe(hub, connection, channel)


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (Connection, "rekey", switches_too_early),
        (Deadlines, "__call__", ends_nothing),
        (Hub, "revoke", revokes_streams_only),
        (Connection, "flush", signs_for_ever),
        (Hub, "subscribe", forgets_the_place),
    ],
    ids=["rekey", "deadlines", "revoke", "flush", "resume"],
)
def test_the_search_sees_a_hub_with_a_fault(
    owner: type, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can fail."""
    monkeypatch.setattr(owner, name, fault)

    @in_loop
    async def run() -> None:
        await search(3, (("sleep", 0),) * 2)

    with pytest.raises(AssertionError, match="after"):
        run()
