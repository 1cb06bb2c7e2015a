"""The bench: its arithmetic, its pages, and a load client that counts right."""

import asyncio
import itertools
import shutil
import socket
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import guard, payload, profiling
from bench.build import compiled
from bench.guard import dearer, instructions_per_delivery
from bench.load import Load, LoadError, Subscriber
from bench.plan import FULL, QUICK, round_of
from bench.plot import Bar, bars, lines
from bench.report import markdown, write_report
from bench.results import OURS, Case, Results, Sample
from bench.signatures import verified_publications
from bench.tables import NOTHING, amount, tables
from bench.targets import targets
from jitterbug.protocol import base64, canonical
from jitterbug.protocol.signing import FrameSigner

HAS_COMPILER = shutil.which("gcc") is not None and Path("/usr/include/openssl/ssl.h").exists()
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler, no OpenSSL headers: for `make bench` only")
positive = st.floats(min_value=0.01, max_value=1e6)


def recorded() -> Results:
    """A run of every job in five rounds, with figures made up: ours costs 8 µs, the floor 6, all others 10."""
    results = Results(
        machine={"processor": "one"},
        versions=dict.fromkeys(dict.fromkeys(job.peer for job in FULL), "1.0"),
        absent={"other": "it is not here"},
        settings=dict.fromkeys(dict.fromkeys(job.peer for job in FULL), "as it comes"),
    )
    for number, job in itertools.product(range(5), FULL):
        cost = {OURS: 8.0, "floor": 6.0}.get(job.peer, 10.0) * (1 + number / 10)
        figures = {
            "cpu_us": cost, "deliveries_per_s": 1e5, "p50_us": 900.0, "p99_us": 9_000.0, "wire_bytes": 500.0,
            "client_busy": 0.5, "memory_bytes": 10_240.0, "opens_per_s": 999.0, "cpu_us_per_s": 5.0, "seconds": 2.0,
            "failed": 0.0, "missing": 0.0,
        }  # fmt: skip
        scenarios = ("fan-out", "burst", "open") if job.what == "fan_out" else (job.what,)
        for scenario in scenarios:
            results.samples.append(Sample(Case(scenario, job.peer, job.subscribers, job.tls), number, figures))
    for number in range(5):
        results.samples += [
            Sample(Case("signing", OURS), number, {"cpu_us": 2.0}),
            Sample(Case("start-up", OURS), number, {"python_ms": 10.0, "import_ms": 20.0, "help_ms": 300.0}),
            Sample(Case("browser", OURS), number, {"frames_per_s": 25_000.0, "longest_task_ms": 0.0, "refused": 0.0}),
        ]
    return results


# Arithmetic.


@given(st.lists(st.tuples(positive, positive, positive), min_size=1, max_size=9))
def test_a_ratio_does_not_move_when_a_whole_round_is_slow(rounds: list[tuple[float, float, float]]) -> None:
    case = Case("fan-out", OURS, 1_000)
    even, uneven = Results(), Results()
    for number, (ours, theirs, slowness) in enumerate(rounds):
        for results, factor in ((even, 1.0), (uneven, slowness)):
            results.samples.append(Sample(case, number, {"cpu_us": ours * factor}))
            results.samples.append(Sample(case.of("nchan"), number, {"cpu_us": theirs * factor}))
    found = uneven.ratio(case, case.of("nchan"), "cpu_us")
    assert found == pytest.approx(even.ratio(case, case.of("nchan"), "cpu_us"))
    assert found == pytest.approx(median(ours / theirs for ours, theirs, _ in rounds))


@given(st.lists(positive, min_size=1, max_size=9))
def test_the_median_lies_within_the_spread(values: list[float]) -> None:
    results, case = Results(), Case("burst", "nchan", 1_000)
    results.samples += [Sample(case, number, {"cpu_us": value}) for number, value in enumerate(values)]
    spread = results.spread(case, "cpu_us")
    assert spread == (min(values), max(values))
    assert spread[0] <= (results.median(case, "cpu_us") or 0) <= spread[1]


