"""Where the hub is, and what its answers mean (R5, R49, PROTOCOL §7)."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client import InsecureError, NetworkError, UnreadableError, refusals
from jitterbug.client.transport import Transport, base_url
from tests.client.scripted_hub import URL, respond
from tests.looped import in_loop


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8440", "http://127.0.0.1:8440/api/jitterbug"),
        ("http://localhost/", "http://localhost/api/jitterbug"),
        ("http://[::1]:9000/x/", "http://[::1]:9000/x"),
        ("https://app.example.org", "https://app.example.org/api/jitterbug"),
        ("https://app.example.org/push/api/jitterbug", "https://app.example.org/push/api/jitterbug"),
    ],
)
def test_a_url_without_a_path_gets_the_usual_base(url: str, base: str) -> None:
    assert base_url(url) == base


@pytest.mark.parametrize("url", ["http://app.example.org", "http://192.0.2.1:8440", "http://127.0.0.1.example.org"])
def test_keys_do_not_cross_a_network_in_the_clear(url: str) -> None:
    """R5, R49."""
    with pytest.raises(InsecureError):
        base_url(url)


@pytest.mark.parametrize(
    "url", ["", "hub", "ftp://localhost", "http://", "http://u:p@localhost", "http://localhost/?a=b"]
)
def test_what_is_no_address_of_a_hub_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        base_url(url)


@given(status=st.integers(201, 599))
def test_every_status_has_one_meaning(status: int) -> None:
    """PROTOCOL §7."""
    error = refusals.of_status(status, retry_after="7", request_id="r")
    assert error.request_id == "r"
    assert error.retry_after_s == (7 if status in {429, 503} else 0)
    assert isinstance(error, refusals.InternalError) == (status >= 500 and status != 503)


@given(text=st.one_of(st.none(), st.text(max_size=10), st.integers(0, 999_999).map(str)))
def test_retry_after_is_whole_seconds_or_one_second(text: str | None) -> None:
    """RFC 9110 §10.2.3: a date, a sign or digits of another script count as one second."""
    plain = text is not None and text.isascii() and text.isdigit() and len(text) <= 6
    assert refusals.of_status(429, retry_after=text, request_id=None).retry_after_s == (int(text or 0) if plain else 1)


def transport(answer: httpx2.Response | Exception) -> Transport:
    def handle(_: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Transport(URL, http=httpx2.AsyncClient(transport=httpx2.MockTransport(handle)))


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx2.ConnectError("x"), False),
        (httpx2.ConnectTimeout("x"), False),
        (httpx2.PoolTimeout("x"), False),
        (httpx2.ReadError("x"), True),
        (httpx2.ReadTimeout("x"), True),
        (httpx2.RemoteProtocolError("x"), True),
    ],
)
@in_loop
async def test_it_is_known_whether_a_request_can_have_arrived(error: Exception, sent: bool) -> None:
    with pytest.raises(NetworkError) as caught:
        await transport(error).fetch_key()
    assert caught.value.sent is sent


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"a":1,"a":2}', b"x" * 100_000])
@in_loop
async def test_an_answer_that_is_no_object_or_too_long_is_not_taken(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        await transport(respond(body)).post_frame(b"{}")


@in_loop
async def test_a_redirect_is_not_followed() -> None:
    """A cookie or a frame goes to the hub that was named, nowhere else."""
    with pytest.raises(refusals.InvalidRequestError):
        await transport(httpx2.Response(307, headers={"location": "https://elsewhere.example/"})).fetch_key()


@in_loop
async def test_a_stream_of_another_type_is_no_stream() -> None:
    answer = respond(b"<html>", "text/html")
    with pytest.raises(UnreadableError):
        async with transport(answer).stream("k" * 52, {}):
            pass
