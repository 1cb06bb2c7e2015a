"""A back end's frame is not accepted again by a hub that was started after it was signed (T3, §2.3)."""

import os

from jitterbug import Jitterbug
from jitterbug.clock import SystemClock
from jitterbug.config import Config, Secret
from jitterbug.protocol.signing import FrameSigner
from tests.server.serving import ask, start_mounted


def test_t3_a_restart_revives_no_publication() -> None:
    secret = os.urandom(32)
    signer = FrameSigner("root-key", secret)
    config = Config(hmac_key_id="root-key", hmac_secret=Secret(secret))

    def sign(number: str) -> bytes:
        return signer.sign({"t": "publish", "id": number, "ch": "orders", "data": 1}, SystemClock().now_ms())

    def serve(*earlier: bytes) -> tuple[list[int], bytes]:
        """Publish what was signed before and something fresh; return the answers, and the fresh frame."""
        server = start_mounted(Jitterbug(session=lambda _: None, config=config))
        fresh = sign("fresh")
        url, headers = f"{server.url}/api/jitterbug/publish", {"content-type": "application/json", "host": "localhost"}
        try:
            return [ask("POST", url, content=each, headers=headers).status_code for each in (*earlier, fresh)], fresh
        finally:
            server.stop()

    first, captured = serve()
    again, _ = serve(captured)

    assert first == [200]
    assert again == [401, 200]
