"""An application on an origin of its own: an empty page, the files of the built client, and a hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from playwright.sync_api import Page
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from jitterbug import Config, Jitterbug
from jitterbug.hub.policy import Rule
from jitterbug.server.sessions import Resolver
from jitterbug.telemetry.events import Fact, FactCode
from tests.server.serving import Running, serve_app

CLIENT = Path(__file__).resolve().parents[2] / "js" / "dist"
BASE = "/api/jitterbug"
ROOM = {"rate_capacity": 10_000, "rate_refill_per_s": 10_000, "max_frames_per_tick": 500, "history_size": 5_000}
_PAGE = "<!doctype html><title>A page</title>"


class Origin:
    """A running application.

    Attributes:
        server: Its server.
        sent: What was published on each channel, in order.
        opened: Connections opened so far.
    """

    def __init__(self, server: Running) -> None:
        self.server = server
        self.url = server.url
        self.sent: dict[str, list[Any]] = {}
        self.opened = 0
        server.push.hub.facts.listen(self._heard)

    def _heard(self, fact: Fact) -> None:
        if fact.code is FactCode.CONNECTION_OPENED:
            self.opened += fact.count

    def publish(self, channel: str, *data: Any) -> None:
        """Publish in order, from inside the hub."""
        self.server.publish(channel, *data)
        self.sent.setdefault(channel, []).extend(data)

    @property
    def streams(self) -> int:
        """Connections open now."""
        return self.server.connections()

    @property
    def channels(self) -> set[str]:
        """Channels that anybody reads."""
        return set(self.server.do(lambda: list(self.server.push.hub.channels)))

    def revoke_all(self) -> None:
        """End every session."""
        hub = self.server.push.hub
        self.server.do(lambda: [hub.revoke(one) for one in {each.session.id for each in hub.connections()}])


@contextmanager
def origin(
    *routes: BaseRoute, authorize: Rule | None = None, session: Resolver | None = None, **config: Any
) -> Iterator[Origin]:
    """Serve it on a free port of the loopback.

    Args:
        routes: Further ones of the application.
        session: From a request to its login; None = the hub's own, anonymous.
        authorize: Its rule; None = everybody may do anything.
        config: Fields of ``Config``, beside room for all the tests publish.
    """
    settings = Config.profile("realtime", development=True, drain_s=0, **(ROOM | config))
    push = Jitterbug(config=settings, authorize=authorize, session=session)
    app = FastAPI(lifespan=push.lifespan)
    push.install(app)
    app.router.routes.extend(routes)
    app.mount("/client", StaticFiles(directory=CLIENT))
    app.add_api_route("/{name}", lambda: HTMLResponse(_PAGE))
    running = serve_app(push, app)
    try:
        yield Origin(running)
    finally:
        running.stop()


def wait_for_count(page: Page, count: int) -> None:
    """Wait until a page has been given that many, and then for what would come twice."""
    page.wait_for_function("count => window.got.length >= count", arg=count, timeout=40_000)
    page.wait_for_timeout(200)
