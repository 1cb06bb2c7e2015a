"""A reader in a process of its own, so that it can be put to sleep as a laptop is: stopped, and continued.

``python -m tests.delivery.sleeper URL OPTIONS``, options as JSON: ``channels`` (name to ``[epoch, offset]``),
``skew_ms``, ``replay_window_ms``. Prints one JSON line for each publication and gap; ends when standard input does.
"""

import asyncio
import json
import sys
from typing import Any

from jitterbug.client import Gap, Notice, Position, connect


def _tell(kind: str, *values: Any) -> None:
    print(json.dumps([kind, *values]), flush=True)  # noqa: T201 - what it is for


def _on_notice(notice: Notice) -> None:
    if isinstance(notice, Gap):
        _tell("gap", notice.channel, notice.position.to_json(), notice.reason)


async def _read(url: str, options: dict[str, Any]) -> None:
    channels = {name: Position.from_json(place) for name, place in options.pop("channels").items()}
    quick = {"random": lambda: 0.02}
    async with connect(url, channels=channels, on_notice=_on_notice, **quick, **options) as stream:
        _tell("open")
        async for item in stream:
            _tell("publication", item.channel, item.data, item.position.to_json(), item.recovered)


async def _main() -> None:
    reading = asyncio.create_task(_read(sys.argv[1], json.loads(sys.argv[2])))
    await asyncio.to_thread(sys.stdin.read)
    reading.cancel()
    await asyncio.wait({reading})


if __name__ == "__main__":
    asyncio.run(_main())
