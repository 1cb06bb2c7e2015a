"""A hub in a process of its own that says what it holds: served as ``jitterbug dev`` serves it, on a clock that jumps.

The other end of its standard streams is :class:`MeasuredHub`: one command a line, one line of JSON back.
"""

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any, Self

from jitterbug import Jitterbug
from jitterbug.clock import SystemClock
from jitterbug.config import Config
from jitterbug.server import run
from jitterbug.server.uvicorn import http, serve_together
from jitterbug.settings import Settings

_ANY_PORT = ("127.0.0.1", 0)
PATIENCE_S = 30


class JumpingClock:
    """This machine's time, and what was added to it."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.ahead_s = 0.0

    def now_ms(self) -> int:
        return self._clock.now_ms() + int(self.ahead_s * 1_000)

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns() + int(self.ahead_s * 1_000_000_000)


class _Served:
    """The process's side."""

    def __init__(self, settings: dict[str, Any], head_timeout_s: float) -> None:
        http.HEAD_TIMEOUT_S = head_timeout_s  # type: ignore[assignment, misc]
        self.clock = JumpingClock()
        self.push = Jitterbug(config=Config(development=True, **settings), clock=self.clock)
        listening = Settings(config=self.push.config, bind=_ANY_PORT, admin_bind=_ANY_PORT)
        self.public, self.admin = run._servers(listening, self.push, self.tell)

    def tell(self, where: run.Listening) -> None:
        _say({"url": where.url})
        loop = asyncio.get_running_loop()
        threading.Thread(target=self.obey, args=(loop,), daemon=True).start()

    def obey(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            _say(asyncio.run_coroutine_threadsafe(self.do(json.loads(line)), loop).result())
        self.public.should_exit = True

    async def do(self, command: list[Any]) -> Any:
        match command:
            case ["held"]:
                return self.held()
            case ["pass", seconds]:
                self.clock.ahead_s += seconds
            case ["publish", channel, count, text]:
                for number in range(count):
                    await self.push.publish(channel, f"{number}{text}")
            case ["revoke all"]:
                for connection in self.push.hub.connections():
                    self.push.hub.revoke(connection.session.id)
        return None

    def held(self) -> dict[str, int]:
        """Every registry there is, by size, and the bytes that are alive."""
        push, hub = self.push, self.push.hub
        store: Any = hub.store
        gc.collect()
        return {
            "bytes": tracemalloc.get_traced_memory()[0],
            "peak": tracemalloc.get_traced_memory()[1],
            "sockets": len(self.public.server_state.connections),
            "tasks": len(self.public.server_state.tasks),
            "streams": hub.connection_count,
            "deadlines": len(hub._tick._deadlines) + len(hub._tick._wakes),
            "subscriptions": sum(len(hub.channels.readers(channel)) for channel in hub.channels),
            "joining": len(hub.channels._joining),
            "by_address": len(push.limits._by_address),
            "unsent": max((c.sink.pending_bytes() for c in hub), default=0),
            "own": max((len(c._control) for c in hub), default=0),
            "waiting": max((c.backlog for c in hub), default=0),
            "history": sum(len(log.entries) for log in store._logs.values()),
            "channels": store.channel_count(),
            "nonces": len(store._replay),
            "windows": len(store._windows),
            "strays": len(push.upstream._strays),
            "revoked": len(hub._revoked._until_ms),
            "logins": len(push.own_sessions or ()),
        }

    async def serve(self) -> None:
        await serve_together(self.public, self.admin)


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class MeasuredHub:
    """The test's side. Has what visitors ask of a server.

    Attributes:
        url, port: Where it listens.
        config: Its settings.
        push: Its clock.
        before: What it held when it had just started.
        attackers: Sockets to be closed at the end.
    """

    def __init__(self, settings: dict[str, Any] | None = None, *, head_timeout_s: float = 10) -> None:
        arguments = json.dumps([settings or {}, head_timeout_s])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.security.memory_hub", arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.config = Config(development=True, **(settings or {}))
        self.push = SimpleNamespace(clock=JumpingClock())
        self.attackers: list[socket.socket] = []
        self.before = self.held()

    def ask(self, *command: Any) -> Any:
        """Have it do something and wait for the answer."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(command) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def held(self) -> dict[str, int]:
        """What it holds now."""
        answer: dict[str, int] = self.ask("held")
        return answer

    def let_pass(self, seconds: float) -> None:
        """Let time pass, for it and for visitors."""
        self.ask("pass", seconds)
        self.push.clock.ahead_s += seconds

    def until(self, **sizes: int | range) -> dict[str, int]:
        """Wait until registries have these sizes, or one of these; return all of them."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            held = self.held()
            if all(held[name] in (size if isinstance(size, range) else (size,)) for name, size in sizes.items()):
                return held
            assert time.monotonic() < deadline_s, (sizes, held)
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for attacker in self.attackers:
            attacker.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()


def main() -> None:
    """Serve until standard input ends."""
    tracemalloc.start()
    served = _Served(*json.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=run._loop_factory()) as runner:
        runner.run(served.serve())


if __name__ == "__main__":
    main()
