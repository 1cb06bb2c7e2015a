"""What any store must do (the promise of :mod:`jitterbug.stores.base`), as a suite to be subclassed.

A subclass says how to make a store and how to let its time pass::

    class TestMyStore(StoreContract):
        async def make(self, **settings): ...
        async def pass_time(self, seconds): ...
"""

import asyncio
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jitterbug.protocol import base64
from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.replay import Claim
from jitterbug.stores.base import Backlog, Store
from tests.looped import in_loop

NOW_MS = 1_784_636_400_000
few = st.integers(min_value=0, max_value=12)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(["a", "b"]), st.none() | st.sampled_from(["x", "y", "z"])),
        st.tuples(st.just("pass"), st.sampled_from([0.5, 3.0, 11.0])),
    ),
    max_size=30,
)  # fmt: skip

for_each_store = settings(suppress_health_check=[HealthCheck.differing_executors])
"""The same examples run for every subclass, which is what the suite is for; nothing of a test stays behind in it."""


def told(backlog: Backlog) -> tuple[Position, list[bytes], GapReason | None]:
    """A backlog to be compared: where it stands, the data, why it is lost."""
    return backlog.position, [publication.data for publication in backlog.publications], backlog.lost


def nonce() -> str:
    """A fresh one, as frames carry it."""
    return base64.encode(os.urandom(32)).decode()


