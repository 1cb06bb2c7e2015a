"""What the bench has to know of a server."""

import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from bench.load import Subscriber
from bench.processes import ServerProcess
from bench.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a certificate that stands for 127.0.0.1."""

    cert: Path
    key: Path
    ca: Path


class Peer(ABC):
    """A server, started with the object and ended with the ``with`` block.

    Attributes:
        name: On the command line and in tables.
        settings: Said in the report, so that nobody has to guess how it ran.
        has_tls: Ends TLS itself.
        has_sse, has_websocket: Transports that are measured.
        takes_bursts: Sends all of 50 publications that come at once.
    """

    name: ClassVar[str]
    settings: ClassVar[str]
    has_tls: ClassVar[bool] = False
    has_websocket: ClassVar[bool] = False
    has_sse: ClassVar[bool] = True
    takes_bursts: ClassVar[bool] = True

    def __init__(self, folder: Path, tls: Tls | None = None, **options: object) -> None:
        """Start it. Args: folder: a fresh one. tls: None = plain."""
        self.folder = folder
        self.tls = tls
        self.options = options
        self.port = free_port()
        self.process = self.start()

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Version of what is measured. Raises :class:`UnavailableError` with the reason when it cannot run here."""

    @abstractmethod
    def start(self) -> ServerProcess:
        """Start it listening on :attr:`port`, and return once it does."""

    @abstractmethod
    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """What one says to be sent publications."""

    @abstractmethod
    def publication(self, data: str) -> bytes:
        """The request that publishes data."""

    def recovering(self, answers: list[bytes]) -> Subscriber:
        """What one says that comes back and has missed all but the first of what was published.

        Args:
            answers: To the requests of :meth:`publication`.
        """
        raise NotImplementedError

    def publisher(self) -> Publisher:
        """A connection to publish over."""
        return Publisher(self.port, self.tls.ca if self.tls is not None else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


class UnavailableError(Exception):
    """The peer cannot run here. The text says why and how it could."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
