"""One hub process: the public listener, the operator listener, and an orderly end of both."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvicorn

from jitterbug.errors import SettingError
from jitterbug.hub.channels import ACTIVITY, TELEMETRY
from jitterbug.hub.host import HostTelemetry
from jitterbug.hub.hub import Hub
from jitterbug.server.app import BASE_PATH, Jitterbug
from jitterbug.server.console import Console
from jitterbug.server.handshake import is_loopback
from jitterbug.server.operator import Operator
from jitterbug.server.uvicorn import PushProtocol, PushServer, serve_together
from jitterbug.settings import Settings

_LOG = logging.getLogger("jitterbug.server")
_BACKLOG: Final = 4_096
TELEMETRY_EVERY_S: Final = 2.0
ACTIVITY_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the hub can be reached, once it can.

    Attributes:
        url: Public address, as a base for ``/api/jitterbug``.
        admin_url: Operator address.
    """

    url: str
    admin_url: str


OnReady = Callable[[Listening], None]


def add_built_in_emitters(hub: Hub) -> None:
    """Host telemetry and user activity, as counts: no identities, nothing finer than a percentage (O31, O37)."""
    hub.emitters.add(
        "telemetry", HostTelemetry(lambda: hub.connection_count), every_s=TELEMETRY_EVERY_S, channel=TELEMETRY
    )
    hub.emitters.add("activity", hub.activity, every_s=ACTIVITY_EVERY_S, channel=ACTIVITY)


def run(settings: Settings, on_ready: OnReady | None = None) -> int:
    """Run a development hub until it is told to stop by SIGINT or SIGTERM.

    Args:
        settings: With ``config.development``.
        on_ready: Called once both listeners accept connections.

    Returns:
        Exit status: 0, or 1 when a listener could not start.

    Raises:
        SettingError: The settings do not fit together.
    """
    host, _ = settings.bind
    if settings.config.development and not (is_loopback(host) or host == "localhost"):
        raise SettingError(
            "JITTERBUG_BIND", "is not a loopback address, and this is a development hub", remedy="Bind to 127.0.0.1."
        )
    push = Jitterbug(config=settings.config)
    add_built_in_emitters(push.hub)
    public, admin = _servers(settings, push, on_ready)

    async def main() -> None:
        await serve_together(public, admin)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())
    return 0 if public.started and admin.started else 1


def _servers(settings: Settings, push: Jitterbug, on_ready: OnReady | None) -> tuple[PushServer, PushServer]:
    def tell(_server: PushServer) -> None:
        # Whichever comes second has both.
        if on_ready is not None and public.bound and admin.bound:
            on_ready(Listening(_url(public), _url(admin)))

    public = PushServer(
        _config(settings.bind, Console(BASE_PATH, push.asgi, push.own_sessions)),
        on_ready=tell,
        on_stop=push.stop,
    )
    admin = PushServer(_config(settings.admin_bind, Operator(push)), on_ready=tell, takes_signals=False)
    return public, admin


def _config(bind: tuple[str, int], app: object) -> uvicorn.Config:
    host, port = bind
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        http=PushProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=5,
    )


def _url(server: PushServer) -> str:
    host, port = server.bound[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
