/** One tree of errors, each with a stable `code`. Texts are fixed: no value, key or path gets into one (R60). */
import { REMEDIES } from "./codes.ts";

/** Everything this client throws or hands to "error" listeners, TypeError and RangeError for wrong calls apart. */
export class JitterbugError extends Error {
  /** Stable and fit for comparing: `JB_` and capitals. */
  readonly code: string;
  /** What the reader can do about it, one sentence, or null where there is nothing to do. */
  readonly remedy: string | null;
  /** Milliseconds the hub asked to wait (`Retry-After`), or null. */
  readonly retryAfterMs: number | null;
  /** The channel it is about, or null. */
  readonly channel: string | null;

  constructor(code: string, text: string, more: ErrorDetails = {}) {
    super(text, "cause" in more ? { cause: more.cause } : undefined);
    this.name = "JitterbugError";
    this.code = code;
    this.remedy = more.remedy ?? REMEDIES[code] ?? null;
    this.retryAfterMs = more.retryAfterMs ?? null;
    this.channel = more.channel ?? null;
  }
}

/** Optional parts of a JitterbugError. `cause` only where it comes from this device, never from the hub. */
export interface ErrorDetails {
  readonly remedy?: string;
  readonly retryAfterMs?: number | null;
  readonly channel?: string;
  readonly cause?: unknown;
}

/** A frame was refused. One text and one code for every reason, and no cause (R59). */
export class SecurityError extends JitterbugError {
  constructor() {
    super("JB_VERIFY", "Frame verification failed");
    this.name = "SecurityError";
  }
}

/** Text that is not the JSON this protocol allows. Never leaves this package: it ends as a refusal. */
export class MalformedError extends JitterbugError {
  constructor() {
    super("JB_MALFORMED", "Malformed JSON");
    this.name = "MalformedError";
  }
}
