"""The hub answers as ``docs/openapi.yaml`` says, whatever is sent, over TLS and plain HTTP (PROTOCOL §3, §7; R59, R60).

schemathesis makes requests that the document allows and requests that it does not, at real processes.
``HYPOTHESIS_PROFILE=deep`` makes many more.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jitterbug.hub.channels import is_channel
from jitterbug.protocol import base64
from jitterbug.protocol.frames import is_configured_kid
from jitterbug.protocol.position import Position
from jitterbug.protocol.sse import is_cursor
from jitterbug.server import routes
from tests.security import openapi_checks, openapi_hubs
from tests.security.openapi_document import DESCRIBED, VALIDATORS, ask, documented, schema
from tests.security.openapi_hubs import Hub
from tests.security.openapi_reader import Reader

EXAMPLES = 2_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 25
"""Requests for each operation and hub, beside those that schemathesis makes by rule from the document."""
JSON = "application/json"


@pytest.fixture(scope="module", params=["development", "production"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    start = getattr(openapi_hubs, request.param)
    with start(tmp_path_factory.mktemp(request.param)) as running:
        yield running


# What no generator finds: it takes a login, a key and a signature.


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_opens_as_documented(hub: Hub, method: str) -> None:
    """The head is the document's, each event one frame by its schema; the run reads two of them and goes."""
    with Reader(hub) as reader:
        if method == "GET":
            case = schema["/stream"]["GET"].Case(query={"kid": reader.kid, "channel": ["news"]})
        else:
            body = {"kid": reader.kid, "channels": {"news": None}}
            case = schema["/stream"]["POST"].Case(body=body, media_type=JSON)

        answer = ask(case, hub, may_echo=True, cookies=reader.cookies)

        assert answer.status_code == 200
        frames = [documented("DownFrame", json.loads(event.data)) for event in reader.events(answer.content)]
        assert [frame["payload"]["t"] for frame in frames] == ["hello", "subscribed"]


def test_frames_go_up_and_down_as_documented(hub: Hub) -> None:
    """Each type a client may send has the document's form and is answered 200; what comes down has it too."""
    payloads = [
        {"t": "sub", "id": "one", "ch": "more"},
        {"t": "unsub", "id": "two", "ch": "more"},
        {"t": "pub", "id": "three", "ch": "news", "data": {"x": 1}},
        {"t": "report", "id": "four", "kind": "gap", "count": 1},
        {"t": "ping", "id": "five"},
        {"t": "confirm"},
    ]
    with Reader(hub) as reader, reader.stream("news") as stream:
        conn = stream.take("hello")["conn"]
        for payload in payloads:
            frame = documented("UpFrame", json.loads(reader.sign({**payload, "conn": conn})))
            case = schema["/frames"]["POST"].Case(body=frame, media_type=JSON)
            answer = ask(case, hub, may_echo=True, cookies=reader.cookies)
            assert (answer.status_code, answer.json().get("id")) == (200, payload.get("id"))
        stream.take("msg")
        assert {"hello", "subscribed", "unsubscribed", "msg"} <= {frame["payload"]["t"] for frame in stream.frames}
        for frame in stream.frames:
            documented("DownFrame", frame)


def test_a_back_end_publishes_as_documented(hub: Hub) -> None:
    """One frame under the root key; the answer says where it went."""
    signed = hub.publisher.sign({"t": "publish", "id": "six", "ch": "news", "data": [2]}, hub.now_ms())
    frame = documented("PublishFrame", json.loads(signed))

    answer = ask(schema["/publish"]["POST"].Case(body=frame, media_type=JSON), hub, may_echo=True)

    assert (answer.status_code, answer.json()["ch"]) == (200, "news")


def test_the_eleventh_key_in_a_minute_is_refused_as_documented(hub: Hub) -> None:
    """429 with ``Retry-After`` (R41)."""
    login = hub.log_in()

    statuses = [ask(schema["/keys"]["POST"].Case(), hub, cookies=login).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]


@pytest.mark.parametrize("path", ["/session", "/keys", "/stream", "/frames", "/publish"])
def test_a_body_beyond_the_bound_is_refused_as_documented(hub: Hub, path: str) -> None:
    case = schema[path]["POST"].Case(body={"x": "x" * 40_000}, media_type=JSON)

    assert ask(case, hub, cookies=hub.log_in(), headers=hub.credentials()).status_code == 413


@pytest.mark.parametrize("label", ["DELETE /session", "POST /keys", "GET /stream", "POST /stream", "POST /frames"])
def test_nobody_gets_past_the_login(hub: Hub, label: str) -> None:
    """401, whether there is no cookie or one that the hub did not make."""
    method, path = label.split()
    for cookies in ({}, {hub.cookie: "A" * 32}):
        assert ask(schema[path][method].Case(), hub, cookies=cookies).status_code == 401


def stream_and_frame(hub: Hub, kid: str, frame: bytes, cookies: dict[str, str]) -> list[int]:
    """What is answered to one who opens a stream and sends a frame up."""
    body = {"kid": kid, "channels": {"news": None}}
    cases = [
        schema["/stream"]["GET"].Case(query={"kid": kid, "channel": ["news"]}),
        schema["/stream"]["POST"].Case(body=body, media_type=JSON),
        schema["/frames"]["POST"].Case(body=json.loads(frame), media_type=JSON),
    ]
    return [ask(case, hub, cookies=cookies).status_code for case in cases]


