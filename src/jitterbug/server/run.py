"""One hub process: the public listener, the operator listener, and an orderly end of both."""

import asyncio
import gc
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from jitterbug.clock import SystemClock
from jitterbug.hub.channels import ACTIVITY, TELEMETRY
from jitterbug.hub.host import HostTelemetry
from jitterbug.hub.hub import Hub
from jitterbug.server.app import BASE_PATH, Jitterbug
from jitterbug.server.console import Console
from jitterbug.server.operator import Operator
from jitterbug.server.reload import Read, Reload
from jitterbug.server.rules import check_rules
from jitterbug.server.standalone import Standalone
from jitterbug.server.tls import tls_context
from jitterbug.server.tokens import TokenExchange
from jitterbug.server.uvicorn import (
    ProductionProtocol,
    ProductionWebSocket,
    PushProtocol,
    PushServer,
    PushWebSocket,
    bounded,
    serve_together,
)
from jitterbug.server.webhook import Webhook
from jitterbug.settings import Settings
from jitterbug.settings.values import is_loopback
from jitterbug.stores.open_store import open_store
from jitterbug.telemetry.audit.trail import AuditTrail

_LOG = logging.getLogger("jitterbug.server")
_BACKLOG: Final = 4_096
_LEAST_ROOM: Final = 256
"""Connections beside the streams, for whatever is answered at once."""
_GC_THRESHOLDS: Final = (10_000, 20, 20)
"""New objects between looks at the newest, looks at the newest between looks at the newer, and those between all."""
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


def run(settings: Settings, on_ready: OnReady | None = None, read: Read | None = None) -> int:
    """Run a hub until it is told to stop by SIGINT or SIGTERM.

    Args:
        settings: Checked; with ``config.development`` for a hub on loopback, else production rules hold.
        on_ready: Called once both listeners accept connections.
        read: Reads the settings again at SIGHUP; None = the signal ends the process, as it does by default.

    Returns:
        Exit status: 0, or 1 when a listener could not start.

    Raises:
        SettingError: The settings do not fit together.
    """
    check_rules(settings)
    clock = SystemClock()
    tokens, store = _tokens(settings, clock), open_store(settings.engine, clock, settings.config)
    push = Jitterbug(config=settings.config, tokens=tokens, store=store, clock=clock, requires_tls=True)
    add_built_in_emitters(push.hub)
    trail = _trail(settings, clock, push)
    webhook = _webhook(settings, clock, push)
    public, admin = _servers(settings, push, on_ready)
    _collect_seldom()

    async def main() -> None:
        if read is not None:
            Reload(read, settings, push).on_hangup()
        try:
            await serve_together(public, admin)
        finally:
            if webhook is not None:
                await webhook.stop()

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    finally:
        if trail is not None:
            trail.stop()
    return 0 if public.started and admin.started else 1


def _collect_seldom() -> None:
    """Let the garbage collector look at what is new, and seldom at all streams that are open.

    By default it walks them again and again while thousands come back at once, which took a third of the hub's time.
    What ends is freed without it: it is there for cycles, and a closed stream leaves none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _tokens(settings: Settings, clock: SystemClock) -> TokenExchange | None:
    if settings.jwt_key is None or settings.jwt_audience is None:
        return None
    return TokenExchange(
        settings.jwt_key,
        algorithm=settings.jwt_algorithm,
        audience=settings.jwt_audience,
        clock=clock,
        leeway_s=settings.config.skew_ms / 1_000,
    )


def _trail(settings: Settings, clock: SystemClock, push: Jitterbug) -> AuditTrail | None:
    if settings.audit_file is None:
        return None
    trail = AuditTrail(settings.audit_file, clock=clock, node=platform.node() or "node")
    trail.start()
    push.record(trail)
    return trail


def _webhook(settings: Settings, clock: SystemClock, push: Jitterbug) -> Webhook | None:
    if settings.alert_webhook_url is None or settings.alert_webhook_secret is None:
        return None
    webhook = Webhook(settings.alert_webhook_url, settings.alert_webhook_secret, clock)
    push.on_alert(webhook)
    push.webhook_failures = lambda: webhook.failed
    return webhook


def _servers(settings: Settings, push: Jitterbug, on_ready: OnReady | None) -> tuple[PushServer, PushServer]:
    def tell(_server: PushServer) -> None:
        # Whichever comes second has both.
        if on_ready is not None and public.bound and admin.bound:
            on_ready(Listening(_url(public), _url(admin)))

    public = PushServer(
        _config(settings.bind, _public_app(settings, push), settings),
        on_ready=tell,
        on_stop=push.stop,
    )
    operator = Operator(push, loopback_only=is_loopback(settings.admin_bind[0]))
    admin = PushServer(_config(settings.admin_bind, operator), on_ready=tell, takes_signals=False)
    return public, admin


def _public_app(settings: Settings, push: Jitterbug) -> ASGIApp:
    if settings.config.development:
        return Console(BASE_PATH, push.asgi, push.own_sessions)
    app: ASGIApp = Standalone(BASE_PATH, push.asgi, settings.security_policy)
    if settings.config.trusted_proxies:
        # Believes the headers of these peers alone; the rightmost hop that is not one of them is the client.
        app = ProxyHeadersMiddleware(app, trusted_hosts=list(settings.config.trusted_proxies))  # type: ignore[arg-type,assignment]
    return app


def _config(bind: tuple[str, int], app: object, settings: Settings | None = None) -> uvicorn.Config:
    host, port = bind
    production = settings is not None and not settings.config.development
    tls: dict[str, Any] = {}
    if settings is not None and settings.tls_cert is not None and settings.tls_key is not None:
        tls = {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key, "ssl_context_factory": tls_context}
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        http=bounded(ProductionProtocol if production else PushProtocol, _sockets(settings)),
        ws=(ProductionWebSocket if production else PushWebSocket) if settings is not None else "none",
        ws_max_size=settings.config.max_frame_bytes if settings is not None else 0,
        ws_ping_interval=None,  # the hub has heartbeats of its own
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=5,
        **tls,
    )


def _sockets(settings: Settings | None) -> int:
    """How many connections a listener holds: its streams, and a tenth of that for what is answered at once."""
    streams = settings.config.max_connections if settings is not None else 0
    return streams + max(_LEAST_ROOM, streams // 10)


def _url(server: PushServer) -> str:
    host, port = server.bound[0]
    scheme = "https" if server.config.is_ssl else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
