/**
 * One frame, one verdict. The order (PROTOCOL §1), each step only when all before it held:
 *
 * 1. size       UTF-8 bytes within the limit, before anything is parsed
 * 2. grammar    the five members, strict JSON, and the text is its own canonical form
 * 3. key        the kid is known, and not past its end plus skew
 * 4. time       |now - ts| <= skew on the hub's clock, and ts <= end of the key
 * 5. signature  HMAC-SHA256 over kid:ts:nonce:canonical(payload), by subtle.verify
 * 6. replay     (kid, nonce) not seen; stored only now, so a stranger can neither burn nor fill (R36)
 * 7. order      direction, type, conn and seq: in session.ts, which knows the connection
 *
 * A payload goes on only as the one that was verified, never as a second parse (R35). An unknown kid is an answer
 * like any other: it fetches nothing (O20).
 */
import { MalformedError } from "./errors.ts";
import { type ParsedFrame, parseFrame, utf8Length } from "./frames.ts";
import type { NonceStore } from "./replay.ts";
import { signatureHolds } from "./signing.ts";
import type { Frame, RefusalReason, Step, StepName } from "./types.ts";

const STEP_NAMES: readonly StepName[] = ["size", "grammar", "key", "time", "signature", "replay", "order"];

/** What the verifier must know of a key. */
export interface VerifyingKey {
  readonly verifyKey: CryptoKey;
  /** Last `ts` it may sign, Unix ms on the hub's clock; Infinity for a key without an end. */
  readonly expiresAtMs: number;
}

/** Where keys come from. */
export interface KeySource {
  /** The key, or undefined when unknown or past its end plus skew at `nowMs` (hub's clock). */
  find(kid: string, nowMs: number): VerifyingKey | undefined;
}

/** Settings of a Verifier. */
export interface VerifierOptions {
  readonly keys: KeySource;
  readonly nonces: NonceStore;
  readonly skewMs: number;
  readonly maxFrameBytes: number;
  readonly requireCanonical: boolean;
}

/** Outcome of steps 1 to 6. A refused frame may be null, and is unverified where it is not. */
export type Verdict =
  | { readonly verified: true; readonly frame: Frame; readonly bytes: number }
  | {
      readonly verified: false;
      readonly reason: RefusalReason;
      readonly failed: StepName;
      readonly frame: Frame | null;
      readonly bytes: number;
    };

/** A frame on its way through the steps. */
export interface Begun {
  /** What it is if the signature holds and the nonce is new; final where one of steps 1 to 4 failed. */
  readonly verdict: Verdict;
  readonly nowMs: number;
  /** Whether the signature holds; rejects only when WebCrypto itself fails. */
  readonly holds: Promise<boolean> | false;
}

/** Runs steps 1 to 6. Keeps no state of its own beside the nonce store and the size limit. */
export class Verifier {
  /** Largest frame in UTF-8 bytes. Follows the limits of a verified `hello`. */
  maxFrameBytes: number;
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.maxFrameBytes = options.maxFrameBytes;
  }

  /** Steps 1 to 6 for one frame. `nowMs`: when the text arrived, on the hub's clock. Rejects only when WebCrypto fails. */
  async verify(text: string, nowMs: number): Promise<Verdict> {
    const begun = this.begin(text, nowMs);
    return this.conclude(begun, await begun.holds);
  }

  /** Steps 1 to 4, at once, and step 5 on its way. Changes nothing, so many may be begun together. */
  begin(text: string, nowMs: number): Begun {
    const bytes = utf8Length(text);
    const refuse = (failed: StepName, reason: RefusalReason, frame: Frame | null): Begun => {
      return { verdict: { verified: false, reason, failed, frame, bytes }, nowMs, holds: false };
    };

    if (bytes > this.maxFrameBytes) return refuse("size", "size", null);
    const parsed = this.#parse(text);
    if (parsed === null) return refuse("grammar", "grammar", null);
    const { frame } = parsed;
    const key = this.#options.keys.find(frame.kid, nowMs);
    if (key === undefined) return refuse("key", "key", frame);
    if (!this.#isFresh(frame.ts, key, nowMs)) return refuse("time", "stale", frame);
    const holds = signatureHolds(key.verifyKey, parsed);
    return { verdict: { verified: true, frame, bytes }, nowMs, holds };
  }

  /** Steps 5 and 6, in the order in which the frames came. `holds`: what became of `begun.holds`. */
  conclude({ verdict, nowMs }: Begun, holds: boolean): Verdict {
    if (!verdict.verified) return verdict;
    const { frame, bytes } = verdict;
    const refuse = (reason: "signature" | "replay"): Verdict => {
      return { verified: false, reason, failed: reason, frame, bytes };
    };
    if (!holds) return refuse("signature");
    return this.#options.nonces.insert(frame.kid, frame.nonce, frame.ts, nowMs) ? verdict : refuse("replay");
  }

  #parse(text: string): ParsedFrame | null {
    try {
      return parseFrame(text, this.#options);
    } catch (error) {
      if (error instanceof MalformedError) return null;
      throw error;
    }
  }

  #isFresh(ts: number, key: VerifyingKey, nowMs: number): boolean {
    return Math.abs(nowMs - ts) <= this.#options.skewMs && ts <= key.expiresAtMs;
  }
}

/** All seven steps as shown to observers: true up to the one that failed, null after it; null fails none. */
export function stepsWith(failed: StepName | null): Step[] {
  const failedAt = failed === null ? STEP_NAMES.length : STEP_NAMES.indexOf(failed);
  return STEP_NAMES.map((name, index) => ({
    name,
    ok: index < failedAt ? true : index > failedAt ? null : false,
  }));
}
