"""Logins that applications have already, over real servers (PROTOCOL §3, ARCHITECTURE)."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from starlette.requests import Request

from jitterbug import Config, Jitterbug, SettingError
from jitterbug.protocol.codes import Down
from jitterbug.server import grants
from jitterbug.server.adapters import ForwardAuth, forward_auth, jwt_cookie, new_session_id, starlette_session
from jitterbug.testing import ManualClock
from tests.looped import in_loop
from tests.server import serving
from tests.server.answers import assert_refused, causes
from tests.server.conftest import Start
from tests.server.serving import Running
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
KEY = "a key for tokens in cookies, of 64 bytes or more, as HS512 has it in RFC 7518"
CLAIM = {"subscribe": ["news/*"], "publish": []}


def mounted(start: Start, resolver: Any) -> Running:
    """A production hub with these logins, on its own machine."""
    return start("fastapi", config=Config(drain_s=0), session=resolver, authorize=grants.rule)


def token(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    members = {"sub": "ada", "aud": "app", "exp": int(time.time()) + 600, "jitterbug": CLAIM, **claims}
    return jwt.encode({name: value for name, value in members.items() if value is not None}, key, algorithm=algorithm)


def asking(cookie: str | None = None, **scope: Any) -> Request:
    """A request, as a resolver gets it."""
    headers = [(b"cookie", cookie.encode())] if cookie is not None else []
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, **scope})


# jwt_cookie


def test_a_token_in_a_cookie_is_a_login(start: Start, visit: Visit) -> None:
    """R37: its claims say who it is and what may be read."""
    server = mounted(start, jwt_cookie("__Host-app", KEY, "HS256", "app"))
    visitor = visit(server, cookie=f"__Host-app={token(sid='login-1')}")
    stream = visitor.get_stream("news/today", "secret/today")

    assert stream.control(Down.SUBSCRIBED)["ch"] == "news/today"
    assert stream.control(Down.UNSUBSCRIBED)["ch"] == "secret/today"
    server.publish("news/today", "hello")
    assert stream.take(1) == ["hello"]
    server.do(server.push.revoke, "login-1")
    assert stream.control(Down.BYE)["reason"] == "revoked"
    assert_refused(visitor.http.post("/keys"), 401)


@pytest.mark.parametrize(
    "cookie",
    [
        "app=", "app=x.y.z", f"other={token()}", f"app={token('another key of 32 bytes and some more')}",
        f"app={token(aud='other')}", f"app={token(aud=None)}", f"app={token(exp=1)}", f"app={token(exp=None)}",
        f"app={token(sub=None)}", f"app={token(algorithm='HS512')}", f"app={token('', 'none')}", f"app={'x' * 9_000}",
    ],
)  # fmt: skip
def test_any_other_cookie_is_none(cookie: str) -> None:
    """R61: nobody is logged in, whatever is wrong with it."""
    assert jwt_cookie("app", KEY, "HS256", "app")(asking(cookie)) is None


def test_a_renewed_token_is_the_same_login_only_where_it_says_so() -> None:
    """By ``sid``; without one each token is a login of its own, by a hash that tells nothing of it."""
    resolve = jwt_cookie("app", KEY, "HS256", "app")

    def session_id(text: str) -> str:
        session = resolve(asking(f"app={text}"))
        assert session is not None
        return session.id

    now_s = int(time.time())
    assert session_id(token(sid="s-1", exp=now_s + 100)) == session_id(token(sid="s-1", exp=now_s + 200)) == "s-1"
    first, second = token(exp=now_s + 100), token(exp=now_s + 200)
    assert session_id(first) == session_id(first) != session_id(second)
    assert session_id(first) not in first
    for odd in ({"a": 1}, 7, "", "a b", "x" * 200):
        assert len(session_id(token(sid=odd))) == 43


def test_a_token_holds_until_its_end(clock: ManualClock) -> None:
    """R38: to the second, by the hub's clock."""
    resolve = jwt_cookie("app", KEY, "HS256", "app", clock=clock)
    text = token(exp=clock.now_ms() // 1_000 + 10)
    clock.advance(ms=9_999)
    assert resolve(asking(f"app={text}")) is not None
    clock.advance(ms=1_001)
    assert resolve(asking(f"app={text}")) is None


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("short", "HS256"), ("changeme" * 8, "HS256"), (KEY, "none"), (KEY, "RS256"),
        ("-----BEGIN PUBLIC KEY-----", "HS256"), (KEY[:40], "HS512"),
    ],
)  # fmt: skip
def test_weak_keys_and_mixed_kinds_are_refused_at_the_start(key: str, algorithm: str) -> None:
    """R74, RFC 8725 §3.1."""
    with pytest.raises(SettingError) as caught:
        jwt_cookie("app", key, algorithm, "app")
    assert key not in str(caught.value)


# starlette_session


