"""Changing keys on a live connection (R2, R50, PROTOCOL §2)."""

import time
from typing import Any

from jitterbug.client import Notice, Rotated
from jitterbug.client.wire import TransportName
from jitterbug.protocol.signing import FrameSigner
from tests.client.scripted_hub import EPOCH, ScriptedHub, Wire, refuse
from tests.looped import in_loop


def switching(hub: ScriptedHub, wire: Wire) -> None:
    """Let the hub do as PROTOCOL §2 says: ``rekey`` is the last frame under the old key."""

    def switch(payload: dict[str, Any]) -> None:
        if payload["t"] == "confirm" and payload["conn"] == wire.conn:
            wire.send("rekey", kid=hub.keys[-1].kid)
            wire.signer = FrameSigner(hub.keys[-1].kid, hub.keys[-1].secret)

    hub.on_up = switch


@in_loop
async def test_the_next_key_is_fetched_before_the_end_and_shown_by_signing_with_it(transport: TransportName) -> None:
    """R2, R50: ``confirm`` is signed by the new key; frames go on without a break under either."""
    hub, notices = ScriptedHub(transport, key_ttl_ms=1_000), list[Notice]()
    async with hub.connect(channels=["a"], on_notice=notices.append, random=lambda: 0.5) as stream:
        wire = await hub.wire()
        switching(hub, wire)
        for offset in range(1, 3):
            wire.msg("a", offset, offset)
            await hub.until(lambda at=offset: stream.stats.rotations >= at)  # type: ignore[misc]
        wire.msg("a", 3, 3)
        assert [(await anext(stream)).data for _ in range(3)] == [1, 2, 3]
        confirms = [frame for frame in hub.frames if frame["payload"]["t"] == "confirm"]
        assert [frame["kid"] for frame in confirms[:2]] == [key.kid for key in hub.keys[1:3]]
        assert [n.kid for n in notices if isinstance(n, Rotated)][:2] == [key.kid for key in hub.keys[1:3]]
        assert not stream.stats.refused
        assert stream.stats.connections == 1


@in_loop
async def test_a_key_asked_for_by_the_hub_is_fetched_at_once(transport: TransportName) -> None:
    """``rekey`` with ``by``: please fetch a key before then."""
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        wire = await hub.wire()
        switching(hub, wire)
        wire.send("rekey", by=1)
        await hub.until(lambda: stream.stats.rotations == 1)
        assert len(hub.keys) == 2


@in_loop
async def test_a_key_the_client_does_not_hold_ends_the_connection_and_not_the_stream(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        wire.send("rekey", kid="x" * 52)
        again = await hub.wire()
        assert again.asked["kid"] != wire.asked["kid"]
        again.msg("a", 1, 1)
        assert (await anext(stream)).data == 1


@in_loop
async def test_a_confirmation_that_fails_is_made_again(transport: TransportName) -> None:
    hub = ScriptedHub(transport, key_ttl_ms=2_000)
    async with hub.connect(random=lambda: 0.0) as stream:
        wire = await hub.wire()
        switching(hub, wire)
        hub.plan["/frames"].extend([refuse(503, retry_after="0"), refuse(500)])
        wire.send("rekey", by=1)
        await hub.until(lambda: stream.stats.rotations == 1)
        assert hub.count("/frames") >= 3


@in_loop
async def test_frames_under_the_old_key_verify_until_its_end_and_not_after(transport: TransportName) -> None:
    """R38, O21: a frame the hub signed before the switch still arrives; one under an ended key never does."""
    hub = ScriptedHub(transport, key_ttl_ms=1_000)
    async with hub.connect(channels=["a"], random=lambda: 0.5, heartbeat_s=60) as stream:
        wire = await hub.wire()
        old = wire.signer
        switching(hub, wire)
        await hub.until(lambda: stream.stats.rotations == 1)
        wire.signer, new = old, wire.signer
        wire.msg("a", 1, "old key, still good")
        wire.signer = new
        assert (await anext(stream)).data == "old key, still good"
        await hub.until(lambda: time.time_ns() // 1_000_000 > hub.keys[0].expires_at_ms)
        wire.signer = old
        wire.raw(wire.frame("msg", ch="a", pos=[EPOCH, 2], data="old key, ended"))
        await hub.until(lambda: sum(stream.stats.refused.values()) >= 1)
        assert list(stream.stats.refused) == ["stale"]
