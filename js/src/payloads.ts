/**
 * What the hub may say (PROTOCOL §4), as one union; and the grammar of each kind. A payload that is none of these,
 * client-to-hub types among them, is null: the directions share no type, so nothing can be reflected.
 * Further members are allowed and ignored, so that a hub may add some.
 */
import { isObject } from "./canonical.ts";
import { isKid, isTimeMs } from "./frames.ts";
import type { GapInfo, Json, JsonObject, Limits, Position } from "./types.ts";

/** Common to all: which connection, and the how-manieth frame on it. */
interface Numbered {
  readonly conn: string;
  readonly seq: number;
}

/** Why a stream ends, in the hub's words. */
export type ByeReason = "shutdown" | "key_expired" | "revoked" | "slow" | "rate" | "lifetime";

/** A hub-to-client payload whose grammar holds. Times in ms. */
export type HubPayload = Numbered &
  (
    | {
        readonly t: "hello";
        readonly limits: Limits;
        readonly serverTime: number;
        readonly hb: number | null;
      }
    | {
        readonly t: "subscribed";
        readonly ch: string;
        readonly pos: Position;
        readonly recovered: boolean | null;
      }
    | { readonly t: "unsubscribed"; readonly ch: string; readonly reason: string }
    | {
        readonly t: "msg";
        readonly ch: string;
        readonly data: Json;
        readonly pos: Position;
        readonly re: boolean;
      }
    | { readonly t: "gap"; readonly ch: string; readonly pos: Position; readonly reason: GapInfo["reason"] }
    | { readonly t: "hb"; readonly serverTime: number }
    | { readonly t: "join" | "leave"; readonly ch: string; readonly subject: string }
    | { readonly t: "ack"; readonly id: string | null; readonly pos: Position | null }
    | { readonly t: "err"; readonly id: string | null; readonly code: string }
    | { readonly t: "rekey"; readonly kid: string | null; readonly by: number | null }
    | { readonly t: "bye"; readonly reason: ByeReason; readonly retry: number }
  );

/** The version of the contract this client speaks (PROTOCOL §4, `hello.v`). */
const VERSION = 1;
const CONN = /^[A-Za-z0-9_-]{1,64}$/;
const EPOCH = /^[A-Za-z0-9_-]{1,64}$/;
const CHANNEL = /^(?=.{1,128}$)\$?[A-Za-z0-9_./-]+$/;
const GAP_REASONS: ReadonlySet<Json | undefined> = new Set(["overflow", "expired", "epoch"]);
const BYE_REASONS: ReadonlySet<Json | undefined> = new Set([
  "shutdown",
  "key_expired",
  "revoked",
  "slow",
  "rate",
  "lifetime",
]);

/** Reads a verified payload; null when its grammar does not hold. */
export function readPayload(payload: JsonObject): HubPayload | null {
  const { conn, seq, t } = payload;
  if (typeof conn !== "string" || !CONN.test(conn) || !isCount(seq) || seq < 1) return null;
  const rest = typeof t === "string" ? (READERS.get(t)?.(payload) ?? null) : null;
  return rest && { ...rest, conn, seq };
}

/** Whether a text may name a channel; `$` starts the hub's own. */
export function isChannel(value: unknown): value is string {
  return typeof value === "string" && CHANNEL.test(value);
}

/** Whether a value is `[epoch, offset]`. */
export function isPosition(value: unknown): value is Position {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === "string" &&
    EPOCH.test(value[0]) &&
    isCount(value[1])
  );
}

/** Whether a value has the form of the hub's limits. */
export function isLimits(value: Json | undefined): value is JsonObject & Limits {
  if (!isObject(value)) return false;
  const { burst, frame, rate } = value;
  return isCount(burst) && isCount(frame) && frame > 0 && typeof rate === "number" && rate > 0;
}

type Distribute<P> = P extends Numbered ? Omit<P, keyof Numbered> : never;
type Reader = (payload: JsonObject) => Distribute<HubPayload> | null;

/** One reader for each type: returns the members that belong to it, or null. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    "hello",
    ({ limits, serverTime, v, hb }) =>
      v === VERSION && isLimits(limits) && isTimeMs(serverTime)
        ? { t: "hello", limits: onlyLimits(limits), serverTime, hb: isCount(hb) && hb > 0 ? hb : null }
        : null,
  ],
  [
    "subscribed",
    ({ ch, pos, recovered }) =>
      isChannel(ch) && isPosition(pos) && isOptional(recovered, isBoolean)
        ? { t: "subscribed", ch, pos, recovered: recovered ?? null }
        : null,
  ],
  [
    "unsubscribed",
    ({ ch, reason }) =>
      isChannel(ch) && typeof reason === "string" ? { t: "unsubscribed", ch, reason } : null,
  ],
  [
    "msg",
    ({ ch, data, pos, re }) =>
      isChannel(ch) && data !== undefined && isPosition(pos) && isOptional(re, isBoolean)
        ? { t: "msg", ch, data, pos, re: re === true }
        : null,
  ],
  [
    "gap",
    ({ ch, pos, reason }) =>
      isChannel(ch) && isPosition(pos) && isGapReason(reason) ? { t: "gap", ch, pos, reason } : null,
  ],
  ["hb", ({ serverTime }) => (isTimeMs(serverTime) ? { t: "hb", serverTime } : null)],
  ["join", (payload) => readPresence("join", payload)],
  ["leave", (payload) => readPresence("leave", payload)],
  [
    "ack",
    ({ id, pos }) =>
      isOptional(id, isText) && isOptional(pos, isPosition)
        ? { t: "ack", id: id ?? null, pos: pos ?? null }
        : null,
  ],
  [
    "err",
    ({ id, code }) => (isOptional(id, isText) && isText(code) ? { t: "err", id: id ?? null, code } : null),
  ],
  [
    "rekey",
    ({ kid, by }) =>
      isOptional(kid, isKid) && isOptional(by, isTimeMs) && (kid !== undefined || by !== undefined)
        ? { t: "rekey", kid: kid ?? null, by: by ?? null }
        : null,
  ],
  [
    "bye",
    ({ reason, retry }) =>
      isByeReason(reason) && isOptional(retry, isCount) ? { t: "bye", reason, retry: retry ?? 0 } : null,
  ],
]);

function readPresence(t: "join" | "leave", { ch, subject }: JsonObject): Distribute<HubPayload> | null {
  return isChannel(ch) && typeof subject === "string" ? { t, ch, subject } : null;
}

function onlyLimits({ burst, frame, rate }: Limits): Limits {
  return { burst, frame, rate };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: Json | undefined): value is string {
  return typeof value === "string";
}

function isBoolean(value: Json | undefined): value is boolean {
  return typeof value === "boolean";
}

function isGapReason(value: Json | undefined): value is GapInfo["reason"] {
  return GAP_REASONS.has(value);
}

function isByeReason(value: Json | undefined): value is ByeReason {
  return BYE_REASONS.has(value);
}

/** `null` is not "left out": a member that is there must have its form. */
function isOptional<T extends Json>(
  value: Json | undefined,
  check: (value: Json | undefined) => value is T,
): value is T | undefined {
  return value === undefined || check(value);
}
