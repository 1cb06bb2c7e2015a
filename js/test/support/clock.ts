import type { Runtime } from "../../src/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly call: () => void;
}

/** Time that passes only when a test says so. Chance is fixed at one half unless a test gives it. */
export class ManualRuntime implements Runtime {
  #nowMs = 0;
  /** Device clock minus monotonic clock; set it to step the device clock alone. */
  deviceOffsetMs = 1_784_636_400_000;
  random: () => number = () => 0.5;
  /** Stands for the browser's global object. */
  readonly events = new EventTarget();
  readonly #timers = new Set<Timer>();

  deviceMs = (): number => this.#nowMs + this.deviceOffsetMs;
  monotonicMs = (): number => this.#nowMs;

  after = (delayMs: number, call: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Delays until the timers that stand, soonest first. */
  get pendingMs(): number[] {
    return [...this.#timers].map((timer) => timer.atMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Lets time pass, and what is due happen in order; everything else of the process gets its turn in between. */
  async advance(byMs: number): Promise<void> {
    await breathe();
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.call();
      await breathe();
    }
    this.#nowMs = endMs;
    await breathe();
  }

  /** Waits, without letting this clock move, until something true of the outside has come about. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const giveUpAt = Date.now() + 5_000;
    while (!condition()) {
      if (Date.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Moves in steps until something has come about. */
  async advanceUntil(condition: () => boolean, what: string, stepMs = 100): Promise<void> {
    const giveUpAt = Date.now() + 5_000;
    while (!condition()) {
      if (Date.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
      await this.advance(stepMs);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
