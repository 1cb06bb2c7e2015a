"""The two hubs that the document describes, as their clients see them: production over TLS, development over HTTP."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from jitterbug.protocol import base64
from jitterbug.protocol.signing import FrameSigner
from jitterbug.server.app import BASE_PATH
from tests.security.dev_hub import DevHub
from tests.server.production import GENEROUS, Authority, ProductionHub, good_settings, root_pair, token

USES_PER_SESSION = 8
"""A session may ask for 10 keys a minute and has a bucket of 10 frames: most cases are to get further than 429."""
_PATIENCE_S = 20


class Hub:
    """A running hub and whoever asks it.

    Attributes:
        base: URL of its base path.
        cookie: Name of its session cookie.
        publisher: Signs what a back end publishes.
        verify: File with the authority its clients trust; False over plain HTTP.
    """

    def __init__(self, url: str, cookie: str, root: tuple[str, str], authority: Path | None) -> None:
        """Args: authority: certificate that its clients trust; None = plain HTTP."""
        self.base = f"{url}{BASE_PATH}"
        self.cookie = cookie
        kid, secret = root
        self.publisher = FrameSigner(kid, base64.decode(secret))
        self.verify = str(authority) if authority else False
        self._http = requests.Session()
        self._http.trust_env = False
        self._login: dict[str, str] = {}
        self._uses = 0

    def now_ms(self) -> int:
        """Its time: that of this machine, Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def log_in(self) -> dict[str, str]:
        """Open a session; returns its cookie."""
        answer = self.ask("POST", "/session", headers=self.credentials())
        assert answer.status_code == 204, answer.text
        return {self.cookie: answer.cookies[self.cookie]}

    def credentials(self) -> dict[str, str]:
        """What a login needs beside the request."""
        return {"authorization": f"Bearer {token()}"} if self.verify else {}

    def login(self) -> dict[str, str]:
        """The cookie of a session that has not been used up yet."""
        if self._uses % USES_PER_SESSION == 0:
            self._login = self.log_in()
        self._uses += 1
        return self._login

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; cookies are those of the options alone."""
        answer = self.http.request(method, f"{self.base}{path}", timeout=_PATIENCE_S, verify=self.verify, **options)
        self._http.cookies.clear()
        return answer

    @contextmanager
    def open(self, path: str, **options: Any) -> Iterator[requests.Response]:
        """An answer that has no end, on a connection of its own."""
        with requests.Session() as http:
            http.trust_env = False
            url = f"{self.base}{path}"
            with http.post(url, timeout=_PATIENCE_S, verify=self.verify, stream=True, **options) as answer:
                assert answer.status_code == 200, answer.text
                yield answer

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    @property
    def http(self) -> requests.Session:
        """The connection; remembers no cookie from one request to the next."""
        self._http.cookies.clear()
        return self._http


@contextmanager
def development(folder: Path) -> Iterator[Hub]:
    """``jitterbug dev``, with a root key so that somebody can publish."""
    root = root_pair("root_one")
    with DevHub(folder, environ=_root(root)) as hub, closing(Hub(hub.url, "jitterbug", root, None)) as asked:
        yield asked


@contextmanager
def production(folder: Path) -> Iterator[Hub]:
    """``jitterbug serve``, with a certificate of an authority made for the run."""
    root, authority = root_pair("root_one"), Authority(folder)
    trusted = folder / "ca.pem"
    authority.ca.cert_pem.write_to_path(str(trusted))
    limits = {name: value for name, value in GENEROUS.items() if name.endswith("SESSIONS_PER_ADDRESS")}
    environ = {**good_settings(), **_root(root), **limits, **authority.settings()}
    with (
        ProductionHub(folder, environ, authority.client_context()) as hub,
        closing(Hub(hub.url, "__Host-jitterbug", root, trusted)) as asked,
    ):
        yield asked


def _root(root: tuple[str, str]) -> Mapping[str, str]:
    return {"HMAC_KEY_ID": root[0], "HMAC_SECRET": root[1]}
