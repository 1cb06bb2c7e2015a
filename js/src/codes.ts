/** Every code an application can meet, on an error, a status or a gap, with what to do about it. */
import type { GapInfo, Position } from "./types.ts";

const LOGIN = "Log in again.";
const NOTHING = "Nothing: the client goes on by itself from where it was.";
const ADDRESS = "Check the network and the base path; the client tries again by itself.";

/** One sentence for each; the texts name no value, key or path (R60). */
export const REMEDIES: Readonly<Record<string, string>> = {
  JB_CHANNEL_ENDED: "Ask for the right to the channel, then subscribe again.",
  JB_CHANNEL_NAME: "Use 1 to 128 of A-Z a-z 0-9 _ - . and /.",
  JB_CUT: NOTHING,
  JB_FORBIDDEN: "Open the page from the hub's own origin or a listed one.",
  JB_GAP_EPOCH: "Fetch the channel's state anew: its history was made anew.",
  JB_GAP_EXPIRED: "Fetch the channel's state anew, or have the hub keep more (HISTORY_SIZE, HISTORY_TTL_S).",
  JB_GAP_OVERFLOW:
    "Fetch the channel's state anew, publish less at once, or raise RATE_CAPACITY and BUFFER_FRAMES.",
  JB_HELD: "Nothing: another transport is tried. Let the proxy pass streams unbuffered.",
  JB_HOLE: NOTHING,
  JB_HUB_ERROR: "Look in the hub's log for the frame it refused.",
  JB_INSECURE_CONTEXT: "Open the page over HTTPS, or on localhost during development.",
  JB_INTERNAL: "Look for the request id in the hub's log.",
  JB_INVALID_REQUEST: "Check the base path and the channel names.",
  JB_KEY_EXPIRED: NOTHING,
  JB_KEY_MISSING: NOTHING,
  JB_LIFETIME: LOGIN,
  JB_LISTENER: "Look at the cause: it is what the handler or listener threw.",
  JB_NETWORK: ADDRESS,
  JB_NOT_JSON: "Publish null, booleans, finite numbers, text, arrays and plain objects only.",
  JB_NOT_LIVE: "Wait for the status live.",
  JB_PAUSED: "Nothing: the client goes on when the page is shown again.",
  JB_POSITION: "Pass [epoch, offset] as a publication had it, or null for from now on.",
  JB_RATE_LIMITED: "Wait; the client tries again by itself.",
  JB_REVOKED: LOGIN,
  JB_SHUTDOWN: NOTHING,
  JB_SILENT: ADDRESS,
  JB_SLOW: "Read faster, or from fewer channels; the client goes on by itself.",
  JB_TOO_LARGE: "Publish less at once; push.limits.frame is the limit in bytes, envelope included.",
  JB_TOO_MANY_CHANNELS: "Unsubscribe some, or publish to fewer, wider channels.",
  JB_TRANSPORT: 'Use "auto" or "sse", or "websocket" where there is a WebSocket.',
  JB_UNAUTHORIZED: "Log in, or ask for the right to the channel.",
  JB_UNAVAILABLE: "Wait; the client tries again by itself.",
  JB_UNOPENED: 'Let the proxy pass WebSockets, or leave the option transport at "auto".',
  JB_UNREADABLE: "Check that the base path is a Jitterbug hub of version 1.",
  JB_WOKEN: NOTHING,
};

const GAP_CODES = { overflow: "JB_GAP_OVERFLOW", expired: "JB_GAP_EXPIRED", epoch: "JB_GAP_EPOCH" } as const;

/** A loss, with its code and remedy. */
export function gapInfo(channel: string, reason: GapInfo["reason"], position: Position): GapInfo {
  const code = GAP_CODES[reason];
  return { channel, reason, position, code, remedy: REMEDIES[code] ?? "" };
}
