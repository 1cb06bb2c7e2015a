"""A back end that publishes numbers, one after the other, however bad its network is."""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Self

from jitterbug.client import HubError, NetworkError, Position, Publisher
from tests.delivery.numbers import numbered

KID = "delivery-root"
SECRET = os.urandom(32)
ROOT = {"HMAC_KEY_ID": KID, "HMAC_SECRET": base64.b64encode(SECRET).decode()}
"""The environment of a hub that this feed publishes to."""


class Feed:
    """Publishes on some channels at once; within a channel a number follows when the one before was acknowledged.

    Attributes:
        sent: The last number acknowledged, by channel.
        retried: Tries that ended in an error; each was repeated under the same id.
        faults: Acknowledgements that named another place than the number's.
    """

    def __init__(self, url: Callable[[], str], *, pause_s: float = 0.0, length: int = 40) -> None:
        """Args: url: where the hub is now. pause_s: between two numbers of a channel. length: of the filling, chars."""
        self._url = url
        self._pause_s = pause_s
        self._length = length
        self.sent: dict[str, int] = {}
        self.retried = 0
        self.faults: list[str] = []
        self._publishers: dict[str, Publisher] = {}

    async def publish(self, channel: str, number: int) -> Position:
        """Publish one, until the hub says where it stands."""
        while True:
            publisher = self._publishers.get(channel)
            if publisher is None:
                publisher = self._publishers[channel] = Publisher(self._url(), KID, SECRET, give_up_after_s=0)
            try:
                place = await publisher.publish(
                    channel, numbered(channel, number, self._length), publication_id=f"{channel}-{number}"
                )
            except (HubError, NetworkError):
                # A network that changes bytes makes the hub refuse what was right when it left.
                self.retried += 1
                await asyncio.sleep(0.01)
                continue
            if place.offset != number:
                self.faults.append(f"{channel}: number {number} was put at {place}")
            self.sent[channel] = number
            return place

    async def run(self, channel: str, first: int, last: int) -> None:
        """Publish these numbers, both included."""
        for number in range(first, last + 1):
            await self.publish(channel, number)
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    async def aclose(self) -> None:
        """Close its connections."""
        for publisher in self._publishers.values():
            await publisher.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
