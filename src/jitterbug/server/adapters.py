"""Resolvers for logins that applications have already: pass one as ``session`` to :class:`jitterbug.Jitterbug`.

Each function returns ``request -> Session | None``. What they share: the session's id is one the server side made, new
at each login (fixation), and at logout the application calls ``push.revoke(id)``, which ends keys and streams at once.
Without that call they end with their key, ten minutes later at most (PROTOCOL §2).
"""

import hashlib
import logging
import os
import re
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Final

from starlette.requests import Request

from jitterbug.clock import Clock, SystemClock
from jitterbug.errors import SettingError
from jitterbug.hub.sessions import Session
from jitterbug.protocol import base64
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.forward_auth import ForwardAuth, forward_auth
from jitterbug.server.tokens import TokenExchange
from jitterbug.settings.tokens import token_key

__all__ = ["ForwardAuth", "django_session", "forward_auth", "jwt_cookie", "new_session_id", "starlette_session"]

_LOG = logging.getLogger("jitterbug.server")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_LOGIN: Final = re.compile(r"[!-~]{1,128}", re.ASCII)


def new_session_id() -> str:
    """Make a session id: 256 random bits, 43 characters. For :func:`starlette_session`, one at each login."""
    return base64.encode_url(os.urandom(32))


def starlette_session(key: str = "jitterbug", *, subject_key: str | None = None) -> Callable[[Request], Session | None]:
    """Take logins from Starlette's ``SessionMiddleware``, which keeps its data in a signed cookie and has no ids.

    So the application stores one when it logs somebody in, and nobody is logged in before::

        request.session.clear()
        request.session.update(jitterbug=new_session_id(), user=user.name)     # login
        push.revoke(request.session["jitterbug"]); request.session.clear()     # logout

    A signed cookie that was copied stays valid after the logout: only ``revoke`` ends it for the hub, for as long as
    keys live. Applications that need more keep logins on the server.

    Args:
        key: Where in ``request.session`` the id is.
        subject_key: Where the user's name is; None = the hub is not told.

    Returns:
        The resolver. It raises SettingError where the middleware does not stand in front of the hub.
    """

    def resolve(request: Request) -> Session | None:
        if "session" not in request.scope:
            raise SettingError(
                "SessionMiddleware",
                "does not stand in front of the hub",
                remedy="app.add_middleware(SessionMiddleware…)",
            )
        session_id = request.session.get(key)
        if session_id is None:
            return None
        if not isinstance(session_id, str) or _ID.fullmatch(session_id) is None:
            _LOG.error("request.session[%r] was not made by new_session_id(): taken for no login", key)
            return None
        subject = request.session.get(subject_key) if subject_key is not None else None
        return Session(session_id, None if subject is None else str(subject))

    return resolve


def django_session() -> Callable[[Request], Awaitable[Session | None]]:
    """Take logins from Django, by its session cookie and through its own session engine and user model.

    For a hub mounted beside Django in one ASGI process, after ``django.setup()``. ``Session.id`` is Django's session
    key, which it makes anew at each login; ``subject`` is the user's primary key and ``data`` the user. A changed
    password or an inactive user ends the login as it does for Django. Streams are ended at logout by::

        user_logged_out.connect(lambda request, **_: push.revoke(request.session.session_key))

    Raises:
        SettingError: Django is missing or not set up, or keeps its sessions in the cookie itself, without an id.
    """
    try:
        # Not imported above: few have it.
        settings = import_module("django.conf").settings
        get_user = import_module("django.contrib.auth").get_user
        close_old_connections = import_module("django.db").close_old_connections
        http_request = import_module("django.http").HttpRequest
        sync_to_async = import_module("asgiref.sync").sync_to_async
        engine = import_module(settings.SESSION_ENGINE)
    except ImportError as error:
        raise SettingError("django_session", f"needs {error.name}", remedy="pip install django") from None
    except Exception as error:
        # Django's ImproperlyConfigured; its text names settings, not their values.
        raise SettingError("django_session", str(error).rstrip("."), remedy="Call django.setup() before.") from None
    if not hasattr(engine.SessionStore, "exists") or "signed_cookies" in settings.SESSION_ENGINE:
        raise SettingError(
            "SESSION_ENGINE", "keeps sessions in the cookie, without an id", remedy="Use the db or cached_db engine."
        )

    def read(session_key: str) -> Session | None:
        close_old_connections()
        try:
            asking = http_request()
            asking.session = engine.SessionStore(session_key)
            user = get_user(asking)
            # The store gives up a key it does not know, so a made-up one is never adopted.
            if not user.is_authenticated or asking.session.session_key != session_key:
                return None
            return Session(session_key, str(user.pk), data=user)
        finally:
            close_old_connections()

    async def resolve(request: Request) -> Session | None:
        session_key = request.cookies.get(settings.SESSION_COOKIE_NAME)
        if not session_key or len(session_key) > 128:
            return None
        found: Session | None = await sync_to_async(read)(session_key)
        return found

    return resolve


def jwt_cookie(
    name: str, key: str | bytes, algorithm: str, audience: str, *, leeway_s: float = 5, clock: Clock | None = None
) -> Callable[[Request], Session | None]:
    """Take logins from a cookie that holds a JWT of the application's own (RFC 7519, RFC 8725).

    The token needs ``sub``, ``aud`` and ``exp``, and holds no longer than that. ``Session.id`` is its ``sid`` (OpenID
    Connect: the login at the issuer, the same for all tokens of it), else a hash of the token, so that a renewed one is
    another login. ``data`` is what its ``jitterbug`` claim grants: pass ``authorize=jitterbug.server.grants.rule`` to
    go by it. The cookie should be ``__Host-…`` with ``Secure; HttpOnly; SameSite``.

    Args:
        name: Of the cookie.
        key: Shared secret of 32 bytes or more, or public key in PEM.
        algorithm: The only one accepted, such as ``HS256`` or ``ES256``.
        audience: The ``aud`` a token must have.
        leeway_s: Accepted clock difference for ``nbf``, seconds.
        clock: None = the system's.

    Raises:
        SettingError: The key is weak, or does not go with the algorithm.
    """
    secret = token_key(
        key if isinstance(key, bytes) else key.encode(), algorithm, key_name="key", algorithm_name="algorithm"
    )
    tokens = TokenExchange(
        secret, algorithm=algorithm, audience=audience, clock=clock or SystemClock(), leeway_s=leeway_s
    )

    def resolve(request: Request) -> Session | None:
        token = request.cookies.get(name)
        if not token:
            return None
        try:
            identity = tokens.read(token)
        except RefusedRequest as refused:
            _LOG.info("Cookie %s: %s", name, refused.cause)
            return None
        return Session(_login_id(identity.login, token), identity.subject, identity.expires_at, identity.grants)

    return resolve


def _login_id(login: Any, token: str) -> str:
    """The issuer's name of the login, or one that only this token has."""
    if isinstance(login, str) and _LOGIN.fullmatch(login):
        return login
    return base64.encode_url(hashlib.sha256(b"jitterbug token\0" + token.encode()).digest())
