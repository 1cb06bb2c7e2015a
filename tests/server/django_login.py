"""A Django application's logins at a hub; run by test_adapters in a process of its own."""

import asyncio
import sys

import django
import pytest
from django.conf import settings

settings.configure(
    SECRET_KEY="for this process only, and long enough for Django's own checks",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import get_user_model, login, logout  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from starlette.requests import Request  # noqa: E402

from jitterbug import SettingError  # noqa: E402
from jitterbug.server.adapters import django_session  # noqa: E402


def asking(key: str) -> Request:
    return Request(
        {"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", f"sessionid={key}".encode())]}
    )


def log_in(user) -> HttpRequest:
    from django.contrib.sessions.backends.db import SessionStore

    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return request


call_command("migrate", verbosity=0)
users = get_user_model().objects
ada = users.create_user("ada", password="one")
first, second = log_in(ada), log_in(ada)
resolve = django_session()
find = lambda key: asyncio.run(resolve(asking(key)))  # noqa: E731

found = find(first.session.session_key)
assert found is not None
assert (found.id, found.subject, found.data) == (first.session.session_key, str(ada.pk), ada)
assert find(second.session.session_key).id != found.id
for made_up in ("", "x", "x" * 32, "x" * 500, "%00", "../../x"):
    assert find(made_up) is None, made_up
key = first.session.session_key
logout(first)
assert find(key) is None
ada.set_password("two")
ada.save()
assert find(second.session.session_key) is None, "a changed password ends other logins"
third = log_in(ada)
users.filter(pk=ada.pk).update(is_active=False)
assert find(third.session.session_key) is None, "an inactive user is nobody"
settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
with pytest.raises(SettingError, match="SESSION_ENGINE"):
    django_session()
sys.stdout.write("all is well\n")
