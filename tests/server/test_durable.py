"""A production hub whose history is in a file: a restart keeps positions, and re-admits no frame (PROTOCOL §5)."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import httpx2

from jitterbug.client import Position, Publisher
from jitterbug.protocol.signing import FrameSigner
from tests.looped import in_loop
from tests.server.production import BASE_PATH, Authority, ProductionHub, good_settings


def production(folder: Path, authority: Authority, settings: dict[str, str]) -> ProductionHub:
    return ProductionHub(folder, settings, authority.client_context())


@in_loop
async def test_a_restart_keeps_positions_and_nonces(tmp_path: Path, authority: Authority) -> None:
    """The third publication follows the second of the run before, and a captured frame is a replay still."""
    settings = {**good_settings(), **authority.settings(), "JITTERBUG_ENGINE": "sqlite:///history.db"}
    kid, secret = settings["HMAC_KEY_ID"], base64.b64decode(settings["HMAC_SECRET"])
    signer = FrameSigner(kid, secret)
    places: list[Position] = []
    captured = b""

    async def publish(hub: ProductionHub, data: Any) -> None:
        async with httpx2.AsyncClient(verify=authority.client_context(), trust_env=False) as http:
            places.append(await Publisher(hub.url, kid, secret, http=http).publish("orders", data))

    async def post(hub: ProductionHub, frame: bytes) -> int:
        async with httpx2.AsyncClient(verify=authority.client_context(), trust_env=False) as http:
            headers = {"content-type": "application/json"}
            answer = await http.post(f"{hub.url}{BASE_PATH}/publish", content=frame, headers=headers)
            return answer.status_code

    with production(tmp_path, authority, settings) as hub:
        await publish(hub, 1)
        await publish(hub, 2)
        payload = {"t": "publish", "id": "x", "ch": "other", "data": 1}
        captured = signer.sign(payload, int(time.time() * 1_000))
        assert await post(hub, captured) == 200
    assert (tmp_path / "history.db").stat().st_mode & 0o077 == 0
    with production(tmp_path, authority, settings) as hub:
        assert await post(hub, captured) == 401
        await asyncio.sleep(0)
        await publish(hub, 3)
    assert [place.offset for place in places] == [1, 2, 3]
    assert len({place.epoch for place in places}) == 1
