"""What ends while a peer keeps its opening waiting has ended for it, too (PROTOCOL §2, §5)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jitterbug import Config, Jitterbug, Session
from jitterbug.protocol.codes import ByeReason, Down
from jitterbug.protocol.keys import RootKey, RootKeys
from tests.looped import in_loop
from tests.server.stalled_peer import StalledPeer

ALICE = Session("alice-0123456789abcdef0123456789", subject="alice")
KINDS = pytest.mark.parametrize("socket", [False, True], ids=["stream", "socket"])


@asynccontextmanager
async def running(**changes: object) -> AsyncIterator[Jitterbug]:
    push = Jitterbug(session=lambda _request: ALICE, config=Config(development=True, drain_s=0, **changes))  # type: ignore[arg-type]
    await push.ensure_started()
    try:
        yield push
    finally:
        await push.stop()


async def stalled(push: Jitterbug, *, socket: bool) -> StalledPeer:
    """A peer that was admitted and takes nothing of its answer."""
    peer = StalledPeer(push, ALICE, "news", socket=socket)
    await asyncio.wait_for(peer.is_waiting.wait(), 10)
    assert push.hub.connection_count == 0
    return peer


async def ended(peer: StalledPeer, push: Jitterbug) -> list[dict[str, object]]:
    """What the peer got once it took something; the hub must have ended the wire by itself."""
    peer.take()
    await asyncio.sleep(0)
    await push.publish("news", "secret")
    await asyncio.wait_for(peer.task, 10)
    return peer.payloads()


@KINDS
@in_loop
async def test_a_wire_does_not_outlive_a_logout_that_came_while_it_was_opened(*, socket: bool) -> None:
    """R43, PROTOCOL §2: `revoke` saw no connection yet; the wire ends with `bye` `revoked` and delivers nothing."""
    async with running() as push:
        peer = await stalled(push, socket=socket)
        push.revoke(ALICE.id)

        payloads = await ended(peer, push)

        assert [payload["t"] for payload in payloads] == [Down.HELLO, Down.BYE]
        assert payloads[-1]["reason"] == ByeReason.REVOKED


@KINDS
@in_loop
async def test_a_wire_that_comes_late_to_a_drain_gets_its_farewell(*, socket: bool) -> None:
    """PROTOCOL §5, Shutdown: it was not among those that were told."""
    async with running() as push:
        peer = await stalled(push, socket=socket)
        push.hub.is_draining = True

        payloads = await ended(peer, push)

        assert [payload["t"] for payload in payloads] == [Down.HELLO, Down.BYE]
        assert payloads[-1]["reason"] == ByeReason.SHUTDOWN


@KINDS
@in_loop
async def test_a_wire_that_comes_after_the_end_is_cut(*, socket: bool) -> None:
    """PROTOCOL §5, Shutdown: nothing ticks any more, so nothing would ever end it."""
    async with running() as push:
        peer = await stalled(push, socket=socket)
        await push.hub.stop()

        peer.take()

        await asyncio.wait_for(peer.task, 10)
        assert push.hub.connection_count == 0


@KINDS
@in_loop
async def test_a_wire_whose_root_key_went_while_it_was_opened_ends(*, socket: bool) -> None:
    """PROTOCOL §2: a root key that was taken out signs nothing more."""
    async with running() as push:
        peer = await stalled(push, socket=socket)
        push.hub.replace_roots(RootKeys(RootKey("root-2", os.urandom(32))))

        payloads = await ended(peer, push)

        assert [payload["t"] for payload in payloads] == [Down.HELLO, Down.BYE]
        assert payloads[-1]["reason"] == ByeReason.KEY_EXPIRED


@pytest.mark.parametrize("cap", ["max_connections", "max_connections_per_session"])
@KINDS
@in_loop
async def test_wires_that_are_being_opened_count_against_the_caps(*, socket: bool, cap: str) -> None:
    """REQUIREMENTS §2.26: a crowd that takes nothing is not let in one by one, to be open all together."""
    async with running(**{cap: 2}) as push:
        crowd = [await stalled(push, socket=socket) for _ in range(2)]
        late = StalledPeer(push, ALICE, "news", socket=socket)
        late.take()

        await asyncio.wait_for(late.task, 10)
        for peer in crowd:
            peer.take()
        await asyncio.sleep(0.01)

        assert push.hub.connection_count == 2
        assert late.payloads() == []
        for peer in crowd:
            peer.leave()
        await asyncio.gather(*(peer.task for peer in crowd))
        assert push.limits.admit_connection(ALICE, None)
