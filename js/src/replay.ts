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

/**
 * Nonces that came one after the other, forgotten together: a set each, not a record for every nonce, and no set so
 * large that its growing would be felt.
 */
interface Span {
  readonly startMs: number;
  readonly ids: Set<string>;
  /** Highest `ts` in it. */
  ts: number;
  /** Remembered up to and including this time. */
  untilMs: number;
}

/** Spans to a window. */
const SPANS = 8;

/** Insert-if-absent store of (kid, nonce). Call `insert` only after the signature held, so strangers cannot fill it. */
export class NonceStore {
  readonly #options: NonceStoreOptions;
  /** Oldest first. */
  readonly #spans: Span[] = [];
  #size = 0;
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
    return this.#size;
  }

  /**
   * Remembers a nonce. False, and the frame must be refused, when it was seen, when its `ts` is so old that it may
   * have been forgotten, or when the store is full.
   */
  insert(kid: string, nonce: string, ts: number, nowMs: number): boolean {
    this.#forget(nowMs);
    const id = `${kid}:${nonce}`;
    if (ts <= this.#forgottenTs || this.#has(id)) return false;
    if (this.#size >= this.#options.maxEntries) return false;
    const { skewMs, windowMs } = this.#options;
    const span = this.#spanAt(nowMs);
    span.ids.add(id);
    span.ts = Math.max(span.ts, ts);
    span.untilMs = Math.max(span.untilMs, ts + skewMs, nowMs + windowMs);
    this.#size += 1;
    return true;
  }

  #has(id: string): boolean {
    for (const { ids } of this.#spans) if (ids.has(id)) return true;
    return false;
  }

  /** The newest span, also after a step back: it then only lives longer. */
  #spanAt(nowMs: number): Span {
    const newest = this.#spans.at(-1);
    if (newest !== undefined && nowMs < newest.startMs + this.#options.windowMs / SPANS) return newest;
    const span = { startMs: nowMs, ids: new Set<string>(), ts: Number.NEGATIVE_INFINITY, untilMs: nowMs };
    this.#spans.push(span);
    return span;
  }

  /** From the oldest on; stops at the first one alive, so after a step back nonces only live longer. */
  #forget(nowMs: number): void {
    let oldest = this.#spans[0];
    while (oldest !== undefined && oldest.untilMs < nowMs) {
      this.#forgottenTs = Math.max(this.#forgottenTs, oldest.ts);
      this.#size -= oldest.ids.size;
      this.#spans.shift();
      oldest = this.#spans[0];
    }
  }
}
