"""The only room that knows uvicorn's insides.

:class:`PushProtocol` and :class:`PushWebSocket` offer the connection's transport to the hub as an ASGI extension, so
that frames go from ring to socket without a task or an ASGI round trip::

    uvicorn --http jitterbug.server.uvicorn:PushProtocol --ws jitterbug.server.uvicorn:PushWebSocket app:app

:class:`PushServer` drains the hub before it waits for connections to end.
"""

from jitterbug.server.uvicorn.http import ProductionProtocol, PushProtocol, bounded
from jitterbug.server.uvicorn.server import PushServer, serve_together
from jitterbug.server.uvicorn.websocket import ProductionWebSocket, PushWebSocket

__all__ = [
    "ProductionProtocol",
    "ProductionWebSocket",
    "PushProtocol",
    "PushServer",
    "PushWebSocket",
    "bounded",
    "serve_together",
]
