"""Every setting with its default, unit and range, frozen once read (PROTOCOL §9).

Built at the edge (``jitterbug.settings`` for the command line, the application's own code when mounted); everything
below receives values. The defaults are the seed's numbers: profile ``strict``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, NamedTuple, Self

from jitterbug.errors import SettingError
from jitterbug.patterns import compile_pattern

MAX_HISTORY_RULES: Final = 100


class Secret:
    """Bytes that no repr, log line or pickle shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> Any:
        raise TypeError("Secrets are not pickled.")


class PublisherKey(NamedTuple):
    """A key of a back end that may publish on some channels only.

    Attributes:
        secret: At least 32 bytes.
        channels: Patterns of channel names, at least one.
    """

    secret: Secret
    channels: tuple[str, ...]


class HistoryRule(NamedTuple):
    """How much history the channels of a pattern keep.

    Attributes:
        pattern: Channel name, ``*`` for any run of characters but ``/``, ``**`` for any run at all.
        size: Publications kept per channel; 0 = no history.
        ttl_s: How long each is kept, seconds; 0 = no history.
    """

    pattern: str
    size: int
    ttl_s: float


PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "strict": {},
    "realtime": {
        "rate_capacity": 200,
        "rate_refill_per_s": 100.0,
        "max_frames_per_tick": 50,
        "buffer_frames": 1_000,
        "max_frame_bytes": 16_384,
    },
}
"""``strict`` is the security model's numbers, ``realtime`` the documented set for high rates."""


