"""ASGI: the short routes, the stream, the operator listener."""
