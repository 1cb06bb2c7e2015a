"""Ephemeral keys as the client holds them: the hub's answer, the ring, when the next is due (PROTOCOL §2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from jitterbug.client.refusals import UnreadableError
from jitterbug.errors import CanonicalError
from jitterbug.protocol import base64, canonical, frames
from jitterbug.protocol.codes import MAX_SAFE_INTEGER
from jitterbug.protocol.signing import FrameSigner, MacKey
from jitterbug.protocol.verifying import VerifyKey

RENEW_SHARE: Final = 0.8
JITTER_SHARE: Final = 0.05
"""Spread of the renewal to either side, as a share of life, so that clients do not ask together."""
_MAX_LIFE_MS: Final = 24 * 60 * 60 * 1_000
MAX_KEYS: Final = 100
"""What a session can get within the life of a key at the hub's limit; beyond it the oldest go."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key of this session, in memory only (R3, R48). Times are Unix milliseconds on the hub's clock.

    Attributes:
        kid: Its name.
        signer: Signs what goes up.
        verify: Verifies what comes down; has the last ``ts`` it may have signed.
        renew_at_ms: When the next one is due.
        expires_at_ms: Last ``ts`` it may sign.
    """

    kid: str
    signer: FrameSigner = field(repr=False)
    verify: VerifyKey = field(repr=False)
    renew_at_ms: float
    expires_at_ms: int

    def __reduce__(self) -> Any:
        raise TypeError("Keys are not pickled.")


def renew_after_ms(life_ms: float, random: float) -> float:
    """Milliseconds from the issue of a key to the request for the next: 80 % of its life, 5 % to either side.

    Args:
        life_ms: From ``serverTime`` to ``expiresAt``.
        random: In [0, 1).
    """
    return life_ms * (RENEW_SHARE + JITTER_SHARE * (2 * random - 1))


def read_answer(body: bytes, random: Callable[[], float]) -> tuple[HeldKey, int]:
    """Read what ``POST BASE/keys`` answered.

    Returns:
        The key, and ``serverTime`` in Unix milliseconds.

    Raises:
        UnreadableError: Another form or another algorithm: there is no negotiation (R20, R74). Also times in seconds
            or an end in the past, which would make a key that never or always holds (O21).
    """
    try:
        answer = canonical.decode(body)
    except CanonicalError:
        raise UnreadableError from None
    if not isinstance(answer, dict) or answer.get("algorithm") != "sha256":
        raise UnreadableError
    kid, secret = answer.get("kid"), answer.get("secret")
    expires_at_ms, server_time_ms = answer.get("expiresAt"), answer.get("serverTime")
    if not isinstance(kid, str) or not frames.is_kid(kid):
        raise UnreadableError
    if not isinstance(secret, str) or not base64.is_32(secret):
        raise UnreadableError
    if type(expires_at_ms) is not int or type(server_time_ms) is not int:
        raise UnreadableError
    life_ms = expires_at_ms - server_time_ms
    if not 0 < life_ms <= _MAX_LIFE_MS or not 0 <= server_time_ms <= MAX_SAFE_INTEGER:
        raise UnreadableError
    mac = MacKey(base64.decode(secret))
    renew_at_ms = server_time_ms + renew_after_ms(life_ms, random())
    key = HeldKey(kid, FrameSigner(kid, mac), VerifyKey(mac, expires_at_ms), renew_at_ms, expires_at_ms)
    return key, server_time_ms


class KeyRing:
    """The keys of this client, newest last. A failed fetch takes none out; only its end does (O19, O20)."""

    __slots__ = ("_keys", "_skew_ms")

    def __init__(self, skew_ms: int) -> None:
        """Args: skew_ms: how long after its end a key still verifies what was signed before."""
        self._skew_ms = skew_ms
        self._keys: dict[str, HeldKey] = {}

    def add(self, key: HeldKey, now_ms: int) -> None:
        """Take a key in and forget those that have ended."""
        self._keys = {kid: old for kid, old in self._keys.items() if old.expires_at_ms + self._skew_ms >= now_ms}
        self._keys[key.kid] = key
        for kid in list(self._keys)[:-MAX_KEYS]:
            del self._keys[kid]

    def find(self, kid: str) -> VerifyKey | None:
        """Look a key up for a verifier, which judges its time. An unknown kid never causes a fetch (O20)."""
        key = self._keys.get(kid)
        return key.verify if key else None

    def newest(self, now_ms: int) -> HeldKey | None:
        """The key to sign with; None when all have ended."""
        for key in reversed(self._keys.values()):
            if key.expires_at_ms > now_ms:
                return key
        return None

    def drop(self, kid: str) -> None:
        """Forget a key that the hub does not take any more. Nothing happens when it is gone already."""
        self._keys.pop(kid, None)

    def __len__(self) -> int:
        """Keys held."""
        return len(self._keys)
