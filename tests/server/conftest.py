"""Servers and visitors."""

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jitterbug import Config, Jitterbug
from tests.server import serving
from tests.server.production import GENEROUS, Authority, ProductionHub, good_settings
from tests.server.serving import KINDS, Kind, Running
from tests.server.visitor import Visitor

_serial = itertools.count(1)
Start = Callable[..., Running]


def development(**changes: Any) -> Config:
    """A development hub that lets go at once when it is stopped."""
    return Config.profile(changes.pop("profile", "strict"), **{"development": True, "drain_s": 0, **changes})


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every way of being served, one after the other."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="module")
def server(kind: Kind) -> Iterator[Running]:
    """A development hub with the default limits, one for all tests of a module. Each brings a login of its own."""
    running = serving.start(kind, Jitterbug(config=development()))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs certificates in this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def production(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionHub]:
    """``jitterbug serve`` with TLS, for all tests that leave it as it is."""
    environ = {**good_settings(), **authority.settings(), **GENEROUS}
    with ProductionHub(tmp_path_factory.mktemp("production"), environ, authority.client_context()) as running:
        yield running


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    """The same, served by our own protocol class only."""
    running = serving.start("transport", Jitterbug(config=development()))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def leaving() -> Iterator[list[Running]]:
    """Servers that were asked to stop, which takes uvicorn a third of a second: waited for together."""
    running: list[Running] = []
    yield running
    for item in running:
        item.stop()


@pytest.fixture
def start(leaving: list[Running]) -> Iterator[Start]:
    """Starts a hub for one test: ``start(kind, config_field=…, session=…, authorize=…, store=…, clock=…)``."""
    running: list[Running] = []

    def begin(kind: Kind = "transport", config: Config | None = None, **options: Any) -> Running:
        own = {name: options.pop(name) for name in list(options) if name in {"session", "authorize", "store", "clock"}}
        push = Jitterbug(config=config or development(**options), **own)
        running.append(serving.start(kind, push))
        return running[-1]

    yield begin
    for item in running:
        item.ask_to_stop()
    leaving += running


@pytest.fixture
def visit() -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, logged in and with a key, and sees them off."""
    visitors: list[Visitor] = []

    def come(server: Running, **options: Any) -> Visitor:
        visitor = Visitor(server, **options)
        visitors.append(visitor)
        if visitor.cookie == "":
            visitor.log_in()
        visitor.fetch_key()
        return visitor

    yield come
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def stranger(hub: Running) -> Iterator[Visitor]:
    """Somebody without a login."""
    with Visitor(hub) as visitor:
        yield visitor


@pytest.fixture
def visitor(hub: Running, visit: Callable[..., Visitor]) -> Visitor:
    """Somebody with a login and a key."""
    return visit(hub)


@pytest.fixture
def channel() -> str:
    """A name nobody else uses."""
    return f"channel/{next(_serial)}"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, at every level."""
    caplog.set_level(logging.DEBUG)
    return caplog
