"""SIGHUP: root keys and allowed origins change under open streams (PROTOCOL §2; ASVS 13.1.4, 13.3.4)."""

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from jitterbug import Config, Jitterbug, connect
from jitterbug.client.publisher import Publisher
from jitterbug.client.refusals import UnauthorizedError
from jitterbug.protocol import base64
from tests.looped import in_loop
from tests.server.production import GENEROUS, Authority, Member, ProductionHub, good_settings, root_pair, token
from tests.server.serving import until


class Reloadable(ProductionHub):
    """A hub whose root keys and origins stand in ``.env``; the rest in its environment, which no signal can change."""

    def __init__(self, cwd: Path, authority: Authority) -> None:
        environ = {**good_settings(), **authority.settings(), **GENEROUS}
        self.root = environ.pop("HMAC_KEY_ID"), environ.pop("HMAC_SECRET")
        environ.pop("JITTERBUG_ALLOWED_ORIGINS")
        self._env_file = cwd / ".env"
        self._reloads = 0
        self.write()
        super().__init__(cwd, environ, authority.client_context())

    def write(self, **changes: str) -> None:
        """Write ``.env`` anew."""
        kid, secret = self.root
        settings = {"HMAC_KEY_ID": kid, "HMAC_SECRET": secret, **changes}
        self._env_file.write_text("".join(f"{name}={text}\n" for name, text in settings.items()))

    def hang_up(self) -> str:
        """Send SIGHUP; return what is logged about it."""
        before = len(self.log())
        self.send_signal(signal.SIGHUP)
        until(lambda: re.search("reloaded.*\n", self.log()[before:]))
        # A request that is answered after the reload: whatever it logs is there.
        with self.client() as client:
            client.get("/health")
        return self.log()[before:]


@pytest.fixture
def hub(tmp_path: Path, authority: Authority) -> Iterator[Reloadable]:
    with Reloadable(tmp_path, authority) as running:
        yield running


def signing(hub: Reloadable) -> tuple[str, bytes]:
    """What a back end signs with now."""
    return hub.root[0], base64.decode(hub.root[1])


def publish(member: Member, conn: str, number: int) -> int:
    payload = {"t": "pub", "id": f"p{number}", "conn": conn, "ch": "a", "data": number}
    return member.post_frame(member.sign(payload)).status_code


def test_a_root_key_is_rotated_under_open_streams(hub: Reloadable) -> None:
    """R2, R50: old keys go on, new ones come from the new root; without the old root they end at once."""
    with Member(hub) as member:
        stream = member.open_stream("a")
        assert publish(member, stream.conn, 1) == 200
        (old_kid, old_secret), hub.root = hub.root, root_pair("root_two")

        hub.write(HMAC_PREVIOUS_KEYS=f"{old_kid}:{old_secret}")
        log = hub.hang_up()

        assert "Settings reloaded: HMAC_KEY_ID, HMAC_SECRET, HMAC_PREVIOUS_KEYS" in log
        assert "restart" not in log
        assert publish(member, stream.conn, 2) == 200
        assert stream.take(2) == [1, 2], "same stream, same key, nothing lost"
        with Member(hub) as newcomer:
            fresh = newcomer.open_stream("a")

            hub.write()
            hub.hang_up()

            assert stream.wait_for("bye")["reason"] == "key_expired"
            assert publish(member, stream.conn, 3) == 401
            assert publish(newcomer, fresh.conn, 4) == 200
            assert fresh.take(1) == [4]
        member.fetch_key()
        again = member.open_stream("a")
        assert publish(member, again.conn, 5) == 200
        assert again.take(1) == [5]
    for secret in (old_secret, hub.root[1]):
        assert secret not in hub.log()


@in_loop
async def test_readers_and_publishers_follow_a_rotation(tmp_path: Path, authority: Authority) -> None:
    """R50: connect() loses nothing, even where the old root key is dropped at once."""
    hub = await asyncio.to_thread(Reloadable, tmp_path, authority)
    try:
        context = authority.client_context()
        async with (
            httpx2.AsyncClient(verify=context, trust_env=False) as http,
            httpx2.AsyncClient(verify=context, trust_env=False) as back_end,
            asyncio.timeout(30),
            connect(hub.url, channels=["a"], token=token(), http=http) as stream,
        ):
            async with Publisher(hub.url, *signing(hub), http=back_end) as publisher:
                await publisher.publish("a", 1)
                assert (await anext(stream)).data == 1
                hub.root = root_pair("root_two")
                hub.write()
                await asyncio.to_thread(hub.hang_up)
                with pytest.raises(UnauthorizedError):
                    await publisher.publish("a", "under a key that is gone")
            async with Publisher(hub.url, *signing(hub), http=back_end) as publisher:
                for number in range(2, 7):
                    await publisher.publish("a", number)
            assert [(await anext(stream)).data for _ in range(5)] == [2, 3, 4, 5, 6]
            assert not stream.stats.refused
    finally:
        assert await asyncio.to_thread(hub.stop) == 0


