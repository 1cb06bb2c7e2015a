"""Routes of the Django project that is measured."""

from typing import Any

import django_eventstream
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django_eventstream.views import events


async def publish(request: HttpRequest) -> HttpResponse:
    """Send the body to all."""
    django_eventstream.send_event("bench", "message", request.body.decode(), json_encode=False)
    return HttpResponse()


urlpatterns: list[Any] = [path("sub", events, {"channels": ["bench"]}), path("pub", publish)]
