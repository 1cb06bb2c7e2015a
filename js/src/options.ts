/** Options of `connect`, checked once and made complete. */
import { JitterbugError } from "./errors.ts";
import { isChannel, isPosition } from "./payloads.ts";
import type { ConnectOptions, Intercept, Position, TransportName } from "./types.ts";

/** All a client has to know from the application. */
export interface Settings {
  readonly base: string;
  readonly channels: ReadonlyMap<string, Position | null>;
  readonly skewMs: number;
  readonly replayWindowMs: number;
  readonly anonymous: boolean;
  readonly fetch: typeof fetch;
  readonly intercept: Intercept;
  /** At least one, the preferred first. */
  readonly transports: readonly TransportName[];
  /** undefined only where "websocket" is no transport of these. */
  readonly WebSocket: typeof WebSocket | undefined;
}

/** Channels of one connection at most (PROTOCOL §5). */
export const MAX_CHANNELS = 100;
const SKEW_MS = 5_000;
const REPLAY_WINDOW_MS = 10_000;

/** @throws JitterbugError JB_CHANNEL_NAME, JB_POSITION, JB_TOO_MANY_CHANNELS or JB_TRANSPORT */
export function readOptions(base: string, options: ConnectOptions): Settings {
  const channels = new Map(Object.entries(options.channels ?? {}));
  for (const [channel, position] of channels) {
    assertChannel(channel);
    assertPosition(position);
  }
  assertRoom(channels.size);
  // Looked up at each call, and called without a receiver: browsers throw on `fetch` as a method of something else.
  const given = options.fetch;
  const Socket = options.WebSocket ?? globalThis.WebSocket;
  return {
    base: base.replace(/\/+$/, ""),
    channels,
    skewMs: options.skewMs ?? SKEW_MS,
    replayWindowMs: options.replayWindowMs ?? REPLAY_WINDOW_MS,
    anonymous: options.anonymous ?? true,
    fetch: given === undefined ? (...request) => fetch(...request) : (...request) => given(...request),
    intercept: options.intercept ?? ((text, handOn) => handOn(text)),
    transports: transportsFor(options.transport ?? "auto", Socket !== undefined),
    WebSocket: Socket,
  };
}

function transportsFor(wish: "auto" | TransportName, hasSocket: boolean): readonly TransportName[] {
  if (wish === "sse" || (wish === "auto" && !hasSocket)) return ["sse"];
  if (wish === "auto") return ["sse", "websocket"];
  if (wish === "websocket" && hasSocket) return ["websocket"];
  throw new JitterbugError("JB_TRANSPORT", "No such transport here");
}

/** @throws JitterbugError JB_CHANNEL_NAME */
export function assertChannel(channel: string): void {
  if (isChannel(channel)) return;
  throw new JitterbugError("JB_CHANNEL_NAME", "Not a channel name");
}

/** @throws JitterbugError JB_POSITION */
export function assertPosition(position: Position | null): void {
  if (position === null || isPosition(position)) return;
  throw new JitterbugError("JB_POSITION", "A position is [epoch, offset], or null for from now on");
}

/** @throws JitterbugError JB_TOO_MANY_CHANNELS when `count` channels are more than a connection may have */
export function assertRoom(count: number): void {
  if (count <= MAX_CHANNELS) return;
  throw new JitterbugError("JB_TOO_MANY_CHANNELS", "More than 100 channels on one connection");
}
