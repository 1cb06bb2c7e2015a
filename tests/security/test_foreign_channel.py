"""A channel that one may not see and one that is not there answer alike, in body and in work (PROTOCOL §7)."""

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from jitterbug.hub.upstream import Outcome
from jitterbug.protocol.position import Position
from tests.hub.house import ALICE, BOB, Client, House
from tests.looped import in_loop

FOREIGN, MISSING = "room/foreign", "room/missing"
Work = Counter[str]


async def work_of(client: Client, payload: dict[str, Any]) -> tuple[Work, Outcome]:
    """Every function of the package that a frame makes run, by how often; and the answer."""
    done: Work = Counter()

    def count(frame: FrameType, event: str, _argument: object) -> None:
        module = str(frame.f_globals.get("__name__", ""))
        if event == "call" and module.startswith("jitterbug.") and not module.startswith("jitterbug.testing"):
            done[f"{module}.{frame.f_code.co_qualname}"] += 1

    sys.setprofile(count)
    try:
        outcome = await client.send(payload)
    finally:
        sys.setprofile(None)
    return done, outcome


@pytest.mark.parametrize("since", [None, Position("epoch-01", 3)])
@in_loop
async def test_a_foreign_channel_is_as_much_work_as_a_missing_one(since: Position | None) -> None:
    """With a reader, history and a position asked for, or not there at all: the rule is asked, and nothing else."""
    house = House(rule=lambda session, _action, channel: session.id == BOB.id and channel == FOREIGN)
    await house.reader(FOREIGN, session=BOB)
    await house.publish(FOREIGN, 5)
    alice = house.connect(ALICE)
    asked = {"t": "sub", "id": "1", **({"since": since.to_json()} if since else {})}
    await work_of(alice, {**asked, "ch": "room/warm-up"})
    seen = [await work_of(alice, {**asked, "ch": channel}) for channel in (FOREIGN, MISSING, FOREIGN, MISSING)]

    assert seen == [seen[0]] * 4
    work, _ = seen[0]
    assert work["jitterbug.hub.subscriptions.Subscriptions.subscribe"] == 1, "the counting counts"
    assert not [name for name in work if name.startswith("jitterbug.stores.") and "read" in name]
