"""The four thresholds of the security model, judged on the facts as they happen (R79-R82).

A stranger cannot steer them: only a frame whose signature held counts as a replay, and a key request without a session
is an authentication failure, not a failing key service. Each rule speaks at most once a minute for one subject.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.addresses import counted_as
from jitterbug.clock import Clock
from jitterbug.telemetry.events import Fact, FactCode

AUTH_FAILURES_PER_MINUTE: Final = 10
LIMITED_SHARE: Final = 0.5
LIMITED_SAMPLE: Final = 5
"""Open connections before their share means anything."""
KEY_FAILURE_SHARE: Final = 0.05
KEY_FAILURE_SAMPLE: Final = 20
"""Key requests in the minute before their share means anything."""
_MINUTE_NS: Final = 60_000_000_000
_MAX_ADDRESSES: Final = 10_000
_MAX_KEY_REQUESTS: Final = 10_000
_LOOK_NS: Final = 100_000_000
"""A flood of limited requests makes the hub count its connections ten times a second, not at each of them."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something an operator should look at.

    Attributes:
        rule: ``auth_failures``, ``rate_limits``, ``replay`` or ``key_failures``.
        text: One sentence: what was seen, and what to do.
        at_ms: When, Unix milliseconds.
        subject: What it is about: an address (of IPv6 its /64), a session's hash; None = the hub.
        count: How many were seen.
    """

    rule: str
    text: str
    at_ms: int
    subject: str | None
    count: int

    @property
    def about(self) -> tuple[str | None, str | None]:
        """The subject as (address, session's hash), the way facts name them."""
        return (None, self.subject) if self.rule == "replay" else (self.subject, None)

    def to_json(self) -> dict[str, Any]:
        """As it goes over the wire."""
        members = {"rule": self.rule, "text": self.text, "at": self.at_ms, "subject": self.subject, "count": self.count}
        return {name: value for name, value in members.items() if value is not None}


class Alerts:
    """A listener of facts that raises alerts."""

    def __init__(
        self, clock: Clock, limited: Callable[[int], tuple[int, int]], raised: Callable[[Alert], None]
    ) -> None:
        """Start with nothing seen.

        Args:
            clock: Time.
            limited: Given a span in nanoseconds, how many open connections met a limit within it, and how many there
                are.
            raised: Gets each alert.
        """
        self._clock = clock
        self._limited = limited
        self._raised = raised
        self._auth_failures: OrderedDict[str, deque[int]] = OrderedDict()
        self._key_requests: deque[tuple[int, bool]] = deque()
        self._failed_requests = 0
        self._next_look_ns = 0
        self._quiet_until_ns: dict[tuple[str, str | None], int] = {}

    def __call__(self, fact: Fact) -> None:
        """Judge a fact."""
        match fact.code:
            case FactCode.AUTH_FAILED:
                self._auth_failed(counted_as(fact.address) if fact.address else "unknown")
            case FactCode.KEY_ISSUED | FactCode.KEY_REFUSED:
                self._key_requested(failed=fact.code is FactCode.KEY_REFUSED)
            case FactCode.FRAME_REFUSED | FactCode.CLIENT_REPORT if fact.reason == "replay":
                self._raise(
                    "replay",
                    "A frame with a right signature was seen a second time. Somebody repeats captured traffic, or a "
                    "client sends a frame twice: look at the session in the audit trail.",
                    fact.session,
                    fact.count,
                )
            case FactCode.RATE_LIMITED if self._clock.monotonic_ns() >= self._next_look_ns:
                self.look()
            case _:
                pass

    def look(self) -> None:
        """Judge what is a state rather than a fact: how many connections meet limits. Call now and then."""
        self._next_look_ns = self._clock.monotonic_ns() + _LOOK_NS
        limited, connections = self._limited(_MINUTE_NS)
        if connections >= LIMITED_SAMPLE and limited / connections > LIMITED_SHARE:
            self._raise(
                "rate_limits",
                "More than half of the connections met a rate limit within a minute. Either the limits are too low for "
                "what is published, or somebody floods the hub.",
                None,
                limited,
            )

    def _auth_failed(self, address: str) -> None:
        now_ns = self._clock.monotonic_ns()
        failures = self._auth_failures.get(address)
        if failures is None:
            # No more than one over the threshold is ever needed.
            failures = self._auth_failures[address] = deque(maxlen=AUTH_FAILURES_PER_MINUTE + 1)
            if len(self._auth_failures) > _MAX_ADDRESSES:
                self._auth_failures.popitem(last=False)
        self._auth_failures.move_to_end(address)
        failures.append(now_ns)
        if len(failures) > AUTH_FAILURES_PER_MINUTE and failures[0] > now_ns - _MINUTE_NS:
            self._raise(
                "auth_failures",
                "More than 10 requests without a valid session within a minute from one address. Block it, or look "
                "whether a client has lost its login.",
                address,
                len(failures),
            )

    def _key_requested(self, *, failed: bool) -> None:
        now_ns = self._clock.monotonic_ns()
        requests = self._key_requests
        requests.append((now_ns, failed))
        self._failed_requests += failed
        while len(requests) > _MAX_KEY_REQUESTS or requests[0][0] <= now_ns - _MINUTE_NS:
            self._failed_requests -= requests.popleft()[1]
        failures = self._failed_requests
        if len(requests) >= KEY_FAILURE_SAMPLE and failures / len(requests) > KEY_FAILURE_SHARE:
            self._raise(
                "key_failures",
                "More than 5 % of the key requests within a minute failed: sessions are about to lose their streams. "
                "Look at the store, the audit disk and the key limits.",
                None,
                failures,
            )

    def _raise(self, rule: str, text: str, subject: str | None, count: int) -> None:
        now_ns = self._clock.monotonic_ns()
        quiet = self._quiet_until_ns
        # All are quiet for the same time, so those that are over stand first.
        while quiet and (first := next(iter(quiet.items())))[1] <= now_ns:
            del quiet[first[0]]
        if (rule, subject) in quiet or len(quiet) >= _MAX_ADDRESSES:
            return  # told already; or ten thousand alerts within a minute, and the next ones say nothing new
        quiet[rule, subject] = now_ns + _MINUTE_NS
        self._raised(Alert(rule, text, self._clock.now_ms(), subject, count))
