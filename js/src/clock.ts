/** Time and chance, injected; and the hub's clock as seen from here. */

/** What the client needs from the world beside the network. The tests' manual clock is one. */
export interface Runtime {
  /** Device clock, Unix ms. May be wrong, and may jump. */
  deviceMs(): number;
  /** Milliseconds from a fixed point; never goes back. May stand still while the device sleeps. */
  monotonicMs(): number;
  /** Calls once after `delayMs`; returns a function that cancels. */
  after(delayMs: number, call: () => void): () => void;
  /** In [0, 1). For jitter only, never for nonces. */
  random(): number;
  /** Where the browser tells of the page's life: see life.ts. null where there is no browser. */
  readonly events: EventTarget | null;
}

/** The browser's, or Node's. */
export const systemRuntime: Runtime = {
  deviceMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  events: "addEventListener" in globalThis ? (globalThis as unknown as EventTarget) : null,
};

/** Resolves after `delayMs`, or at once when the signal aborts; never rejects. */
export function sleep(runtime: Runtime, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const cancel = runtime.after(delayMs, done);
    function done(): void {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}

/** A round trip slower than this says too little about the time to replace a better measurement. */
const POOR_ROUND_TRIP_MS = 2_000;
/** Device and monotonic clock drifting apart by more than this means a clock was set, or the device slept. */
const JUMP_MS = 1_000;

interface Anchor {
  /** Hub time minus monotonic time. */
  readonly hubMinusMonotonicMs: number;
  readonly deviceMinusMonotonicMs: number;
}

/**
 * The hub's time: taken from a key answer at half its round trip, then counted on monotonically, so that a wrong or
 * stepping device clock neither locks the user out nor widens the tolerance (PROTOCOL §2, R32).
 */
export class HubClock {
  readonly #runtime: Runtime;
  #anchor: Anchor | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes a measurement: `serverTimeMs` came in an answer to a request sent at `sentMs` (monotonic), just now. */
  sync(serverTimeMs: number, sentMs: number): void {
    const monotonicMs = this.#runtime.monotonicMs();
    const roundTripMs = monotonicMs - sentMs;
    if (this.#anchor !== null && roundTripMs > POOR_ROUND_TRIP_MS && !this.jumped()) return;
    this.#anchor = {
      hubMinusMonotonicMs: serverTimeMs + roundTripMs / 2 - monotonicMs,
      deviceMinusMonotonicMs: this.#runtime.deviceMs() - monotonicMs,
    };
  }

  /** Hub time now, integer Unix ms; device time before the first `sync`. */
  nowMs(): number {
    return Math.round(this.#runtime.monotonicMs() + this.#hubMinusMonotonicMs());
  }

  /** Hub time minus device time, ms. */
  offsetMs(): number {
    return this.nowMs() - this.#runtime.deviceMs();
  }

  /**
   * Whether the device's two clocks have parted since the last `sync`, as they do over a sleep: then hub time must be
   * asked for again. No frame can cause it.
   */
  jumped(): boolean {
    if (this.#anchor === null) return false;
    const { deviceMs, monotonicMs } = this.#runtime;
    const difference = deviceMs() - monotonicMs();
    return Math.abs(difference - this.#anchor.deviceMinusMonotonicMs) > JUMP_MS;
  }

  #hubMinusMonotonicMs(): number {
    return this.#anchor?.hubMinusMonotonicMs ?? this.#runtime.deviceMs() - this.#runtime.monotonicMs();
  }
}
