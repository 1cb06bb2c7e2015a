"""A reader over WebSocket: a client as small as the contract allows, judged by the project's own receiver."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from jitterbug.clock import SystemClock
from jitterbug.protocol.codes import Down
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Control, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import Refused
from tests.delivery.login import BASE, Login, log_in
from tests.delivery.numbers import Ledger
from tests.delivery.readers import Starts

_SILENCE_S = 3.0


class SocketReader:
    """Reads until it is cancelled, and comes back over every cut.

    Attributes:
        ledger: What it was given.
        connections: Sockets that got as far as ``hello``.
        holes, refused: Found by the receiver.
    """

    def __init__(self, ledger: Ledger, hub_url: str, proxy_port: int, starts: Starts) -> None:
        self.ledger = ledger
        self.connections = self.holes = self.refused = 0
        self._hub_url = hub_url
        self._proxy_port = proxy_port
        self._positions: dict[str, Any] = dict(starts)
        self._replay = ReplayWindow(10_000)
        self._clock = SystemClock()
        self._ids = 0

    async def run(self) -> None:
        """Log in, straight to the hub; then read, through the bad network."""
        login = await asyncio.to_thread(log_in, self._hub_url)
        uri = f"ws://127.0.0.1:{self._proxy_port}{BASE}/ws?kid={login.kid}"
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, ValueError):
                async with connect(
                    uri, additional_headers={"Cookie": login.cookie}, compression=None, proxy=None, open_timeout=3,
                    close_timeout=0.2,
                ) as socket:  # fmt: skip
                    await self._read(socket, login)
            await asyncio.sleep(0.02)

    async def _read(self, socket: ClientConnection, login: Login) -> None:
        receiver = Receiver(login, self._positions, replay=self._replay)
        while True:
            async with asyncio.timeout(_SILENCE_S):
                frame = await socket.recv(decode=False)
            for event in receiver.receive(frame, self._clock.now_ms()):
                match event:
                    case Publication():
                        self.ledger.take(event.channel, event.data, event.position, recovered=event.recovered)
                    case Gap():
                        self.ledger.gap(event.channel, event.position, event.reason)
                    case Hole():
                        self.holes += 1
                        return
                    case Refused():
                        self.refused += 1
                    case Control(Down.HELLO):
                        self.connections += 1
                        for channel, place in self._positions.items():
                            self._ids += 1
                            await socket.send(
                                login.signer.sign(
                                    {"t": "sub", "id": f"s{self._ids}", "conn": receiver.conn, "ch": channel,
                                     "since": place.to_json()},
                                    self._clock.now_ms(),
                                ).decode()
                            )  # fmt: skip
                    case Control(Down.BYE):
                        return
                    case _:
                        pass


@asynccontextmanager
async def reading_socket(name: str, hub_url: str, proxy_port: int, starts: Starts) -> AsyncIterator[SocketReader]:
    """Read over WebSocket. Args: as for :func:`tests.delivery.readers.reading`."""
    reader = SocketReader(Ledger(name, starts), hub_url, proxy_port, starts)
    task = asyncio.create_task(reader.run(), name=f"reader {name}")
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
