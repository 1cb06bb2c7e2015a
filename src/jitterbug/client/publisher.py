"""Publishing from a back end with a root or publisher key (PROTOCOL §6)."""

import asyncio
import random as _random
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from jitterbug.client.backoff import Backoff
from jitterbug.client.notices import Paced
from jitterbug.client.refusals import InternalError, NetworkError, RateLimitedError, UnavailableError, UnreadableError
from jitterbug.client.transport import Transport
from jitterbug.client.upstream import new_id
from jitterbug.clock import Clock, SystemClock
from jitterbug.protocol.codes import PUBLISH
from jitterbug.protocol.position import Position
from jitterbug.protocol.signing import FrameSigner

if TYPE_CHECKING:
    import httpx2

_PASSING: Final = (NetworkError, RateLimitedError, UnavailableError, InternalError)


class Publisher:
    """Signs each publication with a configured key and posts it; tries again under the same ``id``, signed anew."""

    def __init__(
        self,
        url: str,
        kid: str,
        secret: bytes,
        *,
        give_up_after_s: float = 30.0,
        on_paced: Callable[[Paced], object] | None = None,
        tls: ssl.SSLContext | None = None,
        http: "httpx2.AsyncClient | None" = None,
        clock: Clock | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        """Prepare, without connecting.

        Args:
            url: The hub, as for :func:`~jitterbug.client.connect`.
            kid: ``HMAC_KEY_ID``, or a publisher key's name.
            secret: Its secret, at least 32 bytes.
            give_up_after_s: How long a publication is tried while the hub fails; waiting for the rate limit does not
                count. 0 = one try.
            on_paced: Told when a publication waits for the rate limit.
            tls: Certificates to trust; None = the system's.
            http: As for :func:`~jitterbug.client.connect`.
            clock: Signs with its time, which must agree with the hub's; None = the system's.
            random: Numbers in [0, 1) for jitter.

        Raises:
            ValueError: Not a URL, a malformed kid, or a secret under 32 bytes.
            InsecureError: Plain HTTP to another machine.
        """
        self._signer = FrameSigner(kid, secret)
        self._transport = Transport(url, tls=tls, http=http)
        self._clock = clock or SystemClock()
        self._give_up_after_ns = int(give_up_after_s * 1_000_000_000)
        self._on_paced = on_paced
        self._random = random

    async def publish(self, channel: str, data: Any, *, publication_id: str | None = None) -> Position:
        """Publish JSON data.

        Args:
            channel: Its name.
            data: Any JSON value.
            publication_id: Makes a repetition count once while history lasts; None = a fresh one.

        Returns:
            Its place in the channel.

        Raises:
            CanonicalError: The data is not JSON.
            HubError: Refused.
            NetworkError: No answer within ``give_up_after_s``.
        """
        payload = {"t": PUBLISH, "id": publication_id or new_id(), "ch": channel, "data": data}
        backoff = Backoff(self._random)
        until_ns = self._clock.monotonic_ns() + self._give_up_after_ns
        while True:
            frame = self._signer.sign(payload, self._clock.now_ms())
            try:
                answer = await self._transport.post_frame(frame, "/publish")
            except _PASSING as error:
                asked_s = 0 if isinstance(error, NetworkError) else error.retry_after_s
                wait_s = backoff.at_least_ms(asked_s * 1_000) / 1_000
                if isinstance(error, RateLimitedError):
                    until_ns += int(wait_s * 1_000_000_000)
                    if self._on_paced is not None:
                        self._on_paced(Paced(wait_s))
                if self._clock.monotonic_ns() + wait_s * 1_000_000_000 > until_ns:
                    raise
                await asyncio.sleep(wait_s)
                continue
            position = Position.from_json(answer.get("pos"))
            if position is None:
                raise UnreadableError
            return position

    async def aclose(self) -> None:
        """Close its connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