def _number(setting: str, default: float, low: float, high: float) -> Any:
    """A numeric field that knows its own name and range."""
    return field(default=default, metadata={"setting": setting, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one hub. Names in messages are those of the environment, ``JITTERBUG_`` prefix left out.

    Attributes:
        development: Loopback only, anonymous sessions, random root key. Must be asked for (R13).
        hmac_key_id, hmac_secret: The root key, at least 32 bytes; None only in development or in a mounted hub,
            where a random one lives as long as the process.
        hmac_previous_keys: Root keys still accepted, by kid, while a root key is being rotated.
        publisher_keys: Keys of back ends that publish, by kid, beside the root keys; each names its channels.
        skew_ms, replay_window_ms: Accepted clock difference, and how long nonces are remembered (R32, R33).
        key_ttl_s: Life of an ephemeral key, seconds (R38).
        rate_capacity, rate_refill_per_s: Token bucket of a connection (R51, R52).
        max_frames_per_tick, tick_ms: Frames a connection gets in one tick, and the tick (R56).
        buffer_frames: Ring of a connection (R57).
        max_frame_bytes: Largest signed frame on the wire, UTF-8 bytes (R58).
        heartbeat_s: Interval of ``hb``, seconds.
        history_size, history_ttl_s: Publications kept per channel, and for how long; 0 = no history.
        history_rules: Other history for the channels of a pattern; the first that matches counts, at most 100.
        keys_per_minute: Key requests per session (R41).
        max_connections, max_connections_per_session, max_connections_per_address: Open streams. An address is, here and
            below, an IPv4 address or the /64 of an IPv6 address.
        max_sessions_per_address: Live sessions the hub itself handed out.
        allowed_origins: Further origins that may talk to the hub from a browser, exact text.
        trusted_proxies: Networks whose forwarded headers are believed.
        presence: Patterns of channels whose readers are told to each other; none by default.
        subscribe, publish: Patterns of channels that every login may read or write, beside what the application's rule
            or a token allows; none by default. The hub's own channels only where a pattern begins with ``$``.
        drain_s: Over how many seconds ``bye`` is spread at shutdown.
    """

    development: bool = False
    hmac_key_id: str | None = None
    hmac_secret: Secret | None = None
    hmac_previous_keys: Mapping[str, Secret] = field(default_factory=dict)
    publisher_keys: Mapping[str, PublisherKey] = field(default_factory=dict)
    skew_ms: int = _number("HMAC_CLOCK_SKEW_MS", 5_000, 0, 300_000)
    replay_window_ms: int = _number("HMAC_REPLAY_WINDOW_MS", 10_000, 1, 3_600_000)
    key_ttl_s: float = _number("KEY_TTL_S", 600, 1, 86_400)
    rate_capacity: int = _number("RATE_CAPACITY", 10, 1, 1_000_000)
    rate_refill_per_s: float = _number("RATE_REFILL_PER_S", 1.0, 0.001, 1_000_000)
    max_frames_per_tick: int = _number("MAX_FRAMES_PER_TICK", 10, 1, 100_000)
    tick_ms: int = _number("TICK_MS", 50, 1, 1_000)
    buffer_frames: int = _number("BUFFER_FRAMES", 100, 1, 100_000)
    max_frame_bytes: int = _number("MAX_FRAME_BYTES", 1_024, 512, 1_048_576)
    heartbeat_s: float = _number("HEARTBEAT_S", 15, 0.1, 60)
    history_size: int = _number("HISTORY_SIZE", 100, 0, 100_000)
    history_ttl_s: float = _number("HISTORY_TTL_S", 300, 0, 31_536_000)
    keys_per_minute: int = _number("KEYS_PER_MINUTE", 10, 1, 10_000)
    max_connections: int = _number("MAX_CONNECTIONS", 20_000, 1, 1_000_000)
    max_connections_per_session: int = _number("MAX_CONNECTIONS_PER_SESSION", 32, 1, 1_000_000)
    max_connections_per_address: int = _number("MAX_CONNECTIONS_PER_ADDRESS", 256, 1, 1_000_000)
    max_sessions_per_address: int = _number("MAX_SESSIONS_PER_ADDRESS", 256, 1, 1_000_000)
    drain_s: float = _number("DRAIN_S", 5, 0, 3_600)
    history_rules: tuple[HistoryRule, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    presence: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every range and how settings fit together.

        Raises:
            SettingError: Names the setting and the remedy, never the value.
        """
        for item in fields(self):
            if "setting" in item.metadata:
                self._check_range(item.metadata, getattr(self, item.name), whole=item.type is int)
        if self.replay_window_ms < 2 * self.skew_ms:
            raise SettingError(
                "HMAC_REPLAY_WINDOW_MS",
                "is less than twice HMAC_CLOCK_SKEW_MS, so a nonce could be forgotten while its frame is fresh",
                remedy="Raise the window or lower the skew.",
            )
        lists: dict[str, object] = {
            "ALLOWED_ORIGINS": self.allowed_origins,
            "TRUSTED_PROXIES": self.trusted_proxies,
            **self._pattern_lists(),
        }
        for name, value in lists.items():
            # One text instead of several: `in` would then look for parts of it.
            if isinstance(value, str):
                raise SettingError(name, "is one text, not a list of them", remedy="Pass a tuple.")
        for origin in self.allowed_origins:
            if origin in {"*", "null"} or "*" in origin:
                raise SettingError("ALLOWED_ORIGINS", "holds a wildcard", remedy="List each origin in full.")
        self._check_history_rules()
        self._check_publisher_keys()
        for name, patterns in self._pattern_lists().items():
            try:
                list(map(compile_pattern, patterns))
            except ValueError:
                remedy = "Use channel names in which * stands for a part and ** for any number of parts."
                raise SettingError(name, "holds what is no pattern of channels", remedy=remedy) from None

    def _pattern_lists(self) -> dict[str, tuple[str, ...]]:
        return {"PRESENCE": self.presence, "SUBSCRIBE": self.subscribe, "PUBLISH": self.publish}

    def _check_publisher_keys(self) -> None:
        """Each has a name of its own, and names channels."""
        setting = "PUBLISHER_KEYS"
        if self.publisher_keys.keys() & {self.hmac_key_id, *self.hmac_previous_keys}:
            raise SettingError(setting, "has the key id of a root key", remedy="Give each key an id of its own.")
        for key in self.publisher_keys.values():
            try:
                named = [compile_pattern(text) for text in key.channels]
            except ValueError:
                named = []
            if not named:
                remedy = "Write kid:base64:orders/**, several patterns with | between them."
                raise SettingError(setting, "has a key that names no channels", remedy=remedy)

    def _check_history_rules(self) -> None:
        """Each rule keeps to the ranges of HISTORY_SIZE and HISTORY_TTL_S, and names channels."""
        setting, example = "HISTORY_RULES", "Write rules like orders/**=500:3600."
        rules: object = self.history_rules
        if not isinstance(rules, tuple) or len(rules) > MAX_HISTORY_RULES:
            raise SettingError(setting, f"is not a tuple of at most {MAX_HISTORY_RULES} rules", remedy=example)
        metadata = {item.name: {**item.metadata, "setting": setting} for item in fields(self) if item.metadata}
        for rule in rules:
            if not isinstance(rule, HistoryRule):
                raise SettingError(setting, "holds something that is not a rule", remedy=example)
            try:
                compile_pattern(rule.pattern)
            except ValueError:
                # "from None": the cause might carry the text.
                raise SettingError(setting, "holds a pattern that names no channel", remedy=example) from None
            self._check_range(metadata["history_size"], rule.size, whole=True)
            self._check_range(metadata["history_ttl_s"], rule.ttl_s, whole=False)

    @staticmethod
    def _check_range(metadata: Mapping[str, Any], value: object, *, whole: bool) -> None:
        low, high = metadata["low"], metadata["high"]
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise SettingError(metadata["setting"], f"must be {kind} from {low:,} to {high:,}")

    @classmethod
    def profile(cls, name: Literal["strict", "realtime"] | str, /, **changes: Any) -> Self:  # noqa: PYI051
        """Start from a named set of limits.

        Args:
            name: ``strict`` or ``realtime``.
            **changes: Fields that differ.

        Raises:
            SettingError: No such profile, or a value out of range.
        """
        if name not in PROFILES:
            raise SettingError("PROFILE", "is not one of strict, realtime", remedy="Leave it out for strict.")
        return cls(**{**PROFILES[name], **changes})

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return replace(self, **changes)
