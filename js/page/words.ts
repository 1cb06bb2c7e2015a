/** The page's vocabulary: each reason, check, member and kind of frame in plain and exact words, in one place. */

import type { RefusalReason, StepName } from "../src/index.ts";

/** Follows "Refused: ". */
export const REASONS: Readonly<Record<RefusalReason, string>> = {
  size: "too large",
  grammar: "malformed",
  key: "unknown or expired key",
  stale: "outside the time window",
  signature: "signature does not match",
  replay: "seen before",
  type: "kind not allowed here",
  order: "out of order",
};

/** The checks of PROTOCOL §1, as asked of a frame. */
export const CHECKS: Readonly<Record<StepName, readonly [title: string, meaning: string]>> = {
  size: ["Size", "no larger than the hub's limit"],
  grammar: ["Grammar", "five members, strict JSON, canonical form (RFC 8785)"],
  key: ["Key", "a key this page holds, and not expired"],
  time: ["Time", "signed within 5 seconds of the hub's clock"],
  signature: ["Signature", "HMAC-SHA256, checked by WebCrypto"],
  replay: ["Replay", "this nonce was not seen before"],
  order: ["Order", "right direction, right connection, next in sequence"],
};

/** The five members of a frame (PROTOCOL §1). */
export const MEMBERS: Readonly<Record<"kid" | "nonce" | "payload" | "sig" | "ts", string>> = {
  kid: "Names the key that signed. Random to everyone but the hub; it holds no secret.",
  nonce: "32 random bytes, never used twice, remembered so that the same frame cannot count again.",
  payload: "What was sent. Signed in canonical form, so that no other spelling of it can pass.",
  sig: "HMAC-SHA256 over kid, ts, nonce and payload: 32 bytes. The seal above is drawn from them.",
  ts: "When the hub signed it, in milliseconds.",
};

/** Members of payloads, hub to client (PROTOCOL §4). */
export const PAYLOAD_MEMBERS: Readonly<Record<string, string>> = {
  t: "kind of frame",
  ch: "channel",
  conn: "this connection, chosen at random by the hub",
  seq: "place in this connection, without a hole",
  pos: "position: epoch of the history, and offset in it",
  data: "what was published",
  re: "came from history, after a resume",
  reason: "why",
  recovered: "whether everything since the position given follows",
  limits: "frames at once, bytes per frame, frames per second",
  serverTime: "the hub's clock, in milliseconds",
  v: "version of the wire contract",
  by: "fetch the next key before this time",
  kid: "the key that signs from the next frame on",
  retry: "come back after so many milliseconds",
  subject: "who",
  id: "which of our frames this answers",
  code: "the answer",
};

/** Kinds of frame that carry no publication, for the one line they have in the river. */
export const KINDS: Readonly<Record<string, string>> = {
  hello: "hello: the stream is open",
  subscribed: "subscribed",
  unsubscribed: "unsubscribed",
  gap: "gap",
  hb: "heartbeat",
  join: "joined",
  leave: "left",
  ack: "acknowledged",
  err: "declined",
  rekey: "next frame under a new key",
  bye: "end of this stream",
};

/** The hub's alerts by rule: a title, what is counted, and what stands before the subject. */
export const ALERT_RULES: ReadonlyMap<string, AlertWords> = new Map([
  ["auth_failures", { title: "Many requests without a session", noun: "request", about: "from" }],
  ["rate_limits", { title: "Most connections meet a limit", noun: "connection", about: "about" }],
  ["replay", { title: "A signed frame was seen twice", noun: "frame", about: "session" }],
  ["key_failures", { title: "Key requests fail", noun: "failure", about: "about" }],
]);

/** Words for one rule. */
export interface AlertWords {
  readonly title: string;
  /** Singular; follows the count. */
  readonly noun: string;
  readonly about: string;
}
