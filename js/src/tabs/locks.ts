/** Web Locks: who leads, and who is still there. A browser gives a lock back when its tab is gone, however it went. */

/** Holds the lock of a name from when this resolves until the signal aborts. */
export function hold(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const held = () =>
      new Promise<void>((release) => {
        signal.addEventListener("abort", () => release());
        if (signal.aborted) release();
        resolve();
      });
    navigator.locks.request(name, { signal }, held).catch(reject);
  });
}

/** Resolves when nobody holds the lock of a name any more; never, when the signal aborts before. */
export function released(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    navigator.locks.request(name, { signal }, () => resolve()).catch(() => undefined);
  });
}

/**
 * Stands for the lead until the signal aborts: `lead` is called when this tab has it, with a signal for the end of that.
 * A tab that took the lead away is stood behind again.
 */
export class Candidacy {
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #lead: (over: AbortSignal) => void;
  #queueing = new AbortController();
  #leading = false;
  #steals = false;

  constructor(name: string, signal: AbortSignal, lead: (over: AbortSignal) => void) {
    this.#name = name;
    this.#signal = signal;
    this.#lead = lead;
    signal.addEventListener("abort", () => this.#queueing.abort());
    void this.#stand();
  }

  /** The leader does not answer: takes the lead from it. */
  takeOver(): void {
    if (this.#leading) return;
    this.#steals = true;
    this.#queueing.abort();
  }

  async #stand(): Promise<void> {
    while (!this.#signal.aborted) {
      this.#queueing = new AbortController();
      const options = this.#steals ? { steal: true } : { signal: this.#queueing.signal };
      this.#steals = false;
      const over = new AbortController();
      const reign = () => this.#reign(over);
      const fault = await navigator.locks
        .request(this.#name, options, reign)
        .catch((error: unknown) => error);
      this.#leading = false;
      over.abort();
      // Taken away or withdrawn is an AbortError; anything else would only come again.
      if (fault !== undefined && (fault as Partial<DOMException>).name !== "AbortError") return;
    }
  }

  #reign(over: AbortController): Promise<void> {
    return new Promise((resolve) => {
      if (this.#signal.aborted) return resolve();
      this.#signal.addEventListener("abort", () => resolve(), { signal: over.signal });
      this.#leading = true;
      this.#lead(over.signal);
    });
  }
}
