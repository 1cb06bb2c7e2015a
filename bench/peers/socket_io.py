"""Socket.IO for Node."""

from bench.peers.node_server import NodePeer


class SocketIo(NodePeer):
    """``io.emit`` over WebSocket."""

    name = "socket.io"
    settings = "1 process, WebSocket alone, no history, unsigned"
    has_sse = False
    has_websocket = True
    package = "socket.io"
    script = "socket_io.mjs"