def test_what_was_not_measured_is_none_and_not_nought() -> None:
    case = Case("fan-out", OURS, 1_000)
    assert Results().median(case, "cpu_us") is None
    assert Results().spread(case, "cpu_us") is None
    assert Results().ratio(case, case.of("nchan"), "cpu_us") is None
    assert all(target.is_met is None for target in targets(Results()))
    assert tables(Results()) == []


def test_a_round_without_the_other_server_is_left_out_of_the_ratio() -> None:
    results, case = Results(), Case("fan-out", OURS, 1_000)
    results.samples += [Sample(case, 0, {"cpu_us": 8.0}), Sample(case, 1, {"cpu_us": 80.0})]
    results.samples.append(Sample(case.of("nchan"), 0, {"cpu_us": 10.0}))
    assert results.ratio(case, case.of("nchan"), "cpu_us") == 0.8


def test_results_survive_their_file() -> None:
    results = recorded()
    results.failures.append('round 1: "no"\n')
    assert Results.from_json(results.to_json()) == results


def test_every_target_has_a_figure_in_a_whole_run_and_each_can_be_missed() -> None:
    found = targets(recorded())
    assert all(target.is_met is not None for target in found)
    missed = {target.text for target in found if not target.is_met}
    assert "`jitterbug --help`" in missed
    assert any("sse-starlette" in text for text in missed)
    assert not any("Nchan's; 1,000 subscribers" in text and "burst" not in text for text in missed)


def test_rounds_run_forwards_and_backwards_and_keep_to_the_chosen() -> None:
    forwards, backwards = (round_of(FULL, ["nchan", OURS], number) for number in (0, 1))
    assert forwards == backwards[::-1]
    assert {job.peer for job in forwards} == {"nchan", OURS}
    assert len(set(FULL)) == len(FULL)
    assert len(QUICK) < len(FULL)


def test_the_guard_complains_of_what_is_dearer_than_tolerated_alone() -> None:
    committed = {"ratio_to_floor": 2.0, "instructions_per_delivery": 500.0}
    assert dearer(committed, committed) == []
    assert dearer({"ratio_to_floor": 1.0, "instructions_per_delivery": 514.0}, committed) == []
    assert len(dearer({"ratio_to_floor": 2.5, "instructions_per_delivery": 516.0}, committed)) == 2
    assert dearer({"ratio_to_floor": 9.0, "instructions_per_delivery": 9_999.0}, {}) == []


def test_instructions_of_a_delivery_are_counted_the_same_each_time() -> None:
    counts = {instructions_per_delivery() for _ in range(3)}
    assert len(counts) == 1
    assert counts.pop() > 100


def test_a_delivery_takes_no_more_instructions_than_when_the_figures_were_committed() -> None:
    """The half of `make bench-guard` that no machine moves. Figures: `python -m bench.guard --write`."""
    before = guard.committed()
    if not before:
        pytest.skip("no figures of this version of Python")
    assert instructions_per_delivery() <= before["instructions_per_delivery"] * 1.03


def test_a_profile_is_told_by_part_of_the_program() -> None:
    report = """
    43.72%  [kernel.kallsyms]
    39.48%  libpython3.11.so.1.0
     7.50%  libcrypto.so.3
     4.30%  loop.cpython-311-x86_64-linux-gnu.so
     3.00%  libc.so.6
     2.00%  parser.cpython-311-x86_64-linux-gnu.so
"""
    assert profiling.shares(report) == {
        "kernel": 43.72, "Python's interpreter and objects": 39.48, "cryptography, base64": 7.5, "uvloop": 4.3,
        "C library: memory": 3.0, "other": 2.0,
    }  # fmt: skip


def test_the_parts_of_a_profile_add_up_to_what_was_measured() -> None:
    taken = {
        "nchan": (10.0, {"kernel": 75.0, "the server's own code": 25.0}),
        OURS: (20.0, {"kernel": 50.0, "uvloop": 0.1}),
    }
    assert profiling.table("µs", taken).splitlines() == [
        f"| µs | nchan | {OURS} |", "| --- | ---: | ---: |", "| kernel | 7.5 | 10.0 |",
        "| the server's own code | 2.5 | 0.0 |", "| **all** | 10.0 | 20.0 |",
    ]  # fmt: skip