def test_allowed_origins_change_at_once(hub: Reloadable) -> None:
    """ASVS 3.4.2: and back."""
    with Member(hub) as member:
        origin = {"origin": "https://app.example"}
        assert member.http.post("/keys", headers=origin).status_code == 403
        hub.write(JITTERBUG_ALLOWED_ORIGINS="https://app.example")
        assert "Settings reloaded: JITTERBUG_ALLOWED_ORIGINS" in hub.hang_up()
        assert member.http.post("/keys", headers=origin).status_code == 200
        hub.write()
        hub.hang_up()
        assert member.http.post("/keys", headers=origin).status_code == 403


def test_settings_that_do_not_hold_change_nothing(hub: Reloadable) -> None:
    """R73, R76: each is logged by name, without its value; the hub goes on as it was."""
    good = hub.root
    broken: list[tuple[str, tuple[str, str], dict[str, str]]] = [
        ("HMAC_SECRET", ("root_two", "c2hvcnQ="), {}),
        ("HMAC_SECRET", ("root_two", "A" * 43 + "="), {}),
        ("HMAC_KEY_ID", ("x", good[1]), {}),
        ("HMAC_PREVIOUS_KEYS", good, {"HMAC_PREVIOUS_KEYS": f"{good[0]}:{good[1]}"}),
        ("JITTERBUG_ALLOWED_ORIGINS", good, {"JITTERBUG_ALLOWED_ORIGINS": "*"}),
        ("HMAC_REPLAY_WINDOW_MS", good, {"HMAC_REPLAY_WINDOW_MS": "1"}),
        ("JITTERBUG_TYPO", good, {"JITTERBUG_TYPO": "1"}),
        ("JITTERBUG_ENGINE", good, {"JITTERBUG_ENGINE": "redis://127.0.0.1"}),
    ]
    with Member(hub) as member:
        stream = member.open_stream("a")
        for number, (name, root, changes) in enumerate(broken):
            hub.root = root
            hub.write(**changes)
            log = hub.hang_up()
            assert "Settings not reloaded, the old ones stay" in log
            assert name in log
            assert publish(member, stream.conn, number) == 200
        hub.root = good
        hub._env_file.write_text(f"HMAC_KEY_ID='{good[0]}\n")
        assert "not reloaded" in hub.hang_up()
        hub._env_file.unlink()
        assert "HMAC_KEY_ID" in hub.hang_up()
        assert member.http.post("/keys", headers={"origin": "https://evil.example"}).status_code == 403
        member.fetch_key()
        assert stream.take(len(broken)) == list(range(len(broken)))
        hub.write()
        assert "Settings reloaded: nothing changed" in hub.hang_up()
    assert "c2hvcnQ=" not in hub.log()
    assert good[1] not in hub.log()


def test_what_else_changed_is_told_to_need_a_restart(hub: Reloadable) -> None:
    with Member(hub) as member:
        hub.write(JITTERBUG_DRAIN_S_TYPO="1")
        hub.hang_up()
        hub.write(JITTERBUG_HISTORY_SIZE="5", JITTERBUG_MAX_CONNECTIONS="1", JITTERBUG_TRUSTED_PROXIES="10.0.0.1")
        log = hub.hang_up()
        names = "JITTERBUG_HISTORY_SIZE, JITTERBUG_MAX_CONNECTIONS, JITTERBUG_TRUSTED_PROXIES"
        assert f"Changed, but not before a restart: {names}" in log
        assert "Settings reloaded: nothing changed" in log
        member.open_stream("a")
        member.open_stream("a")


def test_a_mounted_hub_adopts_settings_too() -> None:
    """Its root key stays where the new settings have none."""
    push = Jitterbug(config=Config(development=True))
    roots = push.hub.roots
    push.adopt(Config(development=True, allowed_origins=("https://app.example",)))
    assert push.hub.roots is roots
    assert push.allowed_origins == ("https://app.example",)
