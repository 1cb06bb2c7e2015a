"""Alerts to an address of the operator's: signed as Standard Webhooks have it, retried, off the hub's way (R79-R82)."""

import asyncio
import json
import logging
import os
import random
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jitterbug.clock import Clock
from jitterbug.config import Secret
from jitterbug.errors import SettingError
from jitterbug.protocol import base64
from jitterbug.protocol.signing import MacKey
from jitterbug.settings.weak import weakness
from jitterbug.telemetry.alerts import Alert

if TYPE_CHECKING:
    import httpx2

_LOG = logging.getLogger("jitterbug.alerts")
_SETTING: Final = "JITTERBUG_ALERT_WEBHOOK_SECRET"
_REMEDY: Final = "Make one with: echo whsec_$(openssl rand -base64 32)"
_PREFIX: Final = "whsec_"
_LEAST_SECRET_BYTES: Final = 24
_QUEUE_ALERTS: Final = 100
_TIMEOUT_S: Final = 10.0
RETRY_AFTER_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0)


def webhook_key(secret: Secret) -> MacKey:
    """Read a secret in the form ``whsec_`` and base64 of 24 to 64 bytes. Raises SettingError."""
    try:
        data = base64.decode(secret.reveal().decode().removeprefix(_PREFIX))
        key = MacKey(data, least_bytes=_LEAST_SECRET_BYTES)
    except ValueError:
        malformed = "is not whsec_ and the base64 of 24 bytes or more"
        raise SettingError(_SETTING, malformed, remedy=_REMEDY) from None
    problem = weakness(data, _LEAST_SECRET_BYTES)
    if problem is not None:
        raise SettingError(_SETTING, problem, remedy=_REMEDY)
    return key


def sign(key: MacKey, webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Headers of a signed delivery. The same id on a retry lets the receiver drop the second copy."""
    tag = key.mac(b"%b.%d.%b" % (webhook_id.encode(), timestamp_s, body))
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{base64.encode(tag).decode()}",
    }


class Webhook:
    """Delivers alerts in the order they come, one at a time.

    Attributes:
        failed: Alerts given up after every retry, or dropped because a hundred were waiting.
    """

    def __init__(
        self, url: str, secret: Secret, clock: Clock, *, retry_after_s: Sequence[float] = RETRY_AFTER_S
    ) -> None:
        """Prepare; nothing is sent before the first alert.

        Args:
            url: Where to POST.
            secret: Shared with the receiver.
            clock: Time of the signatures.
            retry_after_s: Seconds before each further try, give or take a fifth; empty = no second try.

        Raises:
            SettingError: The secret will not do.
        """
        self._url = url
        self._key = webhook_key(secret)
        self._clock = clock
        self._retry_after_s = tuple(retry_after_s)
        self._waiting: deque[Alert] = deque()
        self._task: asyncio.Task[None] | None = None
        self.failed = 0

    def __call__(self, alert: Alert) -> None:
        """Queue an alert. Never waits."""
        if len(self._waiting) >= _QUEUE_ALERTS:
            self.failed += 1
            return
        self._waiting.append(alert)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver_waiting(), name="jitterbug-webhook")

    async def stop(self) -> None:
        """Give up what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting:
            _LOG.warning("Alert webhook: %d alerts were not delivered before the end", len(self._waiting))
            self.failed += len(self._waiting)
            self._waiting.clear()

    async def _deliver_waiting(self) -> None:
        # The library and its list of authorities take a good part of a second to read: the loop does not wait for it.
        async with await asyncio.to_thread(_client) as client:
            while self._waiting:
                # Stays in the queue until its end, so that none is forgotten when the hub stops.
                if not await self._deliver(client, self._waiting[0]):
                    self.failed += 1
                self._waiting.popleft()

    async def _deliver(self, client: "httpx2.AsyncClient", alert: Alert) -> bool:
        webhook_id = f"msg_{os.urandom(12).hex()}"
        body = json.dumps({"type": f"jitterbug.alert.{alert.rule}", "data": alert.to_json()}, sort_keys=True).encode()
        for delay_s in (*self._retry_after_s, None):
            headers = sign(self._key, webhook_id, self._clock.now_ms() // 1_000, body)
            try:
                # The whole exchange: a receiver that drips must not hold up what waits. Its answer's body is not read.
                async with (
                    asyncio.timeout(_TIMEOUT_S),
                    client.stream("POST", self._url, content=body, headers=headers) as response,
                ):
                    if response.is_success:
                        return True
                    problem = f"status {response.status_code}"
            except Exception as error:
                problem = type(error).__name__
            _LOG.warning("Alert webhook: %s%s", problem, "; given up" if delay_s is None else "")
            if delay_s is not None:
                await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))  # noqa: S311
        return False


def _client() -> "httpx2.AsyncClient":
    import httpx2  # noqa: PLC0415 - only where a webhook is set

    return httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
