"""Publishing from a back end with a configured key (PROTOCOL §6)."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from jitterbug.client import (
    NetworkError,
    Paced,
    Position,
    Publisher,
    UnauthorizedError,
    UnavailableError,
    UnreadableError,
)
from jitterbug.protocol.verifying import FrameVerifier
from tests.client.scripted_hub import URL, Answer, refuse, respond
from tests.looped import in_loop

SECRET = os.urandom(32)
Handler = Callable[[httpx2.Request], httpx2.Response]


class Back:
    """The hub's side of ``POST BASE/publish``: planned answers first, then a place."""

    def __init__(self, *plan: Answer) -> None:
        self.plan = list(plan)
        self.frames: list[dict[str, Any]] = []
        self._verifier = FrameVerifier({"root_test": SECRET})

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/api/jitterbug/publish"
        assert "origin" not in request.headers
        self._verifier.verify(request.content, time.time_ns() // 1_000_000)
        self.frames.append(json.loads(request.content))
        answer = self.plan.pop(0) if self.plan else respond(b'{"ch":"a","pos":["epoch-01",7]}')
        if isinstance(answer, Exception):
            raise answer
        return answer

    def publisher(self, **options: Any) -> Publisher:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle))
        return Publisher(URL, "root_test", SECRET, http=http, random=lambda: 0.0, **options)


@in_loop
async def test_a_publication_is_signed_with_the_configured_key() -> None:
    back = Back()
    async with back.publisher() as publisher:
        assert await publisher.publish("a", {"n": 1}) == Position("epoch-01", 7)
    [frame] = back.frames
    assert frame["kid"] == "root_test"
    del frame["payload"]["id"]
    assert frame["payload"] == {"t": "publish", "ch": "a", "data": {"n": 1}}


@pytest.mark.parametrize(
    "failure", [httpx2.ConnectError("x"), httpx2.ReadError("x"), refuse(503, retry_after="0"), refuse(500)]
)
@in_loop
async def test_a_retry_has_the_same_id_and_is_signed_anew(failure: Answer) -> None:
    """PROTOCOL §6, R33: the id makes it count once, the fresh nonce makes it no replay."""
    back = Back(failure)
    async with back.publisher() as publisher:
        await publisher.publish("a", 1)
    first, second = back.frames
    assert first["payload"] == second["payload"]
    assert first["nonce"] != second["nonce"]


@in_loop
async def test_two_publications_have_two_ids() -> None:
    back = Back()
    async with back.publisher() as publisher:
        await publisher.publish("a", 1)
        await publisher.publish("a", 1)
        await publisher.publish("a", 1, publication_id="mine")
    assert len({frame["payload"]["id"] for frame in back.frames}) == 3
    assert back.frames[-1]["payload"]["id"] == "mine"


@pytest.mark.parametrize(
    ("failure", "error"),
    [(httpx2.ConnectError("x"), NetworkError), (refuse(503, retry_after="1"), UnavailableError)],
)
@in_loop
async def test_it_gives_up_in_time(failure: Answer, error: type[Exception]) -> None:
    back = Back(failure, failure)
    async with back.publisher(give_up_after_s=0) as publisher:
        with pytest.raises(error):
            await publisher.publish("a", 1)
    assert len(back.frames) == 1


@in_loop
async def test_the_rate_limit_is_waited_for_and_not_counted_against_the_patience() -> None:
    """R54."""
    back, told = Back(refuse(429, retry_after="1")), list[Paced]()
    async with back.publisher(give_up_after_s=0.5, on_paced=told.append) as publisher:
        await publisher.publish("a", 1)
    assert [paced.wait_s for paced in told] == [1]


@in_loop
async def test_a_refusal_is_not_repeated() -> None:
    back = Back(refuse(401))
    async with back.publisher() as publisher:
        with pytest.raises(UnauthorizedError):
            await publisher.publish("a", 1)
    assert len(back.frames) == 1


@in_loop
async def test_an_answer_without_a_place_is_not_taken_for_one() -> None:
    async with Back(respond(b"{}")).publisher() as publisher:
        with pytest.raises(UnreadableError):
            await publisher.publish("a", 1)


@pytest.mark.parametrize(("kid", "secret"), [("abc", bytes(32)), ("root:test", bytes(32)), ("root_test", bytes(31))])
def test_a_malformed_key_is_refused_at_once(kid: str, secret: bytes) -> None:
    """R23."""
    with pytest.raises(ValueError, match=r"key|HMAC"):
        Publisher(URL, kid, secret)
