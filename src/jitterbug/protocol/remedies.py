"""What to do about a code that a client tells, one sentence for each: of a status, a gap, or a channel that ended."""

from types import MappingProxyType
from typing import Final

_BY_ITSELF: Final = "Nothing: the client goes on by itself from where it was."

REMEDIES: Final = MappingProxyType({
    "JB_BEHIND": "Take publications faster, or read fewer channels; the rest comes from history.",
    "JB_CHANNEL_ENDED": "Ask for the right to the channel, then subscribe again.",
    "JB_CUT": _BY_ITSELF,
    "JB_GAP_EPOCH": "Fetch the channel's state anew: its history was made anew.",
    "JB_GAP_EXPIRED": "Fetch the channel's state anew, or have the hub keep more (HISTORY_SIZE, HISTORY_TTL_S).",
    "JB_GAP_OVERFLOW": "Fetch the channel's state anew, publish more slowly, or raise RATE_CAPACITY and BUFFER_FRAMES.",
    "JB_HELD": "Nothing: another transport is tried. Let the proxy pass streams unbuffered.",
    "JB_HOLE": _BY_ITSELF,
    "JB_KEY_EXPIRED": _BY_ITSELF,
    "JB_KEY_MISSING": _BY_ITSELF,
    "JB_KEY_REFUSED": _BY_ITSELF,
    "JB_PACED": "Nothing: it is sent again. Publish more slowly, or raise RATE_REFILL_PER_S.",
    "JB_RATE_LIMITED": "Send more slowly; the client tries again by itself.",
    "JB_SHUTDOWN": _BY_ITSELF,
    "JB_SILENT": "Check the network; the client tries again by itself.",
    "JB_SLOW": "Take publications faster, or read fewer channels; the client goes on by itself.",
})  # fmt: skip
"""Errors carry their own; see :mod:`jitterbug.client.refusals`."""
