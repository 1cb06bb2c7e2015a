"""What the host is doing: real figures from psutil, coarse unless detail is asked for (O37)."""

from typing import Any


class HostTelemetry:
    """Source of ``$sys/telemetry``. Needs psutil (in the ``server`` extra)."""

    __slots__ = ("_connections", "_detail", "_process", "_psutil")

    def __init__(self, connections: Any, *, detail: bool = False) -> None:
        """Start measuring.

        Args:
            connections: Function that returns the number of open connections.
            detail: Add figures that say more about the host: per core, load, memory in bytes, this process.
        """
        import psutil  # noqa: PLC0415 - optional

        self._psutil = psutil
        self._process = psutil.Process()
        self._connections = connections
        self._detail = detail
        psutil.cpu_percent()  # the first call starts the interval that the next one measures

    def __call__(self) -> dict[str, Any]:
        """Percentages since the last call, as whole numbers."""
        memory = self._psutil.virtual_memory()
        figures: dict[str, Any] = {
            "connections": self._connections(),
            "cpu": round(self._psutil.cpu_percent()),
            "memory": round(memory.percent),
        }
        if self._detail:
            figures |= {
                "cores": self._psutil.cpu_count(),
                "load": [round(value, 2) for value in self._psutil.getloadavg()],
                "memory_available_bytes": memory.available,
                "process_cpu": round(self._process.cpu_percent()),
                "process_memory_bytes": self._process.memory_info().rss,
            }
        return figures
