/**
 * Nonces seen. An entry stays until no verifier would accept its `ts` any more, and never leaves early: a full store
 * refuses (PROTOCOL §1 step 5, O10, O11). A clock that steps back revives nothing, because the store remembers the
 * highest `ts` it has forgotten and refuses everything at or below it.
 */

/** Bounds of a NonceStore. */
export interface NonceStoreOptions {
  readonly skewMs: number;
  /** The least time to remember; at least twice `skewMs`, as a frame stamped ahead stays fresh that long. */
  readonly windowMs: number;
  /** Entries held at most; about 100 bytes each. */
  readonly maxEntries: number;
}

interface Entry {
  readonly ts: number;
  /** Remembered up to and including this time. */
  readonly untilMs: number;
}

/** Insert-if-absent store of (kid, nonce). Call `insert` only after the signature held, so strangers cannot fill it. */
export class NonceStore {
  readonly #options: NonceStoreOptions;
  /** In order of insertion, which is the order of `untilMs` as long as the clock does not step back. */
  readonly #entries = new Map<string, Entry>();
  #forgottenTs = Number.NEGATIVE_INFINITY;

  /** @throws RangeError when the window is below twice the skew, which would leave a hole for replays */
  constructor(options: NonceStoreOptions) {
    const { skewMs, windowMs } = options;
    if (!(skewMs >= 0) || !(windowMs >= 2 * skewMs)) {
      throw new RangeError("replayWindowMs must be at least twice skewMs, and skewMs not negative");
    }
    this.#options = options;
  }

  /** Number of nonces remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Remembers a nonce. False, and the frame must be refused, when it was seen, when its `ts` is so old that it may
   * have been forgotten, or when the store is full.
   */
  insert(kid: string, nonce: string, ts: number, nowMs: number): boolean {
    this.#forget(nowMs);
    const id = `${kid}:${nonce}`;
    if (ts <= this.#forgottenTs || this.#entries.has(id)) return false;
    if (this.#entries.size >= this.#options.maxEntries) return false;
    const { skewMs, windowMs } = this.#options;
    this.#entries.set(id, { ts, untilMs: Math.max(ts + skewMs, nowMs + windowMs) });
    return true;
  }

  /** From the oldest on; stops at the first one alive, so after a step back entries only live longer. */
  #forget(nowMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.untilMs >= nowMs) return;
      this.#entries.delete(id);
      this.#forgottenTs = Math.max(this.#forgottenTs, entry.ts);
    }
  }
}
