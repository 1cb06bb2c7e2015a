"""django-eventstream: server-sent events for Django."""

import secrets
from typing import Any

from bench.peers.asgi_server import AsgiPeer


class DjangoEventstream(AsgiPeer):
    """``send_event`` in one process."""

    name = "django-eventstream"
    settings = "uvicorn, 1 worker, uvloop, httptools, access log off; no storage, unsigned; of a burst it sends 10"
    takes_bursts = False
    distribution = "django-eventstream"
    ready = "event: stream-open"


def app() -> Any:
    """A Django project of one module."""
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.core.asgi import get_asgi_application  # noqa: PLC0415

    settings.configure(
        SECRET_KEY=secrets.token_hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="bench.peers.django_urls",
        INSTALLED_APPS=["django_eventstream"],
        DATABASES={},
    )
    django.setup()
    return get_asgi_application()
