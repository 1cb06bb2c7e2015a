"""A look at what was measured: were the frames really signed, whole and in order?"""

import re
import time

from jitterbug.protocol import base64
from jitterbug.protocol.session import Control, Publication, Receiver
from jitterbug.protocol.verifying import StaticKeys

_KEY = re.compile(rb'"kid":"([A-Za-z0-9_-]+)","secret":"([A-Za-z0-9+/=]+)"')

_FRAME = re.compile(rb'\{"kid":"[^"]+","nonce":"[^"]+","payload":.+?,"sig":"[^"]+","ts":[0-9]+\}')
"""As the hub writes it, in an event of a stream or in a WebSocket's text alike."""


def verified_publications(sample: bytes, now_ms: int | None = None) -> int:
    """Publications among the bytes of one subscriber, each checked as the project's client checks it.

    Args:
        sample: All bytes its connection was sent, the answer with its key included.
        now_ms: The hub's time, Unix milliseconds; None = now. Frames are accepted that are a minute old.

    Raises:
        ValueError: A frame is not what it should be, or there is none.
    """
    found = _KEY.search(sample)
    if found is None:
        raise ValueError("there is no key in the sample")
    kid, secret = found[1].decode(), base64.decode(found[2].decode())
    now_ms = now_ms if now_ms is not None else int(time.time() * 1_000)
    receiver = Receiver(StaticKeys({kid: secret}), {}, skew_ms=60_000)
    count = 0
    for frame in _FRAME.findall(sample):
        for event in receiver.receive(frame, now_ms):
            if isinstance(event, Publication):
                count += 1
            elif not isinstance(event, Control):
                raise ValueError(f"a frame was refused: {event}")  # noqa: TRY004 - nobody passed a wrong type
    if not count:
        raise ValueError("there is no signed publication in the sample")
    return count
