/** Options of `connect`, checked once and made complete. */
import { JitterbugError } from "./errors.ts";
import { isChannel, isPosition } from "./payloads.ts";
import type { ConnectOptions, Intercept, Position } from "./types.ts";

/** All a client has to know from the application. */
export interface Settings {
  readonly base: string;
  readonly channels: ReadonlyMap<string, Position | null>;
  readonly skewMs: number;
  readonly replayWindowMs: number;
  readonly anonymous: boolean;
  readonly fetch: typeof fetch;
  readonly intercept: Intercept;
}

/** Channels of one connection at most (PROTOCOL §5). */
export const MAX_CHANNELS = 100;
const SKEW_MS = 5_000;
const REPLAY_WINDOW_MS = 10_000;

/** @throws JitterbugError JB_CHANNEL_NAME, JB_POSITION or JB_TOO_MANY_CHANNELS */
export function readOptions(base: string, options: ConnectOptions): Settings {
  const channels = new Map(Object.entries(options.channels ?? {}));
  for (const [channel, position] of channels) {
    assertChannel(channel);
    if (position !== null && !isPosition(position)) {
      throw new JitterbugError("JB_POSITION", "A position is [epoch, offset], or null for from now on");
    }
  }
  assertRoom(channels.size);
  // Looked up at each call, and called without a receiver: browsers throw on `fetch` as a method of something else.
  const given = options.fetch;
  return {
    base: base.replace(/\/+$/, ""),
    channels,
    skewMs: options.skewMs ?? SKEW_MS,
    replayWindowMs: options.replayWindowMs ?? REPLAY_WINDOW_MS,
    anonymous: options.anonymous ?? true,
    fetch: given === undefined ? (...request) => fetch(...request) : (...request) => given(...request),
    intercept: options.intercept ?? ((text, handOn) => handOn(text)),
  };
}

/** @throws JitterbugError JB_CHANNEL_NAME */
export function assertChannel(channel: string): void {
  if (isChannel(channel)) return;
  throw new JitterbugError("JB_CHANNEL_NAME", "Not a channel name", {
    remedy: "Use 1 to 128 of A-Z a-z 0-9 _ - . and /.",
  });
}

/** @throws JitterbugError JB_TOO_MANY_CHANNELS when `count` channels are more than a connection may have */
export function assertRoom(count: number): void {
  if (count <= MAX_CHANNELS) return;
  throw new JitterbugError("JB_TOO_MANY_CHANNELS", "More than 100 channels on one connection", {
    remedy: "Unsubscribe some, or publish to fewer, wider channels.",
  });
}
