"""The hub that the browser is measured with: limits so wide that the browser alone sets the pace."""

from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from bench import payload
from jitterbug import Jitterbug
from jitterbug.config import Config

CLIENT: Final = Path(__file__).resolve().parents[1] / "js" / "dist" / "index.js"
CHANNEL: Final = "bench"
_PAGE: Final = """<!doctype html><meta charset="utf-8"><title>bench</title>
<script type="module">
import { connect } from "/client.js"
const seen = { count: 0, first: 0, last: 0, longest: 0, refused: 0, status: "" }
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) if (seen.count > 0) seen.longest = Math.max(seen.longest, task.duration)
}).observe({ type: "longtask" })
const push = await connect("/api/jitterbug", { transport: "sse" })
push.subscribe("bench", () => {
  seen.last = performance.now()
  if (seen.count++ === 0) seen.first = seen.last
})
push.on("error", () => { seen.refused++ })
push.on("gap", () => { seen.refused++ })
window.bare = async (count) => {
  const name = "HMAC", key = await crypto.subtle.generateKey({ name, hash: "SHA-256" }, false, ["sign", "verify"])
  const data = crypto.getRandomValues(new Uint8Array(400)), tag = await crypto.subtle.sign(name, key, data)
  const began = performance.now()
  for (let done = 0; done < count; done += 64)
    await Promise.all(Array.from({ length: 64 }, () => crypto.subtle.verify(name, key, tag, data)))
  return (count / (performance.now() - began)) * 1_000
}
window.seen = seen
window.push = push
</script>
"""


def app() -> Any:
    """A page with the project's client, and a route that publishes many at once."""
    config = Config(
        development=True,
        rate_capacity=1_000_000,
        rate_refill_per_s=1_000_000,
        max_frames_per_tick=4_000,
        buffer_frames=100_000,
        max_frame_bytes=16_384,
        history_size=1_000,
    )
    push = Jitterbug(config=config)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def client(_: Request) -> Response:
        return FileResponse(CLIENT, media_type="text/javascript")

    async def flood(request: Request) -> Response:
        for _ in range(int(request.query_params["count"])):
            await push.publish(CHANNEL, {"note": payload.data()[8:160]})
        return Response()

    routes = [Route("/", page), Route("/client.js", client), Route("/flood", flood, methods=["POST"])]
    application = Starlette(routes=routes, lifespan=push.lifespan)
    push.install(application)
    return application
