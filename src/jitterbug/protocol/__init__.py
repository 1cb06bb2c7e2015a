"""The protocol core: bytes, ``now`` and randomness in; payloads, bytes and verdicts out.

No I/O, no clock, no event loop. A reviewer who has read this folder has seen all the cryptography and all the
parsing: ``signing`` (the one MAC), ``verifying`` (the order of the checks), ``keys``, ``replay``, ``canonical``,
``frames``, ``sse``, ``session`` (what a client accepts from a stream) and ``codes`` (every word on the wire).
"""

from jitterbug.protocol import canonical
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import FrameVerifier

__all__ = ["FrameSigner", "FrameVerifier", "canonical"]
