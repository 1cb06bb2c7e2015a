/** Waiting between tries: full jitter, so that clients cut off together do not come back together. */

/** First ceiling, ms. */
export const BACKOFF_BASE_MS = 250;
/** Highest ceiling, ms. */
export const BACKOFF_CAP_MS = 10_000;

/**
 * Counts failures in a row. Each wait is drawn evenly from nothing up to a ceiling that doubles from 250 ms to 10 s.
 * There is no last try.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The next wait, ms. */
  nextMs(): number {
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16); // the ceiling stands long before; keeps the power finite
    return this.#random() * ceiling;
  }

  /**
   * The next wait when the hub may have asked for one (`Retry-After`; null: it did not). An asked wait is never cut
   * short, but lengthened by up to a quarter, so that clients told the same do not come back together.
   */
  afterMs(askedMs: number | null): number {
    const drawnMs = this.nextMs();
    return askedMs === null ? drawnMs : Math.max(askedMs * (1 + this.#random() / 4), drawnMs);
  }

  /** Things went well for long enough. */
  reset(): void {
    this.#failures = 0;
  }
}
