"""The hub in an application's hands (ARCHITECTURE, Public names).

::

    push = Jitterbug(session=resolve, authorize=rule)
    app = FastAPI(lifespan=push.lifespan)
    push.install(app)
    …
    await push.publish("orders/42", {"status": "shipped"})
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.types import Receive, Scope, Send

from jitterbug.clock import Clock, SystemClock
from jitterbug.config import Config
from jitterbug.errors import SettingError
from jitterbug.hub.channels import ALERTS, PERFORMANCE
from jitterbug.hub.emitters import Source
from jitterbug.hub.hub import Hub
from jitterbug.hub.policy import Rule, allow_all, deny_all
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Upstream
from jitterbug.protocol import base64
from jitterbug.protocol.keys import RootKey, RootKeys
from jitterbug.protocol.position import Position
from jitterbug.server import grants
from jitterbug.server.drain import drain, server_told_to_stop
from jitterbug.server.limits import EndpointLimits
from jitterbug.server.publishers import Publishers
from jitterbug.server.routes import Routes
from jitterbug.server.sessions import OwnSessions, Resolver
from jitterbug.server.tokens import TokenExchange
from jitterbug.stores.base import Store
from jitterbug.stores.open_store import open_store
from jitterbug.telemetry.alerts import Alert, Alerts
from jitterbug.telemetry.audit.trail import AuditTrail
from jitterbug.telemetry.events import Fact, FactCode, Facts
from jitterbug.telemetry.folded_log import FoldedLog

if TYPE_CHECKING:
    from starlette.applications import Starlette

ALERT_LOOK_S: Final = 5.0
PERFORMANCE_EVERY_S: Final = 60.0
BASE_PATH: Final = "/api/jitterbug"
_LOG = logging.getLogger("jitterbug.server")
_RANDOM_KID_BYTES: Final = 12
F = TypeVar("F", bound=Callable[..., Any])


def root_keys(config: Config) -> RootKeys:
    """Root keys from the configuration, or a random one for the life of the process."""
    if config.hmac_secret is None or config.hmac_key_id is None:
        return RootKeys(RootKey(base64.encode_url(os.urandom(_RANDOM_KID_BYTES)), os.urandom(32)))
    previous = [RootKey(kid, secret.reveal()) for kid, secret in config.hmac_previous_keys.items()]
    return RootKeys(RootKey(config.hmac_key_id, config.hmac_secret.reveal()), previous)


class Jitterbug:
    """A hub to mount in an ASGI application.

    Attributes:
        hub: The node itself: connections, channels, facts.
        config: Its settings.
        allowed_origins: Those of the settings, until :meth:`adopt` brings others.
        started_at_ms: When it was built, Unix milliseconds.
        trail: What facts are recorded in; None = nothing.
        webhook_failures: Alerts that a webhook did not get so far; 0 where there is none.
    """

    def __init__(
        self,
        *,
        session: Resolver | None = None,
        authorize: Rule | None = None,
        config: Config | None = None,
        store: Store | None = None,
        tokens: TokenExchange | None = None,
        clock: Clock | None = None,
        requires_tls: bool = False,
    ) -> None:
        """Build it; it starts with the application's lifespan, or at the first request.

        Args:
            session: From a request to its login, plain or async; None for nobody. Required outside development.
            authorize: ``(session, "subscribe" | "publish", channel) -> bool``, plain or async. Without one nobody may
                do anything but what ``config.subscribe`` and ``.publish`` give to all; in development, where neither
                is set, everybody may.
            config: Settings; None = the defaults, the security model's numbers.
            store: What nodes share; None = memory of this process.
            tokens: Turns tokens into logins that the hub keeps itself, instead of ``session``; None = no tokens.
            clock: Time; None = the system's.
            requires_tls: True = HTTPS without exception, as ``jitterbug serve`` has it; False lets an application
                be tried out over plain HTTP on the machine it runs on. Ignored in development.

        Raises:
            SettingError: No session source outside development.
        """
        self.config = config or Config()
        self.clock: Clock = clock or SystemClock()
        if session is None and tokens is None and not self.config.development:
            raise SettingError(
                "session",
                "no function was given that says who is asking",
                remedy="Pass session=…, or config=Config(development=True) for a hub on loopback only.",
            )
        self.tokens = tokens
        self.trail: AuditTrail | None = None
        self.webhook_failures: Callable[[], int] = int
        self.requires_tls = requires_tls
        self.allowed_origins = self.config.allowed_origins
        self.own_sessions = self._own_sessions() if session is None else None
        self.resolver: Resolver = session or self.own_sessions  # type: ignore[assignment]
        rule = authorize or self._default_rule()
        store = store or open_store("memory://", self.clock, self.config)
        facts = Facts(FoldedLog(self.clock))
        self._alert_listeners: list[Callable[[Alert], None]] = []
        self._telling: set[asyncio.Task[Any]] = set()
        self.hub = Hub(self.config, clock=self.clock, store=store, roots=root_keys(self.config), rule=rule, facts=facts)
        alerts = Alerts(self.clock, self.hub.limited_connections, self._alert)
        facts.listen(alerts)
        self.hub.emitters.add("alerts", alerts.look, every_s=ALERT_LOOK_S, channel=ALERTS)
        # Told to the listeners alone: nothing is published on its channel.
        self.hub.emitters.add(
            "performance", self.hub.tell_performance, every_s=PERFORMANCE_EVERY_S, channel=PERFORMANCE
        )
        self.publishers = Publishers(self.hub, self.config.publisher_keys)
        self.upstream = Upstream(self.hub)
        self.limits = EndpointLimits(self.config, store)
        self._routes = Routes(self)
        self._starting = asyncio.Lock()
        self._is_started = False
        self.started_at_ms = self.clock.now_ms()

    def _own_sessions(self) -> OwnSessions:
        secure = not self.config.development
        return OwnSessions(self.clock, secure=secure, per_address=self.config.max_sessions_per_address)

    def _default_rule(self) -> Rule:
        configured = self.config.subscribe or self.config.publish
        if self.config.development and self.tokens is None and not configured:
            return allow_all
        return grants.rule if self.tokens is not None else deny_all

    # Life.

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncIterator[None]:
        """Lifespan for a Starlette or FastAPI application: starts the hub, and drains it at the end."""
        self.hub.is_draining = False  # it may have been stopped before, as test suites and reloading servers do
        await self.ensure_started()
        leaving = asyncio.create_task(self._leave_with_the_server(), name="jitterbug-leave")
        try:
            yield
        finally:
            leaving.cancel()
            await self.stop()

    async def _leave_with_the_server(self) -> None:
        await server_told_to_stop()
        await self.drain()

    async def ensure_started(self) -> None:
        """Start, if nobody has: a mounted application gets no lifespan of its own. One that is leaving stays down."""
        if self._is_started or self.hub.is_draining:
            return
        async with self._starting:
            if not self._is_started:
                await self.hub.start()
                self._is_started = True

    async def drain(self, over_s: float | None = None) -> None:
        """Say ``bye`` to every stream, spread over the drain time, and wait until they are gone.

        Args:
            over_s: Seconds; None = ``drain_s`` of the settings.
        """
        await drain(self.hub, self.config.drain_s if over_s is None else over_s)

    async def stop(self) -> None:
        """Drain and stop. Safe to call twice."""
        if self._is_started:
            await self.drain()
            await self.hub.stop()
            self._is_started = False

    # Watching.

    def record(self, trail: AuditTrail) -> None:
        """Write every fact to an audit trail; while that fails, keys, frames and publications are refused (R12)."""
        self.hub.facts.listen(trail)
        self.hub.require(lambda: trail.is_healthy)
        self.trail = trail

    def on_alert(self, listener: Callable[[Alert], None]) -> None:
        """Have each alert told to a function as well. It must not wait."""
        self._alert_listeners.append(listener)

    def _alert(self, alert: Alert) -> None:
        _LOG.warning("ALERT %s: %s (%s, %d)", alert.rule, alert.text, alert.subject or "hub", alert.count)
        address, session = alert.about
        self.hub.facts.emit(
            Fact(code=FactCode.ALERT, reason=alert.rule, count=alert.count, address=address, session=session)
        )
        for listener in self._alert_listeners:
            try:
                listener(alert)
            except Exception:  # one that fails must not silence the others
                _LOG.exception("An alert listener failed")
        task = asyncio.get_running_loop().create_task(self.hub.publish_own(ALERTS, alert.to_json()))
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: "asyncio.Task[Any]") -> None:
        self._telling.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.warning("An alert could not be published: %r", task.exception())

    # Mounting.

    def install(self, app: "Starlette", path: str = BASE_PATH) -> None:
        """Add the routes to a Starlette or FastAPI application.

        Args:
            app: The application.
            path: Where; the browser client must be given the same.
        """
        from starlette.routing import Mount  # noqa: PLC0415 - only here

        app.router.routes.insert(0, Mount(path, app=self.asgi))

    def asgi(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The routes below ``BASE`` as an ASGI application."""
        return self._routes(scope, receive, send)  # no coroutine of its own: each open stream would hold one

    def has_expired(self, session: Session) -> bool:
        """Whether a login is over, by its time or because it was revoked."""
        if self.hub.is_revoked(session):
            return True
        return session.expires_at is not None and self.clock.now_ms() >= session.expires_at * 1_000

    # Change.

    def adopt(self, config: Config) -> None:
        """Take over keys and allowed origins from other settings, with every stream left open.

        To rotate a root key, give the new one with the old one among the previous keys. What signed with a key that is
        no longer there ends at once: its streams come back under a new key. Anything else in ``config`` is not looked
        at. Without a root key the one in use stays.
        """
        if config.hmac_secret is not None:
            self.hub.replace_roots(root_keys(config))
        self.publishers = Publishers(self.hub, config.publisher_keys)
        self.allowed_origins = config.allowed_origins

    # Use.

    async def publish(self, channel: str, data: Any, *, id: str | None = None) -> Position:  # noqa: A002 - wire name
        """Publish to every reader of a channel; see :meth:`jitterbug.hub.hub.Hub.publish`.

        Args:
            channel: 1 to 128 of ``A-Z a-z 0-9 _ - . /``.
            data: Any JSON value that fits a frame.
            id: Makes a retry idempotent while history lasts.

        Raises:
            PublishError: The name or the data will not do.
            StoreError: The store is away, or, as UnfitError, the audit trail cannot be written: an application's own
                publications are held to the same rule as all others (R12). Try again with the same ``id``.
        """
        return await self.hub.publish(channel, data, publication_id=id)

    def revoke(self, session_id: str) -> None:
        """End every key and stream of a login: call it at logout."""
        self.hub.revoke(session_id)

    async def reauthorize(self, session: Session | str) -> None:
        """Ask the rule again for all that a login reads: call it when its rights change.

        What it may not read any more ends with ``unsubscribed``; the rest goes on without a break. A session given here
        counts, on this node, for what is opened within the life of a key, whatever a request that was under way had
        resolved: call this at every change, also where rights are added.

        Args:
            session: What the login has become, under the same id; or its id alone, where the rule looks rights up.
        """
        if isinstance(session, Session):
            if self.own_sessions is not None:
                self.own_sessions.change(session)
            await self.hub.reauthorize(session.id, session)
        else:
            await self.hub.reauthorize(session)

    def presence(self, channel: str) -> list[str]:
        """Subjects that read a channel on this node, in alphabetical order; none where presence is off.

        Args:
            channel: One that ``presence`` of the settings covers.
        """
        return self.hub.presence.members(channel)

    def emitter(self, emitter_id: str, *, every_s: float, channel: str | None = None) -> Callable[[F], F]:
        """Register the decorated function as a source inside the hub.

        Args:
            emitter_id: Unique name.
            every_s: 0.1 to 60 seconds between calls.
            channel: Where its result is published; None = ``$sys/`` and the id.

        Raises:
            SettingError: The id is taken or an argument out of range.
        """

        def register(source: F) -> F:
            checked: Source = source
            self.hub.emitters.add(emitter_id, checked, every_s=every_s, channel=channel or f"$sys/{emitter_id}")
            return source

        return register
