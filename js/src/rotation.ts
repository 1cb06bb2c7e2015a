/** Keeps a usable key at hand: the first fetch, the session it may need, renewal at 80 % of life, retries. */
import { Backoff } from "./backoff.ts";
import type { HubClock } from "./clock.ts";
import { JitterbugError } from "./errors.ts";
import { ask, type Http, isPassing } from "./http.ts";
import { type EphemeralKey, fetchKey, KeyRing, phaseOf, renewAfterMs } from "./keys.ts";

/** What a KeyKeeper needs. */
export interface KeyKeeperOptions {
  readonly http: Http;
  readonly clock: HubClock;
  readonly skewMs: number;
  /** Whether a 401 is answered by asking for an anonymous session, once per key. */
  readonly anonymous: boolean;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** A new key is in the ring. */
  readonly onKey: (key: EphemeralKey) => void;
  /** A renewal failed; it is tried again unless the hub refused for good. */
  readonly onError: (error: JitterbugError) => void;
}

/** A key to open a stream with. `fresh`: fetched for it just now, so a 401 cannot be the key's fault. */
export interface StreamKey {
  readonly key: EphemeralKey;
  readonly fresh: boolean;
}

/** Codes after which asking again would get the same answer. */
const FINAL_CODES: ReadonlySet<string> = new Set(["JB_UNAUTHORIZED", "JB_FORBIDDEN", "JB_REVOKED"]);

/** Owner of the key ring. One request at a time is under way; a failed one leaves no trace (O19). */
export class KeyKeeper {
  readonly ring: KeyRing;
  readonly #options: KeyKeeperOptions;
  readonly #backoff: Backoff;
  #pending: Promise<EphemeralKey> | null = null;
  #added = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
    this.ring = new KeyRing(options.skewMs);
    this.#backoff = new Backoff(options.http.runtime.random);
    options.signal.addEventListener("abort", () => this.#cancelTimer());
  }

  /** Keys taken into the ring so far. */
  get added(): number {
    return this.#added;
  }

  /** The key to sign with now, or undefined. */
  newest(): EphemeralKey | undefined {
    return this.ring.newest(this.#options.clock.nowMs());
  }

  /**
   * A key for a new stream: the newest while it is young, otherwise a new one; an ageing one still serves when no new
   * one can be had. `avoidKid`: the hub has turned this one down. @throws JitterbugError
   */
  async forStream(avoidKid: string | null): Promise<StreamKey> {
    const { clock, skewMs } = this.#options;
    const newest = this.newest();
    const usable = newest !== undefined && newest.kid !== avoidKid && !clock.jumped() ? newest : null;
    if (usable !== null && phaseOf(usable, clock.nowMs(), skewMs) === "use")
      return { key: usable, fresh: false };
    try {
      return { key: await this.#next(), fresh: true };
    } catch (error) {
      if (usable !== null && !isFinal(error)) return { key: usable, fresh: false };
      throw error;
    }
  }

  /** Fetches the next key now, with retries. Does nothing while a request is under way. */
  renewNow(): void {
    if (this.#pending !== null) return;
    this.#cancelTimer();
    void this.#renew();
  }

  async #renew(): Promise<void> {
    try {
      await this.#next();
    } catch (error) {
      if (this.#options.signal.aborted || !(error instanceof JitterbugError)) return;
      this.#options.onError(error);
      if (!isFinal(error)) this.#renewAfter(this.#backoff.afterMs(error.retryAfterMs));
    }
  }

  #renewAfter(delayMs: number): void {
    this.#cancelTimer();
    if (this.#options.signal.aborted) return;
    this.#cancelTimer = this.#options.http.runtime.after(delayMs, () => void this.#renew());
  }

  #next(): Promise<EphemeralKey> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  async #fetch(): Promise<EphemeralKey> {
    const { clock, signal, http, onKey } = this.#options;
    const key = await this.#fetchWithSession();
    signal.throwIfAborted();
    this.#backoff.reset();
    this.ring.add(key, clock.nowMs());
    this.#added += 1;
    this.#renewAfter(renewAfterMs(key.expiresAtMs - key.issuedAtMs, http.runtime.random()));
    onKey(key);
    return key;
  }

  /** On 401 asks once for an anonymous session, which a development hub gives, and then once more for the key. */
  async #fetchWithSession(): Promise<EphemeralKey> {
    const { http, clock, anonymous, signal } = this.#options;
    try {
      return await fetchKey(http, clock, signal);
    } catch (error) {
      if (!anonymous || codeOf(error) !== "JB_UNAUTHORIZED") throw error;
      await askForSession(http, signal, error);
      return await fetchKey(http, clock, signal);
    }
  }
}

/** A hub without anonymous sessions refuses in its own way; what matters to the user is still the 401. */
async function askForSession(http: Http, signal: AbortSignal, unauthorized: unknown): Promise<void> {
  try {
    await ask(http, "/session", "{}", signal);
  } catch (error) {
    throw isPassing(error) ? error : unauthorized;
  }
}

/** Whether the hub refused for good. */
export function isFinal(error: unknown): boolean {
  return FINAL_CODES.has(codeOf(error) ?? "");
}

function codeOf(error: unknown): string | null {
  return error instanceof JitterbugError ? error.code : null;
}
