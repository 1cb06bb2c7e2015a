"""Searching bytes for secrets, however they are written and even in part."""

import base64
from urllib.parse import quote_from_bytes

_PART_BYTES = 9
"""A leak is this much of a secret in one place: 72 bits do not turn up by chance."""


class Needles:
    """Secrets to look for, each in every usual encoding and in every window of a few bytes."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def add(self, name: str, secret: bytes) -> None:
        """Look for a secret: raw, hex, base64 of either alphabet at every alignment, escapes, both directions."""
        for written, data in ((name, secret), (f"{name}, reversed", secret[::-1])):
            for at in range(len(data) - _PART_BYTES + 1):
                part = data[at : at + _PART_BYTES]
                for how, form in _spellings(part):
                    self._forms[form] = f"{written} ({how})"

    def add_base64(self, name: str, text: str) -> None:
        """Look for a secret that is known by its base64 text."""
        self.add(name, base64.b64decode(text, validate=True))

    def add_text(self, name: str, text: str) -> None:
        """Look for a text that is secret as it stands, and for its bytes in other spellings."""
        self.add(name, text.encode())

    def found_in(self, data: bytes) -> list[str]:
        """Names and spellings of what is in there."""
        return sorted({name for form, name in self._forms.items() if form in data})


def _spellings(part: bytes) -> list[tuple[str, bytes]]:
    text = base64.b64encode(part)
    return [
        ("raw", part),
        ("hex", part.hex().encode()),
        ("hex, with colons", part.hex(":").encode()),
        ("hex, upper case", part.hex().upper().encode()),
        ("base64", text),
        ("base64url", base64.urlsafe_b64encode(part)),
        ("base64 in JSON", text.replace(b"/", rb"\/")),
        ("percent-encoded", quote_from_bytes(part, safe="").encode()),
        ("base64, percent-encoded", quote_from_bytes(text, safe="").encode()),
        ("escapes", repr(part)[2:-1].encode()),
        ("numbers", ", ".join(map(str, part)).encode()),
        ("numbers, packed", ",".join(map(str, part)).encode()),
    ]
