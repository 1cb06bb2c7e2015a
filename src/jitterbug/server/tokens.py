"""From a JWT to a session: ``POST BASE/session`` of a standalone hub (PROTOCOL §3, RFC 8725)."""

import re
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.clock import Clock
from jitterbug.config import Secret
from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.grants import Grants

_MAX_TOKEN_CHARS: Final = 8_192
_SUBJECT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,128}")
"""Shown to others and written to logs: no control characters, no halves of characters."""
_LATEST_S: Final = 253_402_300_800
"""The year 10000: a later end is a mistake, and no number of milliseconds that fits anywhere."""
_REQUIRED: Final = ["aud", "exp", "sub"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says.

    Attributes:
        subject: Its ``sub``.
        expires_at: Its ``exp``, Unix seconds.
        grants: What it allows.
        login: Its ``sid`` (OpenID Connect): the login at the issuer, the same for all tokens of it; whatever it is.
    """

    subject: str
    expires_at: float
    grants: Grants
    login: Any = None


class TokenExchange:
    """Verifies tokens: one algorithm, one audience, an end."""

    __slots__ = ("_algorithm", "_audience", "_clock", "_jwt", "_key", "_leeway_s")

    def __init__(self, key: Secret, *, algorithm: str, audience: str, clock: Clock, leeway_s: float) -> None:
        """Prepare the exchange.

        Args:
            key: Shared secret or public key in PEM.
            algorithm: The only one accepted; ``none`` never is.
            audience: The ``aud`` a token must have.
            clock: Time by which ``exp`` and ``nbf`` are judged.
            leeway_s: Accepted clock difference, seconds.
        """
        import jwt  # noqa: PLC0415 - and all of cryptography with it: for those who take tokens

        self._jwt = jwt
        self._key = key
        self._algorithm = algorithm
        self._audience = audience
        self._clock = clock
        self._leeway_s = leeway_s

    def identity(self, authorization: str) -> Identity:
        """Read an ``Authorization`` header.

        Raises:
            RefusedRequest: It is not one valid token for this hub. The cause is for the log alone.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "authorization header is not a bearer token")
        return self.read(token)

    def read(self, token: str) -> Identity:
        """Read a token by itself. Raises as :meth:`identity` does."""
        if not 0 < len(token) <= _MAX_TOKEN_CHARS:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "token: empty or too long")
        try:
            claims: dict[str, Any] = self._jwt.decode(
                token,
                self._key.reveal(),
                algorithms=[self._algorithm],
                audience=self._audience,
                # Times are judged below, by the hub's own clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            self._check_times(claims)
            grants = Grants.from_claim(claims.get("jitterbug"))
        except Exception as error:
            # Whatever the libraries make of a stranger's token, it is refused: none of it may become an error of ours.
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, f"token: {type(error).__name__}: {error}") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "token: sub is not a short text")
        return Identity(subject, float(claims["exp"]), grants, claims.get("sid"))

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self._clock.now_ms() / 1_000
        expires_at, not_before = claims["exp"], claims.get("nbf", 0)
        for value in (expires_at, not_before):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError("exp and nbf are numbers")
            # JSON readers take NaN, which is never over, and 1e999; an integer may have thousands of digits.
            if not -_LATEST_S < value < _LATEST_S:
                raise ValueError("exp and nbf are times")
        if now_s >= expires_at:
            raise ValueError("the token is over")
        if now_s + self._leeway_s < not_before:
            raise ValueError("the token does not hold yet")
