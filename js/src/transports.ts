/** The transports that the application lets the client use. */
import type { Http } from "./http.ts";
import type { Settings } from "./options.ts";
import type { Transport } from "./transport.ts";
import { FetchTransport } from "./transport-fetch.ts";
import { SocketTransport } from "./transport-websocket.ts";

/** At least one, the preferred first. `lifetime` ends everything. */
export function transportsOf(settings: Settings, http: Http, lifetime: AbortSignal): readonly Transport[] {
  const { transports, WebSocket } = settings;
  return transports.map((name) =>
    name === "websocket" && WebSocket !== undefined
      ? new SocketTransport(http, WebSocket)
      : new FetchTransport(http, lifetime),
  );
}
