/** The page's turn: long work is cut into slices, and between two of them the browser does what waits. */
import type { Runtime } from "./clock.ts";

/** Longest slice of work, ms: half of what a page has for a frame at 60 Hz. A long task starts at 50. */
const SLICE_MS = 8;

/**
 * Tells how long work has gone on without the page having had its turn. A message to itself, posted when the work of a
 * task begins, arrives behind whatever waits then: when it is here, the page has had its turn. A timer would be held
 * back in a hidden page, and `scheduler.yield` goes before what waits.
 */
export class Turns {
  readonly #runtime: Runtime;
  #startMs = 0;
  #passing: Promise<void> | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Notes that work goes on. Returns whether the page should have its turn. */
  isDue(): boolean {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#passing === null) {
      this.#startMs = nowMs;
      void this.pass();
    }
    return nowMs - this.#startMs >= SLICE_MS;
  }

  /** Resolves when the page has had its turn. */
  pass(): Promise<void> {
    this.#passing ??= nextTask().then(() => {
      this.#passing = null;
    });
    return this.#passing;
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
