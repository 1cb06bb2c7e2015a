"""What schemathesis cannot read from the document: bodies to the byte, and that no answer says what was asked."""

from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.checks import CheckContext

from tests.server.answers import WORDS, assert_base

_TELLING_CHARS = 6
"""A shorter value may stand in an answer by chance."""
_OWN_WORDS = "\n".join([
    *(f'{{"error":"{word}"}}' for word in WORDS.values()),
    *("nosniff", "no-referrer", "same-origin", "no-store", "no-transform", "application/json", "GET, POST"),
])  # fmt: skip
"""What answers say whatever was sent."""


def generic_body(_: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """PROTOCOL §7: a refusal has one of four bodies, to the byte, and says nothing else."""
    if response.status_code >= 300:
        assert response.content == b'{"error":"%b"}' % WORDS[response.status_code].encode()
        assert response.headers["content-type"] == ["application/json"]
    if response.status_code == 204:
        assert response.content == b""


def usual_headers(_: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """PROTOCOL §3: the headers that every answer has, each once, and none that names the server's make."""
    assert all(len(values) == 1 for values in response.headers.values()), "a header comes twice"
    first = {name: values[0] for name, values in response.headers.items()}
    if first.get("content-type", "").startswith("text/event-stream"):
        first["cache-control"] = first["cache-control"].removesuffix(", no-transform")
    assert_base(first)
    secure = response.request.url.startswith("https:")
    assert ("strict-transport-security" in response.headers) == secure
    assert not [name for name in response.headers if name.startswith("access-control-")]


def no_echo(_: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """PROTOCOL §7: no answer holds a value that was sent."""
    said = "\n".join([response.text, *(value for values in response.headers.values() for value in values)])
    for sent in _texts([case.body, case.query, dict(case.headers), case.cookies]):
        by_chance = len(sent) < _TELLING_CHARS or sent in _OWN_WORDS
        assert by_chance or sent not in said, "the answer says what was sent"


def no_server_error(_: CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Nothing that a stranger sends is a fault of the hub's."""
    assert response.status_code < 500


ALWAYS = [generic_body, usual_headers, no_server_error]
OWN = [*ALWAYS, no_echo]


def _texts(value: Any) -> Iterator[str]:
    """Every text and every name in a value, however deep."""
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                yield from _texts(name)
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
