/** What follows the end of a stream: a table from the way it ended to the next step. Pure. */
import type { JitterbugError } from "./errors.ts";
import type { ByeReason } from "./payloads.ts";

/**
 * How a stream, or the try to open one, ended.
 * - `bye`: the hub said so. `hole`: frames are missing. `silent`: no good frame for two heartbeats
 * - `cut`: it just ended. `keyMissing`: the hub signs with a key this client does not hold
 * - `held`: no `hello` came in time, though another transport may be faster
 * - `failed`: it never opened, or the hub closed it with a code; `keyless` when already the key could not be had
 * - `unopened`: a WebSocket never opened, and a browser tells nobody why
 * - `paused`: the page was put away. `woken`: the device slept, or the network came back, and it may be dead
 */
export type StreamEnd =
  | { readonly kind: "bye"; readonly reason: ByeReason; readonly retryMs: number }
  | {
      readonly kind: "hole" | "silent" | "cut" | "keyMissing" | "held" | "unopened" | "paused" | "woken";
    }
  | { readonly kind: "failed" | "keyless"; readonly error: JitterbugError };

/** What else the step depends on. */
export interface EndFacts {
  /** A stream has been live before: what works can fail in passing, what never worked is set up wrongly. */
  readonly everLive: boolean;
  /** The key was fetched for this very stream. */
  readonly freshKey: boolean;
  /** How long the stream was live, ms. */
  readonly liveMs: number;
  /** A transport comes next that has not yet failed. */
  readonly anotherWay: boolean;
}

/** The next step. */
export interface NextStep {
  /** Never come back. */
  readonly stop: boolean;
  /** Why, for `Status`. */
  readonly code: string;
  /** Take another key than this stream's. */
  readonly anotherKey: boolean;
  /**
   * "none": at once. "exact": after `askedMs`, which the hub has jittered. "backoff": full jitter, and not before
   * `askedMs` where the hub asked for a wait.
   */
  readonly wait: "none" | "exact" | "backoff";
  readonly askedMs: number | null;
}

/** A stream this short does not earn coming back at once, or two sides at odds would spin. */
const SPIN_MS = 1_000;

const RESUME: NextStep = {
  stop: false,
  code: "JB_CUT",
  anotherKey: false,
  wait: "backoff",
  askedMs: null,
};

const PLAIN_ENDS = {
  hole: { ...RESUME, code: "JB_HOLE" },
  silent: { ...RESUME, code: "JB_SILENT" },
  held: { ...RESUME, code: "JB_HELD" },
  cut: RESUME,
  keyMissing: { ...RESUME, code: "JB_KEY_MISSING", anotherKey: true },
  paused: { ...RESUME, code: "JB_PAUSED", wait: "none" },
  woken: { ...RESUME, code: "JB_WOKEN", wait: "none" },
} as const satisfies Record<string, NextStep>;

const BYE_CODES: Readonly<Record<ByeReason, string>> = {
  shutdown: "JB_SHUTDOWN",
  key_expired: "JB_KEY_EXPIRED",
  revoked: "JB_REVOKED",
  slow: "JB_SLOW",
  rate: "JB_RATE_LIMITED",
  lifetime: "JB_LIFETIME",
};

/** Codes that stop at once, and those that stop only where it never worked. */
const STOPS: ReadonlySet<string> = new Set(["JB_FORBIDDEN", "JB_REVOKED", "JB_INSECURE_CONTEXT"]);
const STOPS_AT_FIRST: ReadonlySet<string> = new Set(["JB_INVALID_REQUEST", "JB_UNREADABLE"]);

/** The step after an end. */
export function nextStep(end: StreamEnd, facts: EndFacts): NextStep {
  switch (end.kind) {
    case "bye":
      return afterBye(end.reason, end.retryMs, facts);
    case "failed":
    case "keyless":
      return afterError(end.kind, end.error, facts);
    case "unopened":
      // It may have been the key: then the next one, or the refusal of it, settles the matter.
      return { ...RESUME, code: "JB_UNOPENED", anotherKey: !facts.freshKey };
    default:
      return PLAIN_ENDS[end.kind];
  }
}

function afterBye(reason: ByeReason, retryMs: number, facts: EndFacts): NextStep {
  const step = { ...RESUME, code: BYE_CODES[reason] };
  if (reason === "revoked" || reason === "lifetime") return { ...step, stop: true }; // no key can be had any more
  if (reason === "key_expired") {
    return { ...step, anotherKey: true, wait: facts.liveMs >= SPIN_MS ? "none" : "backoff" };
  }
  return retryMs > 0 ? { ...step, wait: "exact", askedMs: retryMs } : step;
}

function afterError(kind: "failed" | "keyless", error: JitterbugError, facts: EndFacts): NextStep {
  const { code, retryAfterMs } = error;
  const step = { ...RESUME, code, askedMs: retryAfterMs };
  if (STOPS.has(code)) return { ...step, stop: true };
  if (STOPS_AT_FIRST.has(code)) return { ...step, stop: !facts.everLive && !facts.anotherWay };
  if (code !== "JB_UNAUTHORIZED") return step;
  // A stream's 401 may be the key's: try once with another. With a fresh key, or at the key endpoint, it is the user's.
  if (kind === "keyless" || facts.freshKey) return { ...step, stop: true };
  return { ...step, anotherKey: true, wait: "none" };
}
