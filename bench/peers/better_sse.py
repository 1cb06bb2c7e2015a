"""better-sse: server-sent events for Node."""

from bench.peers.node_server import NodePeer


class BetterSse(NodePeer):
    """A channel and ``broadcast``."""

    name = "better-sse"
    settings = "1 process, a channel, keep-alive off, no history, unsigned"
    package = "better-sse"
    script = "better_sse.mjs"