class StoreContract:
    """The suite.

    Subclasses give ``make`` and ``pass_time``; the settings are ``history_size``, ``history_ttl_s`` and
    ``replay_window_ms``, with the defaults of :class:`jitterbug.config.Config`.
    """

    async def make(self, **settings: Any) -> Store:
        """A started store with nothing in it."""
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Let the store's time pass."""
        raise NotImplementedError

    async def attached(self, **settings: Any) -> tuple[Store, list[PreparedPublication]]:
        """A store, and what it hands to this node."""
        store = await self.make(**settings)
        delivered: list[PreparedPublication] = []
        store.attach(delivered.append)
        return store, delivered

    # Order, offsets, epochs.

    @for_each_store
    @given(channels=st.lists(st.sampled_from(["a", "b", "c/d"]), max_size=30))
    @in_loop
    async def test_offsets_grow_by_one_per_channel_and_delivery_keeps_their_order(self, channels: list[str]) -> None:
        store, delivered = await self.attached()
        positions = [await store.append(channel, b"%d" % n) for n, channel in enumerate(channels)]

        for channel in set(channels):
            own = [position for position, name in zip(positions, channels, strict=True) if name == channel]
            assert [position.offset for position in own] == list(range(1, len(own) + 1))
            assert len({position.epoch for position in own}) == 1
        assert [(p.channel, p.data, p.position) for p in delivered] == [
            (channel, b"%d" % n, position)
            for n, (channel, position) in enumerate(zip(channels, positions, strict=True))
        ]
        await store.stop()

    @in_loop
    async def test_concurrent_appends_get_different_offsets_and_are_delivered_in_their_order(self) -> None:
        store, delivered = await self.attached()
        positions = await asyncio.gather(*(store.append("a", b"%d" % n) for n in range(50)))

        assert sorted(position.offset for position in positions) == list(range(1, 51))
        assert [p.position.offset for p in delivered] == list(range(1, 51))
        await store.stop()

    @in_loop
    async def test_a_channel_nobody_used_stands_at_zero(self) -> None:
        store = await self.make()
        backlog = await store.read("never", None)

        assert told(backlog) == (backlog.position, [], None)
        assert backlog.position.offset == 0
        assert 0 < len(backlog.position.epoch) <= 8, "so that sizes can be judged beforehand"
        assert (await store.append("never", b"1")) == Position(backlog.position.epoch, 1)
        await store.stop()

    @in_loop
    async def test_reading_without_a_position_tells_where_it_stands_and_nothing_else(self) -> None:
        store = await self.make()
        position = [await store.append("a", b"1") for _ in range(5)][-1]

        assert told(await store.read("a", None)) == (position, [], None)
        await store.stop()

    @in_loop
    async def test_a_store_that_nobody_is_attached_to_keeps_history_all_the_same(self) -> None:
        store = await self.make()
        first = await store.append("a", b"1")
        await store.append("a", b"2")

        backlog = await store.read("a", first)
        assert [p.data for p in backlog.publications] == [b"2"]
        await store.stop()

    # History.

    @for_each_store
    @given(size=few, appended=st.integers(min_value=0, max_value=30), since=st.integers(min_value=0, max_value=30))
    @example(size=3, appended=5, since=2)
    @example(size=3, appended=5, since=1)
    @example(size=3, appended=5, since=5)
    @example(size=3, appended=5, since=6)
    @in_loop
    async def test_what_is_read_back_is_complete_or_called_lost(self, size: int, appended: int, since: int) -> None:
        store = await self.make(history_size=size)
        epoch = (await store.read("a", None)).position.epoch
        for n in range(1, appended + 1):
            await store.append("a", b"%d" % n)
        backlog = await store.read("a", Position(epoch, since))

        assert backlog.position == Position(epoch, appended)
        if since > appended:
            assert (backlog.lost, list(backlog.publications)) == (GapReason.EPOCH, [])
        elif appended - since > size:
            assert (backlog.lost, list(backlog.publications)) == (GapReason.EXPIRED, [])
        else:
            assert backlog.lost is None
            assert [(p.channel, p.position, p.data) for p in backlog.publications] == [
                ("a", Position(epoch, n), b"%d" % n) for n in range(since + 1, appended + 1)
            ]
        await store.stop()

    @in_loop
    async def test_a_position_of_another_epoch_is_lost_for_that_reason(self) -> None:
        store = await self.make()
        position = await store.append("a", b"1")

        for other in ("another", "~.\n", position.epoch.swapcase()):
            backlog = await store.read("a", Position(other, 0))
            assert (backlog.lost, list(backlog.publications)) == (GapReason.EPOCH, [])
            assert backlog.position == position
        await store.stop()

    @in_loop
    async def test_history_ends_with_its_time_and_the_position_outlives_it(self) -> None:
        store, delivered = await self.attached(history_ttl_s=10)
        first = await store.append("a", b"1")
        await self.pass_time(6)
        second = await store.append("a", b"2")
        assert len((await store.read("a", Position(first.epoch, 0))).publications) == 2

        await self.pass_time(5)
        assert (await store.read("a", Position(first.epoch, 0))).lost is GapReason.EXPIRED
        assert [p.data for p in (await store.read("a", first)).publications] == [b"2"]
        await self.pass_time(60)
        backlog = await store.read("a", first)
        assert (backlog.lost, backlog.position) == (GapReason.EXPIRED, second)
        assert told(await store.read("a", second)) == (second, [], None)
        assert await store.append("a", b"3") == Position(first.epoch, 3)
        assert [p.position.offset for p in delivered] == [1, 2, 3]
        await store.stop()

    @pytest.mark.parametrize("settings", [{"history_size": 0}, {"history_ttl_s": 0}], ids=["size", "ttl"])
    @in_loop
    async def test_without_history_there_are_positions_and_delivery_but_nothing_to_read_back(
        self, settings: dict[str, Any]
    ) -> None:
        store, delivered = await self.attached(**settings)
        first = await store.append("a", b"1", publication_id="x")
        second = await store.append("a", b"2", publication_id="x")

        assert [p.data for p in delivered] == [b"1", b"2"], "no id is remembered without history"
        assert second == Position(first.epoch, 2)
        assert (await store.read("a", first)).lost is GapReason.EXPIRED
        assert told(await store.read("a", second)) == (second, [], None)
        await store.stop()

    # Idempotency.

    @for_each_store
    @given(size=st.integers(min_value=1, max_value=5), ran=operations)
    @in_loop
    async def test_an_id_counts_once_as_long_as_its_publication_is_history(
        self, size: int, ran: list[tuple[Any, ...]]
    ) -> None:
        store, delivered = await self.attached(history_size=size, history_ttl_s=10)
        now_s = 0.0
        history: dict[str, list[tuple[float, int, str | None]]] = {"a": [], "b": []}
        stand = dict.fromkeys("ab", 0)
        count = 0
        for operation, *arguments in ran:
            if operation == "pass":
                now_s += arguments[0]
                await self.pass_time(arguments[0])
                continue
            channel, publication_id = arguments
            live = history[channel] = [entry for entry in history[channel] if entry[0] > now_s][-size:]
            known = next((n for _, n, name in live if publication_id is not None and name == publication_id), None)
            if known is None:
                stand[channel] += 1
                count += 1
                live.append((now_s + 10, stand[channel], publication_id))
            position = await store.append(channel, b"%d" % count, publication_id=publication_id)
            assert position.offset == (known or stand[channel])
        assert len(delivered) == count, "a repetition is delivered to nobody"
        await store.stop()

    @in_loop
    async def test_a_repetition_answers_with_the_first_position_until_its_time_or_its_turn_is_over(self) -> None:
        store, delivered = await self.attached(history_size=2, history_ttl_s=10)
        first = await store.append("a", b"1", publication_id="x")
        assert await store.append("a", b"other data", publication_id="x") == first
        await store.append("a", b"2", publication_id="y")
        await store.append("a", b"3")
        assert (await store.append("a", b"4", publication_id="x")).offset == 4, "pushed out by those after it"
        await self.pass_time(11)
        assert (await store.append("a", b"5", publication_id="x")).offset == 5, "its time is over"
        assert [p.data for p in delivered] == [b"1", b"2", b"3", b"4", b"5"]
        await store.stop()

    @in_loop
    async def test_an_id_means_nothing_in_another_channel(self) -> None:
        store, delivered = await self.attached()
        await store.append("a", b"1", publication_id="x")
        await store.append("b", b"2", publication_id="x")

        assert [p.data for p in delivered] == [b"1", b"2"]
        await store.stop()

    # Nonces.

    @in_loop
    async def test_r33_a_nonce_is_claimed_once_per_key(self) -> None:
        store = await self.make()
        first, second = nonce(), nonce()

        assert await store.claim("kid-one", first, NOW_MS, NOW_MS)
        assert not await store.claim("kid-one", first, NOW_MS, NOW_MS)
        assert await store.claim("kid-two", first, NOW_MS, NOW_MS), "one client cannot burn another's nonces"
        assert await store.claim("kid-one", second, NOW_MS, NOW_MS)
        await store.stop()

    @in_loop
    async def test_r33_of_many_claims_at_once_one_wins(self) -> None:
        store = await self.make()
        used = nonce()
        claims = await asyncio.gather(*(store.claim("kid-one", used, NOW_MS, NOW_MS) for _ in range(30)))

        assert sum(map(bool, claims)) == 1
        assert set(claims) == {Claim.NEW, Claim.REPLAY}
        await store.stop()

    @pytest.mark.parametrize("window_ms", [10_000, 30_000])
    @in_loop
    async def test_r33_r16_a_nonce_is_remembered_while_its_frame_is_fresh_and_the_window_follows_the_setting(
        self, window_ms: int
    ) -> None:
        store = await self.make(replay_window_ms=window_ms)
        skew_ms, used = window_ms // 2, nonce()
        ahead_ms = NOW_MS + skew_ms  # signed by a clock that is ahead
        assert await store.claim("kid-one", used, ahead_ms, NOW_MS)
        for after_ms in range(1_000, window_ms + 1, 1_000):
            await self.pass_time(1)
            assert not await store.claim("kid-one", used, ahead_ms, NOW_MS + after_ms)
        await store.stop()

    # Windows.

    @in_loop
    async def test_r41_ten_pass_in_a_minute_the_eleventh_waits_and_the_window_moves(self) -> None:
        store = await self.make()
        for _ in range(5):
            assert await store.admit("keys:one", 10, 60) == 0
        await self.pass_time(30)
        for _ in range(5):
            assert await store.admit("keys:one", 10, 60) == 0
        assert await store.admit("keys:one", 10, 60) == pytest.approx(30, abs=0.5)
        assert await store.admit("keys:two", 10, 60) == 0, "two sessions do not share"

        await self.pass_time(30)
        assert [await store.admit("keys:one", 10, 60) for _ in range(5)] == [0] * 5
        assert await store.admit("keys:one", 10, 60) == pytest.approx(30, abs=0.5)
        await store.stop()

    @in_loop
    async def test_r41_asking_while_refused_costs_nothing(self) -> None:
        store = await self.make()
        assert await store.admit("k", 1, 10) == 0
        for _ in range(20):
            assert await store.admit("k", 1, 10) > 0
        await self.pass_time(10)
        assert await store.admit("k", 1, 10) == 0
        await store.stop()

    @in_loop
    async def test_stopping_twice_is_stopping(self) -> None:
        store = await self.make()
        await store.stop()
        await store.stop()