def test_a_key_of_another_login_is_like_one_that_is_not_there(hub: Hub) -> None:
    """R61: a foreign kid, and a frame signed with it, get what any made-up one gets."""
    with Reader(hub) as owner:
        frame = owner.sign({"t": "ping", "id": "mine", "conn": "abcdefgh"})
        assert stream_and_frame(hub, owner.kid, frame, hub.log_in()) == [401, 401, 401]


def test_nothing_can_be_used_after_logout(hub: Hub) -> None:
    """R61: cookie and key of a session that has ended get what nobody's get."""
    with Reader(hub) as gone:
        frame = gone.sign({"t": "ping", "id": "mine", "conn": "abcdefgh"})
        assert ask(schema["/session"]["DELETE"].Case(), hub, cookies=gone.cookies).status_code == 204

        assert ask(schema["/keys"]["POST"].Case(), hub, cookies=gone.cookies).status_code == 401
        assert stream_and_frame(hub, gone.kid, frame, gone.cookies) == [401, 401, 401]


@pytest.mark.parametrize("path", ["/", "/openapi.yaml", "/openapi.json", "/docs", "/schema", "/nowhere"])
def test_the_hub_serves_no_description_of_itself(hub: Hub, path: str) -> None:
    """It would give the software away: 404, as for any path that is not there (R60)."""
    answer = hub.ask("GET", path)

    assert (answer.status_code, answer.text) == (404, '{"error":"invalid request"}')


# The document itself.


def test_the_document_has_every_path_and_method_there_is() -> None:
    """All but the WebSocket, for which OpenAPI has no words."""
    paths = {path: {method.upper() for method in item} for path, item in DESCRIBED["paths"].items()}

    assert paths == {path: set(methods) for path, methods in routes._PATHS.items() if path != "/ws"}


def test_every_operation_of_the_document_can_be_refused() -> None:
    for item in DESCRIBED["paths"].values():
        for operation in item.values():
            assert {"403", "405", "500", "503"} <= operation["responses"].keys()


GRAMMARS: dict[str, Callable[[Any], bool]] = {
    "ConfiguredKid": is_configured_kid,
    "Base64Of32Bytes": base64.is_32,
    "Channel": is_channel,
    "Cursor": is_cursor,
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_pattern_of_the_document_is_the_hubs_own(name: str) -> None:
    """What the document allows is what the hub reads, to the character."""
    validator, grammar = VALIDATORS[name], GRAMMARS[name]
    pattern = DESCRIBED["components"]["schemas"][name]["pattern"]

    @given(st.one_of(st.from_regex(pattern, fullmatch=True), st.from_regex(pattern), st.text(max_size=130)), st.data())
    def same(text: str, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(text)))
        edited = text[:at] + data.draw(st.sampled_from("=$~./ \n\u00e9A")) + text[at + 1 :]
        for each in (text, edited):
            assert validator.is_valid(each) == grammar(each), repr(each)

    same()


@given(st.lists(st.one_of(st.integers(), st.text(max_size=34), st.booleans()), max_size=3) | st.none())
def test_a_position_of_the_document_is_the_hubs_own(value: Any) -> None:
    assert VALIDATORS["Position"].is_valid(value) == (Position.from_json(value) is not None)


# The own checks.

GOOD_HEADERS = {
    "x-request-id": "0123456789abcdef",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-type": JSON,
}


@pytest.mark.parametrize(
    ("check", "status", "content", "headers"),
    [
        ("generic_body", 400, b'{"error":"invalid request","field":"kid"}', {}),
        ("generic_body", 401, b'{"error":"invalid request"}', {}),
        ("generic_body", 400, b'{"error": "invalid request"}', {}),
        ("generic_body", 400, b'{"error":"invalid request"}', {"content-type": "text/plain"}),
        ("usual_headers", 400, b"", {"server": "uvicorn"}),
        ("usual_headers", 400, b"", {"x-request-id": ""}),
        ("usual_headers", 400, b"", {"cache-control": "public"}),
        ("usual_headers", 400, b"", {"access-control-allow-origin": "*"}),
        ("usual_headers", 400, b"", {"strict-transport-security": "max-age=1"}),
        ("no_echo", 400, b"what was sent", {}),
        ("no_echo", 400, b"", {"x-cause": "what was sent"}),
        ("no_server_error", 500, b'{"error":"internal error"}', {}),
    ],
)
def test_an_own_check_sees_its_fault(check: str, status: int, content: bytes, headers: dict[str, str]) -> None:
    """With nothing wrong each passes, with one thing wrong it fails."""
    case = schema["/keys"]["POST"].Case(body={"kid": "what was sent"}, media_type=JSON)
    judge = getattr(openapi_checks, check)
    sent = requests.Request("POST", "http://127.0.0.1/").prepare()

    def answer(status: int, content: bytes, **changes: str) -> schemathesis.Response:
        lists = {name: [value] for name, value in {**GOOD_HEADERS, **changes}.items()}
        return schemathesis.Response(status, lists, content, sent, elapsed=0, verify=False)

    judge(None, answer(400, b'{"error":"invalid request"}'), case)
    with pytest.raises(AssertionError):
        judge(None, answer(status, content, **headers), case)


# What generators find. Last: an address whose publications went on failing is not heard for a while (PROTOCOL §7).


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
def test_every_answer_is_one_of_the_documents(case: schemathesis.Case, hub: Hub) -> None:
    """R60-R63: status, headers, type and body are documented, the bodies generic; no input is a server error."""
    headers = hub.credentials() if case.operation.label == "POST /session" else {}
    cookies = hub.log_in() if case.method == "DELETE" else hub.login()

    assert ask(case, hub, headers=headers, cookies=cookies).status_code < 500