# Pages.


def test_the_page_holds_every_table_and_every_server_with_its_settings() -> None:
    results = recorded()
    page = markdown(results)
    for table in tables(results):
        assert table.title in page
        assert f"| {table.headings[0]} |" in page
    for name in results.versions:
        assert f"| {name} | 1.0 | as it comes |" in page
    assert "- other: it is not here." in page
    assert "{" not in page
    assert "\n\n\n" not in page


def test_the_page_of_a_short_run_says_that_it_is_no_evidence() -> None:
    results = recorded()
    assert "no evidence" not in markdown(results)
    results.samples = [sample for sample in results.samples if sample.round < 4]
    assert "**4 rounds, fewer than 5: a look, no evidence.**" in markdown(results)


def test_the_page_tells_of_what_failed() -> None:
    results = recorded()
    results.failures.append("round 2, storm nchan 10,000: gone")
    assert "- round 2, storm nchan 10,000: gone" in markdown(results)


def test_every_row_has_a_cell_for_every_heading() -> None:
    for table in tables(recorded()):
        assert {len(row) for row in table.rows} == {len(table.headings)}, table.name


@pytest.mark.parametrize(
    ("value", "text"), [(None, NOTHING), (0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (1_234.5, "1,234")]
)
def test_amounts_have_the_digits_that_mean_something(value: float | None, text: str) -> None:
    assert amount(value) == text


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), positive), min_size=1, max_size=8), positive)
def test_a_plot_is_well_formed_whatever_it_shows(shown: list[tuple[str, float]], cut_at: float) -> None:
    named = [Bar("".join(filter(str.isprintable, name)), value, value, value) for name, value in shown]
    root = ET.fromstring(bars("<title> & more", "µs", named, cut_at=cut_at))
    widths = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(widths) == len(shown)
    assert all(0 <= width <= 460 for width in widths)
    for width, (_, value) in zip(widths, shown, strict=True):
        assert width == pytest.approx(min(value, cut_at) / min(cut_at, max(y for _, y in shown)) * 460, abs=0.1)


@given(st.dictionaries(st.integers(1, 100_000), positive, min_size=1, max_size=6))
def test_a_curve_stays_on_the_paper(points: dict[int, float]) -> None:
    root = ET.fromstring(lines("title", "µs", {"ours": sorted((float(x), y) for x, y in points.items())}))
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 760
        assert 0 <= float(circle.attrib["cy"]) <= 320


def test_plots_follow_the_colour_scheme_of_the_reader(tmp_path: Path) -> None:
    write_report(recorded(), tmp_path)
    for name in ("performance-delivery.svg", "performance-scale.svg"):
        assert "prefers-color-scheme: dark" in (tmp_path / "docs" / "images" / name).read_text()


# What is published, and whether it was signed.


@given(st.integers(64, 2_000))
def test_data_is_canonical_json_of_the_size_asked_for_and_says_when(size_bytes: int) -> None:
    before_ns = time.monotonic_ns()
    data = payload.data(size_bytes)
    assert len(data) == size_bytes
    assert canonical.encode(canonical.decode(data.encode())).decode() == data
    sent = canonical.decode(data.encode())["sent"]  # type: ignore[index,call-overload]
    assert sent.startswith("jb~")
    assert before_ns <= int(sent[3:]) <= time.monotonic_ns()


def sample(*, change: Callable[[bytes], bytes] = lambda frame: frame, publications: int = 3) -> bytes:
    """What one subscriber of a hub was sent, at 1,000 Unix ms."""
    kid, secret = "k" * 52, bytes(range(32))
    signer = FrameSigner(kid, secret)
    told = {"algorithm": "sha256", "kid": kid, "secret": base64.encode(secret).decode()}
    payloads = [
        {"t": "hello", "v": 1, "serverTime": 1_000, "limits": {"frame": 1_024}},
        {"t": "subscribed", "ch": "bench", "pos": ["epochabc", 0]},
        *({"t": "msg", "ch": "bench", "data": n, "pos": ["epochabc", n + 1]} for n in range(publications)),
    ]
    frames = [signer.sign({**one, "conn": "c" * 16, "seq": seq}, 1_000) for seq, one in enumerate(payloads, 1)]
    frames[-1] = change(frames[-1])
    return canonical.encode(told) + b"".join(b"1f\r\nid: e~t.1\ndata: %b\n\n\r\n" % frame for frame in frames)


