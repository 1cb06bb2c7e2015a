"""Tokens become logins, and nothing else does: the cases of Mercure's authorization tests and more (PROTOCOL §3)."""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Secret
from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.tokens import TokenExchange
from jitterbug.testing import ManualClock
from tests.server.answers import assert_refused
from tests.server.production import ALL, AUDIENCE, TOKEN_KEY, Member, ProductionHub, token

OTHER_KEY = "another key of the same length, or so, which is not it"
DEEP = "[" * 3_000


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def handmade(header: str | Mapping[str, Any], payload: str | Mapping[str, Any], key: str | bytes = TOKEN_KEY) -> str:
    """A token whose text no library would write, with a right HS256 signature."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    signed = ".".join(b64(part) for part in parts)
    secret = key if isinstance(key, bytes) else key.encode()
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def claims(**changes: Any) -> dict[str, Any]:
    members = {"sub": "ada", "aud": AUDIENCE, "exp": int(time.time()) + 600, "jitterbug": ALL, **changes}
    return {name: value for name, value in members.items() if value is not None}


def with_number(name: str, text: str) -> str:
    """A token with a number exactly so written."""
    return handmade({"alg": "HS256"}, json.dumps(claims(**{name: 0})).replace(f'"{name}": 0', f'"{name}": {text}'))


HS256 = {"alg": "HS256", "typ": "JWT"}
NOW_S = int(time.time())
REFUSED: dict[str, str] = {
    "wrong audience": token(aud="other"),
    "no audience": token(aud=None),
    "audience that only begins so": token(aud=f"{AUDIENCE}s"),
    "empty list of audiences": token(aud=[]),
    "audience that is a number": handmade(HS256, claims(aud=1)),
    "no end": token(exp=None),
    "over": token(exp=NOW_S - 1),
    "over since 1970": token(exp=0),
    "over before 1970": token(exp=-5),
    "end as text": handmade(HS256, claims(exp=str(NOW_S + 600))),
    "end as a boolean": handmade(HS256, claims(exp=True)),
    "end as a list": handmade(HS256, claims(exp=[NOW_S + 600])),
    "end that is no number": with_number("exp", "NaN"),
    "end without end": with_number("exp", "1e999"),
    "end in milliseconds": token(exp=(NOW_S + 600) * 1_000),
    "end with hundreds of digits": with_number("exp", "9" * 400),
    "end beyond what a double holds": with_number("exp", "1e308"),
    "not yet": token(nbf=NOW_S + 3_600),
    "begin as text": handmade(HS256, claims(nbf="0")),
    "begin that is no number": with_number("nbf", "NaN"),
    "no subject": token(sub=None),
    "empty subject": token(sub=""),
    "subject that is a number": handmade(HS256, claims(sub=7)),
    "subject without end": token(sub="x" * 129),
    "subject with a line end": token(sub="ada\r\nset-cookie: x=1"),
    "subject with a NUL": token(sub="ada\x00"),
    "subject with half a character": handmade(HS256, json.dumps(claims(sub="\ud800"))),
    "no algorithm": jwt.encode(claims(), "", algorithm="none"),
    "no algorithm, with a signature": handmade({"alg": "none"}, claims()),
    "no algorithm, in capitals": handmade({"alg": "NONE"}, claims()),
    "algorithm left out": handmade({"typ": "JWT"}, claims()),
    "algorithm that is a list": handmade({"alg": ["HS256"]}, claims()),
    "algorithm that is null": handmade({"alg": None}, claims()),
    "another algorithm": jwt.encode(claims(), TOKEN_KEY * 2, algorithm="HS512"),
    "another algorithm's name": handmade({"alg": "RS256"}, claims()),
    "another key": token(OTHER_KEY),
    "empty key": handmade(HS256, claims(), b""),
    "a key of its own": handmade({**HS256, "jwk": {"kty": "oct", "k": b64(OTHER_KEY)}}, claims(), OTHER_KEY),
    "a key from elsewhere": handmade({**HS256, "jku": "https://a.example/keys"}, claims(), OTHER_KEY),
    "a key id that is a path": handmade({**HS256, "kid": "/dev/null"}, claims(), b""),
    "a critical extension": handmade({**HS256, "crit": ["x"], "x": 1}, claims()),
    "a detached payload": handmade({**HS256, "crit": ["b64"], "b64": False}, claims()),
    "signature cut": token()[:-5],
    "no signature": token().rpartition(".")[0] + ".",
    "two parts": token().rpartition(".")[0],
    "four parts": token() + ".x",
    "encrypted form": ".".join([b64('{"alg":"dir","enc":"A256GCM"}'), "", "x", "x", "x"]),
    "payload of another token": ".".join(
        [token().split(".")[0], token(sub="root").split(".")[1], token().split(".")[2]]
    ),
    "claims that are a list": handmade(HS256, "[]"),
    "claims that are no JSON": handmade(HS256, "nonsense"),
    "claims that are not UTF-8": handmade(HS256, "\xff\xfe"),
    "claims without end": handmade(HS256, DEEP),
    "header without end": handmade(DEEP, claims()),
    "header that is a list": handmade("[]", claims()),
    "oversized": token(padding="x" * 8_192),
    "grants as text": token(jitterbug="**"),
    "grants for all": token(jitterbug=True),
    "grants of another kind": token(jitterbug={"subscribe": ["**"], "admin": True}),
    "grants with another pattern": token(jitterbug={"subscribe": ["a b"]}),
    "grants without end": token(jitterbug={"subscribe": ["a"] * 101}),
    "a dot": ".",
    "dots": "...",
    "a letter": "x",
    "other letters": "ä.ö.ü",
}


@pytest.fixture(scope="module")
def http(production: ProductionHub) -> Iterator[httpx2.Client]:
    with production.client() as client:
        yield client


def try_it(http: httpx2.Client, text: str) -> httpx2.Response:
    http.cookies.clear()
    return http.post("/session", headers={"authorization": f"Bearer {text}".encode("latin-1")})


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_token_gets_the_one_answer(http: httpx2.Client, name: str) -> None:
    """R61: one body, one status, no cookie, whatever is wrong with it."""
    answer = try_it(http, REFUSED[name])
    assert_refused(answer, 401)
    assert "set-cookie" not in answer.headers
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "text",
    [
        token(), token(aud=[AUDIENCE, "other"]), token(nbf=NOW_S - 5, iat=NOW_S, iss="x", jti="y"),
        token(jitterbug=None),
        token(nbf=NOW_S + 2), token(exp=NOW_S + 7_200.5), token(sub="Ädä 💙"), token(iat=NOW_S + 9_999),
        token(headers={"kid": "any"}), token(more={"deep": [1]}),
    ],
)  # fmt: skip
def test_good_tokens_are_taken(http: httpx2.Client, text: str) -> None:
    """Positive control of the refusals above; ``nbf`` within the clock difference."""
    assert try_it(http, text).status_code == 204


def test_no_refusal_shows_the_token_or_a_traceback_in_the_log(production: ProductionHub, http: httpx2.Client) -> None:
    """R60, ASVS 16.2.5: the cause is there, under the request id."""
    text = token(aud="other")
    request_id = try_it(http, text).headers["x-request-id"]
    production.wait_for_log(request_id)
    log = production.log()
    assert text not in log
    assert text.split(".")[2] not in log
    assert "Traceback" not in log


# Where a token may stand.


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", f"Bearer {token()}"), ("authorization", f"Bearer {token()}")],
        [("authorization", "Bearer x"), ("authorization", f"Bearer {token()}")],
        [("authorization", f"Bearer {token()}, Bearer {token()}")],
        [("authorization", f"Bearer {token()} x")],
        [("authorization", token())],
        [("authorization", f"Basic {token()}")],
        [("authorization", f"Token {token()}")],
        [("authorization", f"Bearer\t{token()}")],
        [("authorization", "Bearer")],
        [("authorization", "")],
        [("proxy-authorization", f"Bearer {token()}")],
        [("x-authorization", f"Bearer {token()}")],
        [("cookie", f"authorization=Bearer {token()}; token={token()}; mercureAuthorization={token()}")],
        [],
    ],
)
def test_a_token_counts_in_one_authorization_header_only(http: httpx2.Client, headers: list[tuple[str, str]]) -> None:
    """R61: several headers, other schemes and other places get the one answer."""
    http.cookies.clear()
    assert_refused(http.post("/session", headers=headers), 401)


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "jwt", "bearer"])
def test_a_token_in_the_query_or_the_body_is_not_looked_at(http: httpx2.Client, name: str) -> None:
    """O31 and ASVS 14.2.1: nothing secret in a URL."""
    http.cookies.clear()
    assert_refused(http.post("/session", params={name: token()}), 401)
    assert_refused(http.post("/session", json={name: token()}), 401)
    assert_refused(http.post("/session", data={name: token()}), 401)
    with_bad_header = http.post("/session", params={name: token()}, headers={"authorization": "Bearer x"})
    assert_refused(with_bad_header, 401)


@pytest.mark.parametrize("char", ["\x00", "\x01", "\x0b", "\x1f", "\x7f", "\x80", "\xff", "\r", "\n"])
def test_control_characters_in_the_header_end_as_a_generic_refusal(production: ProductionHub, char: str) -> None:
    """CWE-113: by the HTTP parser or by the token's."""
    import socket

    head = "POST /api/jitterbug/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n"
    text = token()
    data = f"{head}Authorization: Bearer {text[:20]}{char}{text[20:]}\r\n\r\n".encode("latin-1")
    context = production.context
    assert isinstance(context, ssl.SSLContext)
    with (
        socket.create_connection(("127.0.0.1", production.port), 20) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(data)
        received = b""
        while chunk := tls.recv(65_536):
            received += chunk
    status = int(received.split(b" ")[1])
    assert status in {400, 401}
    assert received.endswith(b'{"error":"unauthorized"}' if status == 401 else b'{"error":"invalid request"}')
    assert b"set-cookie" not in received.lower()


def test_a_token_beside_a_login_is_not_looked_at_but_to_log_in(production: ProductionHub) -> None:
    """A cookie is the only login: a bad token beside it harms nothing, a good one without it opens nothing."""
    with Member(production) as member:
        bad = {"authorization": "Bearer x"}
        assert member.http.post("/keys", headers=bad).status_code == 200
        assert_refused(member.http.post("/session", headers=bad), 401)
        assert member.http.post("/keys").status_code == 200, "a failed login ends no other"
        good = {"authorization": f"Bearer {token()}"}
        with production.client() as stranger:
            for path in ("/keys", "/frames", "/stream"):
                assert_refused(stranger.post(path, headers=good), 401)
            assert_refused(stranger.delete("/session", headers=good), 401)


def test_the_scheme_is_taken_in_any_case(http: httpx2.Client) -> None:
    """RFC 9110 §11.1."""
    for scheme in ("bearer", "BEARER", "BeArEr"):
        assert http.post("/session", headers={"authorization": f"{scheme} {token()}"}).status_code == 204


def test_grants_decide_what_is_read_and_written(production: ProductionHub) -> None:
    """Default deny, per channel; REQUIREMENTS §2.30."""
    with Member(production, jitterbug={"subscribe": ["news/*"], "publish": ["drafts/**"]}) as member:
        stream = member.open_stream("news/a", "news/a/b", "$sys/alerts")
        stream.wait_for("unsubscribed")
        assert stream.wait_for("subscribed")["ch"] == "news/a"

        def publish(channel: str) -> int:
            return member.post_frame(
                member.sign({"t": "pub", "id": channel, "conn": stream.conn, "ch": channel, "data": 1})
            ).status_code

        assert publish("drafts/a/b") == 200
        assert publish("news/a") == publish("other") == 401


# The exchange by itself.


def exchange(clock: ManualClock, key: bytes = TOKEN_KEY.encode(), algorithm: str = "HS256") -> TokenExchange:
    return TokenExchange(Secret(key), algorithm=algorithm, audience=AUDIENCE, clock=clock, leeway_s=5)


def is_taken(tokens: TokenExchange, text: str) -> bool:
    try:
        tokens.identity(f"Bearer {text}")
    except RefusedRequest as refused:
        if refused.code is not ErrorCode.UNAUTHORIZED:
            raise
        return False
    return True


def test_times_are_judged_to_the_second_by_the_hubs_clock(clock: ManualClock) -> None:
    """R38: no leeway at the end, the clock difference at the begin."""
    tokens, now_s = exchange(clock), clock.now_ms() // 1_000
    assert is_taken(tokens, token(exp=now_s + 1))
    assert not is_taken(tokens, token(exp=now_s))
    assert is_taken(tokens, token(exp=now_s + 60, nbf=now_s + 5))
    assert not is_taken(tokens, token(exp=now_s + 60, nbf=now_s + 6))
    text = token(exp=now_s + 1)
    clock.advance(s=1)
    assert not is_taken(tokens, text)


@given(st.data())
def test_no_changed_character_passes(data: st.DataObject) -> None:
    """R66: every place of a token."""
    clock = ManualClock()
    text = token(exp=clock.now_ms() // 1_000 + 60)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.sampled_from("ABCDxyz0189-_.=+/ "))
    changed = text[:at] + char + text[at + 1 :]
    if changed != text:
        # The last character of 43 carries two bits that no byte has.
        same = base64.urlsafe_b64decode(text.split(".")[-1] + "=") if at == len(text) - 1 else None
        if same is not None and char not in ".=+/ " and base64.urlsafe_b64decode(changed.split(".")[-1] + "=") == same:
            return
        assert not is_taken(exchange(clock), changed)


@given(st.binary(max_size=300))
def test_no_other_bytes_pass_and_none_raise_anything_else(data: bytes) -> None:
    """R65."""
    assert not is_taken(exchange(ManualClock()), data.decode("latin-1"))


def test_a_public_key_is_no_secret(clock: ManualClock) -> None:
    """RFC 8725 §2.1: HS256 made with the PEM text that everybody has, against RS256, ES256 and EdDSA."""
    private = rsa.generate_private_key(65_537, 2_048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mine = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    curve = ec.generate_private_key(ec.SECP256R1())
    curve_pem = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    exp = clock.now_ms() // 1_000 + 60
    for key, algorithm in ((pem, "RS256"), (pem, "PS256"), (curve_pem, "ES256")):
        tokens = exchange(clock, key, algorithm)
        for secret in (key, key.strip(), b""):
            assert not is_taken(tokens, handmade(HS256, claims(exp=exp), secret))
            assert not is_taken(tokens, handmade({"alg": algorithm}, claims(exp=exp), secret))
    assert is_taken(exchange(clock, pem, "RS256"), token(mine.decode(), "RS256", exp=exp))
    assert not is_taken(exchange(clock, pem, "PS256"), token(mine.decode(), "RS256", exp=exp))
    assert not is_taken(exchange(clock, curve_pem, "ES256"), token(mine.decode(), "RS256", exp=exp))


def test_whatever_the_library_raises_is_a_refusal(clock: ManualClock) -> None:
    """R12, R61: with a key that does not go with the algorithm each token raised, and was answered with 500."""
    private = rsa.generate_private_key(65_537, 2_048)
    mine = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    exp = clock.now_ms() // 1_000 + 60
    text = token(mine.decode(), "RS256", exp=exp)

    for key in (mine, b"-----BEGIN PUBLIC KEY-----\nx", b""):
        assert not is_taken(exchange(clock, key, "RS256"), text)