def test_an_id_in_starlettes_session_is_a_login(leaving: list[Running]) -> None:
    """R40: stored by the application at login, new each time, and ended by revoke."""
    pytest.importorskip("itsdangerous")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    push = Jitterbug(
        session=starlette_session(subject_key="user"),
        authorize=lambda session, action, channel: channel == session.subject,
        config=Config(drain_s=0),
    )

    async def login(request: Request) -> PlainTextResponse:
        request.session.clear()
        request.session.update(jitterbug=new_session_id(), user="ada")
        return PlainTextResponse(request.session["jitterbug"])

    async def logout(request: Request) -> PlainTextResponse:
        push.revoke(request.session["jitterbug"])
        request.session.clear()
        return PlainTextResponse("")

    async def careless(request: Request) -> PlainTextResponse:
        request.session["jitterbug"] = "1"
        return PlainTextResponse("")

    app = Starlette(
        routes=[Route(f"/{view.__name__}", view, methods=["POST"]) for view in (login, logout, careless)],
        middleware=[Middleware(SessionMiddleware, secret_key=KEY)],
        lifespan=push.lifespan,
    )
    push.install(app)
    server = serving.serve_app(push, app)
    leaving.append(server)
    with Visitor(server) as visitor:
        visitor.http.base_url = server.url
        assert visitor.http.post("/api/jitterbug/keys").status_code == 401
        ids = [visitor.http.post("/login").text for _ in range(2)]
        assert len(set(ids)) == 2
        visitor.http.base_url = f"{server.url}/api/jitterbug"
        visitor.fetch_key()
        copied = visitor.cookie
        stream = visitor.get_stream("ada")
        stream.control(Down.SUBSCRIBED)
        visitor.http.base_url = server.url
        visitor.http.post("/logout")
        assert stream.control(Down.BYE)["reason"] == "revoked"
        with Visitor(server, cookie=copied) as thief:
            assert_refused(thief.http.post("/keys"), 401)
        visitor.http.post("/careless")
        visitor.http.base_url = f"{server.url}/api/jitterbug"
        assert_refused(visitor.http.post("/keys"), 401)


@pytest.mark.parametrize("stored", [None, "", "1", 7, "ada", ["x"], "x" * 42, "x" * 44, "é" * 43, "x" * 42 + "\n"])
def test_only_an_id_of_ours_is_taken(stored: Any) -> None:
    """R39: a user's number is no session id: it never changes and can be guessed."""
    assert starlette_session()(asking(session={"jitterbug": stored} if stored is not None else {})) is None


def test_new_ids_have_256_bits_and_are_taken() -> None:
    """R39, R40."""
    ids = {new_session_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    for session_id in ids:
        session = starlette_session("at", subject_key="user")(asking(session={"at": session_id, "user": 7}))
        assert session is not None
        assert (session.id, session.subject, len(session_id)) == (session_id, "7", 43)


def test_a_missing_session_middleware_is_told_to_the_operator(start: Start, log: pytest.LogCaptureFixture) -> None:
    """R64: the client gets the one generic answer."""
    server = mounted(start, starlette_session())
    with Visitor(server) as visitor:
        request_id = assert_refused(visitor.http.post("/keys"), 500)
    assert "failed" in causes(log, request_id)
    assert "SessionMiddleware" in log.text


# django_session


def test_djangos_logins_are_taken_through_its_own_engine(tmp_path: Any) -> None:
    """R40: key, user and logout are Django's. In a process of its own, as Django is set up once in each."""
    pytest.importorskip("django")
    import subprocess
    import sys
    from pathlib import Path

    script = Path(__file__).with_name("django_login.py")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "all is well\n"), done.stderr


def test_djangos_absence_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from jitterbug.server.adapters import django_session

    monkeypatch.setitem(sys.modules, "django.conf", None)
    with pytest.raises(SettingError, match=r"django\.conf.*pip install django"):
        django_session()


