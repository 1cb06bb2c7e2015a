/** Tells the hub what was refused here (`report`, PROTOCOL §4): summed up, so that a flood of forgeries makes no flood. */
import type { Runtime } from "./clock.ts";
import type { RefusalReason } from "./types.ts";

/** Kinds of the contract. */
export type ReportKind = "signature" | "replay" | "stale" | "gap" | "order";

/** Least time between two rounds of reports, ms: all five kinds take a third of what a strict hub lets through. */
const ROUND_MS = 15_000;

/** The contract names five kinds: whatever kept a signature from being checked counts as one that did not hold. */
const KIND_OF: Readonly<Record<RefusalReason, ReportKind>> = {
  size: "signature",
  grammar: "signature",
  key: "signature",
  signature: "signature",
  stale: "stale",
  replay: "replay",
  type: "order",
  order: "order",
};

/** Gathers counts and sends them, at most once per 15 s and kind. */
export class Reports {
  readonly #runtime: Runtime;
  readonly #send: (kind: ReportKind, count: number) => Promise<unknown> | null;
  readonly #counts = new Map<ReportKind, number>();
  #nextMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | null = null;

  /**
   * `send` gives null when no stream is open: the count is kept for the next one. It may reject: a lost report is
   * lost, as reporting must not become a load of its own.
   */
  constructor(runtime: Runtime, send: (kind: ReportKind, count: number) => Promise<unknown> | null) {
    this.#runtime = runtime;
    this.#send = send;
  }

  /** Counts one refusal and sees that it is sent. */
  refused(reason: RefusalReason): void {
    this.#count(KIND_OF[reason]);
    this.#sendSoon();
  }

  /** Counts a hole and sends at once; resolves when the reports are out, or lost. */
  async gap(): Promise<void> {
    this.#count("gap");
    await this.flush();
  }

  /** Sends what has gathered. */
  async flush(): Promise<void> {
    this.stop();
    const sent: Promise<unknown>[] = [];
    for (const [kind, count] of this.#counts) {
      const sending = this.#send(kind, count);
      if (sending === null) continue;
      this.#counts.delete(kind);
      sent.push(sending);
    }
    if (sent.length > 0) this.#nextMs = this.#runtime.monotonicMs() + ROUND_MS;
    await Promise.allSettled(sent);
  }

  /** Sends nothing more by itself. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #count(kind: ReportKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  #sendSoon(): void {
    const delayMs = Math.max(0, this.#nextMs - this.#runtime.monotonicMs());
    this.#cancelTimer ??= this.#runtime.after(delayMs, () => void this.flush());
  }
}