def test_signed_publications_are_verified_and_counted() -> None:
    assert verified_publications(sample(), 1_000) == 3


@pytest.mark.parametrize(
    "taken",
    [
        sample(change=lambda frame: frame.replace(b'"data":2', b'"data":3')),
        sample(change=lambda frame: b""),
        sample().replace(b'"secret":"A', b'"secret":"B'),
        sample().replace(b"secret", b"nothing"),
        sample(publications=1).replace(b'"t":"msg"', b'"t":"hb"'),
    ],
    ids=["a changed frame", "a frame cut out of the end is no publication", "another key", "no key", "a changed type"],
)
def test_a_measurement_of_what_is_not_signed_counts_less_or_fails(taken: bytes) -> None:
    try:
        count = verified_publications(taken, 1_000)
    except ValueError:
        return
    assert count == 2  # the cut one


# The load client, against a server that knows what it sent.


class TinyServer:
    """Answers each request line with what it is told to, and keeps streams open."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        started.wait(10)

    def _run(self, started: threading.Event) -> None:
        async def serve() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
            self.port = server.sockets[0].getsockname()[1]
            self._stopping = asyncio.Event()
            started.set()
            await self._stopping.wait()
            server.close()
            for writer in self._writers:
                writer.transport.abort()

        self._loop.run_until_complete(serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(request)
                writer.write(self._answers[request.split(b" ")[1].decode()])
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def send(self, pieces: list[bytes]) -> None:
        """Write to every connection, piece after piece, each in a segment of its own."""

        async def write() -> None:
            for piece in pieces:
                for writer in self._writers:
                    writer.write(piece)
                await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(write(), self._loop).result(10)

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            self._loop.call_soon_threadsafe(writer.transport.abort)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)


@contextmanager
def tiny_server(**answers: bytes) -> Iterator[TinyServer]:
    server = TinyServer({f"/{name}": answer for name, answer in answers.items()})
    try:
        yield server
    finally:
        server.close()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def get(path: str, headers: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n"


@needs_compiler
def test_both_programs_compile_without_a_warning(tmp_path: Path) -> None:
    for name in ("load", "floor"):
        assert compiled(name, tmp_path).stat().st_size > 0


@needs_compiler
def test_every_delivery_is_counted_once_wherever_the_network_cuts_it(tmp_path: Path) -> None:
    event = f"data: {payload.data()}\n\n".encode()
    with tiny_server(sub=STREAM) as server, Load(server.port, Subscriber([get("/sub")]), 20, tmp_path) as load:
        assert load.wait_open(20)["open"] == 20
        cuts = [*range(150, len(event)), 3, 100]
        for cut in cuts:
            server.send([event[:cut], event[cut:]])
        load.expect(20 * len(cuts))
        assert load.wait_reached()
        figures = load.report()
    assert figures["delivered"] == 20 * len(cuts)
    assert figures["bytes"] == 20 * len(cuts) * len(event)
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"] < 60_000_000
    assert load.samples()[0] == STREAM + event * len(cuts)


@needs_compiler
def test_a_burst_in_one_piece_is_counted_in_full(tmp_path: Path) -> None:
    event = f"data: {payload.data()}\n\n".encode()
    with tiny_server(sub=STREAM) as server, Load(server.port, Subscriber([get("/sub")]), 5, tmp_path) as load:
        load.wait_open(20)
        load.expect(5 * 1_000)
        server.send([event * 1_000])
        assert load.wait_reached()
        assert load.report()["delivered"] == 5_000


@needs_compiler
def test_what_earlier_answers_said_goes_into_later_requests(tmp_path: Path) -> None:
    login = b"HTTP/1.1 204 No Content\r\nset-cookie: jitterbug=abc; HttpOnly\r\n\r\n"
    body = b'{"expiresAt":1,"kid":"key-1","secret":"c2VjcmV0"}'
    key = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    stream = STREAM + b'data: {"t":"subscribed"}\n\n'
    requests = [
        get("/session"),
        get("/keys", "Cookie: {cookie}\r\n"),
        get("/stream", "Cookie: {cookie}\r\nX: {kid}\r\n"),
    ]
    with tiny_server(session=login, keys=key, stream=stream) as server:
        with Load(server.port, Subscriber(requests, ready='"subscribed"'), 1, tmp_path) as load:
            assert load.wait_open(20)["open"] == 1
        assert b"Cookie: jitterbug=abc\r\n" in server.requests[1]
        assert b"Cookie: jitterbug=abc\r\nX: key-1\r\n" in server.requests[2]


@needs_compiler
def test_those_that_come_back_are_counted_anew(tmp_path: Path) -> None:
    login = b"HTTP/1.1 204 No Content\r\nset-cookie: a=b\r\n\r\n"
    missed = f"data: {payload.data()}\n\n".encode() * 3
    subscriber = Subscriber([get("/session"), get("/sub", "Cookie: {cookie}\r\n")], come_back=1)
    with tiny_server(session=login, sub=STREAM + missed) as server, Load(server.port, subscriber, 30, tmp_path) as load:
        load.wait_away(20)
        load.come_back(at_once=30)
        assert load.wait_open(20)["open"] == 30
        load.expect(90)
        assert load.wait_reached()


@needs_compiler
def test_a_refusal_is_told_and_not_counted_as_open(tmp_path: Path) -> None:
    refused = b'HTTP/1.1 429 Too Many\r\ncontent-length: 22\r\n\r\n{"error":"rate limited"}'
    with (
        tiny_server(sub=refused) as server,
        Load(server.port, Subscriber([get("/sub")]), 3, tmp_path) as load,
        pytest.raises(LoadError, match=r"3 of 3 subscribers failed: .*429"),
    ):
        load.wait_open(20)


@needs_compiler
def test_a_stream_that_ends_is_counted_and_ends_nothing_else(tmp_path: Path) -> None:
    """The client once looked at the answer of a subscriber that had let go of it."""
    with tiny_server(sub=STREAM) as server, Load(server.port, Subscriber([get("/sub")]), 3, tmp_path) as load:
        load.wait_open(20)
        server.hang_up()
        until_s = time.monotonic() + 10
        while (closed := load.report()["closed_early"]) < 3 and time.monotonic() < until_s:
            pass
        assert closed == 3


@needs_compiler
def test_a_delivery_that_does_not_come_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with tiny_server(sub=STREAM) as server, Load(server.port, Subscriber([get("/sub")]), 2, tmp_path) as load:
        load.wait_open(20)
        load.expect(2)
        assert not load.wait_reached(within_s=0.2)
        assert load.report()["delivered"] == 0


@needs_compiler
def test_nothing_but_this_machine_is_ever_loaded() -> None:
    import subprocess

    with tempfile.NamedTemporaryFile() as request:
        command = [compiled("load"), "--connect", "192.0.2.1:80", "--request", request.name]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1
    assert "only 127.0.0.0/8" in ended.stderr


@needs_compiler
def test_the_floor_writes_what_was_published_in_the_length_asked_for(tmp_path: Path) -> None:
    from bench.peers.floor import Floor

    with Floor(tmp_path, wire_bytes=529) as floor:
        with Load(floor.port, floor.subscriber(), 10, tmp_path) as load:
            load.wait_open(20)
            publisher = floor.publisher()
            load.expect(20)
            for _ in range(2):
                publisher.post(floor.publication(payload.data()))
            assert load.wait_reached()
            assert load.report()["bytes"] == 20 * 529
            publisher.close()
        assert floor.process.cpu_us() > 0
        assert floor.process.memory_bytes() > 0


def test_a_free_port_is_free() -> None:
    from bench.peers.base import free_port

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        assert taken.getsockname() == ("127.0.0.1", port)
