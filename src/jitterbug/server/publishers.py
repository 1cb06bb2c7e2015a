"""Who signs for ``POST BASE/publish``: root keys for any channel, publisher keys for theirs (PROTOCOL §6)."""

from collections.abc import Mapping

from jitterbug.config import PublisherKey
from jitterbug.hub.hub import Hub
from jitterbug.patterns import compile_pattern
from jitterbug.protocol.verifying import StaticKeys, VerifyKey, one_of


class Publishers:
    """The keys of back ends, as a verifier's lookup."""

    __slots__ = ("_channels", "_hub", "_keys")

    def __init__(self, hub: Hub, keys: Mapping[str, PublisherKey]) -> None:
        """Args: keys: by kid. Raises ValueError for a malformed kid, a short key, or what is no pattern."""
        self._hub = hub
        self._keys = StaticKeys({kid: key.secret.reveal() for kid, key in keys.items()})
        self._channels = {kid: [compile_pattern(text) for text in key.channels] for kid, key in keys.items()}

    def find(self, kid: str) -> VerifyKey:
        """Look the key up; a decoy when it is not there. All are compared, whichever it is (PROTOCOL §1 step 4)."""
        return one_of((*self._hub.roots.by_kid, *self._keys.by_kid), kid, self._keys.decoy)

    def allow(self, kid: str, channel: str) -> bool:
        """Whether a key that verified may publish on a channel."""
        patterns = self._channels.get(kid)
        return patterns is None or any(pattern.fullmatch(channel) for pattern in patterns)
