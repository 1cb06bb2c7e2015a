"""The private key of a hub that speaks TLS itself stays in its file and in its memory (R4, R5, R48).

What is searched: every byte of handshakes that end well and that fail, every answer, both outputs, every file the hub
writes, and every refusal of a key that will not do, traceback and variables included.
"""

import contextlib
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from jitterbug.errors import SettingError
from jitterbug.server.rules import check_rules
from tests.security.canary import head_and_body
from tests.security.dev_hub import DevHub
from tests.security.needles import Needles
from tests.server.production import TOKEN_KEY, WITHIN_S, Authority, Member, ProductionHub, good_settings
from tests.settings.reading import read


class TlsHub(DevHub):
    """``jitterbug serve`` with a certificate, every log line kept.

    Attributes:
        context: What its clients trust.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.context = authority.client_context()
        settings = {**good_settings(), **authority.settings()}
        files = {"JITTERBUG_ENGINE": "sqlite:///history.db", "JITTERBUG_AUDIT_FILE": "audit.jsonl"}
        super().__init__(folder, ["DRAIN_S=0"], settings | files, logs_everything=True, production=True)

    client = ProductionHub.client
    log_in = ProductionHub.log_in


class TlsCanary:
    """A hub that has served over TLS and refused to, and everything that came out of it."""

    def __init__(self, folder: Path) -> None:
        (folder / "elsewhere").mkdir()
        self.authority = Authority(folder / "elsewhere")
        key = load_pem_private_key(self.authority.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.secret = key.private_numbers().private_value.to_bytes(32)
        self.point = key.public_key().public_numbers().x.to_bytes(32)
        self.hub = TlsHub(folder, self.authority)
        self.got: dict[str, bytes] = {}

    def visit(self) -> None:
        """Log in, publish, read a stream, be refused, look at what the operator sees."""
        with Member(self.hub) as ada:  # type: ignore[arg-type]
            stream = ada.open_stream("room")
            answers = [
                ada.post_frame(ada.sign({"t": "pub", "id": "1", "conn": stream.conn, "ch": "room", "data": "sent"})),
                ada.post_frame(b"{}"),
                ada.http.get("/health"),
                ada.http.get("/nothing"),
            ]
            assert stream.take(1) == ["sent"]
        for answer in answers:
            self.got[str(answer.request.url)] = head_and_body(answer)
        assert [answer.status_code for answer in answers] == [200, 400, 200, 404]

    def shake(self, name: str, context: ssl.SSLContext, ends: type[Exception] | None = None) -> None:
        """Shake hands by hand, so that what the hub sends is seen as it comes; with an error where one is named."""
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        end = context.wrap_bio(inward, outward, server_hostname="127.0.0.1")
        came = b""
        with socket.create_connection(("127.0.0.1", self.hub.port), WITHIN_S) as sock:
            caught: Exception | None = None
            while caught is None:
                try:
                    end.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outward.read())
                    data = sock.recv(65_536)
                    inward.write(data) if data else inward.write_eof()
                    came += data
                except ssl.SSLError as error:
                    caught = error
            with contextlib.suppress(OSError):
                sock.sendall(outward.read())
        assert ends is None if caught is None else (ends is not None and isinstance(caught, ends)), caught
        self.got[name] = came

    def send(self, name: str, data: bytes) -> None:
        """Send what is no TLS, and read to the end."""
        with socket.create_connection(("127.0.0.1", self.hub.port), WITHIN_S) as sock, contextlib.suppress(OSError):
            sock.sendall(data)
            self.got[name] = b"".join(iter(lambda: sock.recv(65_536), b""))

    def find(self) -> list[str]:
        """Where something of the key is."""
        needles = Needles()
        needles.add("private key", self.secret)
        places = {**self.got, **self.hub.written()}
        return sorted(name for name, data in places.items() if needles.found_in(data))


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCanary]:
    """A hub that has done everything and is gone."""
    canary = TlsCanary(tmp_path_factory.mktemp("canary"))
    try:
        canary.visit()
        trusting, old = canary.authority.client_context(), canary.authority.client_context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        weak = canary.authority.client_context()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("kRSA")
        canary.shake("TLS 1.3", trusting)
        canary.shake("TLS 1.2", old)
        canary.shake("by a client that trusts nobody", ssl.create_default_context(), ssl.SSLCertVerificationError)
        canary.shake("with no cipher in common", weak, ssl.SSLError)
        canary.send("plain HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        canary.send("broken", b"\x16\x03\x01\x00\x05hello")
        assert canary.hub.stop() == 0
        yield canary
    finally:
        canary.hub.stop()


def test_nothing_of_the_private_key_left_the_hub_r5_r48(canary: TlsCanary) -> None:
    """No window of nine bytes of the number that is secret, in no spelling."""
    assert {"TLS 1.3", "TLS 1.2", "with no cipher in common", "plain HTTP", "broken"} <= canary.got.keys()
    assert {"stdout", "stderr", "history.db", "audit.jsonl"} <= canary.hub.written().keys()
    assert canary.find() == []


def test_the_search_sees_a_handshake_and_knows_the_key_in_its_file(canary: TlsCanary) -> None:
    """The certificate of TLS 1.2 goes in the clear: the public half is found there, and the file holds the other."""
    public, private = Needles(), Needles()
    public.add("public key", canary.point)
    private.add("private key", canary.secret)
    pem = canary.authority.key.read_bytes()

    assert public.found_in(canary.got["TLS 1.2"])
    assert private.found_in(pem)
    assert private.found_in(b"log: " + canary.secret.hex(":").encode())


def encrypted(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda pem: pem[: len(pem) // 2],
    "no base64": lambda pem: pem.replace(b"\nM", b"\n!M", 1),
    "without its end": lambda pem: pem.rpartition(b"-----END")[0],
    "behind a password": encrypted,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_key_that_will_not_do_is_refused_and_not_quoted_r48_r73(name: str, swapped: bool, tmp_path: Path) -> None:
    """Neither in the error nor in a traceback with all variables; also where key and certificate are exchanged."""
    authority = Authority(tmp_path)
    pem = authority.key.read_bytes()
    authority.key.write_bytes(WRONG[name](pem))
    settings = {**good_settings(), **authority.settings(), "JITTERBUG_JWT_KEY": TOKEN_KEY}
    if swapped:
        settings["JITTERBUG_TLS_CERT"], settings["JITTERBUG_TLS_KEY"] = str(authority.key), str(authority.cert)
    given: Any = read(settings, development=False)
    with pytest.raises(SettingError) as caught:
        check_rules(given)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    del shown.stack[0]  # this function, which knows the key
    lines = {line for line in authority.key.read_text().splitlines() if not line.startswith("---")}

    assert caught.value.setting == "JITTERBUG_TLS_CERT"
    assert not [line for line in lines for text in ("".join(shown.format()), repr(given)) if line in text]
