"""The client without an event loop: the same stream, from plain code and several threads."""

import itertools
import threading
import time

import pytest

from jitterbug.client import ClosedError, NetworkError, Publication, Status
from jitterbug.client.blocking import connect
from jitterbug.client.wire import TransportName

_serial = itertools.count()


def channel() -> str:
    return f"blocking/{next(_serial)}"


def test_what_is_published_arrives_in_order(hub_url: str, transport: TransportName) -> None:
    name = channel()
    with connect(hub_url, transport=transport, channels=[name]) as stream:
        places = [stream.publish(name, number) for number in range(20)]
        assert [next(stream).data for _ in range(20)] == list(range(20))
        assert stream.positions == {name: places[-1]}
        assert stream.status.state == "live"
        assert not stream.stats.refused


def test_a_publication_is_waited_for_no_longer_than_asked(hub_url: str) -> None:
    name = channel()
    with connect(hub_url, channels=[name]) as stream:
        started_s = time.monotonic()
        assert stream.get(0) is None
        assert stream.get(0.05) is None
        assert time.monotonic() - started_s < 5
        stream.publish(name, "late")
        found = stream.get(10)
        assert found is not None
        assert found.data == "late"


def test_nothing_is_lost_to_a_wait_that_was_given_up(hub_url: str, transport: TransportName) -> None:
    """Short waits one after the other, while publications come from another thread."""
    name, count = channel(), 300
    with (
        connect(hub_url, transport=transport, channels=[name]) as stream,
        connect(hub_url, transport=transport) as writer,
    ):

        def write() -> None:
            for number in range(count):
                writer.publish(name, number)

        writing = threading.Thread(target=write)
        writing.start()
        taken: list[Publication] = []
        deadline_s = time.monotonic() + 30
        while len(taken) < count and time.monotonic() < deadline_s:
            found = stream.get(0.0005)
            if found is not None:
                taken.append(found)
        writing.join()
        assert [item.data for item in taken] == list(range(count))


def test_channels_come_and_go(hub_url: str, transport: TransportName) -> None:
    first, second = channel(), channel()
    with connect(hub_url, transport=transport, channels=[first]) as stream:
        stream.subscribe(second)
        stream.publish(second, 1)
        assert next(stream).channel == second
        stream.unsubscribe(second)
        stream.publish(second, 2)
        stream.publish(first, 3)
        assert next(stream).data == 3


def test_what_waits_of_a_channel_is_not_delivered_once_it_is_given_up(hub_url: str, transport: TransportName) -> None:
    first, second = channel(), channel()
    with connect(hub_url, transport=transport, channels=[first, second]) as stream:
        places = {name: [stream.publish(name, number) for number in range(3)][-1] for name in (first, second)}
        while dict(stream.positions) != places:
            time.sleep(0.005)
        stream.unsubscribe(first)
        assert [(item.channel, item.data) for item in (next(stream) for _ in range(3))] == [
            (second, number) for number in range(3)
        ]
        assert stream.get(0) is None


def test_closing_ends_a_loop_in_another_thread(hub_url: str, transport: TransportName) -> None:
    stream = connect(hub_url, transport=transport, channels=[channel()])
    with stream:
        seen: list[Publication] = []
        reading = threading.Thread(target=lambda: seen.extend(stream))
        reading.start()
        time.sleep(0.05)
        stream.close()
        reading.join(10)
        assert not reading.is_alive()
        assert seen == []
    with pytest.raises(ClosedError):
        stream.publish("a", 1)
    assert not any(thread.name == "jitterbug stream" for thread in threading.enumerate())


def test_a_hub_that_is_not_there_is_an_error_and_leaves_no_thread() -> None:
    with pytest.raises(NetworkError), connect("http://127.0.0.1:9", open_timeout_s=0):
        pass
    assert not any(thread.name == "jitterbug stream" for thread in threading.enumerate())


def test_it_is_not_open_before_with(hub_url: str) -> None:
    stream = connect(hub_url, channels={"a": None})
    assert stream.status == Status("connecting")
    with pytest.raises(ClosedError):
        next(stream)
    with pytest.raises(ValueError, match="window"), connect(hub_url, replay_window_ms=1):
        pass


def test_an_http_client_of_somebody_elses_loop_is_refused(hub_url: str) -> None:
    with pytest.raises(TypeError, match="event loop"):
        connect(hub_url, http=object())
    with pytest.raises(TypeError):
        connect(hub_url, chanels=["a"])
    with pytest.raises(ValueError, match="address"):
        connect("ftp://127.0.0.1")