# forward_auth


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Somebody who went away before the answer is part of the game."""


class Service:
    """An HTTP service that knows who has which cookie.

    Attributes:
        asked: The cookies it was asked with.
        answers: Status and body for a cookie; all others get 401.
        delay_s: Before each answer.
    """

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.paths: list[str] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.delay_s = 0.0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cookie = self.headers.get("cookie")
                service.asked.append(cookie)
                service.paths.append(self.path)
                time.sleep(service.delay_s)
                status, body = service.answers.get(cookie or "", (401, b""))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.send_header("set-cookie", "planted=1")
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/who"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.stop()


def test_another_service_says_who_it_is(service: Service, start: Start, visit: Visit) -> None:
    """R37: with what may be read and until when; the answer holds for a while, and the cookie alone is sent."""
    service.answers["app=ada"] = (
        200,
        (
            b'{"id":"login-of-ada","subject":"ada","expires_at":%d,"jitterbug":{"subscribe":["news/*"]}}'
            % (time.time() + 600)
        ),
    )
    resolver = forward_auth(service.url)
    server = mounted(start, resolver)
    visitor = visit(server, cookie="app=ada")
    stream = visitor.get_stream("news/today", "secret/today")

    assert stream.control(Down.SUBSCRIBED)["ch"] == "news/today"
    assert stream.control(Down.UNSUBSCRIBED)["ch"] == "secret/today"
    assert service.asked == ["app=ada"]
    with Visitor(server, cookie="app=bob") as bob:
        assert_refused(bob.http.post("/keys"), 401)
        assert_refused(bob.http.post("/keys"), 401)
    with Visitor(server) as stranger:
        assert_refused(stranger.http.post("/keys"), 401)
    assert service.asked == ["app=ada", "app=bob"]
    server.wait_for(resolver.aclose())


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""), (204, b""), (302, b""), (404, b""), (200, b""), (200, b"{}"), (200, b"[]"), (200, b"nonsense"),
        (200, b'{"id":""}'), (200, b'{"id":1}'), (200, b'{"id":null}'), (200, b'{"id":"x","subject":1}'),
        (200, b'{"id":"x","expires_at":"soon"}'), (200, b'{"id":"x","expires_at":NaN}'),
        (200, b'{"id":"x","jitterbug":1}'),
        (200, b'{"id":"x","expires_at":true}'), (200, b'{"id":"' + b"x" * 70_000 + b'"}'),
        (200, b'{"id":"x"}' * 10_000),
        (200, b"[" * 20_000), (200, b'{"id":"' + b"x" * 2_000 + b'"}'),
    ],
)  # fmt: skip
@in_loop
async def test_an_answer_that_says_nothing_is_no_login_and_is_logged(
    service: Service, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """R12: fails closed; asked again next time; the log has neither cookie nor answer."""
    service.answers["app=ada"] = answer
    resolve = forward_auth(service.url)
    assert await resolve(asking("app=ada")) is None
    assert await resolve(asking("app=ada")) is None
    await resolve.aclose()
    assert service.asked == ["app=ada"] * 2
    assert service.paths == ["/who"] * 2, "a redirect was followed"
    assert caplog.text.count("Forward auth") == 2
    assert "app=ada" not in caplog.text
    assert "xxxx" not in caplog.text


@in_loop
async def test_a_service_that_is_away_or_slow_is_no_login(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """R12."""
    service.answers["app=ada"] = 200, b'{"id":"login-of-ada"}'
    service.delay_s = 1.0
    resolve = forward_auth(service.url, timeout_s=0.2)
    started_s = time.monotonic()
    client = await resolve._connected()
    assert await resolve(asking("app=ada")) is None
    assert time.monotonic() - started_s < 5
    service.delay_s = 0.0
    found = await ForwardAuth.__call__(resolve, asking("app=ada"))
    assert found is not None
    await client.aclose()
    away = forward_auth("http://127.0.0.1:9/who")
    assert await away(asking("app=ada")) is None
    await away.aclose()
    assert caplog.text.count("Forward auth") == 2


@in_loop
async def test_an_answer_holds_for_its_time_and_no_longer(service: Service) -> None:
    clock = ManualClock()
    service.answers["app=ada"] = 200, b'{"id":"login-of-ada"}'
    resolve = forward_auth(service.url, cache_s=5, clock=clock)
    for _ in range(3):
        assert await resolve(asking("app=ada")) is not None
    del service.answers["app=ada"]
    clock.advance(ms=4_999)
    assert await resolve(asking("app=ada")) is not None
    assert len(service.asked) == 1
    clock.advance(ms=2)
    assert await resolve(asking("app=ada")) is None
    assert len(service.asked) == 2
    await resolve.aclose()


@in_loop
async def test_requests_that_come_together_ask_once(service: Service) -> None:
    """And one that goes away takes the answer from none of the others."""
    import asyncio

    service.answers["app=ada"] = 200, b'{"id":"login-of-ada"}'
    service.delay_s = 0.1
    resolve = forward_auth(service.url)
    tasks = [asyncio.ensure_future(resolve(asking("app=ada"))) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert {getattr(session, "id", None) for session in found[1:]} == {"login-of-ada"}
    assert len(service.asked) == 1
    await resolve.aclose()


@in_loop
async def test_no_more_answers_are_remembered_than_a_bound(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """R57 in spirit: strangers with made-up cookies fill no memory."""
    import jitterbug.server.forward_auth as module

    monkeypatch.setattr(module, "_MAX_REMEMBERED", 5)
    resolve = forward_auth(service.url)
    for number in range(20):
        assert await resolve(asking(f"app={number}")) is None
    assert len(resolve._answers) == 5
    assert resolve._asking == {}
    assert await resolve(asking("app=" + "x" * 9_000)) is None
    assert len(service.asked) == 20, "a cookie without end was sent on"
    assert not [cookie for cookie in service.asked if "planted" in str(cookie)]
    await resolve.aclose()


@pytest.mark.parametrize("url", ["http://auth.example/who", "ftp://127.0.0.1/who", "auth", ""])
def test_cookies_go_over_https_only(url: str) -> None:
    """R5."""
    with pytest.raises(SettingError):
        forward_auth(url)
