"""Real hubs, in processes of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from jitterbug.client.wire import TransportName
from tests.client.hub_process import HubProcess

StartHub = Callable[..., HubProcess]


@pytest.fixture(scope="session")
def hub_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A development hub for high rates and with a quick heartbeat, for all tests that leave it as it is."""
    with HubProcess(tmp_path_factory.mktemp("hub"), profile="realtime", keys_per_minute=10_000, heartbeat_s=0.5) as hub:
        yield hub.url


@pytest.fixture(params=["sse", "websocket"])
def transport(request: pytest.FixtureRequest) -> TransportName:
    """What carries the frames: whatever holds of a stream holds over either."""
    name: TransportName = request.param
    return name


@pytest.fixture
def start_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHub]:
    """Starts a hub for one test: ``start_hub(key_ttl_s=2)``. Ended after it."""
    with ExitStack() as hubs:

        def start(**options: Any) -> HubProcess:
            return hubs.enter_context(HubProcess(tmp_path_factory.mktemp("hub"), **options))

        yield start
