"""Real servers for tests: each in a thread with a loop of its own, on free loopback ports."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, TypeVar, get_args

import httpx2
import uvicorn
from fastapi import FastAPI

from jitterbug import Jitterbug
from jitterbug.server import run
from jitterbug.server.app import BASE_PATH
from jitterbug.server.console import Console
from jitterbug.server.uvicorn import PushServer, serve_together
from jitterbug.settings import Settings

T = TypeVar("T")
Kind = Literal["transport", "httptools", "h11", "fastapi"]
"""How the hub is served: by our own protocol class, by plain uvicorn, mounted in FastAPI under plain uvicorn."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PATIENCE_S = 20
"""Bound for what takes milliseconds on an idle machine."""
_ANY_PORT = ("127.0.0.1", 0)
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Running:
    """A hub that is being served.

    Attributes:
        push: The hub. Touch it only through :meth:`do` and :meth:`wait_for`.
        url, admin_url: Where it listens; ``admin_url`` is empty where there is no operator listener.
        main: The public uvicorn server.
    """

    def __init__(
        self,
        push: Jitterbug,
        servers: list[uvicorn.Server],
        serve: Callable[[], Awaitable[None]],
        loop_factory: LoopFactory | None,
    ) -> None:
        self.push = push
        self.main = servers[0]
        self._serve = serve
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        until(lambda: self._error is not None or all(server.started for server in servers))
        urls = [_url(server) for server in servers if server.started]
        self.url = urls[0] if urls else ""
        self.admin_url = urls[1] if len(urls) > 1 else ""

    @property
    def port(self) -> int:
        """TCP port of the public listener."""
        return int(self.url.rsplit(":", 1)[1])

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and return its result."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def do(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in the server's loop and return its result."""

        async def call() -> T:
            return function(*args)

        return self.wait_for(call())

    def publish(self, channel: str, *data: Any) -> None:
        """Publish, all within one pass of the loop."""

        async def all_of_them() -> None:
            for item in data:
                await self.push.publish(channel, item)

        self.wait_for(all_of_them())

    def connections(self) -> int:
        """Open streams."""
        return self.do(lambda: self.push.hub.connection_count)

    def metric(self, name: str) -> float:
        """A series of the operator listener, by name and labels without the prefix; 0.0 when it is not there."""
        answer = ask("GET", f"{self.admin_url}/metrics")
        found = re.search(rf"^jitterbug_{re.escape(name)} (\S+)$", answer.text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def ask_to_stop(self) -> None:
        """What a signal does: the server goes on until it has drained."""
        self.main.should_exit = True

    def stop(self) -> float:
        """Stop and wait; return the seconds it took. Safe to call twice."""
        started_s = time.monotonic()
        self.ask_to_stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server does not stop"
        if self._error is not None:
            raise self._error
        return time.monotonic() - started_s

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._serve()

        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(main())
        except BaseException as error:  # told to the test, by stop()
            self._error = error


def start(kind: Kind, push: Jitterbug) -> Running:
    """Serve a hub."""
    if kind == "transport":
        settings = Settings(config=push.config, bind=_ANY_PORT, admin_bind=_ANY_PORT)
        public, admin = run._servers(settings, push, None)
        return Running(push, [public, admin], lambda: serve_together(public, admin), run._loop_factory())
    if kind == "fastapi":
        return start_mounted(push)
    loop = run._loop_factory() if kind == "httptools" else None
    server = PushServer(_plain(Console(BASE_PATH, push.asgi), kind), on_stop=push.stop, takes_signals=False)
    return Running(push, [server], lambda: server.serve([_listener()]), loop)


def start_mounted(push: Jitterbug, path: str = BASE_PATH) -> Running:
    """Serve a hub mounted in a FastAPI application."""
    app = FastAPI(lifespan=push.lifespan)
    push.install(app, path)
    return serve_app(push, app)


def serve_app(push: Jitterbug, app: Any) -> Running:
    """Serve an application that a hub is mounted in."""
    # uvicorn ends the lifespan last, when no connection is open any more, so the hub is drained before.
    server = PushServer(_plain(app, "httptools", lifespan="on"), on_stop=push.stop, takes_signals=False)
    return Running(push, [server], lambda: server.serve([_listener()]), None)


def _plain(app: Any, http: str, lifespan: Literal["on", "off"] = "off") -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http,
        lifespan=lifespan,
        ws="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _listener() -> socket.socket:
    """A listening socket with the send buffers that our own protocol class sets; Linux would take megabytes."""
    # asyncio turns Nagle's algorithm off only where the protocol was named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    listener.bind(_ANY_PORT)
    listener.listen(256)
    return listener


def _url(server: uvicorn.Server) -> str:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"


def ask(method: str, url: str, **options: Any) -> httpx2.Response:
    """One request by nobody in particular."""
    # Plain HTTP: reading the CA bundle each time would take most of the time.
    return httpx2.request(method, url, timeout=PATIENCE_S, trust_env=False, verify=False, **options)


def until(condition: Callable[[], Any], limit_s: float = PATIENCE_S) -> None:
    """Wait until something holds. Fails the test when it does not in time."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)
