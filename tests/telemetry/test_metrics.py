"""Facts as numbers: each counter rises by exactly n, and no peer can make a new series (R78, REQUIREMENTS §2.24)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jitterbug.protocol.codes import ByeReason, Refusal, ReportKind
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.telemetry.metrics import Metrics
from tests.hub.house import ALICE, BOB, House
from tests.looped import in_loop

PLAIN = {
    FactCode.AUTH_FAILED: "auth_failures",
    FactCode.RATE_LIMITED: "rate_limit_hits",
    FactCode.KEY_ISSUED: "keys_issued",
    FactCode.KEY_REFUSED: "key_fetch_failures",
    FactCode.FRAME_VERIFIED: "frames_verified",
    FactCode.CONNECTION_OPENED: "connections_opened",
    FactCode.INTERNAL_ERROR: "internal_errors",
    FactCode.EMITTER_FAILED: "emitter_failures",
}
LABELLED = {FactCode.FRAME_REFUSED, FactCode.CLIENT_REPORT, FactCode.CONNECTION_CLOSED, FactCode.ALERT}
counts = st.lists(st.integers(min_value=1, max_value=1_000), max_size=6)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Everything a scrape shows, creation times left out; read with the client library's own parser."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """One of them; 0 where the series does not exist yet."""
    return samples(metrics).get((f"jitterbug_{name}", tuple(sorted(labels.items()))), 0)


@pytest.mark.parametrize(("code", "name"), PLAIN.items(), ids=str)
@given(counted=counts)
@settings(max_examples=20)
def test_r78_a_counter_rises_by_exactly_what_was_told(code: FactCode, name: str, counted: list[int]) -> None:
    metrics = Metrics()
    before = samples(metrics)
    for count in counted:
        metrics(Fact(code=code, count=count))
    after = samples(metrics)

    assert after[f"jitterbug_{name}_total", ()] == sum(counted)
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed <= {(f"jitterbug_{name}_total", ())}, "and nothing else moves"


@pytest.mark.parametrize(("code", "seen_by"), [(FactCode.FRAME_REFUSED, "hub"), (FactCode.CLIENT_REPORT, "client")])
@pytest.mark.parametrize("reason", [*Refusal, *ReportKind])
@given(counted=counts)
@settings(max_examples=20)
def test_r78_refusals_are_counted_by_reason_and_by_who_saw_them(
    code: FactCode, seen_by: str, reason: Refusal | ReportKind, counted: list[int]
) -> None:
    metrics = Metrics()
    for count in counted:
        metrics(Fact(code=code, reason=reason, count=count))

    refused = value(metrics, "hmac_verification_failures_total", reason=reason.value, seen_by=seen_by)
    assert refused == sum(counted)
    is_replay = reason.value == "replay"
    assert value(metrics, "replays_detected_total", seen_by=seen_by) == sum(counted) * is_replay


@given(reasons=st.lists(st.sampled_from([*ByeReason, "gone", "stopped"])))
@settings(max_examples=30)
def test_closed_streams_are_counted_by_reason(reasons: list[str]) -> None:
    metrics = Metrics()
    for reason in reasons:
        metrics(Fact(code=FactCode.CONNECTION_CLOSED, reason=reason))

    for reason in set(reasons):
        assert value(metrics, "connections_closed_total", reason=str(reason)) == reasons.count(reason)


@given(rules=st.lists(st.sampled_from(["auth_failures", "rate_limits", "replay", "key_failures"])), count=counts)
@settings(max_examples=20)
def test_r79_r82_alerts_are_counted_by_rule_however_many_facts_raised_them(rules: list[str], count: list[int]) -> None:
    metrics = Metrics()
    for rule in rules:
        metrics(Fact(code=FactCode.ALERT, reason=rule, count=sum(count) + 1))

    for rule in set(rules):
        assert value(metrics, "alerts_total", rule=rule) == rules.count(rule)


@pytest.mark.parametrize("code", [code for code in FactCode if code not in PLAIN and code not in LABELLED])
def test_what_has_no_counter_changes_none(code: FactCode) -> None:
    metrics = Metrics()
    before = samples(metrics)
    metrics(Fact(code=code, reason="whatever"))

    assert samples(metrics) == before


@in_loop
async def test_r78_no_peer_can_make_a_new_series_whatever_it_sends() -> None:
    metrics = Metrics()
    house = House()
    house.hub.facts.listen(metrics)
    client = await house.reader("a")
    await client.send({"t": "ping"})
    for number in range(40):
        conn = client.connection.conn if number % 2 else f"conn-{number}"
        kind = ["sub", "report", f"type-{number}"][number % 3]
        payload = {"t": kind, "conn": conn, "ch": f"channel-{number}", "kind": f"kind-{number}", "id": f"{number}"}
        await house.upstream.handle(ALICE, client.sign(payload), address=f"192.0.2.{number}", request_id=f"r-{number}")
        house.clock.advance(s=2)
    allowed = {*Refusal, *ReportKind, *ByeReason, "hub", "client", "gone", "stopped"}

    labels = {text for _, labels in samples(metrics) for _, text in labels}
    assert labels <= allowed
    assert len(samples(metrics)) < 40


@in_loop
async def test_r78_provoking_n_of_each_makes_the_counter_rise_by_n() -> None:
    """Through a real hub, from the wire to the exposition."""
    metrics = Metrics()
    house = House()
    house.hub.facts.listen(metrics)
    client, other = await house.reader("a"), await house.reader(session=BOB)
    frame = client.sign({"t": "ping", "conn": client.connection.conn})
    await house.upstream.handle(ALICE, frame)
    for _ in range(3):
        await house.upstream.handle(ALICE, frame)
    for _ in range(2):
        await house.upstream.handle(ALICE, client.sign({"t": "ping"}, key=other.key))
    await client.send({"t": "report", "kind": "replay", "count": 5})
    for _ in range(9):  # five of its ten tokens are left
        await client.send({"t": "ping"})
    house.hub.close(other.connection, "gone")

    assert value(metrics, "frames_verified_total") == 7
    assert value(metrics, "replays_detected_total", seen_by="hub") == 3
    assert value(metrics, "replays_detected_total", seen_by="client") == 5
    assert value(metrics, "hmac_verification_failures_total", reason="replay", seen_by="hub") == 3
    assert value(metrics, "hmac_verification_failures_total", reason="key", seen_by="hub") == 2
    assert value(metrics, "rate_limit_hits_total") == 4
    assert value(metrics, "connections_opened_total") == 2
    assert value(metrics, "connections_closed_total", reason="gone") == 1


@pytest.mark.parametrize(("counter", "suffix", "kind"), [(False, "", "gauge"), (True, "_total", "counter")])
def test_a_reading_is_taken_at_each_scrape(counter: bool, suffix: str, kind: str) -> None:
    metrics = Metrics()
    readings = iter([1.0, 2.5])
    metrics.read("dropped_frames", "Publications that overflowed", lambda: next(readings, 9.0), counter=counter)

    first, second = samples(metrics), samples(metrics)
    assert f"# TYPE jitterbug_dropped_frames{suffix} {kind}" in generate_latest(metrics.registry).decode()
    name = f"jitterbug_dropped_frames{suffix}"
    assert second[name, ()] > first[name, ()]


def test_two_hubs_in_one_process_count_apart() -> None:
    one, two = Metrics(), Metrics()
    one(Fact(code=FactCode.AUTH_FAILED))

    assert value(one, "auth_failures_total") == 1
    assert value(two, "auth_failures_total") == 0
