"""Answers to frames sent up a WebSocket: ``ack`` and ``err`` (PROTOCOL §4), one to each, in the order sent (§5)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from jitterbug.client import refusals
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.refusals import HubError, NetworkError
from jitterbug.protocol.codes import ErrorCode

ANSWER_WITHIN_S: Final = 10.0
MAX_UNANSWERED: Final = 100
"""More is a hub that has stopped reading."""
# The hub doubles its back-off from 1 s to 30 s while a peer goes on, and starts over when it has behaved.
_LONGEST_LIMITED_S: Final = 30
_FORGIVEN_MS: Final = 60_000
_ERRORS: Final[Mapping[str, type[HubError]]] = {
    ErrorCode.UNAUTHORIZED: refusals.UnauthorizedError,
    ErrorCode.RATE_LIMITED: refusals.RateLimitedError,
    ErrorCode.INTERNAL: refusals.UnavailableError,
}
"""What the HTTP answer to the same outcome says (§7). Any other word is an invalid request."""

Answer = asyncio.Future[dict[str, Any]]


class Answers:
    """Matches answers with frames, for one WebSocket."""

    __slots__ = ("_clock", "_limited", "_limited_at_ms", "_unanswered")

    def __init__(self, clock: HubClock) -> None:
        self._clock = clock
        self._unanswered: list[tuple[str | None, Answer]] = []
        self._limited = 0
        self._limited_at_ms = 0.0

    def expect(self, frame_id: str | None) -> Answer:
        """A frame with this id is sent now: its answer to be. Without an id nobody waits, but the hub answers as well.

        Raises:
            NetworkError: Too many frames have no answer.
        """
        if len(self._unanswered) >= MAX_UNANSWERED:
            raise NetworkError("The hub does not answer.", sent=False)
        answer: Answer = asyncio.get_running_loop().create_future()
        if frame_id is None:
            answer.set_result({})
        # One that was given up stays in line: answers without an id are told apart by their turn alone.
        self._unanswered.append((frame_id, answer))
        return answer

    def take(self, payload: Mapping[str, Any], *, refused: bool) -> None:
        """Give an answer to whom it is for; one without an id is for the frame that waits longest."""
        frame_id = payload.get("id")
        unanswered = enumerate(self._unanswered)
        at = next((turn for turn, (asked_id, _) in unanswered if frame_id is None or asked_id == frame_id), None)
        if at is None:
            return
        _, answer = self._unanswered.pop(at)
        error = self._error(payload.get("code")) if refused else None  # counted even where nobody waits
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result({name: payload[name] for name in ("id", "pos") if name in payload})

    def end(self) -> None:
        """Nothing will be answered any more."""
        for _, answer in self._unanswered:
            if not answer.done():
                answer.set_exception(NetworkError(sent=True))
        self._unanswered.clear()

    def _error(self, code: object) -> HubError:
        kind = _ERRORS.get(str(code), refusals.InvalidRequestError)
        return kind(retry_after_s=self._limited_for_s() if kind is refusals.RateLimitedError else 0)

    def _limited_for_s(self) -> int:
        """An ``err`` names no wait: count along with the hub, because asking too early makes the wait longer."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._limited_at_ms > _FORGIVEN_MS:
            self._limited = 0
        self._limited_at_ms = now_ms
        wait_s = min(_LONGEST_LIMITED_S, 1 << self._limited)
        self._limited = min(self._limited + 1, 5)
        return wait_s
