"""From a JWT to a session: ``POST BASE/session`` of a standalone hub (PROTOCOL §3, RFC 8725)."""

from dataclasses import dataclass
from typing import Any, Final

import jwt

from jitterbug.clock import Clock
from jitterbug.config import Secret
from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.grants import Grants

_MAX_TOKEN_CHARS: Final = 8_192
_MAX_SUBJECT_CHARS: Final = 128
_REQUIRED: Final = ["aud", "exp", "sub"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says.

    Attributes:
        subject: Its ``sub``.
        expires_at: Its ``exp``, Unix seconds.
        grants: What it allows.
    """

    subject: str
    expires_at: float
    grants: Grants


class TokenExchange:
    """Verifies tokens: one algorithm, one audience, an end."""

    __slots__ = ("_algorithm", "_audience", "_clock", "_key", "_leeway_s")

    def __init__(self, key: Secret, *, algorithm: str, audience: str, clock: Clock, leeway_s: float) -> None:
        """Prepare the exchange.

        Args:
            key: Shared secret or public key in PEM.
            algorithm: The only one accepted; ``none`` never is.
            audience: The ``aud`` a token must have.
            clock: Time by which ``exp`` and ``nbf`` are judged.
            leeway_s: Accepted clock difference, seconds.
        """
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
        if scheme.lower() != "bearer" or not 0 < len(token) <= _MAX_TOKEN_CHARS:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "authorization header is not a bearer token")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.reveal(),
                algorithms=[self._algorithm],
                audience=self._audience,
                # Times are judged below, by the hub's own clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            self._check_times(claims)
            grants = Grants.from_claim(claims.get("jitterbug"))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, f"token: {type(error).__name__}: {error}") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARS:
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "token: sub is not a short text")
        return Identity(subject, float(claims["exp"]), grants)

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self._clock.now_ms() / 1_000
        expires_at, not_before = claims["exp"], claims.get("nbf", 0)
        for value in (expires_at, not_before):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError("exp and nbf are numbers")
        if now_s >= expires_at:
            raise ValueError("the token is over")
        if now_s + self._leeway_s < not_before:
            raise ValueError("the token does not hold yet")
