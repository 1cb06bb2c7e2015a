"""Facts as numbers for Prometheus (R78). Labels come from closed sets: no peer can make a new series."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jitterbug.telemetry.events import Fact, FactCode

Reading = Callable[[], float]


class Metrics:
    """A registry of its own, fed by facts and by readings taken when it is scraped.

    Attributes:
        registry: For the exposition.
    """

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        counter = self._counter
        self._auth = counter("auth_failures", "Requests without a valid session")
        self._limited = counter("rate_limit_hits", "Requests and frames over a limit")
        self._replays = counter("replays_detected", "Frames with a right signature seen before", ("seen_by",))
        self._key_failures = counter("key_fetch_failures", "Key requests of a valid session that were not answered")
        self._keys = counter("keys_issued", "Ephemeral keys handed out")
        self._refused = counter("hmac_verification_failures", "Frames refused", ("reason", "seen_by"))
        self._verified = counter("frames_verified", "Frames from clients and back ends that verified")
        self._opened = counter("connections_opened", "Streams opened")
        self._closed = counter("connections_closed", "Streams closed", ("reason",))
        self._errors = counter("internal_errors", "Failures inside the hub")
        self._emitters = counter("emitter_failures", "Emitters that raised")
        self._alerts = counter("alerts", "Alerts raised", ("rule",))

    def __call__(self, fact: Fact) -> None:
        """Count a fact."""
        match fact.code:
            case FactCode.AUTH_FAILED:
                self._auth.inc(fact.count)
            case FactCode.RATE_LIMITED:
                self._limited.inc(fact.count)
            case FactCode.KEY_ISSUED:
                self._keys.inc(fact.count)
            case FactCode.KEY_REFUSED:
                self._key_failures.inc(fact.count)
            case FactCode.FRAME_VERIFIED:
                self._verified.inc(fact.count)
            case FactCode.FRAME_REFUSED:
                self._refusal(fact, "hub")
            case FactCode.CLIENT_REPORT:
                self._refusal(fact, "client")
            case FactCode.CONNECTION_OPENED:
                self._opened.inc(fact.count)
            case FactCode.CONNECTION_CLOSED:
                self._closed.labels(fact.reason).inc(fact.count)
            case FactCode.INTERNAL_ERROR:
                self._errors.inc(fact.count)
            case FactCode.EMITTER_FAILED:
                self._emitters.inc(fact.count)
            case FactCode.ALERT:
                self._alerts.labels(fact.reason).inc()
            case _:
                pass

    def read(self, name: str, text: str, reading: Reading, *, counter: bool = False) -> None:
        """Add a value that is read at each scrape. Args: counter: it only ever grows."""
        self.registry.register(_Reading(f"jitterbug_{name}", text, reading, counter=counter))

    def _refusal(self, fact: Fact, seen_by: str) -> None:
        if fact.reason == "replay":
            self._replays.labels(seen_by).inc(fact.count)
        self._refused.labels(fact.reason, seen_by).inc(fact.count)

    def _counter(self, name: str, text: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"jitterbug_{name}", text, tuple(labels), registry=self.registry)


class _Reading(Collector):
    def __init__(self, name: str, text: str, reading: Reading, *, counter: bool) -> None:
        self._family = CounterMetricFamily if counter else GaugeMetricFamily
        self._name, self._text, self._reading = name, text, reading

    def collect(self) -> Iterable[Metric]:
        yield self._family(self._name, self._text, value=self._reading())
