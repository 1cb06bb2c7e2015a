"""A uvicorn server that lets its streams go before it waits for connections to end."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import uvicorn

TLS_HANDSHAKE_TIMEOUT_S: Final = 10
"""As for the head of a request; asyncio would wait for a minute."""


class PushServer(uvicorn.Server):
    """A uvicorn server that lets its streams go first.

    Attributes:
        bound: The addresses it listens on, once it does.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_ready: Callable[["PushServer"], None] | None = None,
        on_stop: Callable[[], Awaitable[None]] | None = None,
        takes_signals: bool = True,
    ) -> None:
        """Wrap a configuration.

        Args:
            config: uvicorn's.
            on_ready: Called when it listens.
            on_stop: Awaited before open connections are waited for.
            takes_signals: False for a second server in the same process.
        """
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._takes_signals = takes_signals
        self.bound: list[tuple[str, int]] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM, in one of the servers."""
        if not self._takes_signals:
            yield
            return
        with super().capture_signals():
            yield
            # Stopping was the orderly answer to the signal; raised again, it would look like a crash.
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        with _short_handshakes(asyncio.get_running_loop()) if self.config.is_ssl else contextlib.nullcontext():
            await super().startup(sockets)
        self.bound = [server_socket.getsockname()[:2] for server in self.servers for server_socket in server.sockets]
        if self._on_ready is not None and self.started:
            self._on_ready(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of the streams, then of the rest."""
        if self._on_stop is not None:
            for server in self.servers:
                server.close()
            await self._on_stop()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _short_handshakes(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let listeners that are made meanwhile give a peer less time for its TLS handshake: uvicorn cannot be told."""
    create_server = loop.create_server

    def create(*args: Any, **options: Any) -> Any:
        if options.get("ssl") is not None:  # another listener, without TLS, may be made at the same time
            options["ssl_handshake_timeout"] = TLS_HANDSHAKE_TIMEOUT_S
        return create_server(*args, **options)

    loop.create_server = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        del loop.create_server


async def serve_together(first: PushServer, second: PushServer) -> None:
    """Run two servers until the first stops; then the second stops too."""
    second_task = asyncio.create_task(second.serve())
    try:
        await first.serve()
    finally:
        second.should_exit = True
        await second_task
